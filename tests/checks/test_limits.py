"""The limits that the page on capture names are where it says, and are told."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import Error
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.capture import sync, tracking, verify
from audittrail.checks import check_database
from audittrail.models import Revision
from audittrail.testing import assert_history
from tests.builders.sending import sql
from tests.testapp.models import Customer, Measurement, Tag

pytestmark = pytest.mark.django_db


def findings(table: str) -> list[str]:
    return [
        str(finding) for found in verify.verify() for finding in found[1] if finding.table == table
    ]


def test_what_replication_writes_is_found_by_verify() -> None:
    tag = Tag.objects.create(name="red")
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        Tag.objects.update(name="blue")
        sql("SET LOCAL session_replication_role = origin")
    assert_history(tag, "I")
    assert any(
        "other values than the last version" in finding for finding in findings("testapp_tag")
    )


@pytest.mark.django_db(transaction=True)
def test_what_happened_while_triggers_were_disabled_is_recorded_by_sync() -> None:
    red, blue = Tag.objects.bulk_create([Tag(name="red"), Tag(name="blue")])
    sql("ALTER TABLE testapp_tag DISABLE TRIGGER USER")
    Tag.objects.filter(name="red").update(name="green")
    blue_copy = Tag.objects.get(name="blue")
    blue.delete()
    assert len(findings("testapp_tag")) >= 2
    sync.sync()
    assert_history(red, "I", "B")
    assert_history(blue_copy, "I", "D")
    assert findings("testapp_tag") == []


def test_a_new_partition_is_recorded_through_its_table_only(monkeypatch) -> None:
    monkeypatch.setattr(tracking, "_registered", dict(tracking._registered))
    history.register(Measurement)
    sync.sync()
    sql(
        "CREATE TABLE measurement_2030 PARTITION OF measurement"
        " FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')"
    )
    sql("INSERT INTO measurement VALUES (1, '2030-05-01', 1)")
    sql("INSERT INTO measurement_2030 VALUES (2, '2030-05-01', 1)")
    assert Measurement.history.versions.get().sensor == 1
    (message,) = check_database(databases=["default"])
    assert message.id == "audittrail.W013" and "missing triggers" in message.msg
    sync.sync()
    sql("INSERT INTO measurement_2030 VALUES (3, '2030-05-01', 1)")
    assert Measurement.history.versions.filter(sensor=3).get().operation == "I"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audittrail.testapp_customer_history SET name = 'x'",
        "DELETE FROM audittrail.testapp_customer_history",
        "TRUNCATE audittrail.testapp_customer_history",
        "UPDATE audittrail.revision SET reason = 'x'",
        "DELETE FROM audittrail.revision",
        "TRUNCATE audittrail.revision",
    ],
)
@pytest.mark.django_db(transaction=True)
def test_history_is_guarded_against_its_owner(statement) -> None:
    Customer.objects.create(name="Ada")
    with pytest.raises(Error, match="audittrail: history cannot be changed"):
        sql(statement)


def test_history_can_be_erased_on_purpose() -> None:
    ada = Customer.objects.create(name="Ada")
    Customer.objects.update(name="Grace")
    with history.editing(reason="Erasure on request"):
        ada.history.versions.filter(name="Ada").delete()
    assert_history(ada, "U")
    assert Revision.objects.get().context["corrected"] == ["testapp_customer_history"]


def test_a_flush_leaves_tracking_alone() -> None:
    with CaptureQueriesContext(connection) as captured:
        call_command("flush", interactive=False, verbosity=0, allow_cascade=True)
    # What the signals of a flush write is recorded by the server; nothing is asked of it.
    assert [query for query in captured.captured_queries if "audittrail." in query["sql"]] == []


@pytest.mark.django_db(transaction=True)
def test_an_empty_table_may_be_truncated_at_any_isolation_level(connect) -> None:
    busy, truncating = connect(), connect()
    busy.cursor().execute("INSERT INTO testapp_customer (name, email, vip) VALUES ('a', '', false)")
    sql("TRUNCATE testapp_tag CASCADE")
    cursor = truncating.cursor()
    cursor.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM testapp_order")
    cursor.execute("TRUNCATE testapp_tag CASCADE")
    truncating.commit()
    assert not Tag.history.versions.exists()

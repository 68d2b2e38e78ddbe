"""History is not changed by accident, and a deliberate correction is itself recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from audittrail import history
from audittrail.exceptions import EditingError
from audittrail.models import Revision
from tests.builders.sending import sql
from tests.testapp.models import Customer, Tag

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = "history cannot be changed"


@pytest.fixture(autouse=True)
def version(transactional_db: None) -> Any:
    """Make a row with history and return its version."""
    Tag.objects.create(name="a")
    return history.of(Tag).versions.get()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audittrail.testapp_tag_history SET name = 'forged'",
        "UPDATE audittrail.testapp_tag_history SET name = 'forged' WHERE false",
        "DELETE FROM audittrail.testapp_tag_history",
        "TRUNCATE audittrail.testapp_tag_history",
        "UPDATE audittrail.revision SET reason = 'forged'",
        "UPDATE audittrail.revision SET committed = 1",
        "DELETE FROM audittrail.revision",
        "TRUNCATE audittrail.revision",
        "WITH gone AS (DELETE FROM audittrail.revision RETURNING 1) SELECT count(*) FROM gone",
        "INSERT INTO audittrail.revision SELECT * FROM audittrail.revision ON CONFLICT (id) DO UPDATE SET reason = 'x'",
    ],
)
@pytest.mark.parametrize("writing", [False, True])
def test_sql_cannot_change_history(statement: str, writing: bool) -> None:
    before = _history()
    # PostgreSQL itself refuses to truncate a table that the transaction has just written to.
    refused = f"{REFUSED}|pending trigger events"
    with transaction.atomic():
        if writing:
            Tag.objects.create(name="b")
        with pytest.raises(DatabaseError, match=refused):
            sql(statement)
        transaction.set_rollback(True)
    assert _history() == before


def _history() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_jsonb(r)::text FROM audittrail.revision r"
            " UNION ALL SELECT to_jsonb(h)::text FROM audittrail.testapp_tag_history h ORDER BY 1"
        )
        return cursor.fetchall()


def test_the_orm_cannot_change_history() -> None:
    for change in (
        lambda: Revision.objects.update(reason="forged"),
        lambda: Revision.objects.all().delete(),
        lambda: history.of(Tag).versions.update(name="forged"),
        lambda: history.of(Tag).versions.all().delete(),
    ):
        with pytest.raises(DatabaseError, match=REFUSED):
            change()


def test_a_version_cannot_be_saved_or_deleted(version: Any) -> None:
    for refused in (version.save, version.delete, type(version)().save):
        with pytest.raises(
            EditingError,
            match=r"can't be (saved|deleted): history is written by the database alone",
        ):
            refused()


def test_a_revision_cannot_be_saved_or_deleted() -> None:
    revision = Revision.objects.get()
    revision.reason = "forged"
    for refused in (revision.save, revision.delete, Revision(id=1).save):
        with pytest.raises(
            EditingError,
            match=r"can't be (saved|deleted|created): history is written by the database alone",
        ):
            refused()
    assert Revision.objects.get().reason == ""


def test_history_cannot_be_made_up_by_the_orm(version: Any) -> None:
    manager = type(version).objects
    for made_up in (
        lambda: Revision.objects.create(id=1, reason="made up"),
        lambda: Revision.objects.bulk_create([Revision(id=1, reason="made up")]),
        lambda: manager.create(version=1, id=1, operation="I"),
        lambda: manager.bulk_create([type(version)(version=1, revision_id=1, id=1, operation="I")]),
    ):
        with pytest.raises(EditingError):
            made_up()
    assert Revision.objects.count() == 1
    assert history.of(Tag).versions.count() == 1


def test_editing_permits_a_correction_and_records_it() -> None:
    ada = User.objects.create_user("ada")
    revision = history.of(Tag).versions.get().revision
    with history.editing("dated to the day of the import", user=ada, ticket=17):
        Revision.objects.filter(pk=revision.pk).update(
            committed_at=datetime(2020, 1, 1, tzinfo=UTC), reason="import"
        )
        assert history.of(Tag).versions.update(name="corrected") == 1
    corrected = Revision.objects.get(pk=revision.pk)
    assert (corrected.committed_at, corrected.reason) == (
        datetime(2020, 1, 1, tzinfo=UTC),
        "import",
    )
    assert history.of(Tag).versions.get().name == "corrected"
    record = Revision.objects.latest()
    assert record.reason == "dated to the day of the import"
    assert record.committed_by == ada
    assert record.context["ticket"] == 17
    assert sorted(record.context["corrected"]) == ["revision", "testapp_tag_history"]
    assert Revision.objects.filter(reason__startswith="dated").count() == 1


def test_editing_permits_deletion_and_truncation() -> None:
    with history.editing("forget all"):
        assert history.of(Tag).versions.all().delete()[0] == 1
        sql("TRUNCATE audittrail.testapp_customer_history")
    assert not history.of(Tag).versions.exists()
    assert sorted(Revision.objects.latest().context["corrected"]) == [
        "testapp_customer_history", "testapp_tag_history",
    ]  # fmt: skip


def test_editing_is_over_at_the_end_of_its_block() -> None:
    with transaction.atomic():
        with history.editing("correct"):
            history.of(Tag).versions.update(name="corrected")
        with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
            history.of(Tag).versions.update(name="forged")
    with pytest.raises(DatabaseError, match=REFUSED):
        history.of(Tag).versions.update(name="forged")


def correct_and_fail() -> None:
    with history.editing("correct"):
        history.of(Tag).versions.update(name="lost")
        raise RuntimeError


def test_editing_is_over_after_an_exception_and_leaves_nothing() -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError):
            correct_and_fail()
        with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
            history.of(Tag).versions.update(name="forged")
    assert history.of(Tag).versions.get().name == "a"
    assert Revision.objects.count() == 1


def test_a_change_of_data_beside_a_correction_is_in_the_same_revision() -> None:
    with history.editing("both"):
        history.of(Tag).versions.update(name="corrected")
        Customer.objects.create(name="c")
    assert history.of(Customer).versions.get().revision == Revision.objects.get(reason="both")


def test_editing_that_corrects_nothing_leaves_no_revision() -> None:
    with history.editing("nothing after all"):
        pass
    assert Revision.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  ", None, 5])
def test_editing_without_a_reason_is_refused(reason: Any) -> None:
    with pytest.raises(EditingError, match="say in words why"), history.editing(reason):
        pass

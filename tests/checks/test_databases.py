"""A database that is out of step, or can't be kept in step, is told by a check with an id and a hint."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.checks import ERROR, WARNING
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audittrail import history
from audittrail.capture import install, servercode, sync, tracking
from audittrail.checks import check_database
from audittrail.exceptions import NotInstalledError
from tests.builders.sending import sql
from tests.testapp.models import Customer, Legacy, LogLine

pytestmark = pytest.mark.django_db


def problems() -> list:
    return check_database(databases=["default"])


@pytest.fixture
def registrations(monkeypatch) -> None:
    monkeypatch.setattr(tracking, "_registered", dict(tracking._registered))


@pytest.fixture
def stranger() -> Iterator[str]:
    """Give a role that owns nothing, and act as it until the end."""
    with transaction.atomic():
        sql("CREATE ROLE stranger")
        yield "stranger"
        transaction.set_rollback(True)


def test_the_test_database_has_nothing_to_complain_about() -> None:
    assert problems() == []


def test_nor_has_it_when_the_functions_are_installed_again() -> None:
    sync.sync(reinstall=True)
    assert servercode.deviations(connection) == []
    assert problems() == []


def test_nor_has_it_with_a_partitioned_table() -> None:
    sql(
        "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        " CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10); SELECT audittrail.track('parted')"
    )
    assert servercode.deviations(connection) == []
    sql("ALTER TABLE parted DISABLE TRIGGER audittrail_insert")
    (deviation,) = servercode.deviations(connection)
    assert str(deviation).startswith("Trigger audittrail_insert on public.parted is disabled")


def test_what_an_earlier_release_has_made_without_gets_its_column() -> None:
    sql("ALTER TABLE audittrail.digest DROP COLUMN differed_at")
    (deviation,) = servercode.deviations(connection)
    assert str(deviation) == "Table audittrail.digest is not as it was installed: columns"
    install.install_tables(connection, "bigint")
    assert servercode.deviations(connection) == []


def test_databases_are_only_looked_at_when_they_are_named(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert check_database() == []


def test_e010_a_server_that_is_too_old(monkeypatch) -> None:
    monkeypatch.setattr(install, "MINIMUM_VERSION", 990000)
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.E010", ERROR)
    assert "is too old for audittrail" in message.msg
    assert message.hint == "Upgrade the server to 14 or later."
    with pytest.raises(NotInstalledError, match=r"Database 'default': PostgreSQL .* is too old"):
        install.raise_if_impossible(connection)


def test_e010_a_role_that_may_not_create_the_schema(stranger) -> None:
    sql("DROP SCHEMA audittrail CASCADE")
    sql("SET ROLE stranger")
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.E010", ERROR)
    assert message.msg == (
        "Database 'default': Role 'stranger' may not create the schema audittrail."
    )
    database = connection.settings_dict["NAME"]
    assert f'GRANT CREATE ON DATABASE "{database}" TO "stranger"' in message.hint
    with pytest.raises(NotInstalledError, match="may not create the schema audittrail"):
        install.install_tables(connection, "bigint")


def test_w010_a_role_that_does_not_own_the_schema(stranger) -> None:
    sql("SET ROLE stranger")
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.W010", WARNING)
    assert "Role 'stranger' does not own the schema audittrail" in message.msg
    assert "as role 'postgres'" in message.hint
    with pytest.raises(CommandError, match="Role 'stranger' does not own the schema audittrail"):
        call_command("audittrail", "sync")


def test_w011_functions_of_another_release() -> None:
    sql("COMMENT ON FUNCTION audittrail.next_version() IS 'audittrail functions of old'")
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.W011", WARNING)
    assert "manage.py audittrail sync --database default" in message.hint
    sync.sync()
    assert problems() == []


def test_w012_a_table_without_primary_key(registrations) -> None:
    history.register(LogLine)
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.W012", WARNING)
    assert message.msg == "'log_line' in database 'default' is not tracked: no primary key."
    assert "AUDITTRAIL_EXCLUDE" in message.hint
    (change,) = sync.sync()
    assert (change.table, change.action, change.detail) == (
        "log_line",
        "skipped",
        "no primary key",
    )
    LogLine.objects.create(line="written all the same")


def test_w012_a_table_that_does_not_exist(registrations) -> None:
    sql("DROP TABLE legacy")
    history.register(Legacy)
    (message,) = problems()
    assert message.id == "audittrail.W012"
    assert message.msg == "'legacy' in database 'default' is not tracked: the table does not exist."


@pytest.mark.parametrize(
    ("replacement", "reason"),
    [
        ("CREATE VIEW legacy AS SELECT 'a'::text AS code", "not an ordinary or partitioned table"),
        (
            """
            CREATE TABLE whole (code text PRIMARY KEY) PARTITION BY LIST (code);
            CREATE TABLE legacy PARTITION OF whole FOR VALUES IN ('a')
            """,
            "a partition is tracked through its partitioned table",
        ),
    ],
)
def test_w012_a_relation_that_is_no_table_of_its_own(registrations, replacement, reason) -> None:
    sql(f"DROP TABLE legacy; {replacement}")
    history.register(Legacy)
    (message,) = problems()
    assert (message.id, reason in message.msg) == ("audittrail.W012", True)


def test_w012_a_table_of_another_owner(stranger, registrations) -> None:
    history.register(Legacy)
    sql("CREATE ROLE owner; GRANT owner TO stranger; GRANT USAGE ON SCHEMA warehouse TO stranger")
    sql("ALTER SCHEMA audittrail OWNER TO stranger")
    sql("GRANT ALL ON ALL TABLES IN SCHEMA audittrail TO stranger")
    sql("GRANT ALL ON ALL FUNCTIONS IN SCHEMA audittrail TO stranger")
    sql("SET ROLE stranger")
    # That the schema has got another owner, and others may write, is told as well.
    (message,) = [found for found in problems() if found.id != "audittrail.W017"]
    assert message.id == "audittrail.W012"
    assert "only a member of its owner, role postgres, may create triggers on it" in message.msg
    assert [change.action for change in sync.pending(connection)] == ["skipped"]
    # A member of the owner may.
    sql("RESET ROLE; ALTER TABLE legacy OWNER TO owner; SET ROLE stranger")
    assert [change.action for change in sync.pending(connection)] == ["created"]


@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        ("ALTER TABLE testapp_customer DISABLE TRIGGER audittrail_update", "disabled triggers"),
        ("ALTER TABLE testapp_customer DISABLE TRIGGER USER", "disabled triggers"),
        ("ALTER TABLE testapp_customer ENABLE REPLICA TRIGGER audittrail_insert", "disabled triggers"),
        ("DROP TRIGGER audittrail_truncate ON testapp_customer", "missing triggers"),
        ("DROP FUNCTION audittrail.testapp_customer_history_delete CASCADE", "missing triggers"),
        ("ALTER TABLE testapp_customer ADD phone text", "columns"),
        ("ALTER TABLE testapp_customer RENAME name TO full_name", "columns"),
        ("ALTER TABLE audittrail.testapp_customer_history DROP COLUMN name", "columns"),
        ("SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_customer'", "not tracked yet"),
    ],
)  # fmt: skip
def test_w013_tracking_that_is_out_of_step(damage, detail) -> None:
    sql(damage)
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.W013", WARNING)
    assert message.msg.startswith("Tracking of 'testapp_customer' in database 'default' is out")
    assert detail in message.msg
    assert message.hint == "Run manage.py audittrail sync --database default, or migrate."
    sync.sync()
    assert problems() == []


def test_w013_a_model_that_is_no_longer_to_be_tracked(settings) -> None:
    settings.AUDITTRAIL_MODELS = ["testapp.*"]
    assert {message.id for message in problems()} == {"audittrail.W013"}
    assert any("'auth_user'" in m.msg and "no longer to be tracked" in m.msg for m in problems())


def test_w014_a_baseline_that_is_not_complete(registrations, settings) -> None:
    Legacy.objects.create(code="a")
    settings.AUDITTRAIL_BASELINE_LIMIT = 0
    history.register(Legacy)
    sync.sync()
    (message,) = problems()
    assert (message.id, message.level) == ("audittrail.W014", WARNING)
    assert message.msg == "The baseline of 'legacy' in database 'default' is not complete."
    assert "manage.py audittrail backfill --database default" in message.hint
    call_command("audittrail", "backfill", stdout=StringIO())
    assert problems() == []


def test_a_database_without_audittrail_is_left_to_migrate() -> None:
    sql("DROP SCHEMA audittrail CASCADE")
    assert problems() == []
    with pytest.raises(CommandError, match=r"does not hold audittrail's tables; run manage.py mig"):
        call_command("audittrail", "status")
    with pytest.raises(NotInstalledError, match=r"run manage.py migrate --database default"):
        sync.sync()
    Customer.objects.create(name="written all the same")


def test_another_database_than_postgresql_is_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    assert problems() == []
    with pytest.raises(CommandError, match="is not PostgreSQL"):
        call_command("audittrail", "status")

"""Databases and arguments: each command works where it is told to, or says what it needs."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings

from tests.builders.workshop import Workshop


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"the following arguments are required: COMMAND"),
        (["nonsense"], r"invalid choice: 'nonsense' \(choose from .*status"),
        (
            ["status", "--database", "nonsense"],
            r"argument --database: invalid choice: 'nonsense' \(choose from .*other",
        ),
        (["sync", "--sql", "--check"], r"not allowed with argument"),
        (["sync", "table"], r"unrecognized arguments: table"),
        (["backfill", "--batch-size", "0"], r"'0' is not a whole number of 1 or more"),
        (
            ["prune", "--older-than", "1d", "--keep-last", "some"],
            r"'some' is not a whole number of 0 or more",
        ),
        (["grant"], r"the following arguments are required: role"),
        (["verify", "nonsense"], r"'nonsense' is not a tracked table of database 'default'"),
    ],
)
def test_bad_arguments(items: Workshop, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        items.command(*arguments)


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_command_works_on_the_database_it_is_given() -> None:
    from tests.testapp.models import Tag

    Tag.objects.using("other").create(name="x")
    with connections["other"].cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_tag DISABLE TRIGGER audittrail_update")
    try:
        call_command("audittrail", "sync", "--check", database="default")
        with pytest.raises(CommandError):
            call_command("audittrail", "sync", "--check", database="other")
        with pytest.raises(CommandError):
            call_command("audittrail", "status", "--check", database="other")
        call_command("audittrail", "verify", "testapp_tag", database="default")
        with pytest.raises(CommandError):
            call_command("audittrail", "verify", "testapp_tag", database="other")
    finally:
        call_command("audittrail", "sync", database="other")
    call_command("audittrail", "verify", "testapp_tag", database="other")
    call_command("audittrail", "backfill", database="other")


@pytest.fixture
def auditor(items: Workshop):
    """Give the name of a role without any right, which needs quotes."""
    name = 'the "auditor"'
    quoted = connection.ops.quote_name(name.replace('"', '""'))
    items.sql(f"DROP ROLE IF EXISTS {quoted}")
    items.sql(f"CREATE ROLE {quoted} LOGIN")
    yield name
    items.sql(f"DROP OWNED BY {quoted}")
    items.sql(f"DROP ROLE {quoted}")


def test_grant_prints_what_a_role_needs(items: Workshop, auditor: str) -> None:
    script = items.command("grant", auditor)
    assert 'GRANT USAGE ON SCHEMA audittrail TO "the ""auditor""";' in script
    with items.session(user=auditor).cursor() as cursor:
        with pytest.raises(Exception, match="permission denied for schema audittrail"):
            cursor.execute("SELECT FROM audittrail.workshop_item_history")
        items.psql(script)
        cursor.execute("SELECT count(*) FROM audittrail.workshop_item_history")
        assert cursor.fetchone() == (3,)
        with pytest.raises(Exception, match="permission denied for table workshop_item_history"):
            cursor.execute("DELETE FROM audittrail.workshop_item_history")


def test_grant_applies_it_to_tables_that_come_later_too(items: Workshop, auditor: str) -> None:
    assert items.command("grant", auditor, "--apply") == f"Role {auditor} may read history.\n"
    items.sql("CREATE TABLE workshop_later (id int PRIMARY KEY)")
    items.sql("SELECT audittrail.track('workshop_later')")
    with items.session(user=auditor).cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audittrail.workshop_later_history")
        assert cursor.fetchone() == (0,)
        with pytest.raises(Exception, match="permission denied"):
            cursor.execute("SET audittrail.editing = 'on'; DELETE FROM audittrail.revision")


def test_grant_to_nobody(items: Workshop) -> None:
    with pytest.raises(CommandError, match="There is no role 'nobody here' on this server"):
        items.command("grant", "nobody here")


def test_a_database_that_is_not_postgresql(items: Workshop, monkeypatch) -> None:
    monkeypatch.setattr(items.connection, "vendor", "sqlite")
    with pytest.raises(CommandError, match=r"Database 'default' is not PostgreSQL \(sqlite\)"):
        items.command("status")


def test_a_bad_setting(items: Workshop) -> None:
    with (
        override_settings(AUDITTRAIL_MODELS="workshop"),
        pytest.raises(
            CommandError, match=r"AUDITTRAIL_MODELS is 'workshop'; give a list of labels"
        ),
    ):
        items.command("sync")

"""Databases and arguments: each command works where it is told to, or says what it needs."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from audittrail.management.subcommands.prune import age, months_before
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


@pytest.mark.parametrize("name", ["workshop_item", "workshop.Item", "public.workshop_item"])
@pytest.mark.parametrize("command", ["backfill", "maintain", "verify", "show"])
def test_tables_and_models_are_named_alike(items: Workshop, command: str, name: str) -> None:
    assert items.command(command, name)
    with pytest.raises(CommandError, match=r"'workshop\.Other' is not a tracked table of database"):
        items.command(command, "workshop.Other")


@pytest.mark.parametrize("name", ["workshop_item", "workshop.Item"])
def test_tables_and_models_to_prune_are_named_alike(items: Workshop, name: str) -> None:
    items.Item.objects.update(name="e")
    shown = items.command("prune", name, "--older-than", "0d", "--dry-run")
    assert "workshop_item: 3 versions to delete" in shown


@pytest.fixture
def nobody(items: Workshop):
    """Connect as a role that owns nothing; give a function that grants it to read, and history too."""
    name = f"nobody_{items.connection.settings_dict['NAME']}"
    items.sql(f"CREATE ROLE {name}; SET ROLE {name}")

    def grant() -> None:
        items.sql("RESET ROLE")
        items.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        items.command("grant", name, "--apply")
        items.sql(f"SET ROLE {name}")

    yield grant
    items.sql(f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")


READING = [
    ["status"],
    ["status", "--check"],
    ["sync", "--check"],
    ["sync", "--sql"],
    ["verify"],
    ["show", "workshop.Item"],
    ["revisions"],
    ["log", "workshop.Item", "--pk", "1"],
    ["restore", "workshop.Item", "--at", "2999-01-01", "--dry-run"],
    ["ledger", "verify"],
    ["grant", "postgres"],
    ["standins"],
]


def test_a_role_that_owns_nothing_may_use_what_only_reads(items: Workshop, nobody) -> None:
    nobody()
    for arguments in READING:
        items.command(*arguments)
    for command in ("sync", "backfill", "maintain", "uninstall"):
        with pytest.raises(CommandError, match="does not own the schema audittrail"):
            items.command(command)
    for arguments in (
        ["verify", "--repair"],
        ["grant", "postgres", "--apply"],
        ["prune", "--older-than", "0d"],
        ["ledger", "enter"],
    ):
        with pytest.raises(CommandError, match="does not own the schema audittrail"):
            items.command(*arguments)


def test_a_role_that_may_not_read_is_told_how_it_may(items: Workshop, nobody) -> None:
    for arguments in (["status"], ["revisions"], ["verify"]):
        with pytest.raises(
            CommandError, match=r"run manage.py audittrail grant nobody_\w+ --apply"
        ):
            items.command(*arguments)


def test_errors_are_told_in_the_words_of_the_command_line(items: Workshop) -> None:
    with pytest.raises(CommandError, match=r"or give --live to overwrite"):
        items.command(
            "redact", "workshop.Item", "--all", "--field", "name=", "--reason", "x", "--noinput"
        )
    with pytest.raises(CommandError, match=r"argument --older-than: '2999-01-01' is still to come"):
        items.command("prune", "--older-than", "2999-01-01")
    with pytest.raises(CommandError, match=r"'1x' is neither an age such as 365d, 18m or 2y"):
        items.command("prune", "--older-than", "1x")


@pytest.mark.parametrize(
    ("months", "moment"),
    [
        (1, "2026-02-28T12:00:00+01:00"),
        (9, "2025-06-30T12:00:00+02:00"),
        (12, "2025-03-31T12:00:00+02:00"),
        (25, "2024-02-29T12:00:00+01:00"),
    ],
)
def test_months_are_those_of_the_calendar(months: int, moment: str) -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert months_before(now, months).isoformat() == moment


def test_ages_in_months_and_years() -> None:
    month, year = age("1m"), age("2y")
    assert isinstance(month, datetime) and isinstance(year, datetime)
    assert timedelta(days=27) < timezone.now() - month < timedelta(days=32)
    assert timedelta(days=729) < timezone.now() - year < timedelta(days=732)
    with pytest.raises(ArgumentTypeError):
        age("9000y")
    with override_settings(USE_TZ=False):
        found = age("1m")
        assert isinstance(found, datetime) and found.tzinfo is None

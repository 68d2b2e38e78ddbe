"""`uninstall`, and `migrate audittrail zero`: the user's tables stay exactly as they were."""

from __future__ import annotations

import subprocess

import pytest
from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import models

from tests.builders.workshop import Workshop, create, program


def dump(shop: Workshop) -> str:
    """Return all that the schema `public` holds, structure and rows, but for the rows of Django's own bookkeeping."""
    database = shop.connection.settings_dict
    command = [program("pg_dump"), "-h", database["HOST"], "-U", database["USER"], "-n", "public"]
    command += ["-T", "django_migrations", "-T", "django_migrations_id_seq"]
    command += [
        f"--exclude-table-data={name}" for name in ("django_content_type", "auth_permission")
    ]
    done = subprocess.run(
        [*command, database["NAME"]], capture_output=True, text=True, check=True
    ).stdout
    # PostgreSQL's newer releases put a random word there.
    return "\n".join(line for line in done.splitlines() if not line.startswith("\\"))


@pytest.fixture
def tables(shop: Workshop) -> Workshop:
    """Give tables with rows and constraints of their own, not tracked yet."""
    shop.migrate(
        create("Parent", ("name", models.TextField(unique=True))),
        create("Child", ("parent", models.ForeignKey("workshop.Parent", models.CASCADE))),
        synced=False,
    )
    shop.sql(
        "CREATE TABLE workshop_part (id int, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
        "CREATE TABLE workshop_part_1 PARTITION OF workshop_part FOR VALUES FROM (0) TO (10);"
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER mine AFTER INSERT ON workshop_parent EXECUTE FUNCTION noted()"
    )
    for number in range(3):
        shop.Child.objects.create(parent=shop.Parent.objects.create(name=str(number)))
    return shop


@pytest.fixture
def uninstalled(tables: Workshop) -> str:
    """Return the dump of the tables, before they are tracked and written to."""
    before = dump(tables)
    tables.sync()
    tables.sql("SELECT audittrail.track('workshop_part')")
    tables.sql("INSERT INTO workshop_part VALUES (1); DELETE FROM workshop_part")
    with tables.connection.cursor() as cursor:
        cursor.execute("BEGIN; DELETE FROM workshop_parent WHERE name = 'none'; COMMIT")
    tables.sql("UPDATE workshop_parent SET name = name || '!'")
    tables.sql("UPDATE workshop_parent SET name = trim('!' from name)")
    return before


def remains(shop: Workshop) -> list:
    return shop.sql(
        "SELECT nspname::text FROM pg_namespace WHERE nspname = 'audittrail'"
        " UNION ALL SELECT tgname::text FROM pg_trigger WHERE tgname LIKE 'audittrail%%'"
        " UNION ALL SELECT name::text FROM django_migrations WHERE app = 'audittrail'"
    )


def without_rows_order(text: str) -> str:
    # An UPDATE moves rows within the table: their order is no property of it.
    return "\n".join(sorted(text.splitlines()))


def test_uninstall_leaves_the_tables_as_they_were(
    tables: Workshop, uninstalled: str, reinstalled: None
) -> None:
    out = tables.command("uninstall", interactive=False, verbosity=2)
    assert "workshop_parent: ended" in out and "audittrail is removed" in out
    assert without_rows_order(dump(tables)) == without_rows_order(uninstalled)
    assert remains(tables) == []
    tables.sql("UPDATE workshop_parent SET name = name || '!'")
    tables.sql("TRUNCATE workshop_child")


def test_migrate_zero_leaves_the_tables_as_they_were(
    tables: Workshop, uninstalled: str, reinstalled: None
) -> None:
    call_command("migrate", "audittrail", "zero", verbosity=0)
    assert without_rows_order(dump(tables)) == without_rows_order(uninstalled)
    assert remains(tables) == []
    tables.sql("UPDATE workshop_parent SET name = name || '!'")


@pytest.fixture
def reinstalled(tables: Workshop):
    """Check that audittrail comes back with the next `migrate`."""
    yield
    call_command("migrate", "audittrail", verbosity=0)
    tables.assert_in_step()
    tables.Parent.objects.create(name="after")
    assert tables.history("parent", "name")[-1] == ("I", "after")


def test_no_baseline_is_completed_where_history_goes_as_well(
    tables: Workshop, reinstalled: None
) -> None:
    tables.sql("SELECT audittrail.track('workshop_parent', baseline_limit => 0)")
    tables.sql(
        "CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;"
        "CREATE TRIGGER refused BEFORE INSERT ON audittrail.workshop_parent_history EXECUTE FUNCTION refused()"
    )
    tables.command("uninstall", interactive=False)
    assert remains(tables) == []


def test_what_django_has_noted_of_our_models_goes_too(tables: Workshop, reinstalled: None) -> None:
    create_contenttypes(apps.get_app_config("audittrail"), verbosity=0)
    create_permissions(apps.get_app_config("audittrail"), verbosity=0)
    group = Group.objects.create(name="auditors")
    noted = ContentType.objects.filter(app_label="audittrail")
    group.permissions.set(Permission.objects.filter(content_type__in=noted))
    assert group.permissions.count() > 1
    tables.command("uninstall", interactive=False)
    assert not noted.exists() and not group.permissions.exists()
    assert "stays" not in tables.output


def test_a_content_type_that_a_row_refers_to_stays(tables: Workshop, reinstalled: None) -> None:
    create_contenttypes(apps.get_app_config("audittrail"), verbosity=0)
    tables.migrate(
        create("Note", ("about", models.ForeignKey("contenttypes.ContentType", models.CASCADE)))
    )
    noted = ContentType.objects.get(app_label="audittrail", model="revision")
    note = tables.Note.objects.create(about_id=noted.pk)
    tables.command("uninstall", interactive=False)
    assert "The content type" in tables.output and "stays, since" in tables.output
    assert tables.Note.objects.get().pk == note.pk and ContentType.objects.filter(pk=noted.pk)


def test_uninstall_asks(tables: Workshop, monkeypatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match=r"Nothing was removed\."):
        tables.command("uninstall")
    assert "ALL HISTORY" in tables.output
    tables.sync()
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    tables.command("uninstall")
    assert remains(tables) == []
    call_command("migrate", "audittrail", verbosity=0)


def test_other_commands_then_say_what_is_missing(tables: Workshop) -> None:
    tables.command("uninstall", interactive=False)
    for command in ("status", "sync", "backfill", "verify", "uninstall"):
        with pytest.raises(
            CommandError, match=r"does not hold audittrail's tables; run manage.py migrate"
        ):
            tables.command(command)
    call_command("migrate", "audittrail", verbosity=0)

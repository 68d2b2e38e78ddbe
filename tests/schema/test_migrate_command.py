"""`migrate` itself: real migration files, squashed ones, and the way there and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.test import override_settings

from audittrail import history
from tests.builders.workshop import APP, Workshop, create

HEADER = """
from django.db import migrations, models

class Migration(migrations.Migration):
"""

INITIAL = (
    HEADER
    + """
    operations = [migrations.CreateModel("Item", [
        ("id", models.BigAutoField(primary_key=True, serialize=False)), ("name", models.TextField())])]
"""
)

SECOND = (
    HEADER
    + """
    dependencies = [("workshop", "0001_initial")]
    operations = [migrations.AddField("Item", "size", models.IntegerField(default=1))]
"""
)

FILL = (
    """
def fill(apps, schema_editor):
    apps.get_model("workshop", "Item").objects.update(size=2)
"""
    + HEADER
    + """
    dependencies = [("workshop", "0002_size")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
"""
)

SQUASHED = (
    HEADER
    + """
    replaces = [("workshop", "0001_initial"), ("workshop", "0002_size"), ("workshop", "0003_fill")]
    initial = True
    operations = [migrations.CreateModel("Item", [
        ("id", models.BigAutoField(primary_key=True, serialize=False)), ("name", models.TextField()),
        ("size", models.IntegerField(default=1))])]
"""
)


@pytest.fixture
def files(shop: Workshop, tmp_path: Path, monkeypatch):
    """Give a function that writes a migration file of the app; `migrate` reads them."""
    package = tmp_path / "workshop_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        (package / f"{name}.py").write_text(text)

    with override_settings(MIGRATION_MODULES={APP: "workshop_migrations"}):
        yield write
    for name in [name for name in sys.modules if name.startswith("workshop_migrations")]:
        del sys.modules[name]


@pytest.fixture
def model(shop: Workshop) -> Callable[..., None]:
    """Give a function that defines the model as the project's code has it."""

    def define(*fields: tuple[str, models.Field]) -> None:
        state = shop.base.clone()
        create("Item", ("name", models.TextField()), *fields).state_forwards(APP, state)
        shop._install_models(state)

    return define


def migrate(*arguments: str) -> str:
    output = StringIO()
    call_command("migrate", APP, *arguments, stdout=output, verbosity=1)
    return output.getvalue()


SIZE = ("size", models.IntegerField(default=1))


def test_forwards_and_backwards(shop: Workshop, files, model) -> None:
    files("0001_initial", INITIAL)
    model()
    migrate()
    shop.assert_in_step()
    shop.Item.objects.create(name="before")
    files("0002_size", SECOND)
    files("0003_fill", FILL)
    model(SIZE)
    output = migrate()
    assert "audittrail" not in output
    shop.assert_in_step()
    shop.Item.objects.create(name="after")
    expected = [("I", "before", 1), ("U", "before", 2), ("I", "after", 1)]
    assert shop.history("item", "name", "size") == expected
    migrate("0001")
    shop.assert_in_step()
    shop.sql("UPDATE workshop_item SET name = 'last' WHERE name = 'after'")
    assert shop.history("item", "name", "size") == [*expected, ("U", "last", None)]
    migrate()
    shop.assert_in_step()
    shop.Item.objects.filter(name="last").delete()
    assert shop.history("item", "name", "size")[-1] == ("D", "last", 2)
    migrate("zero")
    assert "ended" in shop.command("status", "--check")
    migrate()
    shop.Item.objects.create(name="again")
    assert shop.history("item", "name", "size")[-1] == ("I", "again", 1)
    shop.assert_in_step()


def test_the_end_says_what_to_do_next(shop: Workshop, files, model) -> None:
    files("0001_initial", INITIAL)
    model()
    with override_settings(AUDITTRAIL_BASELINE_LIMIT=0, AUDITTRAIL_MODELS=[]):
        migrate()
    shop.sql("INSERT INTO workshop_item (name) VALUES ('a')")
    with override_settings(AUDITTRAIL_BASELINE_LIMIT=0):
        output = migrate()
        assert "Run manage.py audittrail backfill, which is safe" in output
        assert "Not all rows of workshop_item are" in output
        assert "Schedule manage.py audittrail maintain, every ten minutes" in output
        assert "Schedule" not in migrate() and "backfill" in migrate()
    shop.command("backfill")
    assert "audittrail" not in migrate()


def test_the_end_says_nothing_of_maintain_once_it_has_run(shop: Workshop, files, model) -> None:
    shop.migrate(create("Other", ("name", models.TextField())))
    shop.Other.objects.create(name="a")
    shop.command("maintain")
    files("0001_initial", INITIAL)
    model()
    assert "audittrail" not in migrate()


def test_the_revision_of_a_migration_names_the_command(shop: Workshop, files, model) -> None:
    files("0001_initial", INITIAL)
    model()
    migrate()
    shop.Item.objects.create(name="before")
    files("0002_size", SECOND)
    files("0003_fill", FILL)
    model(SIZE)
    migrate()
    assert shop.sql(
        "SELECT context FROM audittrail.revision WHERE id ="
        " (SELECT revision_id FROM audittrail.workshop_item_history WHERE operation = 'U')"
    )[0][0] in ({"command": "migrate"}, '{"command": "migrate"}')


def test_squashed_migrations(shop: Workshop, files, model) -> None:
    files("0001_initial", INITIAL)
    files("0002_size", SECOND)
    files("0003_fill", FILL)
    model(SIZE)
    migrate()
    shop.Item.objects.create(name="before")
    files("0001_squashed", SQUASHED)
    sys.modules.pop("workshop_migrations", None)
    migrate()
    shop.assert_in_step()
    shop.Item.objects.update(name="after")
    assert shop.history("item", "name", "size") == [("I", "before", 1), ("U", "after", 1)]


def test_the_user_s_project_gets_no_migrations(shop: Workshop, files, model) -> None:
    files("0001_initial", INITIAL)
    files("0002_size", SECOND)
    model(SIZE)
    history.register(shop.Item, exclude=["size"])
    migrate()
    assert shop.Item.history.versions.count() == 0
    output = StringIO()
    try:
        call_command("makemigrations", "--check", "--dry-run", stdout=output)
    except SystemExit:
        pytest.fail(output.getvalue())
    assert output.getvalue() == "No changes detected\n"


def test_a_column_that_is_excluded_before_it_exists_is_never_stored(
    shop: Workshop, files, model
) -> None:
    files("0001_initial", INITIAL)
    model()
    migrate()
    shop.Item.objects.create(name="before")
    files("0002_size", SECOND)
    files("0003_fill", FILL)
    model(SIZE)
    history.register(shop.Item, exclude=["size"])
    migrate()
    shop.assert_in_step()
    shop.Item.objects.update(size=9)
    assert shop.columns("item") == ["id", "name"]
    assert shop.history("item", "name") == [("I", "before")]


def test_going_back_before_an_excluded_column(shop: Workshop, files, model) -> None:
    files("0001_initial", INITIAL)
    files("0002_size", SECOND)
    model(SIZE)
    history.register(shop.Item, exclude=["size"])
    migrate()
    migrate("0001")
    shop.assert_in_step()
    migrate()
    shop.Item.objects.create(name="after")
    assert shop.columns("item") == ["id", "name"]
    assert shop.history("item", "name") == [("I", "after")]


def test_a_table_that_stays_locked_fails_the_command_with_a_clear_message(
    shop: Workshop, files, model
) -> None:
    files("0001_initial", INITIAL)
    model()
    migrate()
    shop.sql("ALTER TABLE workshop_item ADD extra integer")
    session = shop.session(autocommit=False)
    session.cursor().execute("LOCK TABLE workshop_item IN ROW EXCLUSIVE MODE")
    with (
        override_settings(AUDITTRAIL_LOCK_TIMEOUT=10),
        pytest.raises(CommandError, match="'workshop_item' stayed locked"),
    ):
        shop.command("sync")
    session.rollback()
    shop.sync()

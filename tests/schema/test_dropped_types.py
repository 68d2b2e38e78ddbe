"""Types, collations and extensions are dropped as if there were no history, which stays readable as text."""

from __future__ import annotations

import pytest
from django.contrib.postgres.operations import CreateCollation, RemoveCollation
from django.db import models
from django.db.migrations import AlterField, RemoveField, RunSQL

from tests.builders.workshop import Workshop, create

MOOD = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b mood)"


def moody(shop: Workshop) -> None:
    """Make a table with columns of types that are to be dropped, and write a row."""
    shop.migrate(RunSQL(MOOD, "DROP TYPE pair, mood"), create("Item", ("name", models.TextField())))
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item ADD mood mood, ADD moods mood[], ADD pair pair;"
            " INSERT INTO workshop_item (name, mood, moods, pair) VALUES ('a', 'glad', '{sad,glad}', '(1,sad)'), ('b', NULL, NULL, '(,)')"
        )
    )


TEXTS = [("I", "glad", "{sad,glad}", "(1,sad)"), ("I", None, None, "(,)")]


@pytest.mark.parametrize("atomic", [True, False])
def test_a_type_is_dropped_with_its_column_in_one_migration(shop: Workshop, atomic: bool) -> None:
    moody(shop)
    shop.migrate(
        RunSQL("ALTER TABLE workshop_item DROP mood, DROP moods, DROP pair"),
        RunSQL("DROP TYPE pair; DROP TYPE mood"),
        atomic=atomic,
    )
    shop.sql("UPDATE workshop_item SET name = 'c' WHERE name = 'a'")
    assert shop.history("item", "mood", "moods", "pair", where="operation = 'I'") == TEXTS


def test_a_type_is_dropped_after_its_column(shop: Workshop) -> None:
    moody(shop)
    shop.migrate(RunSQL("ALTER TABLE workshop_item DROP mood, DROP moods, DROP pair"))
    shop.psql("DROP TYPE pair; DROP TYPE mood")
    assert shop.history("item", "mood", "moods", "pair", where="operation = 'I'") == TEXTS


def test_a_type_is_dropped_after_its_table(shop: Workshop) -> None:
    moody(shop)
    shop.sql("DROP TABLE workshop_item")
    shop.sql("SELECT audittrail.release_types()")
    shop.psql("DROP TYPE pair; DROP TYPE mood")
    shop.sync()
    assert shop.history("item", "mood", "moods", "pair", where="operation = 'I'") == TEXTS


def test_a_type_that_is_dropped_with_cascade(shop: Workshop) -> None:
    moody(shop)
    shop.migrate(RunSQL("DROP TYPE mood CASCADE"))
    shop.sql("UPDATE workshop_item SET name = 'c' WHERE name = 'a'")
    assert shop.history("item", "mood", "moods", where="operation = 'I'") == [t[:3] for t in TEXTS]


def test_a_type_that_stays_is_still_that_of_history(shop: Workshop) -> None:
    moody(shop)
    shop.migrate(RunSQL("CREATE TYPE other AS ENUM ('x')"))
    shop.migrate(RunSQL("DROP TYPE other CASCADE"))
    shop.sql("UPDATE workshop_item SET mood = 'sad' WHERE name = 'a'")
    assert shop.sql(
        "SELECT format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = 'audittrail.workshop_item_history'::regclass AND attname IN ('mood', 'moods', 'pair') ORDER BY attnum"
    ) == [("mood",), ("mood[]",), ("text",)]
    assert shop.history("item", "mood", where="name = 'a'") == [("I", "glad"), ("U", "sad")]


def test_a_column_that_becomes_text_lets_its_type_go(shop: Workshop) -> None:
    moody(shop)
    shop.migrate(
        RunSQL("ALTER TABLE workshop_item ALTER mood TYPE text, DROP moods, DROP pair"),
        RunSQL("DROP TYPE pair, mood"),
    )
    assert shop.history("item", "mood", where="name = 'a'") == [("I", "glad")]


def test_a_collation_is_removed(shop: Workshop) -> None:
    shop.migrate(
        CreateCollation("workshop_order", provider="libc", locale="C"),
        create("Item", ("name", models.CharField(max_length=9, db_collation="workshop_order"))),
    )
    shop.Item.objects.create(name="a")
    shop.migrate(
        AlterField("Item", "name", models.CharField(max_length=9)),
        RemoveCollation("workshop_order", provider="libc", locale="C"),
    )
    shop.Item.objects.update(name="b")
    assert shop.history("item", "name") == [("I", "a"), ("U", "b")]


def test_an_extension_is_removed(shop: Workshop) -> None:
    found = shop.sql(
        "SELECT name FROM pg_available_extensions WHERE name IN ('hstore', 'citext', 'vector') ORDER BY 1"
    )
    assert found, (
        "No extension with a type is installed: hstore, citext (PostgreSQL's contrib) or vector."
    )
    extension = found[0][0]
    value = {"vector": "[1,2]", "citext": "a", "hstore": '"a"=>"1"'}[extension]
    shop.migrate(
        RunSQL(f"CREATE EXTENSION {extension}"), create("Item", ("name", models.TextField()))
    )
    shop.migrate(
        RunSQL(
            f"ALTER TABLE workshop_item ADD kept {extension};"
            f" INSERT INTO workshop_item (name, kept) VALUES ('a', '{value}')"
        )
    )
    shop.migrate(
        RunSQL("ALTER TABLE workshop_item DROP kept"),
        RunSQL(f"DROP EXTENSION IF EXISTS {extension}"),
    )
    shop.migrate(RemoveField("Item", "name"))
    assert shop.history("item", "kept", where="operation = 'I'") == [("I", value)]

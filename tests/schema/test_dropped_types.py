"""Types, collations and extensions are dropped as if there were no history, which stays readable as text."""

from __future__ import annotations

import json

import pytest
from django.contrib.postgres.operations import CreateCollation, CreateExtension, RemoveCollation
from django.db import models
from django.db.migrations import AlterField, RunSQL

from tests.builders.sending import sql
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


@pytest.mark.parametrize("backwards", [False, True])
def test_an_extension_is_removed(shop: Workshop, backwards: bool) -> None:
    values = {"vector": "[1,2]", "citext": "a", "hstore": '"a"=>"1"', "ltree": "a.b"}
    available = shop.sql("SELECT name FROM pg_available_extensions ORDER BY 1")
    names = [name for (name,) in available if name in values]
    assert names, (
        "No extension with a type is installed: hstore, citext, ltree (PostgreSQL's contrib) or vector."
    )
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.migrate(*map(CreateExtension, names))
    added = ", ".join(f"ADD {name}_kept {name}" for name in names)
    columns = [f"{name}_kept" for name in names]
    shop.migrate(
        RunSQL(
            f"ALTER TABLE workshop_item {added}; INSERT INTO workshop_item (name, {', '.join(columns)})"
            f" VALUES ({', '.join(repr(value) for value in ['a', *(values[name] for name in names)])})",
            "ALTER TABLE workshop_item " + ", ".join(f"DROP {column}" for column in columns),
        )
    )
    if backwards:
        shop.reverse()
        shop.reverse()
    else:
        shop.migrate(
            RunSQL("ALTER TABLE workshop_item " + ", ".join(f"DROP {it}" for it in columns)),
            *(RunSQL(f"DROP EXTENSION IF EXISTS {name}") for name in names),
        )
    shop.sql("UPDATE workshop_item SET name = 'b'")
    kept = [("I", *(values[name] for name in names))]
    assert shop.history("item", *columns, where="operation = 'I'") == kept
    assert not shop.sql("SELECT 1 FROM pg_extension WHERE extname = ANY (%s)", [names])


#: Types of a schema of their own, and types of another that need them.
KINDS = (
    "CREATE SCHEMA kinds; CREATE TYPE kinds.mood AS ENUM ('sad', 'glad'); CREATE DOMAIN kinds.short AS text CHECK (length(VALUE) < 9);"
    "CREATE DOMAIN feeling AS kinds.mood; CREATE TYPE span AS RANGE (subtype = kinds.mood); CREATE TYPE pair AS (a int, b kinds.mood)"
)
KIND_COLUMNS = ("mood", "moods", "short", "feeling", "span")
KIND_VALUES = ("glad", "{sad,glad}", "few", "sad", "[sad,glad]")


def kindly(shop: Workshop) -> None:
    """Make a table with columns of types that go with a schema, and write a row."""
    shop.migrate(
        RunSQL(
            KINDS,
            "DROP TYPE IF EXISTS pair, span; DROP DOMAIN IF EXISTS feeling; DROP SCHEMA IF EXISTS kinds CASCADE",
        ),
        create("Item", ("name", models.TextField())),
    )
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item ADD mood kinds.mood, ADD moods kinds.mood[], ADD short kinds.short, ADD feeling feeling, ADD span span, ADD pair pair;"
            " INSERT INTO workshop_item (name, mood, moods, short, feeling, span, pair)"
            """ VALUES ('a', 'glad', '{sad,glad}', 'few', 'sad', '[sad,glad]', '(1,sad)')"""
        )
    )


@pytest.mark.parametrize("first", ["", "ALTER TABLE workshop_item DROP mood, DROP moods, DROP short;"])  # fmt: skip
def test_a_schema_is_dropped_with_its_types(shop: Workshop, first: str) -> None:
    kindly(shop)
    shop.migrate(RunSQL(f"{first} DROP SCHEMA kinds CASCADE"))
    shop.sql("UPDATE workshop_item SET name = 'b'")
    assert shop.history("item", *KIND_COLUMNS, where="operation = 'I'") == [("I", *KIND_VALUES)]
    # The type itself stays, with one attribute less: what the row was then is kept beside what it is now.
    assert shop.history("item", "pair_until_1", where="operation = 'I'") == [("I", "(1,sad)")]
    assert shop.history("item", "name") == [("I", "a"), ("U", "b")]
    shop.assert_in_step()


def test_a_schema_is_dropped_in_psql(shop: Workshop) -> None:
    kindly(shop)
    shop.psql("SELECT audittrail.release_types(true, '{kinds}'); DROP SCHEMA kinds CASCADE")
    shop.sql("UPDATE workshop_item SET name = 'b'")
    assert shop.history("item", *KIND_COLUMNS, where="operation = 'I'") == [("I", *KIND_VALUES)]
    # The type itself stays, with one attribute less: what the row was then is kept beside what it is now.
    assert shop.history("item", "pair_until_1", where="operation = 'I'") == [("I", "(1,sad)")]
    assert shop.history("item", "name") == [("I", "a"), ("U", "b")]
    shop.sync()


def test_types_of_columns_that_are_gone_are_released_in_psql(shop: Workshop) -> None:
    moody(shop)
    shop.psql(
        "ALTER TABLE workshop_item DROP mood, DROP moods, DROP pair; SELECT audittrail.release_types(); DROP TYPE pair; DROP TYPE mood"
    )
    assert shop.history("item", "mood", "moods", "pair", where="operation = 'I'") == TEXTS
    shop.sync()


def test_a_cascade_in_psql_that_took_columns_of_history_is_told(shop: Workshop) -> None:
    moody(shop)
    shop.psql("DROP TYPE mood CASCADE")
    assert "audittrail.W013" in " ".join(shop.problems())
    shop.sync()


def test_a_type_comes_anew_under_the_name_of_one_that_was_dropped(shop: Workshop) -> None:
    moody(shop)
    shop.migrate(
        RunSQL("ALTER TABLE workshop_item DROP mood, DROP moods, DROP pair"),
        RunSQL("DROP TYPE pair, mood; CREATE TYPE mood AS ENUM ('good', 'bad')"),
        RunSQL("ALTER TABLE workshop_item ADD mood mood DEFAULT 'good'"),
    )
    shop.sql("UPDATE workshop_item SET mood = 'bad' WHERE name = 'a'")
    shop.assert_in_step()
    item = shop.sql("SELECT to_jsonb(h) - 'version' - 'revision_id' FROM audittrail.workshop_item_history h WHERE name = 'a' ORDER BY version")  # fmt: skip
    texts = [json.dumps(image) for (image,) in item]
    assert "glad" in texts[0] and "bad" in texts[-1], texts
    newest = shop.sql("SELECT max(committed) FROM audittrail.revision")[0][0]
    assert sql("SELECT name, mood FROM workshop_item ORDER BY id", using=f"default@{newest}") == [("a", "bad"), ("b", "good")]  # fmt: skip


def test_a_domain_is_dropped(shop: Workshop) -> None:
    shop.migrate(
        RunSQL("CREATE DOMAIN short AS varchar(9)", "DROP DOMAIN short"),
        create("Item", ("name", models.TextField())),
    )
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item ADD kept short; INSERT INTO workshop_item (name, kept) VALUES ('a', 'few')"
        )
    )
    shop.migrate(RunSQL("ALTER TABLE workshop_item DROP kept; DROP DOMAIN IF EXISTS short"))
    assert shop.history("item", "kept", where="operation = 'I'") == [("I", "few")]

"""Tables made with INHERITS: their rows are rows of the table that they inherit from, and are recorded as such."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.db import DatabaseError, models

from audittrail import history
from audittrail.capture.verify import verify
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())

CHILD = "CREATE TABLE workshop_child (extra integer, PRIMARY KEY (id)) INHERITS (workshop_item)"


@pytest.fixture
def family(shop: Workshop) -> Workshop:
    """Make the table `workshop_item` with a row, and `workshop_child`, which inherits from it, with another."""
    shop.migrate(create("Item", NAME))
    shop.sql("INSERT INTO workshop_item (name) VALUES ('own')")
    shop.sql(CHILD)
    shop.sync()
    shop.sql("INSERT INTO workshop_child (id, name, extra) VALUES (100, 'child', 7)")
    return shop


def test_writes_to_a_child_are_recorded(family: Workshop) -> None:
    family.sql("UPDATE workshop_child SET name = 'child 2'")
    family.sql("UPDATE workshop_child SET extra = 8")
    family.sql("DELETE FROM workshop_child")
    assert family.history("item", "name") == [
        ("I", "own"),
        ("I", "child"),
        ("U", "child 2"),
        ("D", "child 2"),
    ]


def test_writes_through_the_parent_are_recorded_once(family: Workshop) -> None:
    family.sql("UPDATE workshop_item SET name = name || ' 2'")
    assert family.history("item", "name", where="operation = 'U'") == [
        ("U", "child 2"),
        ("U", "own 2"),
    ]
    family.sql("DELETE FROM workshop_item WHERE name = 'child 2'")
    family.sql("DELETE FROM ONLY workshop_item")
    assert family.history("item", "name", where="operation = 'D'") == [
        ("D", "child 2"),
        ("D", "own 2"),
    ]


def test_truncate_takes_the_rows_of_both(family: Workshop) -> None:
    family.sql("TRUNCATE workshop_item")
    assert sorted(family.history("item", "name", where="operation = 'T'")) == [
        ("T", "child"),
        ("T", "own"),
    ]


def test_truncate_of_a_child_takes_its_rows_alone(family: Workshop) -> None:
    family.sql("TRUNCATE workshop_child")
    assert family.history("item", "name", where="operation = 'T'") == [("T", "child")]


def test_copy_into_a_child_is_recorded(family: Workshop) -> None:
    family.psql("COPY workshop_child (id, name) FROM stdin;\n101\tcopied\n\\.\n")
    assert family.history("item", "name")[-1] == ("I", "copied")


def test_a_child_of_a_child_is_recorded(family: Workshop) -> None:
    family.sql("CREATE TABLE workshop_grandchild () INHERITS (workshop_child)")
    assert "out of step (missing triggers)" in "".join(family.problems())
    # Not captured yet: sync finds it.
    family.sql("INSERT INTO workshop_grandchild (id, name) VALUES (150, 'early')")
    with pytest.raises(CommandError, match="1 of 1 table differs from its history"):
        family.command("verify")
    family.sync()
    family.sql("INSERT INTO workshop_grandchild (id, name) VALUES (151, 'late')")
    assert family.history("item", "name", where="id >= 150") == [("B", "early"), ("I", "late")]


def test_the_past_has_the_rows_of_both(family: Workshop) -> None:
    before = newest()
    family.sql("DELETE FROM workshop_child")
    names = family.Item.history(revision=before).order_by("name").values_list("name", flat=True)
    assert list(names) == ["child", "own"]
    with history.at_rev(newest()):
        assert list(family.Item.history.values_list("name", flat=True)) == ["own"]
    assert before.restore_all().inserted == 1
    assert family.Item.objects.count() == 2


def test_a_child_with_rows_that_joins_later_is_recorded(shop: Workshop) -> None:
    shop.migrate(create("Item", NAME))
    shop.sql("CREATE TABLE workshop_child (LIKE workshop_item INCLUDING ALL)")
    shop.sql("INSERT INTO workshop_child (id, name) VALUES (5, 'there before')")
    shop.sql("ALTER TABLE workshop_child INHERIT workshop_item")
    shop.sql("UPDATE workshop_item SET name = 'changed'")
    shop.sync()
    assert shop.history("item", "name")[-1][1] == "changed"
    shop.sql("ALTER TABLE workshop_child NO INHERIT workshop_item")
    assert "orphaned trigger" in "".join(shop.command("status"))
    shop.sync()
    shop.sql("UPDATE workshop_child SET name = 'nobody''s business'")
    assert shop.history("item", "name")[-1] == ("D", "changed")


def test_tracking_begins_with_the_rows_of_both(shop: Workshop) -> None:
    shop.migrate(create("Item", NAME), synced=False)
    shop.sql(CHILD)
    shop.sql("INSERT INTO workshop_item (name) VALUES ('own')")
    shop.sql("INSERT INTO workshop_child (id, name) VALUES (100, 'child')")
    shop.sync()
    assert shop.history("item", "name") == [("B", "child"), ("B", "own")]


def test_a_row_is_recorded_in_one_history(family: Workshop) -> None:
    with pytest.raises(
        DatabaseError, match=r"it inherits from public\.workshop_item, which is tracked"
    ):
        family.sql("SELECT audittrail.track('workshop_child')")
    family.sql("CREATE TABLE workshop_above (id bigint PRIMARY KEY)")
    family.sql("CREATE TABLE workshop_below () INHERITS (workshop_above)")
    family.sql("ALTER TABLE workshop_below ADD PRIMARY KEY (id)")
    family.sql("SELECT audittrail.track('workshop_below')")
    with pytest.raises(
        DatabaseError, match=r"public\.workshop_below inherits from it and is tracked by itself"
    ):
        family.sql("SELECT audittrail.track('workshop_above')")


def test_a_model_of_a_child_is_skipped_with_the_reason(family: Workshop) -> None:
    family.migrate(create("Child", NAME, managed=False), synced=False)
    history.register(family.Child)
    assert [change.action for change in family.sync()] == ["skipped"]
    assert "its rows are recorded there" in "".join(family.problems())


def test_a_key_that_parent_and_child_both_have_is_told_until_it_is_mended(family: Workshop) -> None:
    family.sql("INSERT INTO workshop_child (id, name) SELECT id, 'twin' FROM ONLY workshop_item")
    with pytest.raises(CommandError, match="1 of"):
        family.command("verify")
    findings = [str(it) for _, found in verify("default") for it in found]
    assert any("1 key that several rows have, such as (1)" in it for it in findings), findings
    family.sql("UPDATE workshop_child SET id = 200 WHERE name = 'twin'")
    family.command("verify", "--repair")
    family.command("verify")
    assert sorted(family.Item.history(revision=newest()).values_list("pk", "name")) == [
        (1, "own"),
        (100, "child"),
        (200, "twin"),
    ]


def test_a_temporary_child_has_the_triggers_that_it_should_have(family: Workshop) -> None:
    family.sql("CREATE TEMPORARY TABLE workshop_passing () INHERITS (workshop_item)")
    family.sync()
    assert family.sync() == []
    family.sql("INSERT INTO workshop_passing (id, name) VALUES (200, 'passing')")
    assert family.history("item", "name")[-1] == ("I", "passing")
    family.sql("DELETE FROM workshop_passing; DROP TABLE workshop_passing")
    family.sync()

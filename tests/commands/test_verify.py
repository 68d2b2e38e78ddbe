"""`verify`: every kind of difference between a table and its history is found."""

from __future__ import annotations

import pytest
from django.core.management import CommandError

from tests.builders.workshop import Workshop


def unrecorded(items: Workshop, *statements: str) -> None:
    """Run statements as replication does: without triggers."""
    with items.session().cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)


def findings(items: Workshop, *arguments: str) -> list[str]:
    """Return what `verify` finds, after checking that it fails."""
    with pytest.raises(CommandError) as caught:
        items.command("verify", *arguments)
    assert caught.value.returncode == 1
    assert str(caught.value).startswith("1 of 1 table differs from its history.")
    return items.output.splitlines()


def repair(items: Workshop) -> None:
    """Have the differences recorded, after which there are none."""
    assert "recorded" in items.command("verify", "--repair")
    items.assert_in_step()


def test_nothing_to_find(items: Workshop) -> None:
    assert items.command("verify") == "1 table agrees with its history.\n"
    assert items.command("verify", verbosity=2).splitlines()[0] == "workshop_item: ok"


def test_a_row_without_a_version(items: Workshop) -> None:
    unrecorded(items, "INSERT INTO workshop_item (id, name) VALUES (7, 'new')")
    assert findings(items) == ["workshop_item: 1 row without a version, such as (7)"]
    repair(items)


def test_versions_without_a_row(items: Workshop) -> None:
    unrecorded(items, "DELETE FROM workshop_item WHERE id > 1")
    assert findings(items) == [
        "workshop_item: 2 rows in history that the table does not hold, such as (2)"
    ]
    repair(items)


def test_other_values(items: Workshop) -> None:
    unrecorded(items, "UPDATE workshop_item SET name = 'other' WHERE id = 3")
    assert findings(items) == [
        "workshop_item: 1 row with other values than the last version, such as (3)"
    ]
    repair(items)


def test_all_at_once_and_a_trigger(items: Workshop) -> None:
    unrecorded(
        items,
        "INSERT INTO workshop_item (id, name) VALUES (7, 'new')",
        "DELETE FROM workshop_item WHERE id = 1",
        "UPDATE workshop_item SET name = 'other' WHERE id = 3",
        "DROP TRIGGER audittrail_delete ON workshop_item",
    )
    assert findings(items, "workshop_item") == [
        "workshop_item: missing trigger delete on workshop_item",
        "workshop_item: 1 row with other values than the last version, such as (3)",
        "workshop_item: 1 row in history that the table does not hold, such as (1)",
        "workshop_item: 1 row without a version, such as (7)",
    ]
    items.sync()


def test_history_corrected_wrongly(items: Workshop) -> None:
    items.sql(
        "BEGIN; SET LOCAL audittrail.editing = 'on';"
        "UPDATE audittrail.workshop_item_history SET name = 'forged' WHERE id = 1; COMMIT"
    )
    assert findings(items) == [
        "workshop_item: 1 row with other values than the last version, such as (1)"
    ]
    repair(items)


def test_out_of_step(items: Workshop) -> None:
    items.sql("ALTER TABLE workshop_item ADD extra integer")
    assert findings(items) == [
        "workshop_item: its columns or capture functions are out of step; run sync"
    ]
    items.sync()


def test_a_table_that_is_gone(items: Workshop) -> None:
    items.sql("DROP TABLE workshop_item CASCADE")
    assert findings(items) == ["workshop_item: the table is gone; run sync"]
    items.command("sync")


def test_types_without_equality_are_compared(items: Workshop) -> None:
    items.sql("ALTER TABLE workshop_item ADD raw json, ADD spot point")
    items.sql("UPDATE workshop_item SET raw = '{\"a\": 1}', spot = '(1,2)'")
    items.sync()
    unrecorded(items, "UPDATE workshop_item SET raw = '{\"a\":  1}' WHERE id = 1")
    assert findings(items) == [
        "workshop_item: 1 row with other values than the last version, such as (1)"
    ]
    repair(items)


def test_ignored_columns_are_not_compared(items: Workshop) -> None:
    from audittrail import history

    history.register(items.Item, ignore=["name"])
    items.sync()
    items.Item.objects.update(name="ignored")
    assert items.command("verify") == "1 table agrees with its history.\n"


def test_an_unknown_table(items: Workshop) -> None:
    with pytest.raises(
        CommandError,
        match=r"'nonsense' is not a tracked table of database 'default', nor the model of one; manage\.py audittrail status",
    ):
        items.command("verify", "workshop_item", "nonsense")

"""What a transaction with an old snapshot can't tell is refused, as a serialization failure, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models

from tests.builders.workshop import Workshop, create

ISOLATION = ["REPEATABLE READ", "SERIALIZABLE"]

CHANGES = {
    "a column is added": "ALTER TABLE workshop_item ADD note text",
    "a column is added with a default": "ALTER TABLE workshop_item ADD note text DEFAULT 'n'",
    "one that was added is dropped again, and another added": "ALTER TABLE workshop_item ADD lost text; ALTER TABLE workshop_item DROP lost, ADD note text",
    "a column is renamed": "ALTER TABLE workshop_item RENAME name TO note",
    "a column is dropped": "ALTER TABLE workshop_item ADD note text, DROP name",
    "a column is retyped": "ALTER TABLE workshop_item ALTER name TYPE varchar(20); ALTER TABLE workshop_item RENAME name TO note",
    "the table is renamed": "ALTER TABLE workshop_item RENAME name TO note; ALTER TABLE workshop_item RENAME TO workshop_thing",
}

#: What replaces rows of the catalogs that say of a table what it looks like, and changes nothing of that.
HARMLESS = {
    "the table is truncated": "TRUNCATE workshop_item",
    "the table is stored anew": "CLUSTER workshop_item USING workshop_item_name",
    "a right is granted": "GRANT SELECT ON workshop_item TO PUBLIC",
    "an index is built anew": "REINDEX TABLE workshop_item",
    "an index is dropped": "DROP INDEX workshop_item_name",
    "storage parameters are set": "ALTER TABLE workshop_item SET (fillfactor = 90)",
    "history is pruned": (
        "SELECT audittrail.begin_pruning((SELECT array_agg(id) FROM audittrail.tracked_table), r.committed, r.id, '{}')"
        " FROM audittrail.revision r WHERE r.committed IS NOT NULL ORDER BY r.committed DESC LIMIT 1"
    ),
}


def began(shop: Workshop, isolation: str) -> Any:
    """Return a cursor of another session, in a transaction whose snapshot is taken, and that has written before."""
    cursor = shop.session().cursor()
    cursor.execute("UPDATE workshop_item SET id = id; COMMIT")
    cursor.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT 1")
    return cursor


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_snapshot_older_than_a_change(
    shop: Workshop, item: int, isolation: str, synced: bool, change: str
) -> None:
    cursor = began(shop, isolation)
    shop.sql(CHANGES[change])
    if synced:
        shop.sync()
    table = "workshop_thing" if "table" in change else "workshop_item"
    write = f"UPDATE {table} SET note = 'new'"
    with pytest.raises(
        Exception, match=r"audittrail: .* after this transaction took its snapshot"
    ) as caught:
        cursor.execute(write)
    error: Any = caught.value
    assert (getattr(error, "sqlstate", None) or error.pgcode) == "40001"
    assert "Run the transaction again" in str(error.diag.message_hint)
    cursor.execute(f"ROLLBACK; BEGIN ISOLATION LEVEL {isolation}; {write}; COMMIT")
    shop.sync()
    assert shop.history("item", "note")[-1] == ("U", "new")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_a_snapshot_older_than_the_start_of_tracking(shop: Workshop, isolation: str) -> None:
    shop.sql("CREATE TABLE workshop_item (id int PRIMARY KEY, name text)")
    shop.sql("INSERT INTO workshop_item VALUES (1, 'before')")
    cursor = began(shop, isolation)
    shop.sql("SELECT audittrail.track('workshop_item')")
    for write in (
        "UPDATE workshop_item SET name = 'x'",
        "INSERT INTO workshop_item VALUES (2, 'x')",
        "DELETE FROM workshop_item",
        "TRUNCATE workshop_item",
    ):
        cursor.execute("SAVEPOINT s")
        with pytest.raises(Exception, match="audittrail: ") as caught:
            cursor.execute(write)
        error: Any = caught.value
        assert (getattr(error, "sqlstate", None) or error.pgcode) == "40001"
        cursor.execute("ROLLBACK TO s")
    cursor.execute(
        f"ROLLBACK; BEGIN ISOLATION LEVEL {isolation}; UPDATE workshop_item SET name = 'x'; COMMIT"
    )
    assert shop.history("item", "name") == [("B", "before"), ("U", "x")]


@pytest.mark.parametrize("isolation", ISOLATION)
def test_other_snapshots_are_not_refused(shop: Workshop, item: int, isolation: str) -> None:
    """A change before the snapshot, one of one's own, and one that was rolled back."""
    shop.sql("ALTER TABLE workshop_item ADD note text")
    cursor = began(shop, isolation)
    other = shop.session().cursor()
    other.execute(
        "BEGIN; ALTER TABLE workshop_item ADD lost text, ALTER name SET DEFAULT 'd'; ROLLBACK"
    )
    cursor.execute("UPDATE workshop_item SET note = 'one'")
    cursor.execute(
        "ALTER TABLE workshop_item ADD own text; UPDATE workshop_item SET own = 'two'; COMMIT"
    )
    shop.sync()
    assert shop.history("item", "note", "own")[-2:] == [("U", "one", None), ("U", "one", "two")]
    shop.migrate(create("Part", ("name", models.TextField())))
    cursor.execute(
        f"BEGIN ISOLATION LEVEL {isolation}; UPDATE workshop_item SET own = 'three'; COMMIT"
    )
    assert shop.history("item", "own")[-1] == ("U", "three")


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("change", HARMLESS)
def test_what_leaves_a_table_as_it_is_refuses_nobody(
    shop: Workshop, item: int, isolation: str, change: str
) -> None:
    shop.sql("CREATE INDEX workshop_item_name ON workshop_item (name)")
    cursor = began(shop, isolation)
    shop.sql(HARMLESS[change])
    cursor.execute("INSERT INTO workshop_item (id, name) VALUES (99, 'new'); COMMIT")
    assert shop.history("item", "id", "name")[-1] == ("I", 99, "new")


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE workshop_item RENAME TO workshop_thing",
        "CREATE SCHEMA elsewhere; ALTER TABLE workshop_item SET SCHEMA elsewhere",
    ],
)
def test_a_snapshot_older_than_a_name(
    shop: Workshop, item: int, isolation: str, change: str
) -> None:
    cursor = began(shop, isolation)
    shop.sql(change)
    table = "workshop_thing" if "thing" in change else "elsewhere.workshop_item"
    with pytest.raises(Exception, match="after this transaction took its snapshot"):
        cursor.execute(f"UPDATE {table} SET name = 'new'")
    cursor.execute("ROLLBACK")
    shop.sync()

"""A snapshot does not show the rows of a table that another session has truncated or rewritten since: what needs them is refused.

What is read is held against a plain dictionary of what the rows held at the moment.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, models, transaction

from audittrail.exceptions import TrackedLaterError
from audittrail.models import Revision
from tests.builders.sending import newest, snapshot
from tests.builders.workshop import Workshop, create

ISOLATION = ["REPEATABLE READ", "SERIALIZABLE"]
RETYPED = "ALTER TABLE workshop_item ALTER name TYPE varchar(20) USING name || '!'"

#: What other sessions do, and whether the history table of `workshop_item` is rewritten with it.
CHANGES = {
    "TRUNCATE workshop_item": False,
    "ALTER TABLE workshop_item ADD code uuid DEFAULT gen_random_uuid()": False,
    "VACUUM FULL workshop_item": False,
    RETYPED: False,
    f"{RETYPED}; UPDATE workshop_item SET name = 'after' WHERE id = 1": True,
    f"{RETYPED}; SELECT audittrail.track('workshop_item', baseline_limit => 0)": True,
}
#: What the rows hold at the moment that is read.
HELD = {1: "changed", 2: "old", 3: "old"}


@pytest.fixture
def moment(shop: Workshop, settings: Any, complete: bool) -> Any:
    """Make a table of three rows, with a complete baseline or not, change one of them, and close what there is."""
    settings.AUDITTRAIL_BASELINE_LIMIT = 1_000_000 if complete else 0
    shop.migrate(create("Item", ("name", models.TextField())), synced=False)
    shop.sql("INSERT INTO workshop_item (id, name) SELECT n, 'old' FROM generate_series(1, 3) n")
    shop.sync()
    shop.sql("UPDATE workshop_item SET name = 'changed' WHERE id = 1")
    shop.command("maintain")
    return newest()


def read(shop: Workshop, moment: Any) -> dict[int, str]:
    return dict(shop.Item.history(revision=moment).values_list("pk", "name"))


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("change", CHANGES)
def test_the_past_in_a_snapshot_older_than_a_change(
    shop: Workshop, moment: Any, complete: bool, isolation: str, change: str
) -> None:
    other = shop.session().cursor()
    with snapshot(isolation):
        for statement in change.split("; "):
            other.execute(statement)
        if complete and not CHANGES[change]:
            assert read(shop, moment) == HELD
        else:
            with (
                pytest.raises(OperationalError, match="which does not show its rows") as caught,
                transaction.atomic(),
            ):
                read(shop, moment)
            error: Any = caught.value.__cause__
            assert (getattr(error, "sqlstate", None) or error.pgcode) == "40001"
    shop.command("sync")
    if complete or not change.startswith(RETYPED):
        assert read(shop, moment) == HELD
    else:
        # What the rows held before they were given other values nobody knows.
        with pytest.raises(TrackedLaterError, match="tracked only since"):
            read(shop, moment)
    shop.assert_in_step()


@pytest.mark.parametrize("complete", [False])
def test_a_new_type_that_history_has_not_followed_yet(shop: Workshop, moment: Any) -> None:
    shop.sql(RETYPED)
    with pytest.raises(OperationalError, match=r"has got another type|Run .* sync"):
        read(shop, moment)
    shop.sync()
    assert read(shop, newest()) == {1: "changed!", 2: "old!", 3: "old!"}


@pytest.mark.parametrize("complete", [False])
def test_a_wider_type_begins_no_history_anew(shop: Workshop, moment: Any) -> None:
    shop.sql("ALTER TABLE workshop_item ALTER name TYPE varchar(20)")
    shop.sync()
    begun = newest()
    shop.sql("ALTER TABLE workshop_item ALTER name TYPE varchar(40)")
    shop.sync()
    assert read(shop, begun) == HELD


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("isolation", ["READ COMMITTED", *ISOLATION])
@pytest.mark.parametrize(
    "before",
    [
        "SELECT 1",
        "INSERT INTO workshop_item (id, name) VALUES (9, 'of others')",
        "UPDATE workshop_item SET name = 'changed!' WHERE id = 2",
        "DELETE FROM workshop_item WHERE id = 3",
        "DELETE FROM workshop_item WHERE id = 3; INSERT INTO workshop_item (id, name) VALUES (3, 'again')",
    ],
)
def test_a_type_that_a_transaction_changes_itself(
    shop: Workshop, moment: Any, complete: bool, isolation: str, before: str
) -> None:
    """Others have written after its snapshot: the rewritten table shows that to it, and history does not."""
    other = shop.session().cursor()
    with snapshot(isolation):
        other.execute(before)
        shop.sql("UPDATE workshop_item SET name = 'own' WHERE id = 1")
        shop.sql(RETYPED)
        shop.sql("UPDATE workshop_item SET name = name || '?' WHERE id = 1")
    shop.sync()
    last = dict(shop.sql("SELECT id, name FROM workshop_item"))
    assert read(shop, newest()) == last
    assert last[1] == "own!?"
    if complete:
        assert read(shop, moment) == HELD


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize(
    "recording",
    [
        "SELECT audittrail.track('workshop_item')",
        "SELECT audittrail.repair(id) FROM audittrail.tracked_table WHERE table_name = 'workshop_other'",
    ],
)
def test_a_snapshot_that_may_lack_rows_records_no_table(
    shop: Workshop, isolation: str, recording: str
) -> None:
    shop.sql("CREATE TABLE workshop_other (id int PRIMARY KEY, name text)")
    shop.sql("SELECT audittrail.track('workshop_other')")
    shop.sql("CREATE TABLE workshop_item (id int PRIMARY KEY, name text)")
    cursor = shop.session().cursor()
    cursor.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT 1")
    shop.sql("INSERT INTO workshop_item VALUES (1, 'late')")
    with pytest.raises(Exception, match="may not see rows of") as caught:
        cursor.execute(recording)
    error: Any = caught.value
    assert (getattr(error, "sqlstate", None) or error.pgcode) == "40001"
    cursor.execute("ROLLBACK; BEGIN")
    cursor.execute(f"{recording}; COMMIT")


@pytest.mark.parametrize("complete", [True])
@pytest.mark.parametrize("isolation", ["READ COMMITTED", *ISOLATION])
def test_versions_in_a_snapshot_older_than_a_rewriting_of_history(
    shop: Workshop, moment: Any, isolation: str
) -> None:
    item = shop.Item.objects.get(pk=1)
    versions = shop.Item.history.versions
    ways = (
        versions.count,
        versions.exists,
        lambda: list(versions.order_by("version")[:1]),
        lambda: versions.aggregate(models.Max("version")),
        lambda: versions.union(versions).count(),
        item.history.versions.count,
        lambda: Revision.objects.for_object(item).count(),
    )
    other = shop.session().cursor()
    with transaction.atomic():
        shop.sql(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        shop.sql("SELECT 1")
        # History is stored anew as well: no statement of this transaction may have read it yet.
        other.execute(f"{RETYPED}; UPDATE workshop_item SET name = 'after' WHERE id = 1")
        for way in ways:
            if isolation == "READ COMMITTED":
                assert way()
                continue
            with (
                pytest.raises(OperationalError, match="which does not show its rows"),
                transaction.atomic(),
            ):
                way()
    assert all(way() for way in ways)

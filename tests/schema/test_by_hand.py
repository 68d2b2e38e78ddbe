"""Tables that somebody tracks in SQL, and tables that somebody exchanges behind Django's back."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.db import connection, models, transaction

from audittrail.exceptions import TimeTravelError, TrackedLaterError
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())


@pytest.fixture
def ledger(shop: Workshop) -> Workshop:
    """Make the table `workshop_ledger`, which no model has, and track it in SQL."""
    shop.sql(
        "CREATE TABLE workshop_ledger (id integer PRIMARY KEY, amount integer, secret text, note text)"
    )
    shop.sql("SELECT audittrail.track('workshop_ledger', '{secret}', '{note}')")
    shop.sql("INSERT INTO workshop_ledger VALUES (1, 10, 's', 'n')")
    return shop


def test_a_table_without_a_model_is_kept_in_step(ledger: Workshop) -> None:
    assert ledger.sync() == []
    ledger.sql("ALTER TABLE workshop_ledger DISABLE TRIGGER audittrail_update")
    ledger.sql("UPDATE workshop_ledger SET amount = 11")
    assert "disabled triggers" in "".join(ledger.problems())
    with pytest.raises(CommandError, match="out of step"):
        ledger.command("sync", "--check")
    assert "workshop_ledger: changed (disabled triggers)" in ledger.command("sync")
    ledger.sql("UPDATE workshop_ledger SET amount = 12")
    assert ledger.history("ledger", "amount") == [("I", 10), ("B", 11), ("U", 12)]


def test_its_columns_are_followed_and_its_options_kept(ledger: Workshop) -> None:
    ledger.sql("ALTER TABLE workshop_ledger RENAME COLUMN amount TO sum")
    ledger.sql("ALTER TABLE workshop_ledger ADD COLUMN place text DEFAULT 'here'")
    assert [(change.table, change.action) for change in ledger.sync()] == [
        ("workshop_ledger", "changed")
    ]
    assert ledger.columns("ledger") == ["id", "sum", "note", "place"]
    ledger.sql("UPDATE workshop_ledger SET note = 'other', secret = 'other'")
    assert [operation for operation, _ in ledger.history("ledger", "id")] == ["I"]


def test_the_statements_of_sync_can_be_read_and_run(ledger: Workshop) -> None:
    ledger.sql("DROP TRIGGER audittrail_delete ON workshop_ledger")
    script = ledger.command("sync", "--sql")
    assert "audittrail.track('public.workshop_ledger'::regclass" in script.replace("E'", "'")
    ledger.psql(script)
    assert ledger.sync() == []


def test_its_end_is_followed(ledger: Workshop) -> None:
    ledger.sql("DROP TABLE workshop_ledger")
    assert [(change.table, change.action) for change in ledger.sync()] == [
        ("workshop_ledger", "ended")
    ]
    assert ledger.history("ledger", "amount") == [("I", 10)]


def test_a_table_without_a_model_in_another_schema_is_kept_in_step(ledger: Workshop) -> None:
    ledger.sql('CREATE SCHEMA "Other"')
    ledger.sql('ALTER TABLE workshop_ledger SET SCHEMA "Other"')
    assert [change.table for change in ledger.sync()] == ["workshop_ledger"]
    ledger.sql('UPDATE "Other".workshop_ledger SET amount = 20')
    ledger.sql('ALTER TABLE "Other".workshop_ledger DISABLE TRIGGER ALL')
    assert [change.table for change in ledger.sync()] == ["workshop_ledger"]
    assert ledger.history("ledger", "amount") == [("I", 10), ("U", 20)]


def exchange(shop: Workshop) -> None:
    """Put a copy in the place of `workshop_item`, as online schema changers do, and change it."""
    shop.sql("CREATE TABLE workshop_item_new (LIKE workshop_item INCLUDING ALL)")
    shop.sql("INSERT INTO workshop_item_new SELECT * FROM workshop_item")
    with transaction.atomic():
        shop.sql("ALTER TABLE workshop_item RENAME TO workshop_item_old")
        shop.sql("ALTER TABLE workshop_item_new RENAME TO workshop_item")
    shop.sql("UPDATE workshop_item SET name = 'new'")


@pytest.fixture
def exchanged(shop: Workshop) -> Workshop:
    shop.migrate(create("Item", NAME))
    shop.Item.objects.create(name="old")
    return shop


def test_the_past_of_an_exchanged_table_is_not_that_of_the_old_one(exchanged: Workshop) -> None:
    before = newest()
    assert exchanged.Item.history(revision=before).get().name == "old"
    exchange(exchanged)
    for moment in (before, newest()):
        with pytest.raises(
            TimeTravelError, match=r"another one than the table .* Run manage\.py audittrail sync"
        ):
            list(exchanged.Item.history(revision=moment))
    with pytest.raises(TimeTravelError, match=r"Run manage\.py audittrail sync"):
        list(exchanged.Item.history.deleted())
    with (
        transaction.atomic(),
        pytest.raises(TimeTravelError, match=r"Run manage\.py audittrail sync"),
    ):
        list(exchanged.Item.history(revision=before))
    with connection.cursor() as cursor, pytest.raises(Exception, match="is not tracked"):
        cursor.execute("SELECT * FROM audittrail.as_of(NULL::workshop_item, now())")
    exchanged.sync()
    exchanged.sql("UPDATE workshop_item SET name = 'newer'")
    assert exchanged.Item.history(revision=newest()).get().name == "newer"
    with pytest.raises(TrackedLaterError, match="tracked only since"):
        list(exchanged.Item.history(revision=before))


def test_a_statement_that_was_prepared_before_goes_on_with_the_new_table(
    exchanged: Workshop,
) -> None:
    session = exchanged.session().cursor()
    session.execute("PREPARE rename AS UPDATE workshop_item SET name = $1")
    for name in "abcdefg":  # past the change to a generic plan
        session.execute(f"EXECUTE rename('{name}')")
    exchange(exchanged)
    session.execute("EXECUTE rename('before sync')")
    exchanged.sync()
    session.execute("EXECUTE rename('after')")
    assert exchanged.history("item", "name") == [("B", "before sync"), ("U", "after")]


def test_an_exchange_is_told(exchanged: Workshop) -> None:
    exchange(exchanged)
    with pytest.raises(CommandError, match="differs from its history"):
        exchanged.command("verify")
    assert (
        "another table has its name by now, of which nothing is recorded; run sync"
        in exchanged.output
    )
    with pytest.raises(CommandError, match="Something needs attention"):
        exchanged.command("status", "--check")
    assert "another table has its name; run sync" in exchanged.output
    assert "not tracked yet" in "".join(exchanged.problems())
    exchanged.sync()


def test_the_history_of_the_table_that_was_exchanged_stays(exchanged: Workshop) -> None:
    exchange(exchanged)
    exchanged.sync()
    assert exchanged.history("item", "name") == [("B", "new")]
    (name,) = exchanged.sql(
        "SELECT history_name FROM audittrail.tracked_table WHERE table_name = 'workshop_item_old'"
    )[0]
    assert exchanged.sql(f'SELECT operation::text, name FROM audittrail."{name}"') == [("I", "old")]
    exchanged.sql("DROP TABLE workshop_item_old")
    assert [change.action for change in exchanged.sync()] == ["ended"]


def test_an_exchange_that_drops_the_old_table_goes_on_in_its_history(exchanged: Workshop) -> None:
    exchange(exchanged)
    exchanged.sql("DROP TABLE workshop_item_old")
    with pytest.raises(TimeTravelError, match=r"Run manage\.py audittrail sync"):
        list(exchanged.Item.history(revision=newest()))
    exchanged.sync()
    assert exchanged.history("item", "name") == [("I", "old"), ("B", "new")]


def test_undo_names_a_table_that_is_not_tracked_any_more(ledger: Workshop) -> None:
    revision = newest()
    ledger.sql(
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'workshop_ledger'"
    )
    (note,) = revision.undo(dry_run=True).notes
    assert note.message == (
        "The revision changed rows of table 'workshop_ledger', which is not tracked any more; they stay as they are."
    )
    ledger.sql("DROP TABLE workshop_ledger")


@pytest.mark.parametrize("oid", ["1", "'audittrail.revision'::regclass"])
def test_sync_does_not_end_the_tracking_of_a_table_that_was_restored(
    ledger: Workshop, oid: str
) -> None:
    """Since a restore from a dump the registry has the oid of no table, or of another."""
    ledger.sql(
        f"UPDATE audittrail.tracked_table SET relation = {oid} WHERE table_name = 'workshop_ledger'"
    )
    ledger.sync()
    ledger.sql("UPDATE workshop_ledger SET amount = 30")
    assert ledger.history("ledger", "amount") == [("I", 10), ("U", 30)]

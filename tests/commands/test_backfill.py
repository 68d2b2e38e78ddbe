"""Baselines: copied at once where a table is small, else as rows change and by `backfill`."""

from __future__ import annotations

import threading

import pytest
from django.core.management import CommandError
from django.db import connections, models
from django.test import override_settings

from audittrail.capture import baseline
from audittrail.capture.registry import Progress
from tests.builders.workshop import Workshop, create


@pytest.fixture
def large(shop: Workshop):
    """Give a workshop with ten rows in `workshop_item` whose baseline is too large to copy."""
    with override_settings(AUDITTRAIL_BASELINE_LIMIT=0):
        shop.migrate(create("Item", ("name", models.TextField())), synced=False)
        shop.Item.objects.bulk_create([shop.Item(name=f"row {n}") for n in range(1, 11)])
        shop.sync()
        yield shop


def rows(shop: Workshop, key: int) -> list[tuple]:
    return shop.history("item", "name", where=f"id = {key}")


def test_a_small_table_is_copied_at_once(shop: Workshop) -> None:
    shop.migrate(create("Item", ("name", models.TextField())), synced=False)
    shop.Item.objects.bulk_create([shop.Item(name=name) for name in "ab"])
    shop.sync()
    assert shop.history("item", "name") == [("B", "a"), ("B", "b")]
    assert shop.command("backfill") == "Every baseline is complete.\n"


def test_all_of_a_baseline_is_one_revision(shop: Workshop) -> None:
    shop.migrate(create("Item", ("name", models.TextField())), synced=False)
    shop.Item.objects.bulk_create([shop.Item(name=name) for name in "ab"])
    shop.sync()
    assert shop.sql("SELECT count(*), count(committed) FROM audittrail.revision") == [(1, 1)]


def test_status_and_a_check_say_what_is_missing(large: Workshop) -> None:
    assert large.history("item", "name") == []
    assert "baseline incomplete; run backfill" in large.command("status")
    assert large.problems() == [
        "audittrail.W014: The baseline of 'workshop_item' in database 'default' is not complete."
    ]
    with pytest.raises(CommandError):
        large.command("status", "--check")
    large.command("backfill")
    assert large.problems() == []
    large.command("status", "--check")


def test_the_first_change_of_a_row_writes_its_baseline(large: Workshop) -> None:
    large.Item.objects.filter(pk=1).update(name="changed")
    large.Item.objects.filter(pk=1).update(name="again")
    large.Item.objects.filter(pk=2).delete()
    large.Item.objects.create(name="new")
    assert rows(large, 1) == [("B", "row 1"), ("U", "changed"), ("U", "again")]
    assert rows(large, 2) == [("B", "row 2"), ("D", "row 2")]
    assert rows(large, 3) == []
    assert rows(large, 11) == [("I", "new")]
    large.assert_in_step()
    large.command("backfill")
    assert rows(large, 1) == [("B", "row 1"), ("U", "changed"), ("U", "again")]
    assert rows(large, 2) == [("B", "row 2"), ("D", "row 2")]
    assert rows(large, 3) == [("B", "row 3")]
    assert rows(large, 11) == [("I", "new")]


def test_a_row_deleted_and_made_again_before_the_backfill(large: Workshop) -> None:
    large.Item.objects.filter(pk=1).delete()
    large.sql("INSERT INTO workshop_item (id, name) VALUES (1, 'made again')")
    large.command("backfill")
    assert rows(large, 1) == [("B", "row 1"), ("D", "row 1"), ("I", "made again")]


def test_a_truncate_writes_the_baseline_of_all_rows(large: Workshop) -> None:
    large.Item.objects.filter(pk=1).update(name="changed")
    large.sql("TRUNCATE workshop_item")
    assert rows(large, 1) == [("B", "row 1"), ("U", "changed"), ("T", "changed")]
    assert rows(large, 2) == [("B", "row 2"), ("T", "row 2")]


def test_a_change_without_effect_writes_the_baseline_at_most(large: Workshop) -> None:
    large.sql("UPDATE workshop_item SET name = name WHERE id = 1")
    assert rows(large, 1) in ([], [("B", "row 1")])


def test_a_table_altered_before_its_baseline_is_complete(large: Workshop) -> None:
    session = large.session()
    with session.cursor() as cursor:
        cursor.execute("UPDATE workshop_item SET name = 'changed' WHERE id = 1")
        large.sql("ALTER TABLE workshop_item ADD size integer DEFAULT 7")
        cursor.execute("UPDATE workshop_item SET name = 'changed' WHERE id = 2")
        large.sql("ALTER TABLE workshop_item RENAME name TO title")
        cursor.execute("DELETE FROM workshop_item WHERE id = 3")
        large.sql("ALTER TABLE workshop_item DROP size")
    large.sync()
    large.command("backfill")
    assert large.history("item", "title", "size", where="id <= 4 AND id > 1") == [
        ("B", "row 2", 7),
        ("B", "row 3", 7),
        ("B", "row 4", None),
        ("U", "changed", 7),
        ("D", "row 3", 7),
    ]


def test_a_backfill_that_was_stopped_goes_on(large: Workshop) -> None:
    class StopError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.rows >= 4:
            raise StopError

    with pytest.raises(StopError):
        baseline.backfill(batch_size=2, report=stop)
    assert len(large.history("item", "name")) == 4
    seen: list[int] = []
    baseline.backfill(batch_size=2, report=lambda progress: seen.append(progress.rows))
    # It does not look again at what it has copied.
    assert seen == [0, 2, 4, 6, 6]
    assert len(large.history("item", "name")) == 10
    large.assert_in_step()


def test_the_progress_is_shown(large: Workshop, monkeypatch) -> None:
    assert large.command("backfill", "--batch-size", "4") == "workshop_item: 10 rows, complete\n"


def test_several_tables_are_summed_up(large: Workshop) -> None:
    large.migrate(create("Other", ("name", models.TextField())), synced=False)
    large.sql("INSERT INTO workshop_other (name) VALUES ('a')")
    large.sync()
    assert large.command("backfill", "workshop.Item", "workshop_other").splitlines() == [
        "workshop_item: 10 rows, complete",
        "workshop_other: 1 rows, complete",
        "2 tables: 11 rows, complete",
    ]


def test_nothing_is_said_with_verbosity_0(large: Workshop) -> None:
    assert large.command("backfill", "--verbosity", "0") == ""
    assert large.command("backfill", "-v0") == large.command("maintain", "-v", "0") == ""
    assert large.command("sync", "-v0") == ""


def test_a_terminal_gets_a_bar(large: Workshop) -> None:
    from audittrail.management.progress import ProgressBar

    shown: list[str] = []

    def write(text: str, ending: str = "\n") -> None:
        shown.append(text + ending)

    large.sql("ANALYZE workshop_item")
    with ProgressBar(write, interactive=True) as bar:
        baseline.backfill(batch_size=5, report=bar.show)
    length = len(shown[2]) - 1
    cleared = f"\r{' ' * length}\r"
    assert shown == [
        f"\rworkshop_item [{'.' * 30}] 0 of about 10",
        f"\rworkshop_item [{'#' * 15}{'.' * 15}] 5 of about 10",
        f"\rworkshop_item [{'#' * 30}] 10 of about 10",
        cleared,
        "workshop_item: 10 rows, complete\n",
    ]
    shown.clear()
    # Where somebody stops it, too.
    with ProgressBar(write, interactive=True) as bar:
        bar.show(Progress("workshop_item", 10, 10, complete=False))
    assert shown[1:] == [cleared]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("id uuid", "gen_random_uuid()"),
        ("id text", "'it''s ' || n || ' \"%'"),
        ('"a, b" int, c date', "n % 3, date '2025-01-01' + n"),
        ("id numeric", "n / 7.0"),
        ("id inet", "inet '10.0.0.0' + n"),
        ("id bytea", "decode(lpad(to_hex(n), 8, '0'), 'hex')"),
        ("id timestamptz", "timestamptz '2025-01-01' + n * interval '1 microsecond'"),
        ("id smallint[]", "ARRAY[n, n]"),
    ],
)
def test_batches_follow_any_key(shop: Workshop, key: str, values: str) -> None:
    names = (
        ", ".join(part.rsplit(" ", 1)[0] for part in key.split(", "))
        if "a, b" not in key
        else '"a, b", c'
    )
    shop.sql(
        f"CREATE TABLE workshop_odd ({key}, PRIMARY KEY ({names}));"
        f"INSERT INTO workshop_odd SELECT {values} FROM generate_series(1, 23) n"
    )
    shop.sql("SELECT audittrail.track('workshop_odd', baseline_limit => 0)")
    shop.command("backfill", "workshop_odd", "--batch-size", "5")
    assert shop.sql("SELECT count(*) FROM audittrail.workshop_odd_history") == [(23,)]
    assert shop.sql("SELECT * FROM workshop_odd ORDER BY 1") == shop.sql(
        f"SELECT {names} FROM audittrail.workshop_odd_history ORDER BY 1"
    )


def test_a_row_locked_by_a_writer_is_waited_for(large: Workshop) -> None:
    session = large.session(autocommit=False)
    session.cursor().execute("UPDATE workshop_item SET name = 'changed' WHERE id = 5")
    finished = threading.Event()
    failures: list[Exception] = []

    def fill() -> None:
        try:
            baseline.backfill(batch_size=2)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connections.close_all()
            finished.set()

    thread = threading.Thread(target=fill)
    thread.start()
    # The batches before the locked row go through; the writer goes on undisturbed.
    while not large.history("item", "name", where="id = 4"):
        assert not finished.wait(0.01)
    session.cursor().execute("UPDATE workshop_item SET name = 'changed' WHERE id IN (1, 6)")
    session.commit()
    thread.join()
    assert failures == []
    assert rows(large, 5) == [("B", "row 5"), ("U", "changed")]
    assert rows(large, 1) == [("B", "row 1"), ("U", "changed")]
    assert rows(large, 6) == [("B", "row 6"), ("U", "changed")]
    large.assert_in_step()


def test_backfill_gives_up_in_the_end(large: Workshop, monkeypatch) -> None:
    monkeypatch.setattr(baseline, "ATTEMPTS", 2)
    monkeypatch.setattr(baseline, "PATIENCE", 10)
    session = large.session(autocommit=False)
    session.cursor().execute("UPDATE workshop_item SET name = 'changed' WHERE id = 5")
    with pytest.raises(
        CommandError,
        match=r"'workshop_item' was kept waiting .* run manage.py audittrail backfill again",
    ):
        large.command("backfill", "--batch-size", "3")
    session.rollback()
    large.command("backfill")
    assert len(large.history("item", "name")) == 10


def test_beside_many_writers_nothing_is_lost_and_nobody_fails(shop: Workshop) -> None:
    with override_settings(AUDITTRAIL_BASELINE_LIMIT=0):
        shop.migrate(
            create("Item", ("name", models.TextField()), ("size", models.IntegerField(default=0))),
            synced=False,
        )
        shop.sql(
            "INSERT INTO workshop_item (name, size) SELECT 'row ' || n, 0 FROM generate_series(1, 400) n"
        )
        shop.sync()
        failures: list[Exception] = []
        done = threading.Event()

        def write(number: int) -> None:
            session = shop.session(autocommit=False)
            try:
                turn = 0
                while not done.is_set() or turn < 20:
                    turn += 1
                    with session.cursor() as cursor:
                        # In key order, so that the writers themselves can't deadlock.
                        first = (turn * 37 + number * 101) % 390 + 1
                        for key in (first, first + 5):
                            cursor.execute(
                                "UPDATE workshop_item SET size = size + 1 WHERE id = %s", [key]
                            )
                        if turn % 5 == 0:
                            cursor.execute("DELETE FROM workshop_item WHERE id = %s", [first + 5])
                    session.commit()
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            shop.command("backfill", "--batch-size", "20")
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert failures == []
        shop.assert_in_step()
        first = shop.sql(
            "SELECT DISTINCT ON (id) id, operation::text, size FROM audittrail.workshop_item_history ORDER BY id, version"
        )
        assert first == [(key, "B", 0) for key in range(1, 401)]


@pytest.mark.parametrize("size", ["0", "-3", "many"])
def test_a_bad_batch_size(large: Workshop, size: str) -> None:
    with pytest.raises(
        CommandError, match=r"argument --batch-size: .* is not a whole number of 1 or more"
    ):
        large.command("backfill", "--batch-size", size)


def test_an_unknown_table(large: Workshop) -> None:
    with pytest.raises(
        CommandError, match="'nonsense' is not a tracked table of database 'default'"
    ):
        large.command("backfill", "nonsense")

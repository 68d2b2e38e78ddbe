"""`history.prune`: what stays can be read as before, what went is refused, and what happened is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from audittrail import history
from audittrail.capture import closing, pruning, verify
from audittrail.exceptions import EditingError, LockedError, TrackedLaterError
from audittrail.models import Revision
from audittrail.testing import close_revision
from tests.builders.sending import newest, sql
from tests.testapp.models import Customer, Employee, Order, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def revisions() -> list[Any]:
    """Give the revisions of a tag that is renamed from a to d, of which c is twice there, and of another that is deleted at c."""
    Tag.objects.create(name="other")
    tag = Tag.objects.create(name="a")
    made = [newest()]
    for name in "bcd":
        with transaction.atomic():
            tag.name = name
            if name == "c":
                Tag.objects.filter(name="other").delete()
                Tag.objects.filter(pk=tag.pk).update(name="between")
            tag.save()
        made.append(newest())
    return made


def names(revision: Any) -> list[str]:
    return sorted(Tag.history(revision=revision).values_list("name", flat=True))


def left() -> list[tuple[str, str]]:
    return [(v.operation, v.name) for v in history.of(Tag).versions.in_order()]


def test_moments_from_the_cutoff_on_are_read_as_before(revisions) -> None:
    _a, b, c, d = revisions
    done = history.prune(c)
    assert (done.cutoff, done.versions, done.revisions) == (c, 3, 3)
    assert [names(c), names(d)] == [["c"], ["d"]]
    assert left() == [("D", "other"), ("U", "between"), ("U", "c"), ("U", "d")]
    assert Revision.objects.filter(pk__in=[c.pk, d.pk]).count() == 2
    with pytest.raises(TrackedLaterError, match="kept only since"):
        names(b)


def test_what_the_revision_at_the_cutoff_changed_can_still_be_told(revisions) -> None:
    c = revisions[2]
    before = list(c.get_changed_objects(Tag).values_list("name", "history_operation"))
    history.prune(c)
    assert list(c.get_changed_objects(Tag).values_list("name", "history_operation")) == before
    assert list(Tag.history.deleted().values_list("name", flat=True)) == ["other"]


def test_an_earlier_moment_is_refused_in_words_wherever_it_is_asked_for(revisions) -> None:
    a, _b, c, d = revisions
    Customer.objects.create(name="kept")  # its revision keeps the moment
    product = Product.objects.create(name="x")
    history.prune(newest(), tables=[Tag, "testapp_product"])
    since = f"kept only since {newest_but_record().committed_at:%Y-%m-%d %H:%M:%S}"
    for read in (
        lambda: names(d),
        lambda: d.get_changed_objects(Tag).count(),
        lambda: list(Tag.history.deleted(d)),
        lambda: product.history(d),
        lambda: list(Tag.history.as_of(a.committed_at)),
    ):
        with pytest.raises(TrackedLaterError, match=f"{since}.*was pruned on|tracked only since"):
            read()
    with pytest.raises(Revision.DoesNotExist, match=f"{since}.*was pruned on"):
        Revision.objects.get_by_timestamp(a.committed_at - timedelta(days=1))
    with pytest.raises(TrackedLaterError, match=since):
        Tag.history.as_of(a.committed_at - timedelta(days=1))
    with pytest.raises(DatabaseError, match=r"kept only since .* was pruned on"):
        sql("SELECT * FROM audittrail.as_of(NULL::testapp_tag, %s)", c.committed_at)
    with pytest.raises(DatabaseError, match="kept only since"):
        sql("SELECT * FROM audittrail.as_of(NULL::testapp_tag, '2000-01-01')")
    assert sql("SELECT name FROM audittrail.as_of(NULL::testapp_tag, now())") == [("d",)]


def newest_but_record() -> Any:
    return Revision.objects.exclude(context__has_key="pruned").newest()


def test_tables_that_are_not_named_keep_all(revisions) -> None:
    bakery = Customer.objects.create(name="a")
    first = newest()
    bakery.name = "b"
    bakery.save()
    history.prune(newest(), tables=["testapp_tag"])
    assert bakery.history(first).name == "a"
    with pytest.raises(TrackedLaterError):
        names(first)


@pytest.mark.parametrize(
    ("keep_last", "expected"),
    [
        (1, [("D", "other"), ("U", "d")]),
        (2, [("I", "other"), ("D", "other"), ("U", "c"), ("U", "d")]),
        (9, [("I", "other"), ("I", "a"), ("U", "b"), ("D", "other"), ("U", "between"), ("U", "c"), ("U", "d")]),
    ],
)  # fmt: skip
def test_the_last_versions_of_each_row_can_be_kept(revisions, keep_last, expected) -> None:
    Customer.objects.create(name="x")
    history.prune(newest(), keep_last=keep_last)
    assert left() == expected
    history.prune(newest())
    assert left() == [("U", "d")]


def test_it_only_counts_if_that_is_wanted(revisions) -> None:
    before = left(), Revision.objects.count()
    planned = history.prune(revisions[2], dry_run=True)
    assert planned.dry_run
    assert {table.table: table.versions for table in planned.tables if table.versions} == {
        "testapp_tag": 3
    }
    assert planned.revisions == 3
    assert (left(), Revision.objects.count()) == before
    assert names(revisions[0]) == ["a", "other"]


def test_it_is_recorded(revisions) -> None:
    ada = User.objects.create_user("ada")
    cutoff = newest()
    history.prune(cutoff, user=ada, reason="Retention", ticket=7, keep_last=1)
    record = newest()
    assert (record.committed_by, record.reason, record.context["ticket"]) == (ada, "Retention", 7)
    pruned = record.context["pruned"]
    assert datetime.fromisoformat(pruned["kept_since"]) == cutoff.committed_at
    assert (pruned["kept_from"], pruned["keep_last"]) == (cutoff.committed, 1)
    assert pruned["versions"]["testapp_tag"] == 5
    assert pruned["versions"]["testapp_order"] == 0
    assert pruned["revisions"] == 3
    assert {"testapp_tag_history", "testapp_order_history", "revision"} <= {
        *record.context["corrected"]
    }


def test_nothing_to_do_leaves_no_revision(revisions) -> None:
    cutoff = newest()
    history.prune(cutoff)
    count = Revision.objects.count()
    assert history.prune(cutoff).versions == 0
    assert Revision.objects.count() == count
    nothing = history.prune(timedelta(days=300))
    assert (nothing.cutoff, nothing.tables) == (None, ())
    assert Revision.objects.count() == count


def test_records_of_corrections_stay(revisions) -> None:
    with history.editing("dated"):
        Revision.objects.filter(pk=revisions[0].pk).update(reason="x")
    Tag.objects.update(name="e")
    history.prune(newest())
    Tag.objects.update(name="f")
    history.prune(newest())
    reasons = Revision.objects.order_by("committed").values_list("reason", flat=True)
    assert reasons[0] == "dated"
    assert sum(reason.startswith("History before") for reason in reasons) == 2


def test_ages_and_times_choose_the_cutoff(revisions) -> None:
    times = [datetime(2020, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
    with history.editing("dated"):
        for revision, moment in zip(revisions, times, strict=True):
            Revision.objects.filter(pk=revision.pk).update(committed_at=moment)
        Revision.objects.filter(pk__lt=revisions[0].pk).update(
            committed_at=datetime(2019, 1, 1, tzinfo=UTC)
        )
    assert history.prune(datetime(2020, 2, 20, tzinfo=UTC), dry_run=True).cutoff == revisions[1]
    age = timezone.now() - datetime(2020, 3, 20, tzinfo=UTC)
    assert history.prune(age, dry_run=True).cutoff == revisions[2]
    assert history.prune(timedelta(0), dry_run=True).cutoff == newest()


@pytest.mark.parametrize(
    ("older_than", "options", "message"),
    [
        (timedelta(days=-1), {}, "is still to come"),
        (datetime(2999, 1, 1, tzinfo=UTC), {}, "is still to come"),
        ("365d", {}, "older_than is '365d'; give a timedelta"),
        (timedelta(0), {"keep_last": -1}, "keep_last is -1; give a whole number"),
        (timedelta(0), {"keep_last": "3"}, "keep_last is '3'"),
        (timedelta(0), {"tables": ["nowhere"]}, "'nowhere' is not a table that database 'default' tracks"),
        (Revision(id=1), {}, "is not a committed one of database 'default'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(revisions, older_than, options, message: str) -> None:
    before = left()
    with pytest.raises(EditingError, match=message):
        history.prune(older_than, **options)
    assert left() == before


def test_it_is_no_part_of_another_transaction(revisions) -> None:
    with transaction.atomic(), pytest.raises(EditingError, match="outside atomic"):
        history.prune(newest())
    assert len(left()) == 7


def test_deleted_and_returned_rows(revisions) -> None:
    pk = Tag.objects.get().pk
    Tag.objects.all().delete()
    gone = newest()
    Tag.objects.create(pk=pk, name="again")
    back = newest()
    history.prune(gone)
    assert (names(gone), names(back)) == ([], ["again"])
    history.prune(back)
    assert left() == [("I", "again")]
    sql("SELECT audittrail.verify(id) FROM audittrail.tracked_table")


def test_inherited_objects_are_told_whole() -> None:
    ada = Employee.objects.create(name="Ada", salary=1)
    ada.salary = 2
    ada.save()
    cutoff = newest()
    ada.delete()
    history.prune(cutoff)
    assert Employee.history(revision=cutoff).get().name == "Ada"
    assert Employee.history.deleted().get().salary == 2


def test_an_incomplete_baseline_stays_right(large: int) -> None:
    first = newest()
    sql("UPDATE large SET name = 'x' WHERE id = 1; UPDATE large SET name = 'y' WHERE id = 1")
    sql("DELETE FROM large WHERE id = 2")
    cutoff = newest()
    sql("UPDATE large SET name = 'z' WHERE id = 3")

    def told() -> list[Any]:
        return sql(
            "SELECT id, name FROM audittrail.as_of(NULL::large, %s) ORDER BY id",
            cutoff.committed_at,
        )

    before = told()
    history.prune(cutoff, tables=["large"])
    assert told() == before == [(1, "y"), (3, "c")]
    with pytest.raises(DatabaseError, match="kept only since"):
        sql("SELECT * FROM audittrail.as_of(NULL::large, %s)", first.committed_at)
    sql("SELECT audittrail.backfill_batch(%s, 10)", large)
    sql("SELECT audittrail.backfill_batch(%s, 10)", large)
    assert told() == before
    history.prune(newest(), tables=["large"])
    assert sql("SELECT audittrail.verify(%s)", large) == []
    # The revision that tracking began with stays: it is that of baselines.
    assert Revision.objects.filter(pk=first.pk).exists()


@pytest.fixture
def large() -> Iterator[int]:
    """Give the registry's number of a table whose baseline is not complete."""
    sql("CREATE TABLE large (id int PRIMARY KEY, name text)")
    sql("INSERT INTO large VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    sql("SELECT audittrail.track('large', baseline_limit => 0)")
    yield sql("SELECT id FROM audittrail.tracked_table WHERE table_name = 'large'")[0][0]
    sql("DROP TABLE large")
    sql(
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'large' AND until_version IS NULL"
    )
    sql("DELETE FROM audittrail.tracked_table WHERE table_name = 'large'")
    sql("DROP TABLE audittrail.large_history")


def test_a_table_without_a_key_is_left_alone_and_said_so(large: int) -> None:
    sql("UPDATE large SET name = 'x'")
    sql("ALTER TABLE large DROP COLUMN id")
    sql("UPDATE large SET name = 'y' WHERE name = 'x'")
    done = history.prune(newest())
    (table,) = [table for table in done.tables if table.table == "large"]
    assert (table.versions, table.obstacle[:21]) == (0, "it has no primary key")
    assert sql("SELECT kept_from FROM audittrail.tracked_table WHERE id = %s", large) == [(0,)]
    assert sql("SELECT count(*) FROM audittrail.large_history") == [(9,)]


def test_a_table_that_is_not_tracked_any_more_is_pruned_too(large: int) -> None:
    sql("UPDATE large SET name = 'x'")
    sql("SELECT audittrail.untrack(%s)", large)
    Tag.objects.create(name="later")
    history.prune(newest(), tables=["large"])
    assert sql("SELECT operation::text, count(*) FROM audittrail.large_history GROUP BY 1") == [
        ("U", 3)
    ]


def test_a_history_table_that_is_gone_stops_nothing(large: int) -> None:
    sql("DROP TABLE audittrail.large_history")
    done = history.prune(newest())
    assert "its history table is gone" in {table.obstacle for table in done.tables}
    sql("CREATE TABLE audittrail.large_history (id int)")


# What others make of it


def test_differences_begin_where_history_is_kept(revisions) -> None:
    a, b, c, d = revisions
    tag = Tag.objects.get()
    history.prune(c)
    assert [(name, new) for name, new, _ in tag.history.diff(from_revision=c)] == [("name", "d")]
    assert [(name, new) for name, new, _ in tag.history.diff()] == [("name", "d")]
    assert tag.history.compare(c, d).changes[0].old == "c"
    for start in (a, b):
        with pytest.raises(TrackedLaterError, match=r"pruned|kept only"):
            list(Tag.history.diff(pk=tag.pk, from_revision=start))


def test_restoring_goes_as_far_back_as_history_is_kept(revisions) -> None:
    _a, b, c, _d = revisions
    history.prune(c, tables=[Tag])
    c.restore_all()
    assert Tag.objects.get().name == "c"
    with pytest.raises(TrackedLaterError):
        Tag.history(revision=b).restore()
    with pytest.raises(TrackedLaterError, match="kept only since"):
        b.restore_all(dry_run=True)


def test_a_rollback_and_its_record_outlive_prunings(revisions) -> None:
    c = revisions[2]
    history.prune(c)
    c.rollback_all_later_revisions()
    rollback = newest()
    assert (names(c), names(rollback)) == (["c"], ["c"])
    Tag.objects.update(name="e")
    history.prune(newest())
    assert Revision.objects.filter(pk=rollback.pk).exists()
    assert [finding for _, found in verify.verify() for finding in found] == []


# Beside others


def test_many_writers_and_a_reader_beside_it(revisions) -> None:
    pk, kept = Tag.objects.get().pk, newest()
    stop = Event()

    def write(number: int) -> None:
        mine = Tag.objects.create(name=f"writer {number}")
        while not stop.is_set():
            Tag.objects.filter(pk=mine.pk).update(name=f"{number} {Revision.objects.newest()}")
            Tag.objects.filter(pk=pk).update(name=f"d {number}")
        connections.close_all()

    def read() -> int:
        told = 0
        while not stop.is_set() or not told:
            assert names(kept) == ["d"]
            told += 1
        connections.close_all()
        return told

    with ThreadPoolExecutor(4) as executor:
        work = [executor.submit(write, number) for number in range(3)]
        reading = executor.submit(read)
        try:
            for _ in range(5):
                history.prune(kept, batch_size=5)
        finally:
            stop.set()
        assert reading.result() > 0
        assert [future.result() for future in work] == [None] * 3
    assert names(kept) == ["d"]
    present = sorted(Tag.objects.values_list("name", flat=True))
    history.prune(newest(), batch_size=50)
    assert names(newest()) == present
    assert history.of(Tag).versions.count() == len(present)
    assert [finding for _, found in verify.verify() for finding in found] == []


def in_thread(work: Callable[[], object]) -> None:
    """Do something on a connection of its own."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(work).result()
        executor.submit(connections.close_all).result()


def test_open_transactions_neither_wait_nor_lose(revisions, second_connection) -> None:
    writer = second_connection.cursor()
    writer.execute("SET lock_timeout = '100ms'")
    writer.execute("UPDATE testapp_tag SET name = 'open'")
    cutoff = newest()
    history.prune(cutoff)
    assert left() == [("U", "d")]
    writer.execute("UPDATE testapp_tag SET name = 'later'")
    second_connection.commit()
    assert (names(cutoff), names(newest())) == (["d"], ["later"])


def test_what_an_open_transaction_reads_is_refused_or_right(revisions, monkeypatch) -> None:
    monkeypatch.setattr(pruning, "GRACE", 0.05)
    _a, b, c, d = revisions
    with transaction.atomic():
        assert (names(b), names(d)) == (["b", "other"], ["d"])
        in_thread(lambda: history.prune(d))
        assert names(d) == ["d"]
        with pytest.raises(TrackedLaterError), transaction.atomic():
            names(c)
        with pytest.raises(
            Exception, match=r"history pruned, while this|can't be read as of revision"
        ):
            names(b)


def test_an_old_snapshot_still_sees_all(revisions, monkeypatch) -> None:
    monkeypatch.setattr(pruning, "GRACE", 0.05)
    b, d = revisions[1], revisions[3]
    with transaction.atomic():
        sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert names(b) == ["b", "other"]
        in_thread(lambda: history.prune(d))
        assert names(b) == ["b", "other"]
    with pytest.raises(TrackedLaterError):
        names(b)


def test_a_plan_that_postgresql_keeps_is_made_again(revisions) -> None:
    b, d = revisions[1], revisions[3]
    past = connections[Tag.history(revision=b).db]
    with connection.cursor() as cursor:
        text = past.to_past("SELECT name FROM testapp_tag", cursor, False)
    sql(f"PREPARE kept_plan AS {text}")
    assert sorted(sql("EXECUTE kept_plan")) == [("b",), ("other",)]
    in_thread(lambda: history.prune(d))
    with pytest.raises(DatabaseError, match="has changed since this statement was prepared"):
        sql("EXECUTE kept_plan")
    sql("DEALLOCATE kept_plan")


def test_statements_that_were_planned_before_get_to_begin(revisions, second_connection) -> None:
    reader = second_connection.cursor()
    reader.execute("SELECT count(*) FROM audittrail.testapp_tag_history")
    waiting = Event()
    original = pruning._batch

    def batch(run: Any, statement: str, parameters: list[Any]) -> Any:
        if "prune_batch" in statement:
            assert waiting.is_set()
        return original(run, statement, parameters)

    def commit() -> None:
        waiting.set()
        second_connection.commit()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "_batch", batch)
        patch.setattr(pruning, "GRACE", 60.0)
        # The reader ends as soon as it is looked for a second time.
        patch.setattr(pruning.time, "sleep", lambda seconds: commit())
        history.prune(newest(), tables=[Tag])
    assert waiting.is_set()


def test_a_migration_under_way_stops_it_with_words(
    revisions, second_connection, monkeypatch
) -> None:
    monkeypatch.setattr(pruning, "ATTEMPTS", 2)
    monkeypatch.setattr(closing, "ATTEMPTS", 2)
    cursor = second_connection.cursor()
    cursor.execute(
        "SELECT FROM audittrail.tracked_table WHERE table_name = 'testapp_tag' FOR UPDATE"
    )
    with pytest.raises(LockedError, match="was kept waiting by other transactions"):
        history.prune(newest())
    assert len(left()) == 7
    second_connection.rollback()
    assert history.prune(newest()).versions == 6


def test_it_goes_on_where_it_was_stopped(revisions, monkeypatch) -> None:
    cutoff = newest()
    original = pruning._batch

    def batch(run: Any, statement: str, parameters: list[Any]) -> Any:
        if "prune_batch" in statement and parameters[4]:
            raise KeyboardInterrupt
        return original(run, statement, parameters)

    monkeypatch.setattr(pruning, "_batch", batch)
    with pytest.raises(KeyboardInterrupt):
        history.prune(cutoff, tables=[Tag])
    assert left() == [("D", "other"), ("U", "d")]
    assert newest().context["pruned"]["versions"] == {"testapp_tag": 5}
    assert names(cutoff) == ["d"]
    with pytest.raises(TrackedLaterError):
        names(revisions[2])
    monkeypatch.setattr(pruning, "_batch", original)
    done = history.prune(cutoff, tables=[Tag])
    assert (done.versions, done.revisions) == (1, 4)
    assert left() == [("U", "d")]


def test_progress_is_reported(revisions) -> None:
    seen: list[Any] = []
    Order.objects.count()
    history.prune(newest(), tables=[Tag], report=seen.append)
    assert [(p.table, p.rows) for p in seen if p.complete] == [("testapp_tag", 6)]
    assert all(p.rows <= p.estimate for p in seen if not p.complete)


@pytest.mark.django_db(transaction=False)
def test_it_may_be_called_in_a_test_case() -> None:
    tag = Tag.objects.create(name="a")
    close_revision()
    tag.name = "b"
    tag.save()
    cutoff = close_revision()
    assert cutoff is not None
    assert history.prune(cutoff, tables=[Tag]).versions == 1
    tag.delete()
    close_revision()
    assert history.prune(newest(), tables=[Tag], keep_last=1).versions == 1
    assert left() == [("D", "b")]

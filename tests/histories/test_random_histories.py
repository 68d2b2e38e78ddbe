"""Whatever happens to whatever tables, history tells exactly that. See `drawing` for long runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import given, note

from tests.histories import record
from tests.histories.drawing import CLIENTS, Drawn, plays, random_plays
from tests.histories.play import Play
from tests.histories.record import GONE, Content, Version
from tests.histories.schemas import Table


@random_plays
@given(plays())
def test_history_gives_back_every_moment(fresh_database: Callable[[], Any], drawn: Drawn) -> None:
    schema, chosen = drawn
    with fresh_database() as database:
        play = Play(schema, database.connect, CLIENTS)
        for step in chosen:
            play.step(step)
        play.finish()
        for text in schema.statements():
            note(text)
        note("\n".join(play.script))
        assert not play.complaints
        ticks = record.commits(play.observer)
        for table in schema.tables:
            made = record.versions(play.observer, table, play.names[table.name])
            check_moments(play, table, made, ticks)
            names = play.names[table.name]
            check_order(table, made, {n for n, name in names.items() if name.startswith("c_")})
            if schema.witnessed:
                check_witness(play, table, made)
            elif schema.plain:
                check_statements(play, table, made)
            assert (
                record.fetch(
                    play.observer,
                    "SELECT kind, rows, example FROM audittrail.tracked_table t, audittrail.verify(t.id)"
                    f" WHERE t.table_name = '{table.name}'",
                )
                == []
            )


def check_moments(play: Play, table: Table, made: list[Version], ticks: dict[int, int]) -> None:
    """Compare the table as of every revision with what it held after the commit of that revision."""
    now = play.content[table.name]
    for revision, truth in play.truth.items():
        told = record.as_of(ticks[revision], made, ticks, now)
        present = {number for row in truth[table.name].values() for number in row}
        compared = present.intersection(play.followed[revision][table.name])
        expected, found = restricted(truth[table.name], compared), restricted(told, compared)
        for key in expected.keys() | found.keys():
            assert found.get(key) == expected.get(key), (
                f"{table.name} {key} as of revision {revision}"
            )


def restricted(content: Content, numbers: set[int]) -> Content:
    """Return a content with the columns that were there at the time."""
    return {
        key: {number: value for number, value in row.items() if number in numbers}
        for key, row in content.items()
    }


def check_order(table: Table, made: list[Version], added: set[int]) -> None:
    """See that the versions of each row make sense one after the other.

    A column that was added later, with a value for each row that is there, has it in history when the row is written again.
    """
    for key, chain in record.by_key((version.key, version) for version in made).items():
        where = f"{table.name} {key}: {[(v.version, v.operation) for v in chain]}"
        assert chain[0].operation in ("I", "B"), where
        for earlier, later in pairwise(chain):
            assert earlier.version < later.version, where
            allowed = ("I", "B") if earlier.operation in GONE else ("U", "D", "T", "B")
            assert later.operation in allowed, where
            assert later.operation != "U" or earlier.row != later.row, where
            if later.operation in GONE:
                filled = {n for n in added if earlier.row.get(n) is None}
                for number in (earlier.row.keys() | later.row.keys()) - filled:
                    assert earlier.row.get(number) == later.row.get(number), where


def check_witness(play: Play, table: Table, made: list[Version]) -> None:
    """Compare the versions, one by one, with what the row triggers of the witness saw."""
    numbers = list(play.names[table.name])
    seen: list[tuple[tuple[Any, ...], tuple[str, Any]]] = []
    moved = False
    for operation, old_key, new_key, old, new in record.fetch(
        play.observer,
        "SELECT op, old_key, new_key, old_image, new_image FROM witness.change"
        f" WHERE planned IS NULL AND tab = '{table.name}' ORDER BY seq",
    ):
        before = old and dict(zip(numbers, old, strict=True))
        after = new and dict(zip(numbers, new, strict=True))
        if operation == "INSERT":
            seen.append((tuple(new_key), ("I", after)))
        elif operation != "UPDATE":
            seen.append((tuple(old_key), (operation[0], before)))
        elif old_key != new_key:
            moved = True
            seen += [(tuple(old_key), ("D", before)), (tuple(new_key), ("I", after))]
        elif before != after:
            seen.append((tuple(new_key), ("U", after)))
    expected = record.by_key(seen)
    told = record.by_key((v.key, (v.operation, v.row)) for v in made if v.operation != "B")
    if moved or table.partitioned:
        # A key that one row leaves and another one takes in the same statement is updated.
        expected = {key: [*joined(changes)] for key, changes in expected.items()}
        told = {key: [*joined(changes)] for key, changes in told.items()}
    compare(table, told, expected)


def joined(changes: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return changes with each deletion that an insertion follows taken together with it, as an update."""
    result: list[tuple[str, Any]] = []
    gone: list[tuple[str, Any]] = []
    for operation, row in changes:
        if operation in GONE:
            gone = [(operation, row)]
        elif gone:
            if gone[0][1] != row:
                result.append(("U", row))
            gone = []
        else:
            result.append((operation, row))
    return result + gone


def check_statements(play: Play, table: Table, made: list[Version]) -> None:
    """Compare the versions, one by one, with the difference that each statement made."""
    expected = record.by_key(
        (change.key, (operation(change), change.after or change.before))
        for _, change in sorted(play.changes, key=lambda item: item[0])
        if change.table == table.name
    )
    told = record.by_key(
        (v.key, ("D" if v.operation == "T" else v.operation, v.row))
        for v in made
        if v.operation != "B"
    )
    compare(table, told, expected)


def compare(table: Table, told: dict[Any, list[Any]], expected: dict[Any, list[Any]]) -> None:
    """Assert that the changes of each row are the expected ones; say which are not."""
    for key in told.keys() | expected.keys():
        one, other = told.get(key, []), expected.get(key, [])
        assert one == other, "\n".join(
            [f"{table.name} {key}: history has", *map(str, one), "but it was", *map(str, other)]
        )


def operation(change: Any) -> str:
    """Return what a change is called."""
    if change.before is None:
        return "I"
    return "D" if change.after is None else "U"

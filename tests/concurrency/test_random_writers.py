"""Whatever several threads write to whatever tables at once, history is what row triggers saw, in an order that nobody can contradict.

See `tests.histories.drawing` for long runs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from threading import Event
from typing import Any

from hypothesis import Phase, given, settings

from tests.builders.fresh import Fresh
from tests.closing import reading
from tests.concurrency.truth import Truth, is_visible
from tests.concurrency.writers import Reader, Session, random_transactions
from tests.histories import record, witness
from tests.histories.drawing import CLIENTS, EXAMPLES, dice, random_plays
from tests.histories.record import Content
from tests.histories.schemas import Schema, random_schema


# What threads do is never the same again, so there is no making it smaller.
@settings(random_plays, max_examples=EXAMPLES or 8, phases=[Phase.generate])
@given(dice())
def test_history_gives_back_what_threads_did(
    fresh_database: Callable[[], Any], thrown: Random
) -> None:
    schema = random_schema(thrown)
    # Triggers are for long runs: what is found of them is found more easily one step after the other, by tests/histories.
    while schema.changing or (schema.triggers and not EXAMPLES):
        schema = random_schema(thrown)
    schema = replace(schema, witnessed=True)
    with fresh_database() as database:
        play(database, schema, thrown)


def play(database: Fresh, schema: Schema, thrown: Random) -> None:
    """Let threads write, then compare."""
    observer = database.connect()
    for text in schema.statements():
        record.execute(observer, text)
    found = {table.name: record.columns(observer, table) for table in schema.tables}
    columns = {name: dict(one.values()) for name, one in found.items()}
    for text in witness.statements(schema, {name: [*one] for name, one in columns.items()}):
        record.execute(observer, text)
    before = {table.name: record.live(observer, table) for table in schema.tables}
    start = max(record.commits(observer).values(), default=0)
    version = int(record.fetch(observer, "SHOW server_version_num")[0][0]) // 10000
    drawn = [random_transactions(thrown, schema, columns, version) for _ in range(CLIENTS)]
    values = {name: ", ".join(f"{c}::text" for c in one) for name, one in columns.items()}
    session, over = Session(schema, database.name), Event()
    reader = Reader(connection(database), schema, values, start)
    connections = [connection(database) for _ in drawn]
    with ThreadPoolExecutor() as threads:
        looking = threads.submit(reader.read, over)
        writing = [
            threads.submit(session.write, one, number, transactions)
            for number, (one, transactions) in enumerate(zip(connections, drawn, strict=True))
        ]
        try:
            for future in writing:
                future.result()
            while session.end_prepared(observer, "COMMIT"):
                pass
        finally:
            over.set()
        looking.result()
    try:
        truth = Truth(observer, schema, before, start)
        check_order(truth, session)
        check_states(truth, reader)
        for table in schema.tables:
            told, expected = truth.chains(table)
            assert told == expected, table.name
    except AssertionError as error:
        error.add_note("\n".join([*schema.statements(), *map(repr, drawn)]))
        raise


def connection(database: Fresh) -> Any:
    """Connect so that nobody waits for long."""
    made = database.connect()
    record.execute(made, "SET lock_timeout = '100ms'")
    record.execute(made, "SET deadlock_timeout = '20ms'")
    return made


def check_order(truth: Truth, session: Session) -> None:
    """See that the order agrees with the clock on the wall, with what was seen, and with who had to wait for whom."""
    ended = [one for one in session.ended if one.xid in truth.ticks]
    for one in ended:
        for other in ended:
            if one.latest < other.earliest:
                assert truth.ticks[one.xid] < truth.ticks[other.xid], (one, other)
            if one is not other and is_visible(one.xid, other.snapshot):
                assert truth.ticks[one.xid] < truth.ticks[other.xid], (one, other)
    for key, changes in truth.changes.items():
        ticks = [truth.ticks.get(change.xid, 0) for change in changes]
        assert ticks == sorted(ticks), key


def check_states(truth: Truth, reader: Reader) -> None:
    """Compare the tables as of every revision, and in every snapshot, with what the witness saw."""
    now = {table.name: record.live(truth.observer, table) for table in truth.schema.tables}
    states = truth.states()
    assert states[-1][1] == now
    for tick, state in states:
        expected = {name: listed(content) for name, content in state.items()}
        for count in reading.COUNTS:
            assert reader.as_of(tick, count) == expected, f"as of tick {tick}"
        for table in truth.schema.tables:
            told = record.as_of(tick, truth.versions[table.name], truth.commits, now[table.name])
            assert told == state[table.name], f"{table.name} as of tick {tick}"
    assert reader.snapshots
    for snapshot, content in reader.snapshots:
        seen = [xid for xid in truth.ticks if is_visible(xid, snapshot)]
        assert content == truth.after(seen), snapshot
    for tick, answer in reader.answers:
        assert answer == reader.as_of(tick), f"tick {tick} was read while others wrote"


def listed(content: Content) -> list[Any]:
    """Return the rows of a content as `reading` has them."""
    return sorted((list(row.values()) for row in content.values()), key=repr)

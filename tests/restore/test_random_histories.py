"""After any history: restore_all gives the truth of any revision, undo that before the newest, rollback leaves nothing later.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from audittrail.models import Revision
from tests.histories import record
from tests.histories.drawing import CLIENTS, EXAMPLES, Drawn, plays, random_plays
from tests.histories.play import Play
from tests.histories.schemas import Schema

ALIAS = "restored"


def is_plain(schema: Schema) -> bool:
    """Tell whether a schema has no triggers, which may turn what is restored into something else, and keeps its columns."""
    return not schema.triggers and not schema.changing


@settings(random_plays, max_examples=EXAMPLES or 10)
@given(plays(is_plain), st.data())
def test_every_state_comes_back(
    fresh_database: Callable[[], Any], drawn: Drawn, data: st.DataObject
) -> None:
    schema, chosen = drawn
    with fresh_database() as database:
        play = Play(schema, database.connect, CLIENTS)
        for step in chosen:
            play.step(step)
        play.finish()
        for client in play.clients:
            client.connection.close()
        for text in schema.statements():
            note(text)
        note("\n".join(play.script))
        assume(play.truth)
        with database.server.attached(ALIAS, database.name):
            check(play, data)


def check(play: Play, data: st.DataObject) -> None:
    """Bring some of the states back, and compare the tables with what was noted of them."""
    revisions: Any = Revision.objects.using(ALIAS)
    ticks = record.commits(play.observer)
    order = sorted(play.truth, key=lambda number: ticks[number])
    for number in data.draw(st.lists(st.sampled_from(order), min_size=1, max_size=4)):
        note(f"restore all to {number}")
        before = content(play)
        plan = revisions.get(pk=number).restore_all()
        assert plan.conflicts == ()
        assert content(play) == play.truth[number]
        assert verified(play) == []
        if not plan.is_empty:
            newest = revisions.newest()
            note(f"undo {newest.pk}")
            assert newest.undo().conflicts == ()
            assert content(play) == before
            assert verified(play) == []
    number = data.draw(st.sampled_from(order))
    note(f"roll back to {number}")
    revisions.get(pk=number).rollback_all_later_revisions()
    assert content(play) == play.truth[number]
    assert verified(play) == []
    later = {revision for revision in record.commits(play.observer) if revision not in ticks}
    kept = {revision for revision in order if ticks[revision] <= ticks[number]}
    assert {*record.commits(play.observer)} - later == kept | (
        ticks.keys() - play.truth.keys() - later
    )
    for table in play.schema.tables:
        made = record.versions(play.observer, table, play.names[table.name])
        assert {version.revision for version in made} & later == set()
        for revision in kept:
            told = record.as_of(ticks[revision], made, ticks, content(play)[table.name])
            assert told == play.truth[revision][table.name], f"as of {revision}"


def content(play: Play) -> dict[str, Any]:
    """Return what the tables hold."""
    return {table.name: record.live(play.observer, table) for table in play.schema.tables}


def verified(play: Play) -> list[Any]:
    """Return what `verify` finds wrong."""
    return record.fetch(
        play.observer,
        "SELECT t.table_name, v.* FROM audittrail.tracked_table t, audittrail.verify(t.id) v",
    )

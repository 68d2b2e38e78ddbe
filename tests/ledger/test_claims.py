"""What is marked as erased on purpose is what a revision says, no more; and layouts hold nothing of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from audittrail.capture import install, servercode
from audittrail.capture import pruning as batches
from audittrail.ledger import entering
from audittrail.revisions.pruning import prune
from tests.builders.sending import newest
from tests.ledger.scene import ALIAS, Scene, told


@pytest.fixture
def scene(fresh_database: Callable[[], Any], django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.begin()
        yield scene


@pytest.fixture(autouse=True)
def no_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "GRACE", 0.0)


def test_a_pruning_that_is_entered_between_its_batches_raises_no_alarm(
    scene: Scene, tmp_path: Path
) -> None:
    before = scene.digest(tmp_path / "before.json")
    with scene.attached():
        done = prune(newest(ALIAS), using=ALIAS, batch_size=3, report=lambda progress: _enter())
    assert done.revisions > 0
    after = scene.digest(tmp_path / "after.json")
    report = scene.verify(before, after)
    assert told(report) == []
    erased = {erasure.table: erasure.erased for erasure in report.erasures}
    versions = {table.table: table.versions for table in done.tables if table.versions}
    assert erased == {**versions, "revision": done.revisions}


def _enter() -> None:
    entering.enter(ALIAS)


def test_a_pruning_covers_no_more_of_a_table_than_it_counted(scene: Scene, tmp_path: Path) -> None:
    scene.enter()
    with scene.attached():
        prune(newest(ALIAS), using=ALIAS)
    digest = scene.digest(tmp_path / "digest.json")
    pruning = scene.value("SELECT id FROM audittrail.revision WHERE context ? 'pruned'")
    scene.run(
        "ALTER TABLE audittrail.shop_history DISABLE TRIGGER USER",
        "DELETE FROM audittrail.shop_history",
        "ALTER TABLE audittrail.shop_history ENABLE TRIGGER USER",
        f"UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = {pruning} WHERE key IS NOT NULL"
        " AND table_id = (SELECT id FROM audittrail.tracked_table WHERE table_name = 'shop')",
    )
    problem = f"marked as erased on purpose by revision {pruning}, which says that it erased fewer"
    assert any(problem in text for text in told(scene.verify(digest)))


def test_how_much_a_correction_erased_is_certain_from_the_next_digest_on(
    scene: Scene, tmp_path: Path
) -> None:
    before = scene.digest(tmp_path / "before.json")
    scene.run(
        "BEGIN; SET LOCAL audittrail.editing = 'on'; DELETE FROM audittrail.note_history WHERE id = 3; COMMIT"
    )
    correction = scene.value("SELECT max(id) FROM audittrail.revision")
    erase_as_if_by(scene, correction, 4)
    # This is what docs/ledger.md says is not proved: row 4 was erased by somebody else. But that it was erased is told, and by whom it is said to be.
    report = scene.verify(before)
    assert told(report) == []
    assert [(e.revision, e.table, e.erased) for e in report.erasures] == [(correction, "note", 2)]
    after = scene.digest(tmp_path / "after.json")
    assert told(scene.verify(before, after)) == []
    erase_as_if_by(scene, correction, 5)
    found = told(scene.verify(after))
    assert any(f"by revision {correction}, after that was entered" in text for text in found), found
    leaf = (
        f"SELECT position FROM audittrail.ledger_entry WHERE version = {correction} AND kind = 'R'"
    )
    scene.run(
        f"UPDATE audittrail.ledger_entry SET erased_in = ({leaf}) WHERE erased_by = {correction}"
    )
    found = told(scene.verify(after))
    assert any(f"revision {correction} is not what it was" in text for text in found), found


def erase_as_if_by(scene: Scene, correction: int, row: int) -> None:
    """Let the owner remove a row of history, and mark it as erased by a correction that was another's."""
    scene.run(
        "ALTER TABLE audittrail.note_history DISABLE TRIGGER USER",
        f"DELETE FROM audittrail.note_history WHERE id = {row}",
        "ALTER TABLE audittrail.note_history ENABLE TRIGGER USER",
        f"UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = {correction}"
        f" WHERE key = '({row})' AND table_id = (SELECT id FROM audittrail.tracked_table WHERE table_name = 'note')",
    )


def test_no_value_of_a_row_stays_in_the_layout_of_a_table(scene: Scene) -> None:
    scene.run(
        "CREATE TABLE person (id int PRIMARY KEY, born text)",
        "SELECT audittrail.track('person')",
        "INSERT INTO person VALUES (1, '1977-03-04, Linz')",
    )
    scene.enter()
    scene.run(
        "ALTER TABLE person ALTER COLUMN born TYPE varchar(10) USING left(born, 10)",
        "SELECT audittrail.track('person')",
        "UPDATE person SET born = '2000-01-01'",
    )
    scene.enter()
    layouts = scene.run("SELECT fills FROM audittrail.ledger_layout WHERE fills <> '{}'")
    assert layouts and not any("1977" in fills for (fills,) in layouts)
    assert told(scene.verify()) == []


#: An earlier release noted less of a table.
FORMER_FACTS = """
ALTER FUNCTION audittrail.ledger_facts RENAME TO present_facts;
CREATE FUNCTION audittrail.ledger_facts(tracked audittrail.tracked_table) RETURNS text LANGUAGE sql AS
$$SELECT (audittrail.present_facts(tracked)::jsonb - '{since_at,kept_since,relation,bound}'::text[])::text$$
"""

#: It entered in the name of revision 0 what another type of a column had made of versions.
CONVERTED = (
    (
        "INSERT INTO audittrail.ledger_entry (version, table_id, layout, kind, key, made_by)"
        " SELECT e.version, e.table_id, e.layout, 'C', e.key, 0 FROM audittrail.ledger_entry e WHERE e.key IS NOT NULL"
        " AND e.position IS NOT NULL AND e.table_id = (SELECT id FROM audittrail.tracked_table WHERE table_name = 'shop')"
    ),
    (
        "UPDATE audittrail.ledger_entry e SET salt = NULL, key = NULL, erased_by = 0 WHERE e.key IS NOT NULL AND e.position IS NOT NULL"
        " AND e.table_id = (SELECT id FROM audittrail.tracked_table WHERE table_name = 'shop')"
    ),
)


def _retype(scene: Scene, type_name: str) -> None:
    scene.run(
        f"ALTER TABLE shop ALTER COLUMN city TYPE {type_name}",
        "SELECT audittrail.track('shop')",
        "UPDATE shop SET total = total + 1",
    )


def _install_again(scene: Scene) -> None:
    scene.run("DROP FUNCTION audittrail.ledger_facts(audittrail.tracked_table)")
    scene.run("DROP FUNCTION audittrail.present_facts(audittrail.tracked_table)")
    with scene.attached():
        install.install_functions(connections[ALIAS], again=True)
        assert servercode.deviations(connections[ALIAS]) == []


@pytest.fixture
def former(scene: Scene) -> Scene:
    """Give a ledger that an earlier release has begun, and in which it has converted what history holds, and the present functions."""
    scene.run(FORMER_FACTS)
    scene.enter()
    scene.run(*CONVERTED)
    _retype(scene, "varchar(50)")
    scene.enter()
    _install_again(scene)
    return scene


def test_what_an_earlier_release_has_noted_and_converted_raises_no_alarm(
    former: Scene, tmp_path: Path
) -> None:
    report = former.verify()
    assert told(report) == []
    (erasure,) = report.erasures
    assert (erasure.revision, erasure.table, erasure.erased == erasure.changed) == (0, "shop", True)
    former.run("UPDATE shop SET total = total + 1")
    digest = former.digest(tmp_path / "digest.json")
    assert told(former.verify(digest)) == []


REMOVED = (
    "ALTER TABLE audittrail.shop_history DISABLE TRIGGER USER",
    "DELETE FROM audittrail.shop_history WHERE revision_id = (SELECT min(revision_id) FROM audittrail.shop_history)",
    "ALTER TABLE audittrail.shop_history ENABLE TRIGGER USER",
)


@pytest.mark.parametrize("begun", [True, False], ids=["later", "at once"])
@pytest.mark.parametrize("changed", [True, False], ids=["changed", "removed"])
def test_nobody_else_erases_in_the_name_of_no_revision(
    former: Scene, begun: bool, changed: bool
) -> None:
    if begun:
        former.run("UPDATE shop SET total = total + 1")
        former.enter()
    former.run(*REMOVED, *CONVERTED[not changed :])
    _retype(former, "varchar(60)")
    former.enter()
    problem = "marked as erased on purpose by revision 0, which does not exist"
    assert any(problem in text for text in told(former.verify()))


def test_what_was_not_converted_is_not_covered_by_what_was(former: Scene) -> None:
    former.run(
        "UPDATE audittrail.ledger_entry e SET salt = NULL, key = NULL, erased_by = 0, erased_in = (SELECT max(n.position) FROM audittrail.ledger_layout n"
        " WHERE n.table_id = e.table_id) WHERE e.kind = 'V' AND e.key IS NOT NULL"
    )
    problem = "marked as erased on purpose by revision 0, which does not exist"
    assert any(problem in text for text in told(former.verify()))

"""Whatever the owner of a database does behind history's back is found, and named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from audittrail.ledger.digests import Digest
from tests.databases import OwnServer
from tests.ledger.scene import Scene, told
from tests.ledger.tamperings import TAMPERINGS, TAMPERINGS_BEFORE_ENTERING, Tampering

NUMBERS = count()


@dataclass
class Victim:
    """A database with a digest of its history, to be copied: the numbers of some of its revisions and versions."""

    server: OwnServer
    scene: Scene
    digest: Digest
    numbers: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def copied(self) -> Iterator[Scene]:
        """Give a copy, which is dropped afterwards."""
        name = f"tampered_{self.scene.database}_{next(NUMBERS)}"
        control = Scene(self.server, "postgres")
        control.run(f"CREATE DATABASE {name} TEMPLATE {self.scene.database}")
        try:
            yield Scene(self.server, name)
        finally:
            control.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def victim(
    fresh_database: Callable[[], Any],
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Victim]:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.begin()
        scene.run(
            "BEGIN; SET LOCAL audittrail.editing = 'on'; SET LOCAL audittrail.context = '{\"reason\": \"Misspelt\"}';"
            " UPDATE audittrail.note_history SET body = 'corrected' WHERE id = 3; COMMIT",
        )
        scene.run(
            "SELECT nextval('audittrail.clock')",
            "UPDATE shop SET name = 'Printing press' WHERE id = 2",
            # Many ticks later, so that a clock that was set back is behind after some writes, too.
            "SELECT nextval('audittrail.clock') FROM generate_series(1, 50)",
            "UPDATE shop SET name = 'Press' WHERE id = 2",
        )
        file = tmp_path_factory.mktemp("ledger") / "digest.json"
        digest = scene.digest(file)
        yield Victim(database.server, scene, digest, numbers(scene))


def numbers(scene: Scene) -> dict[str, int]:
    """Return the numbers that the tamperings name."""
    by_reason = dict(scene.run("SELECT reason, id FROM audittrail.revision WHERE reason <> ''"))
    revision = by_reason["Prices"]
    return {
        "revision": revision,
        "version": scene.value(f"SELECT min(version) FROM audittrail.shop_history WHERE revision_id = {revision}"),
        "other": by_reason["Moved"],
        "many": by_reason["Notes"],
        "long": by_reason["Long"],
        "correction": by_reason["Misspelt"],
        "gap": scene.value("SELECT max(committed) FROM audittrail.revision WHERE reason = 'Misspelt'") + 1,
        "last": scene.value("SELECT max(id) FROM audittrail.revision"),
    }  # fmt: skip


#: An owner who makes an entry fit, with the ledger's own functions.
FORGE = """
CREATE FUNCTION audittrail.forge(of_table int, of_version bigint) RETURNS void LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1 SET intervalstyle = 'postgres' SET search_path = pg_catalog, pg_temp AS $$
DECLARE l audittrail.ledger_layout; s regclass := audittrail.ledger_source(of_table);
BEGIN
    SELECT * INTO l FROM audittrail.ledger_layout WHERE table_id = of_table AND number = 1;
    EXECUTE format('UPDATE audittrail.ledger_entry e SET digest = %s FROM %s h WHERE h.version = e.version AND e.table_id = %s AND e.version = %s AND e.salt IS NOT NULL',
        audittrail.ledger_digest(of_table, 1, audittrail.ledger_content(s, l.form, 'h'), 'h', 'e.salt'), audittrail.ledger_rows(of_table), of_table, of_version);
END $$;
CREATE FUNCTION audittrail.forge_entry(of_table text, of_version bigint, at_position bigint) RETURNS void LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1 SET intervalstyle = 'postgres' SET search_path = pg_catalog, pg_temp AS $$
DECLARE n int := (SELECT id FROM audittrail.tracked_table WHERE table_name = of_table); f text; s regclass := audittrail.ledger_source(n);
BEGIN
    f := (SELECT form FROM audittrail.ledger_layout WHERE table_id = n AND number = 1);
    EXECUTE format('INSERT INTO audittrail.ledger_entry (version, position, table_id, layout, kind, salt, digest, key) SELECT h.version, %s, %s, 1, ''V'', h.salt, %s, %s'
        ' FROM (SELECT h.*, gen_random_uuid() AS salt FROM %s h WHERE h.version = %s AND %s NOT IN (SELECT key FROM audittrail.ledger_entry WHERE table_id = %s AND version = %s)) h',
        at_position, n, audittrail.ledger_digest(n, 1, audittrail.ledger_content(s, f, 'h'), 'h', 'h.salt'), audittrail.ledger_key(s, f, 'h'), s, of_version,
        audittrail.ledger_key(s, f, 'h'), n, of_version);
END $$
"""


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_what_was_tampered_with_is_named(victim: Victim, tampering: Tampering) -> None:
    with victim.copied() as scene:
        scene.run(FORGE)
        scene.run(*filled(tampering.statements, victim))
        scene.run("DROP FUNCTION IF EXISTS audittrail.forge, audittrail.forge_entry")
        assert_told(scene, victim.digest, filled(tampering.told, victim))


@pytest.mark.parametrize(
    "tampering", TAMPERINGS_BEFORE_ENTERING, ids=lambda tampering: tampering.name
)
def test_what_is_entered_later_does_not_cover_it_up(
    victim: Victim, tampering: Tampering, tmp_path: Path
) -> None:
    with victim.copied() as scene:
        scene.run(FORGE)
        scene.run(*filled(tampering.statements, victim))
        if tampering.entered:
            scene.enter()
            scene.run(*filled(tampering.entered, victim))
        scene.run("DROP FUNCTION audittrail.forge, audittrail.forge_entry")
        later = scene.digest(tmp_path / "later.json")
        for digest in (victim.digest, later):
            assert_told(scene, digest, filled(tampering.told, victim))


@pytest.mark.parametrize(
    "tampering",
    [tampering for tampering in TAMPERINGS if tampering.rebuilt],
    ids=lambda tampering: tampering.name,
)
def test_it_is_named_when_the_ledger_was_made_to_fit(victim: Victim, tampering: Tampering) -> None:
    with victim.copied() as scene:
        scene.run(*filled(tampering.statements, victim))
        scene.rebuild()
        assert_told(scene, victim.digest, filled(tampering.rebuilt or (), victim))


def filled(texts: tuple[str, ...], victim: Victim) -> list[str]:
    return [text.format(**victim.numbers) for text in texts]


def assert_told(scene: Scene, digest: Digest, expected: list[str]) -> None:
    report = scene.verify(digest)
    found = told(report)
    assert not report.is_clean
    missing = [text for text in expected if not any(re.search(text, line) for line in found)]
    assert not missing, "\n".join(found)


def test_there_are_many_kinds_of_tampering() -> None:
    assert len(TAMPERINGS) >= 25
    assert len({tampering.name for tampering in TAMPERINGS}) == len(TAMPERINGS)


def test_history_that_nobody_tampered_with_is_clean(victim: Victim) -> None:
    with victim.copied() as scene:
        report = scene.verify(victim.digest)
        assert told(report) == []
        assert [
            (erasure.revision, erasure.table, erasure.changed) for erasure in report.erasures
        ] == []
        assert [digest.agrees for digest in report.digests] == [True]


def test_an_older_backup_is_found(victim: Victim, tmp_path: Path) -> None:
    with victim.copied() as scene, victim.copied() as backup:
        scene.run("UPDATE shop SET total = 1", "UPDATE shop SET total = 2")
        newer = scene.digest(tmp_path / "newer.json")
        assert told(scene.verify(victim.digest, newer)) == []
        found = told(backup.verify(newer))
        size = victim.digest.size
        assert any(
            f"the ledger has only {size} of its {size + 2} revisions: an older state" in text
            for text in found
        )
        # Also if it was written to since.
        backup.run("UPDATE shop SET total = 1", "UPDATE shop SET total = 3")
        backup.enter()
        found = told(backup.verify(newer))
        last = newer.statement["through"]["revision"]
        assert any(
            re.search(rf"revision {last} (is not what it was|was removed)", text) for text in found
        )


def test_without_a_digest_the_ledger_itself_is_believed(victim: Victim) -> None:
    with victim.copied() as scene:
        tampering = next(tampering for tampering in TAMPERINGS if tampering.rebuilt)
        scene.run(*filled(tampering.statements, victim))
        scene.rebuild()
        assert told(scene.verify()) == []
        assert told(scene.verify(victim.digest)) != []

"""What was erased on purpose can't be found out from what is left, and is told apart from tampering."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from audittrail.ledger.digests import Digest
from tests.ledger.scene import ALIAS, Scene, told


@pytest.fixture
def scene(fresh_database: Callable[[], Any], django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.begin()
        with scene.attached():
            yield scene


@pytest.fixture
def digest(scene: Scene, tmp_path: Path) -> Digest:
    """Make a digest of all that the scene holds."""
    return scene.digest(tmp_path / "digest.json")


def erasures(scene: Scene, digest: Digest) -> list[tuple[str, int, int]]:
    """Verify without a finding, and return table, erased and changed versions of each erasure."""
    report = scene.verify(digest)
    assert told(report) == []
    assert all(compared.agrees for compared in report.digests)
    return [(found.table, found.erased, found.changed) for found in report.erasures]


REDACT = (
    'BEGIN; SET LOCAL audittrail.context = \'{"reason": "Request 4712"}\';'
    " SELECT audittrail.overwrite_live(id, '{name}', '{NULL}', '{{1}}'), audittrail.redact_versions(id, '{name}', '{NULL}', '{{1}}')"
    " FROM audittrail.tracked_table WHERE table_name = 'shop'; COMMIT"
)


def test_a_redaction_takes_salts_and_keys_along(scene: Scene, digest: Digest) -> None:
    versions = scene.value("SELECT count(*) FROM audittrail.shop_history WHERE id = 1")
    scene.run(REDACT)
    assert erasures(scene, digest) == [("shop", versions, versions)]
    left = "FROM audittrail.ledger_entry WHERE erased_by IS NOT NULL"
    assert scene.value(f"SELECT count(*) {left}") == versions
    assert scene.value(f"SELECT count(*) {left} AND salt IS NULL AND key IS NULL") == versions
    for table in ("ledger_entry", "ledger_layout"):
        assert (
            scene.value(f"SELECT count(*) FROM audittrail.{table} t WHERE t::text LIKE '%Bakery%'")
            == 0
        )
    # The same once it is entered, and its new contents are covered then.
    scene.enter()
    assert erasures(scene, digest) == [("shop", versions, versions)]
    report = scene.verify(digest)
    assert "Request 4712" in str(report.erasures[0])
    scene.run(
        "ALTER TABLE audittrail.shop_history DISABLE TRIGGER USER",
        "UPDATE audittrail.shop_history SET name = 'Somebody else' WHERE id = 1 AND operation = 'I'",
        "ALTER TABLE audittrail.shop_history ENABLE TRIGGER USER",
    )
    assert any("row (1)" in text for text in told(scene.verify(digest)))


def test_the_erasing_revision_says_in_its_leaf_what_it_erased(scene: Scene, digest: Digest) -> None:
    scene.run(
        "BEGIN; SET LOCAL audittrail.editing = 'on'; DELETE FROM audittrail.note_history WHERE id = 5; COMMIT"
    )
    scene.enter()
    revision = scene.value("SELECT max(id) FROM audittrail.revision")
    lines = scene.run(
        "SELECT l.line FROM audittrail.ledger_entry r, audittrail.ledger_lines(r.position, r.position + 1) l"
        f" WHERE r.kind = 'R' AND r.version = {revision} AND l.line LIKE 'E %'"
    )
    assert [line.split()[-1] for (line,) in lines] == [str(revision)]
    assert erasures(scene, digest) == [("note", 1, 0)]


def test_a_rollback_and_a_pruning_are_told_apart(scene: Scene, digest: Digest) -> None:
    from audittrail.models import Revision
    from audittrail.revisions.pruning import prune

    moved = Revision.objects.using(ALIAS).get(reason="Moved")
    moved.rollback_all_later_revisions()
    found = {table: erased for table, erased, _ in erasures(scene, digest)}
    assert found["revision"] == 6 and found["note"] > 10
    prune(Revision.objects.using(ALIAS).get(reason="Renamed"), using=ALIAS)
    told_of = [str(erasure) for erasure in scene.verify(digest).erasures]
    assert len({text.rpartition("by revision ")[2].split()[0] for text in told_of}) == 2
    scene.enter()
    assert erasures(scene, digest)


def test_a_rollback_excuses_the_prunings_whose_records_it_erased_alone(
    scene: Scene, digest: Digest
) -> None:
    from audittrail.models import Revision
    from audittrail.revisions.pruning import prune

    def kept_from_is_told(kept_from: int | None) -> bool:
        scene.run(
            f"UPDATE audittrail.tracked_table SET kept_from = {kept_from} WHERE table_name = 'shop'"
        )
        start = f"shop: the registry says that it is kept from tick {kept_from} on"
        return any(text.startswith(start) for text in told(scene.verify(digest)))

    renamed, moved = (Revision.objects.using(ALIAS).get(reason=r) for r in ("Renamed", "Moved"))
    prune(renamed, using=ALIAS)
    assert told(scene.verify(digest)) == []
    assert kept_from_is_told(moved.committed)
    assert not kept_from_is_told(renamed.committed)
    for _ in range(2):
        scene.run("UPDATE shop SET total = total + 1")
        moved.rollback_all_later_revisions()
        assert told(scene.verify(digest)) == []
        assert kept_from_is_told(moved.committed)
        assert not kept_from_is_told(renamed.committed)


def test_a_rollback_notes_a_pruning_that_comes_in_between(
    scene: Scene, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audittrail.models import Revision
    from audittrail.restore.whole import RollingBack
    from audittrail.revisions.pruning import prune

    renamed, moved = (Revision.objects.using(ALIAS).get(reason=r) for r in ("Renamed", "Moved"))
    finish = RollingBack.finish

    def finish_late(self: RollingBack, staging: Any) -> None:
        with ThreadPoolExecutor() as threads:
            threads.submit(pruned).result()
        finish(self, staging)

    def pruned() -> None:
        prune(renamed, using=ALIAS)
        connections[ALIAS].close()

    monkeypatch.setattr(RollingBack, "finish", finish_late)
    moved.rollback_all_later_revisions()
    assert scene.value("SELECT max(kept_from) FROM audittrail.tracked_table") == renamed.committed
    assert told(scene.verify(digest)) == []


def test_a_rollback_may_go_beyond_the_pruning_of_a_table_that_is_gone(
    scene: Scene, digest: Digest
) -> None:
    from audittrail.models import Revision
    from audittrail.revisions.pruning import prune

    renamed, moved = (Revision.objects.using(ALIAS).get(reason=r) for r in ("Renamed", "Moved"))
    prune(moved, using=ALIAS, tables=["note"])
    scene.run("DROP TABLE note CASCADE")
    scene.enter()
    renamed.rollback_all_later_revisions()
    assert told(scene.verify(digest)) == []


def test_a_changed_revision_is_told(scene: Scene, digest: Digest) -> None:
    scene.run(
        "BEGIN; SET LOCAL audittrail.editing = 'on'; UPDATE audittrail.revision SET reason = 'Other' WHERE reason = 'Moved'; COMMIT"
    )
    assert erasures(scene, digest) == [("revision", 1, 1)]
    scene.run(
        "BEGIN; SET LOCAL audittrail.editing = 'on'; UPDATE audittrail.revision SET reason = 'Another' WHERE reason = 'Other'; COMMIT"
    )
    scene.enter()
    ((table, erased, _),) = erasures(scene, digest)
    assert (table, erased) == ("revision", 1)


@pytest.mark.parametrize(
    "setting",
    [
        "TimeZone = 'Asia/Kolkata'",
        "DateStyle = 'German, DMY'",
        "extra_float_digits = -10",
        "bytea_output = 'escape'",
        "IntervalStyle = 'sql_standard'",
        "lc_monetary = 'C'",
        "search_path = audittrail, public",
        "client_encoding = 'LATIN1'",
    ],
)
def test_no_setting_matters(scene: Scene, digest: Digest, setting: str) -> None:
    scene.run(
        f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting.replace(chr(39), chr(39) * 2)}', current_database()); END $$"
    )
    from django.db import connections

    connections[ALIAS].close()
    scene.run("UPDATE shop SET total = total + 1")
    scene.enter()
    assert erasures(scene, digest) == []


#: A value of a column that takes no number.
OTHER = {"opened": "2020-01-01", "since": "2020-01-01"}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE shop ADD COLUMN size int",
        "ALTER TABLE shop ADD COLUMN size numeric NOT NULL DEFAULT 7.50",
        "ALTER TABLE shop DROP COLUMN city",
        "ALTER TABLE shop RENAME COLUMN city TO town",
        "ALTER TABLE shop RENAME TO store",
        "ALTER TABLE shop ALTER COLUMN total TYPE numeric(12, 4)",
        "ALTER TABLE shop ALTER COLUMN total TYPE int",
        "ALTER TABLE shop ALTER COLUMN city TYPE varchar(3) USING left(city, 3)",
        "ALTER TABLE shop ALTER COLUMN id TYPE bigint",
        "ALTER TABLE shop RENAME city TO x; ALTER TABLE shop RENAME name TO city; ALTER TABLE shop RENAME x TO name",
        "SET TimeZone = 'Asia/Kolkata'; ALTER TABLE shop ALTER COLUMN opened TYPE timestamp",
        "SET DateStyle = 'German'; ALTER TABLE shop ALTER COLUMN opened TYPE text",
        "SET extra_float_digits = -5; ALTER TABLE shop ALTER COLUMN share TYPE text",
        "ALTER TABLE shop ALTER COLUMN opened TYPE date",
        "ALTER TABLE shop ALTER COLUMN money TYPE numeric",
        "ALTER TABLE shop ADD COLUMN since timestamptz DEFAULT '2026-01-02 03:04:05+06'",
        "ALTER TYPE region RENAME VALUE 'north' TO 'far''s'",
        "ALTER TYPE region ADD VALUE 'centre' BEFORE 'north'",
        "ALTER TYPE region RENAME VALUE 'north' TO 'x'; ALTER TYPE region RENAME VALUE 'south' TO 'north'; ALTER TYPE region RENAME VALUE 'x' TO 'south'",
        "ALTER TYPE region RENAME TO area; ALTER TYPE area RENAME VALUE 'north' TO 'up'",
        "ALTER TYPE region RENAME VALUE 'north' TO 'up'; ALTER TABLE shop ALTER COLUMN region TYPE text",
        "ALTER TABLE shop ALTER COLUMN region TYPE varchar(2) USING left(region::text, 2)",
        "ALTER TABLE shop ALTER COLUMN regions TYPE text",
        "ALTER TYPE place ADD ATTRIBUTE floor int; ALTER TYPE place DROP ATTRIBUTE number",
        "ALTER TYPE place RENAME ATTRIBUTE number TO house",
        'ALTER TABLE shop ALTER COLUMN city TYPE varchar(40) COLLATE "C"',
        "ALTER TABLE note DROP CONSTRAINT note_pkey, ADD PRIMARY KEY (id, shop)",
        "DROP TABLE note",
    ],
)
def test_a_change_of_the_schema_leaves_what_was_entered_as_it_is(
    scene: Scene, digest: Digest, change: str
) -> None:
    scene.run(*change.split("; "))
    (name,) = scene.run("SELECT relname FROM pg_class WHERE relname IN ('shop', 'store')")[0]
    scene.run(f"SELECT audittrail.track('{name}')", f"UPDATE {name} SET share = 2")
    assert erasures(scene, digest) == []
    scene.enter()
    assert erasures(scene, digest) == []
    # What older versions hold in it is covered all the same.
    column = scene.value(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'audittrail.shop_history'::regclass AND attnum > 0"
        " AND attname NOT LIKE 'region%' ORDER BY attnum DESC LIMIT 1"
    )
    scene.run(
        "ALTER TABLE audittrail.shop_history DISABLE TRIGGER USER",
        f"UPDATE audittrail.shop_history SET {column} = {OTHER.get(column, '8')!r} WHERE operation = 'I' AND id = 1",
        "ALTER TABLE audittrail.shop_history ENABLE TRIGGER USER",
    )
    assert any("row (1)" in text for text in told(scene.verify(digest))), column


def test_a_renamed_label_is_told(scene: Scene, digest: Digest) -> None:
    assert scene.verify(digest).renamed == []
    scene.run(
        "ALTER TYPE region RENAME VALUE 'north' TO 'x'",
        "ALTER TYPE region RENAME VALUE 'south' TO 'north'",
        "ALTER TYPE region RENAME VALUE 'x' TO 'south'",
    )
    for _ in range(2):
        report = scene.verify(digest)
        assert report.is_clean
        assert [str(renamed) for renamed in report.renamed] == [
            f"shop: what was entered as {former!r} in column {column} is called {present!r} by now"
            for column in ("region", "regions")
            for former, present in (("north", "south"), ("south", "north"))
        ]
        scene.run("UPDATE shop SET total = 3")
        scene.enter()

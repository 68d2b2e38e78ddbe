"""In a database that was restored from a dump, columns are known by their names and their order: nothing else of them is in a dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from audittrail.ledger.digests import Digest
from tests.ledger.scene import Scene, told
from tests.ledger.tamperings import CROSSWISE, FUNCTIONS_MADE_ANEW
from tests.operations.clusters import program


@pytest.fixture
def scene(fresh_database: Callable[[], Any], django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.begin()
        yield scene


@pytest.fixture
def digest(scene: Scene, tmp_path: Path) -> Digest:
    return scene.digest(tmp_path / "digest.json")


@pytest.fixture
def restored(scene: Scene, tmp_path: Path) -> Iterator[Callable[[], Scene]]:
    """Give a function that dumps the scene's database, and returns what is restored from that."""
    name = f"restored_{scene.database}"
    control = Scene(scene.server, "postgres")

    def restore() -> Scene:
        program(scene.server, "pg_dump", "-Fc", "-f", tmp_path / "dump", scene.database)
        control.run(f"CREATE DATABASE {name}")
        program(scene.server, "pg_restore", "-e", "-d", name, tmp_path / "dump")
        return Scene(scene.server, name)

    yield restore
    control.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


#: As "sync" does: the tables have other numbers than the registry says.
IN_STEP = "SELECT audittrail.track(audittrail.tied_relation(t)) FROM audittrail.tracked_table t"

RENAMED_CROSSWISE = (
    "BEGIN; ALTER TABLE shop RENAME COLUMN name TO middle; ALTER TABLE shop RENAME COLUMN city TO name;"
    " ALTER TABLE shop RENAME COLUMN middle TO city; COMMIT"
)


@pytest.mark.parametrize(
    "migration",
    [
        RENAMED_CROSSWISE,
        "BEGIN; ALTER TABLE shop DROP COLUMN name; ALTER TABLE shop RENAME COLUMN city TO name; COMMIT",
    ],
    ids=["renamed crosswise", "dropped for another"],
)
def test_columns_that_got_the_names_of_others_before_the_dump_are_no_alarm(
    scene: Scene, digest: Digest, restored: Callable[[], Scene], migration: str
) -> None:
    scene.run(migration, "SELECT audittrail.track('shop')")
    assert told(scene.verify(digest)) == []
    assert told(restored().verify(digest)) == []


def test_columns_renamed_crosswise_in_history_alone_are_named(
    digest: Digest, restored: Callable[[], Scene]
) -> None:
    tampered = restored()
    tampered.run(IN_STEP)
    tampered.run(*CROSSWISE, FUNCTIONS_MADE_ANEW)
    found = told(tampered.verify(digest))
    for one, other in (("name", "city"), ("city", "name")):
        assert f"shop: what history holds of column {one} belongs to column {other} by now" in found


def test_a_column_of_history_in_the_place_of_another_is_named(
    digest: Digest, restored: Callable[[], Scene]
) -> None:
    tampered = restored()
    tampered.run(
        IN_STEP,
        "ALTER TABLE audittrail.shop_history RENAME COLUMN name TO former",
        "ALTER TABLE audittrail.shop_history RENAME COLUMN city TO name",
        "UPDATE audittrail.tracked_table SET excluded = '{city}', columns = (SELECT jsonb_agg(CASE c ->> 'name' WHEN 'city' THEN c || '{\"history\": null}' ELSE c END)"
        " FROM jsonb_array_elements(columns) c) WHERE table_name = 'shop'",
        FUNCTIONS_MADE_ANEW,
    )
    found = told(tampered.verify(digest))
    assert "shop: another column of history has taken the place of the one of column name" in found


def test_a_column_that_was_renamed_and_excluded_gives_its_name_to_no_other(
    digest: Digest, restored: Callable[[], Scene]
) -> None:
    tampered = restored()
    tampered.run(
        IN_STEP,
        "ALTER TABLE audittrail.shop_history RENAME COLUMN name TO former",
        "ALTER TABLE audittrail.shop_history RENAME COLUMN city TO name",
        "ALTER TABLE shop RENAME COLUMN city TO town",
        "UPDATE audittrail.tracked_table SET excluded = '{town}', columns = (SELECT jsonb_agg(CASE c ->> 'name' WHEN 'city'"
        ' THEN c || \'{"name": "town", "history": null}\' ELSE c END) FROM jsonb_array_elements(columns) c) WHERE table_name = \'shop\'',
        FUNCTIONS_MADE_ANEW,
    )
    found = told(tampered.verify(digest))
    assert "shop: another column of history has taken the place of the one of column name" in found

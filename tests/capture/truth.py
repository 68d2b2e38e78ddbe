"""An independent record of what happened: the tables before and after a write, compared with its history.

Nothing here uses the product's own queries or models. Values are compared as the text that PostgreSQL
gives for them, which tells apart what equality operators do not (json `1` and `1.0`, numeric `1` and `1.00`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

Image = dict[str, str | None]
Key = tuple[str | None, ...]
Row = tuple[str, Key]  # the table and the key
Event = tuple[str, Image]  # the operation and the image

# What the default settings leave out, written down by hand.
UNTRACKED = frozenset(
    {
        "auth_permission",
        "django_admin_log",
        "django_content_type",
        "django_migrations",
        "django_session",
    }
)
EXCLUDED = {"auth_user": frozenset({"password"})}
IGNORED = {"auth_user": frozenset({"last_login"})}
# Columns that a history table stores under another name, since it has such columns of its own.
STORED_AS = {
    "testapp_clash": {
        "version": "row_version",
        "revision_id": "row_revision_id",
        "operation": "row_operation",
        "row_version": "row_row_version",
    }
}

NUMBERS = count()

CATALOG = """
SELECT c.oid::regclass::text, a.columns, k.columns,
       (SELECT t.history_name FROM audittrail.tracked_table t WHERE t.relation = c.oid AND t.until_version IS NULL)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('audittrail', 'information_schema') AND n.nspname !~ '^pg_'
  JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  CROSS JOIN LATERAL (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
                       WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v') a (columns)
  CROSS JOIN LATERAL (SELECT array_agg(attname::text ORDER BY array_position(i.indkey::int2[], attnum)) FROM pg_attribute
                       WHERE attrelid = c.oid AND attnum = ANY (i.indkey::int2[])) k (columns)
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
 ORDER BY 1
"""


def ident(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Table:
    """A table as the catalog knows it: its name as regclass writes it, its columns, its key, its history table."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    history: str | None

    @property
    def recorded(self) -> tuple[str, ...]:
        """Give the columns that are stored."""
        return tuple(c for c in self.columns if c not in EXCLUDED.get(self.name, ()))

    def compared(self, image: Image) -> Image:
        """Give the part of an image whose change is a change of the row."""
        return {c: v for c, v in image.items() if c not in IGNORED.get(self.name, ())}

    def stored(self, column: str) -> str:
        """Give the name of a column in the history table."""
        return STORED_AS.get(self.name, {}).get(column, column)

    def select(self) -> str:
        """Give a query for the rows as text: name, key, image."""
        return (
            f"SELECT '{self.name.replace(chr(39), chr(39) * 2)}', {_texts(self.key)}, "
            f"{_texts(self.recorded)} FROM {self.name}"
        )

    def select_versions(self) -> str:
        """Give a query for the versions as text: name, key, image, version, revision, operation."""
        return (
            f"SELECT '{self.name.replace(chr(39), chr(39) * 2)}', {_texts(map(self.stored, self.key))}, "
            f"{_texts(map(self.stored, self.recorded))}, h.version, h.revision_id, h.operation::text "
            f"FROM audittrail.{ident(self.history or '')} h"
        )


def _texts(columns: Any) -> str:
    return f"ARRAY[{', '.join(f'{ident(column)}::text' for column in columns)}]"


@dataclass(frozen=True)
class Version:
    """One recorded row image."""

    table: str
    key: Key
    image: Image
    version: int
    revision: int
    operation: str

    @property
    def row(self) -> Row:
        """Give the row that this is a version of."""
        return self.table, self.key

    @property
    def event(self) -> Event:
        """Give what happened to the row."""
        return self.operation, self.image


@dataclass(frozen=True)
class Recorded:
    """What one transaction left in the history."""

    versions: tuple[Version, ...]
    revisions: tuple[dict[str, Any], ...]

    @property
    def operations(self) -> dict[str, str]:
        """Give the operations by table, in alphabetical order."""
        found: dict[str, list[str]] = defaultdict(list)
        for version in self.versions:
            found[version.table].append(version.operation)
        return {table: "".join(sorted(letters)) for table, letters in found.items()}

    def events(self, table: str, *key: object) -> list[Event]:
        """Give what happened to one row, in order."""
        row = (table, tuple(str(part) for part in key))
        return [version.event for version in self.versions if version.row == row]

    def values(self, table: str, column: str, *key: object) -> list[tuple[str, str | None]]:
        """Give operation and one column's value for each version of one row, in order."""
        return [(operation, image[column]) for operation, image in self.events(table, *key)]


@dataclass
class Watch:
    """A transaction under observation."""

    witness: Witness
    start: int
    before: dict[Row, Image]
    events: list[tuple[Row, Event]] = field(default_factory=list)
    stepwise: bool = False
    result: Recorded | None = None

    @contextmanager
    def statement(self, deletes: str = "D") -> Iterator[None]:
        """Note what one statement of the transaction does, as the transaction itself sees it."""
        self.stepwise = True
        before = self.witness.rows()
        yield
        self.events += self.witness.difference(before, self.witness.rows(), deletes)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Forget what the statements of the block did: they are rolled back."""
        kept = len(self.events)
        yield
        del self.events[kept:]

    @property
    def recorded(self) -> Recorded:
        """Give what was recorded, once the block has ended."""
        assert self.result is not None, "The watched block has not ended."
        return self.result


class Witness:
    """Watch the tables of one database, and hold its history against what happened to them."""

    def __init__(
        self,
        using: str = DEFAULT_DB_ALIAS,
        thorough: bool = False,
    ) -> None:
        """Watch the Django database `using`; `thorough` looks whether earlier versions stay as they were, too."""
        self.using = using
        self._thorough = thorough
        self.tables = {
            table.name: table
            for table in (
                Table(name, tuple(columns), tuple(key), history)
                for name, columns, key, history in self._run(CATALOG)
            )
            if table.name not in UNTRACKED
        }
        untracked = [table.name for table in self.tables.values() if table.history is None]
        assert not untracked, f"These tables are not tracked: {untracked}"
        live = " UNION ALL ".join(t.select() for t in self.tables.values())
        versions = " UNION ALL ".join(t.select_versions() for t in self.tables.values())
        # Planning them would take longer than running them.
        self._name = f"witness_{next(NUMBERS)}"
        with connections[using].cursor() as cursor:
            cursor.execute(f"PREPARE {self._name}_rows AS {live}")
            cursor.execute(
                f"PREPARE {self._name}_versions (bigint) AS SELECT * FROM ({versions}) h"
                " (name, key, image, version, revision_id, operation)"
                " WHERE version > $1 ORDER BY version, name, key"
            )

    def _run(self, sql: str) -> Sequence[Sequence[Any]]:
        with connections[self.using].cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def name(self, quoted: str) -> str:
        """Return the name of a table as this class writes it; takes it quoted for SQL."""
        return str(
            self._run(f"SELECT '{quoted.replace(chr(39), chr(39) * 2)}'::regclass::text")[0][0]
        )

    def rows(self) -> dict[Row, Image]:
        """Return the present rows of all tables."""
        return {
            (name, tuple(key)): dict(zip(self.tables[name].recorded, values, strict=True))
            for name, key, values in self._run(f"EXECUTE {self._name}_rows")
        }

    def tick(self) -> int:
        """Return the last tick of the clock."""
        return int(self._run("SELECT last_value FROM audittrail.clock")[0][0])

    def versions(self, after: int = 0) -> list[Version]:
        """Return the versions later than a tick, in order."""
        found = [
            Version(
                name,
                tuple(key),
                dict(zip(self.tables[name].recorded, values, strict=True)),
                version,
                revision,
                operation,
            )
            for name, key, values, version, revision, operation in self._run(
                f"EXECUTE {self._name}_versions ({after})"
            )
        ]
        assert len({(v.row, v.version) for v in found}) == len(found), (
            "Two versions of a row at once"
        )
        return found

    def revisions(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the revisions that were opened after a tick, in order of their numbers."""
        names = (
            "id", "committed", "committed_at", "committed_by", "reason", "context", "db_user",
            "application_name",
        )  # fmt: skip
        columns = ", ".join("context::text" if name == "context" else name for name in names)
        rows = self._run(
            f"SELECT {columns} FROM audittrail.revision WHERE id > {after} ORDER BY id"
        )
        revisions = [dict(zip(names, row, strict=True)) for row in rows]
        for revision in revisions:
            revision["context"] = json.loads(revision["context"])
        return revisions

    def difference(
        self, before: dict[Row, Image], after: dict[Row, Image], deletes: str = "D"
    ) -> list[tuple[Row, Event]]:
        """Return what must have happened to each row between two states."""
        events: list[tuple[Row, Event]] = []
        for row in before.keys() | after.keys():
            table = self.tables[row[0]]
            if row not in after:
                events.append((row, (deletes, before[row])))
            elif row not in before:
                events.append((row, ("I", after[row])))
            elif table.compared(before[row]) != table.compared(after[row]):
                events.append((row, ("U", after[row])))
        return events

    @contextmanager
    def watching(
        self,
        *,
        deletes: str = "D",
        exact: bool = True,
        **revision: Any,
    ) -> Iterator[Watch]:
        """Hold against the history what the block, which is at most one transaction, does.

        What must be recorded is the difference of the tables before and after, or what the block notes with
        `statement()`. `deletes` is the operation that removes rows; `exact=False` says that rows go through
        further states, which the test itself knows; `revision` is what the revision must say.
        """
        watch = Watch(self, self.tick(), self.rows())
        earlier = self.versions() if self._thorough else None
        yield watch
        after = self.rows()
        versions = self.versions(watch.start)
        revisions = self.revisions(watch.start)
        watch.result = Recorded(tuple(versions), tuple(revisions))
        if earlier is not None:
            assert [v for v in self.versions() if v.version <= watch.start] == earlier
        self.check_chain(watch.before, versions, after)
        if exact:
            events = watch.events
            if not watch.stepwise:
                events = self.difference(watch.before, after, deletes)
            assert _by_row([(v.row, v.event) for v in versions]) == _by_row(events)
        _check_revision(versions, revisions, revision)

    def check_chain(
        self, before: dict[Row, Image], versions: list[Version], after: dict[Row, Image]
    ) -> None:
        """Assert that versions lead from one state to another, each following from the one before it."""
        state = {row: self.tables[row[0]].compared(image) for row, image in before.items()}
        for version in versions:
            image = self.tables[version.table].compared(version.image)
            if version.operation == "I":
                assert version.row not in state, f"Inserted twice: {version}"
                state[version.row] = image
            elif version.operation == "U":
                assert version.row in state, f"Updated, but not there: {version}"
                assert state[version.row] != image, f"Updated to the same values: {version}"
                state[version.row] = image
            else:
                assert version.operation in "DT", f"Not a change: {version}"
                assert state.pop(version.row, None) == image, f"Not the last image: {version}"
        assert state == {row: self.tables[row[0]].compared(i) for row, i in after.items()}


def _by_row(events: Sequence[tuple[Row, Event]]) -> dict[Row, list[Event]]:
    found: dict[Row, list[Event]] = defaultdict(list)
    for row, event in events:
        found[row].append(event)
    return dict(found)


def _check_revision(
    versions: list[Version], revisions: list[dict[str, Any]], said: dict[str, Any]
) -> None:
    assert len(revisions) == bool(versions), (
        f"{len(revisions)} revisions of {len(versions)} versions"
    )
    for revision in revisions:
        assert {version.revision for version in versions} == {revision["id"]}
        assert revision["committed_at"] is not None
        assert revision["id"] <= min(version.version for version in versions)
        assert revision["committed"] > max(version.version for version in versions)
        assert {name: revision[name] for name in said} == said

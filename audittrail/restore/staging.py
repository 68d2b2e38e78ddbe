"""The rows that a plan is about, with their images to be, in temporary tables: one for each table of the present.

Everything else is asked of these tables: what would clash, what is shown, and what is written. They last as long as the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from audittrail.restore import catalog, defaults, leaving_out, statements
from audittrail.restore.catalog import LiveTable
from audittrail.restore.plan import NOTHING, LeftAlone, Note
from audittrail.restore.statements import (
    ACTION,
    column,
    composed,
    joined,
    listed,
    name_of,
    raw,
    run,
)

#: From so many rows on, a table is locked as a whole, which takes less time than locking the rows one by one.
MANY: Final = 10_000


class Staging:
    """The temporary tables of one plan, in an open transaction."""

    def __init__(
        self, live: Any, cursor: Any, *, locking: bool, left_out: LeftAlone = NOTHING
    ) -> None:
        """Begin with nothing staged; takes the present connection, whether rows are locked before they are looked at, and what is left out."""
        self.live = live
        self.cursor = cursor
        self.locking = locking
        self.left_out = left_out
        self.tables = catalog.load(cursor, live.alias)
        self.staged: dict[int, LiveTable] = {}
        #: The columns that rows get back, by the oid of their table.
        self.restored: dict[int, tuple[str, ...]] = {}
        self.notes: list[Note] = []
        self._made: list[str] = []

    def __iter__(self) -> Any:
        return iter(self.staged.values())

    @staticmethod
    def name(table: LiveTable) -> str:
        """Return the name of the temporary table that holds the rows of a table."""
        return f"audittrail_stage_{table.relation}"

    def stage(self, table: LiveTable) -> str:
        """Return that name, after making the temporary table where it is missing."""
        name = self.name(table)
        if table.relation not in self.staged:
            table.require_all_rows()
            self._create(
                name,
                composed(
                    'SELECT NULL::"char" AS {action}, NULL::bigint AS audittrail_revision, NULL::text[] AS audittrail_fields,'
                    " l.* FROM {live} l WITH NO DATA",
                    action=ACTION,
                    live=name_of(table),
                ),
            )
            self.staged[table.relation] = table
        return name

    def discard(self, table: LiveTable) -> None:
        """Forget a table of which nothing is staged."""
        del self.staged[table.relation]

    def keys(self, table: LiveTable, suffix: str = "") -> str:
        """Make a temporary table for keys of a table's rows, and return its name."""
        name = f"audittrail_keys_{table.relation}{suffix}"
        if name not in self._made:
            select = "SELECT {key} FROM {live} l WITH NO DATA"
            self._create(name, composed(select, key=listed(table.key, "l"), live=name_of(table)))
        return name

    def _create(self, name: str, query: Any) -> None:
        run(self.cursor, "DROP TABLE IF EXISTS pg_temp.{name}", name=name)
        run(
            self.cursor,
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}",
            name=name,
            query=query,
        )
        self._made.append(name)

    def close(self) -> None:
        """Drop the temporary tables, before the transaction ends."""
        for name in self._made:
            run(self.cursor, "DROP TABLE IF EXISTS pg_temp.{name}", name=name)
        self._made.clear()

    def sweep(self) -> None:
        """Forget the rows that were marked as left out, which nothing more can come along with."""
        for table in self.staged.values():
            leaving_out.sweep(self.cursor, self.name(table))

    def count(self, table: LiveTable) -> int:
        """Return how many rows of a table are staged."""
        return int(self.value("SELECT count(*) FROM {stage}", stage=self.name(table)))

    def value(self, template: str, **parts: Any) -> Any:
        """Return the single value of a query."""
        return run(self.cursor, template, **parts).fetchone()[0]

    def open_revision(self) -> int | None:
        """Return the number of the revision that the transaction has opened, None if it has changed nothing that is tracked."""
        self.cursor.execute(
            "SELECT nullif(current_setting('audittrail.revision', true), '')::bigint"
        )
        found: int | None = self.cursor.fetchone()[0]
        return found

    def lock(self, table: LiveTable, which: Any) -> None:
        """Lock live rows against writers: those whose keys a query gives.

        The table as a whole if they are many.
        """
        if not self.locking:
            return
        if (
            self.value(
                "SELECT count(*) FROM ({which} LIMIT {many}) k", which=which, many=raw(str(MANY))
            )
            == MANY
        ):
            self.lock_table(table)
            return
        # An order common to all who do so keeps them from waiting for each other in a circle.
        run(
            self.cursor,
            "SELECT count(*) FROM (SELECT FROM {live} l JOIN ({which}) k ON {same} ORDER BY {key} FOR UPDATE OF l) locked",
            live=name_of(table),
            which=which,
            same=statements.same(table.key, "l", "k"),
            key=listed(table.key, "l"),
        )

    def lock_table(self, table: LiveTable) -> None:
        """Lock a live table against writers."""
        if self.locking:
            run(self.cursor, "LOCK TABLE {live} IN SHARE ROW EXCLUSIVE MODE", live=name_of(table))

    def finish(self, table: LiveTable, restored: Iterable[str]) -> None:
        """Complete the staged rows of a table: what history doesn't hold gets its default, what is generated is generated."""
        self.restored[table.relation] = tuple(restored)
        stage = self.name(table)
        leaving_out.mark(self.cursor, table, stage, self.left_out)
        self.notes += defaults.take(self.live, self.cursor, table, stage)
        generated = [c for c in table.columns if c.generated == "s" and c.default]
        if generated:
            run(
                self.cursor,
                "UPDATE {stage} SET {assignments}",
                stage=stage,
                assignments=joined(
                    composed("{name} = ({value})", name=c.name, value=raw(str(c.default)))
                    for c in generated
                ),
            )
        run(self.cursor, "ANALYZE {stage}", stage=stage)


def columns_of(table: LiveTable) -> list[str]:
    """Return the names of the columns that a staged row has: all but virtual ones, which are NULL until the row is read."""
    return [found.name for found in table.columns if found.generated != "v"]


def final(table: LiveTable, restored: Sequence[str], *, deleting: bool = False) -> Any:
    """Return the image to be of each column: from `w`, the row as it was, and `l`, the row as it is.

    A row that is not there any more is as it was; of one that still is, the restored columns. With `deleting` a row that was not
    there yet is as it is: it is to be deleted.
    """
    key = table.key[0]
    parts = []
    for name in columns_of(table):
        found = table.column(name)
        then = column(name, "w") if found.stored else raw(f"NULL::{found.type}")
        now = column(name, "l")
        if name in table.key and not deleting:
            parts.append(then)
            continue
        kept = then if name in restored and found.stored else now
        gone = composed(" WHEN {key} IS NULL THEN {now}", key=column(key, "w"), now=now)
        parts.append(
            composed(
                "CASE WHEN {key} IS NULL THEN {then}{gone} ELSE {kept} END",
                key=column(key, "l"),
                then=then,
                gone=gone if deleting else raw(""),
                kept=kept,
            )
        )
    return joined(parts)


def differs(table: LiveTable, restored: Sequence[str], one: str = "w", other: str = "l") -> Any:
    """Return the condition that two images of a row have other values in the restored columns."""
    return statements.differ([table.column(name) for name in restored], one, other)

"""Import the history that another package kept of the time before tracking began."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audittrail.capture import access
from audittrail.capture.registry import Progress
from audittrail.exceptions import ImportingError
from audittrail.importing import choosing
from audittrail.importing.choosing import Together, Tracked
from audittrail.importing.outcome import Import, ImportedTable, LeftOut
from audittrail.importing.sources import Filling, ImportSource, Model, source_of
from audittrail.revisions.context import context

#: How far apart, on the whole, records of one revision may be.
WITHIN: Final = timedelta(seconds=1)


def import_history(
    name: str,
    models: Collection[Model] = (),
    *,
    using: str = DEFAULT_DB_ALIAS,
    within: timedelta = WITHIN,
    incomplete: bool = False,
    dry_run: bool = False,
    reason: str = "",
    report: Callable[[Progress], None] = lambda progress: None,
) -> Import:
    """Import what a package has recorded of some models, by default of all, before the first revision of a database.

    Records that follow each other, of one author and with one reason, become one revision, if they are not further apart than `within` on
    the whole and concern no object twice. With `incomplete`, models come along of which the package has not recorded all columns: these
    are empty then. `dry_run` does all of it and takes it back. `report` is told how far it has come.

    All of it is one transaction, whose revision records it: an import that is interrupted has not begun. What is imported once is left
    out the next time.

    Raises `ImportingError` if the project does not have the package, and inside a transaction; `EditingError` for a role that does not own history.
    """
    connection = connections[using]
    access.require_owner(connection)
    source = source_of(name)
    recorded = source.models()
    for model in models:
        if model not in recorded:
            raise ImportingError(f"{name} keeps no history of {model._meta.label}.")
    groups = choosing.together(recorded, models)
    if connection.in_atomic_block:
        raise ImportingError(
            "An import is a transaction of its own and can't be part of another one."
        )
    text = reason or f"Import of the history that {name} kept"
    with context(reason=text), transaction.atomic(using=using, durable=True):
        with connection.cursor() as cursor:
            done = _Importing(cursor, source, within, report).run(
                groups,
                choosing.registered(connection, {t for g in groups for t in g.tables}),
                incomplete,
            )
        transaction.set_rollback(dry_run, using=using)
    return Import(**vars(done) | {"dry_run": dry_run})


class _Importing:
    def __init__(
        self,
        cursor: Any,
        source: ImportSource,
        within: timedelta,
        report: Callable[[Progress], None],
    ) -> None:
        self.cursor = cursor
        self.source = source
        self.within = within
        self.report = report
        self.left_out: list[LeftOut] = []
        self.empty: dict[str, list[str]] = {}
        #: The same as the database has it: by the numbers of tables, and the names in history.
        self.unstored: dict[int, list[str]] = {}

    def run(self, groups: list[Together], known: dict[Model, Tracked], incomplete: bool) -> Import:
        """Import groups of models, as far as nothing stands in the way."""
        self.cursor.execute("SELECT audittrail.first_own_commit()")
        (before,) = self.cursor.fetchone()
        filled: dict[int, Model] = {}
        for group in groups:
            found = list(
                choosing.obstacles(
                    self.cursor, self.source, group, known, before, incomplete=incomplete
                )
            )
            self.left_out += (LeftOut(str(group), why) for why in found)
            if not found:
                self._fill(group, known, before)
                filled |= {known[table].id: table for table in group.tables}
        if not filled:
            return self._outcome(0, ())
        self.cursor.execute(
            "SELECT number, versions, differing, gone, begun, unknown FROM audittrail.import_history(%s::int[], %s, %s, %s::jsonb)",
            [list(filled), self.source.name, self.within, json.dumps(self.unstored)],
        )
        tables = [
            ImportedTable(filled[number]._meta.db_table, *counts)
            for number, *counts in self.cursor.fetchall()
        ]
        self.cursor.execute("SELECT count(*) FROM pg_temp.audittrail_import_revision")
        return self._outcome(self.cursor.fetchone()[0], tables)

    def _outcome(self, revisions: int, tables: Collection[ImportedTable]) -> Import:
        ordered = tuple(sorted(tables, key=lambda table: table.table))
        return Import(self.source.name, revisions, ordered, tuple(self.left_out), self.empty)

    def _fill(self, group: Together, known: dict[Model, Tracked], before: datetime) -> None:
        into = {}
        for table in group.tables:
            self.cursor.execute("SELECT audittrail.create_import(%s)", [known[table].id])
            (into[table],) = self.cursor.fetchone()
            if missing := choosing.unrecorded(self.source, group, table, known[table]):
                self.empty[table._meta.db_table] = missing
                stored = known[table].stored
                self.unstored[known[table].id] = [stored[column] for column in missing]
        for model in group.models:
            label, rows = model._meta.label, 0
            estimate = self.source.count(self.cursor, model, None, before)
            for table in choosing.tables_of(model):
                self.report(Progress(label, rows, estimate, complete=False))
                filling = Filling(model, table, into[table], known[table].stored, before)
                rows = self.source.fill(self.cursor, filling)
            self.report(Progress(label, rows, estimate, complete=True))
            self.left_out += (LeftOut(label, why) for why in self.source.remarks(model))

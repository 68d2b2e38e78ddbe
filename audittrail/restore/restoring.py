"""Restore the objects of a past queryset: what has changed of them since goes back, what was deleted comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from audittrail.capture.tracking import concrete
from audittrail.exceptions import MomentError, RestoreError, TrackedLaterError
from audittrail.restore import fields, related, selection
from audittrail.restore.catalog import LiveTable, require_table, table_of
from audittrail.restore.past_rows import stage_by_keys, stage_relation
from audittrail.restore.plan import Conflict, Note, OnConflict
from audittrail.restore.running import Recipe
from audittrail.restore.staging import Staging
from audittrail.restore.statements import (
    column,
    composed,
    listed,
    raw,
    run,
    same,
)
from audittrail.revisions.retention import kept_since
from audittrail.revisions.wording import counted
from audittrail.timetravel import rows
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.settled import COMMITTED

#: How many of the later revisions that changed rows a note names: the newest.
NAMED: Final = 20


class Restoring(Recipe):
    """Bring back the objects of a past queryset, or some of their fields."""

    kind = "restore"

    def __init__(self, queryset: Any, names: Sequence[str] | None, *, with_related: bool) -> None:
        selection.require_rows(queryset, "restore")
        self.queryset = queryset
        self.model = concrete(queryset.model)
        self.moment: Moment = queryset.moment
        self.using = self.moment.using
        self.names = names
        self.chosen = fields.chosen(self.model, names)
        self.with_related = with_related
        self._keys: dict[Any, str] = {}

    def stage(self, staging: Staging, on_conflict: OnConflict) -> list[Conflict]:
        """Stage the rows of the objects, of what they inherit from, and of their many-to-many relations."""
        self._keys = {}
        self.revision, self.committed_at = revision_at(staging, self.moment)
        table = require_table(staging.tables.values(), self.model, self.using)
        self._stage_model(staging, table, selection.select_keys(staging, table, self.queryset))
        for relation in self.chosen.relations:
            self._stage_relation(staging, relation)
        if self.with_related:
            related.bring_back(
                staging,
                lambda found: rows.rows_as_of(staging.cursor, found.id, self.moment),
                self.moment,
            )
        return []

    def _stage_model(self, staging: Staging, table: LiveTable, keys: str) -> None:
        """Stage the rows of a table by their keys, then those of the tables that it inherits from."""
        assert table.model is not None
        self._keys[table.model] = keys
        named = self.chosen.columns[table.model]
        restored = table.restorable if named is None else sorted(named)
        if refused := [name for name in restored if table.column(name).identity == "a"]:
            raise RestoreError(
                f"{table}.{refused[0]} can't be restored: it is GENERATED ALWAYS AS IDENTITY, which PostgreSQL lets nobody set."
            )
        which = composed("SELECT * FROM {keys}", keys=keys)
        staging.lock(table, which)
        stage_by_keys(
            staging,
            table,
            which,
            rows.rows_as_of(staging.cursor, table.id, self.moment),
            restored,
            self.moment,
        )
        parents: Any = table.model._meta.parents
        for parent, link in parents.items():
            if link is None or link.model is not table.model:
                continue
            above = require_table(staging.tables.values(), parent, self.using)
            self._stage_model(staging, above, self._linked_keys(staging, table, above, link, keys))

    def _linked_keys(
        self, staging: Staging, table: LiveTable, above: LiveTable, link: Any, keys: str
    ) -> str:
        name = staging.keys(above)
        run(
            staging.cursor,
            "INSERT INTO {name} WITH {open} SELECT DISTINCT {link} FROM ({rows}) w JOIN {keys} k ON {same}",
            name=name,
            open=raw(rows.open_revisions(self.moment)),
            link=column(link.column, "w"),
            rows=raw(rows.rows_as_of(staging.cursor, table.id, self.moment)),
            keys=keys,
            same=same(table.key, "w", "k"),
        )
        run(staging.cursor, "ANALYZE {name}", name=name)
        return name

    def _stage_relation(self, staging: Staging, relation: Any) -> None:
        """Stage the rows of a many-to-many field: its objects get the relations that they had."""
        through = relation.remote_field.through
        label = f"{relation.model._meta.label}.{relation.name}"
        table = table_of(staging.tables.values(), through)
        owner = table_of(staging.tables.values(), relation.model)
        assert owner is not None
        problem = None
        if table is None:
            problem = (
                f"{label} is not restored: its table {through._meta.db_table!r} is not tracked."
            )
        elif (
            tuple(owner.key) != (relation.m2m_target_field_name(),)
            and owner.field(owner.key[0]).name != relation.m2m_target_field_name()
        ):
            problem = f"{label} is not restored: it refers to another column than the primary key."
        else:
            try:
                then = rows.rows_as_of(staging.cursor, table.id, self.moment)
            except TrackedLaterError as error:
                problem = f"{label} is not restored: {error}"
        if problem is not None or table is None:
            if self.chosen.named:
                raise RestoreError(f"{problem} Nothing was changed.")
            staging.notes.append(Note("not restored", label, 0, problem or "", relation.model))
            return
        sources = [relation.m2m_column_name()]
        if getattr(relation.remote_field, "symmetrical", False):
            sources.append(relation.m2m_reverse_name())
        keys = self._keys[relation.model]
        if through._meta.auto_created:
            match = [relation.m2m_column_name(), relation.m2m_reverse_name()]
        else:
            match = list(table.key)
        stage_relation(staging, table, then, (owner.key[0], keys), sources, match, self.moment)

    def described(self) -> dict[str, Any]:
        """Return what was restored, from which revision."""
        told: dict[str, Any] = {
            "kind": self.kind,
            "model": self.model._meta.label,
            "revision": self.revision,
            "as_of": self.committed_at.isoformat(),
        }
        return told if self.names is None else told | {"fields": sorted(self.names)}

    def more_notes(self, staging: Staging) -> list[Note]:
        """Return which later revisions changed the rows that go back."""
        return [note for table in staging if (note := changed_since(staging, table, self.moment))]


def revision_at(staging: Staging, moment: Moment) -> tuple[int, Any]:
    """Return the number and the time of the revision that left a moment."""
    staging.cursor.execute("SELECT r.id, r.committed_at" + COMMITTED, {"tick": moment.tick})
    found = staging.cursor.fetchone()
    if found is None:
        if kept := kept_since(moment.using, tick=moment.tick):
            raise TrackedLaterError(f"The database can't be read as of {moment} any more: {kept}.")
        raise MomentError(
            f"Database {moment.using!r} does not hold {moment} any more: it has been erased, by a rollback for example. Choose another one."
        )
    return int(found[0]), found[1]


def changed_since(staging: Staging, table: LiveTable, moment: Moment) -> Note | None:
    """Return which revisions since a moment changed the staged rows of a table."""
    key = [table.column(name).history or name for name in table.key]
    run(
        staging.cursor,
        "SELECT count(DISTINCT ROW({key})), (array_agg(DISTINCT h.revision_id ORDER BY h.revision_id DESC))[:{named}]"
        " FROM {stage} s JOIN audittrail.{history} h ON {same} AND h.version > {tick} AND h.operation <> 'B'",
        key=listed(table.key, "s"),
        stage=staging.name(table),
        history=table.history,
        same=same(key, "h", "s", table.key),
        tick=raw(str(moment.tick)),
        named=raw(str(NAMED)),
    )
    count, revisions = staging.cursor.fetchone()
    if not count:
        return None
    named = ", ".join(str(number) for number in revisions)
    return Note(
        "changed since",
        str(table),
        count,
        f"{counted(count, 'row')} of {table} {'was' if count == 1 else 'were'} changed since, by {'revision' if len(revisions) == 1 else 'revisions'} {named}",
        table.model,
        revisions=tuple(revisions),
    )

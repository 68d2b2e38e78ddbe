"""Bring back deleted objects, and, if wanted, what was deleted along with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from audittrail.capture.tracking import concrete
from audittrail.restore import references, related, selection
from audittrail.restore.catalog import LiveTable, require_table
from audittrail.restore.past_rows import stage_by_keys
from audittrail.restore.plan import Conflict, OnConflict
from audittrail.restore.running import Recipe
from audittrail.restore.staging import Staging, columns_of, final
from audittrail.restore.statements import column, composed, listed, literal, name_of, raw, run, same
from audittrail.timetravel import rows
from audittrail.timetravel.moment import Moment


class Undeleting(Recipe):
    """Bring back the objects of a queryset of deleted ones, as they last were."""

    kind = "undelete"

    def __init__(self, queryset: Any, *, with_cascade: bool, with_related: bool) -> None:
        selection.require_rows(queryset, "undelete")
        self.queryset = queryset
        self.model = concrete(queryset.model)
        self.moment: Moment = queryset.moment
        self.using = self.moment.using
        self.with_cascade = with_cascade
        self.with_related = with_related

    def stage(self, staging: Staging, on_conflict: OnConflict) -> list[Conflict]:
        """Stage the objects, what they inherit from, and what is wanted with them."""
        table = require_table(staging.tables.values(), self.model, self.using)
        keys = selection.select_keys(staging, table, self.queryset)
        which = composed("SELECT * FROM {keys}", keys=keys)
        then = rows.deleted_rows(staging.cursor, table.id, self.moment)
        stage_by_keys(staging, table, which, then, (), self.moment, revision=True)
        self._stage_parents(staging, table)
        if self.with_cascade:
            while sum(self._stage_along(staging, link) for link in _links(staging)):
                pass
        if self.with_related:
            related.bring_back(
                staging,
                lambda found: rows.last_rows(staging.cursor, found.id, self.moment),
                self.moment,
            )
        return []

    def _stage_parents(self, staging: Staging, table: LiveTable) -> None:
        """Stage the rows of what a staged model inherits from, where they are gone too."""
        parents: Any = table.model._meta.parents if table.model else {}
        for parent, link in parents.items():
            if link is None or link.model is not table.model:
                continue
            above = require_table(staging.tables.values(), parent, self.using)
            which = composed(
                "SELECT {link} AS {key} FROM {stage} s WHERE s.audittrail_action = 'I'",
                link=column(link.column, "s"),
                key=above.key[0],
                stage=staging.name(table),
            )
            then = rows.last_rows(staging.cursor, above.id, self.moment)
            stage_by_keys(staging, above, which, then, (), self.moment)
            # They were deleted along with it.
            run(
                staging.cursor,
                "UPDATE {above} a SET audittrail_revision = s.audittrail_revision FROM {stage} s"
                " WHERE {link} = {key} AND a.audittrail_revision IS NULL",
                above=staging.name(above),
                stage=staging.name(table),
                link=column(link.column, "s"),
                key=column(above.key[0], "a"),
            )
            self._stage_parents(staging, above)

    def _stage_along(self, staging: Staging, link: _Link) -> int:
        """Stage the rows that the revision which deleted a staged row deleted as well, and that referred to it."""
        stage = staging.name(link.target)
        run(
            staging.cursor,
            "SELECT min(r.id), max(r.committed) FROM {stage} s JOIN audittrail.revision r ON r.id = s.audittrail_revision",
            stage=stage,
        )
        first, last = staging.cursor.fetchone()
        if first is None:
            return 0
        found = link.table
        count = run(
            staging.cursor,
            "INSERT INTO {stage} (audittrail_action, audittrail_revision, {columns}) WITH {open}"
            " SELECT 'I', w.audittrail_revision, {final} FROM ({then} AND h.version BETWEEN {first} AND {last}) w LEFT JOIN {live} l ON {now}"
            " WHERE {gone} AND EXISTS (SELECT FROM {target} s WHERE s.audittrail_action = 'I' AND s.audittrail_revision = w.audittrail_revision AND {refers})"
            " AND NOT EXISTS (SELECT FROM {stage} d WHERE {staged})",
            stage=staging.stage(found),
            columns=listed(columns_of(found)),
            open=raw(rows.open_revisions(self.moment)),
            final=final(found, ()),
            then=raw(rows.deleted_rows(staging.cursor, found.id, self.moment)),
            first=literal(first),
            last=literal(last),
            live=name_of(found),
            now=same(found.key, "l", "w"),
            gone=composed("{key} IS NULL", key=column(found.key[0], "l")),
            target=stage,
            refers=link.condition,
            staged=same(found.key, "d", "w"),
        ).rowcount
        if count:
            staging.finish(found, ())
            self._stage_parents(staging, found)
        return int(count)

    def described(self) -> dict[str, Any]:
        """Return whose objects came back, and whether what was deleted along came too."""
        return {
            "kind": self.kind,
            "model": self.model._meta.label,
            "with_cascade": self.with_cascade,
        }


@dataclass(frozen=True)
class _Link:
    """A way in which rows of a table refer to staged ones of another: the condition on `w` and `s`."""

    table: LiveTable
    target: LiveTable
    condition: Any


def _links(staging: Staging) -> list[_Link]:
    """Return how tracked tables refer to the staged ones, by generic relations too."""
    targets = list(staging)
    links = [
        _Link(found.table, found.target, same(found.columns, "w", "s", found.target_columns))
        for found in references.to_tables(staging, targets)
    ]
    for table in staging.tables.values():
        links += _generic_links(staging, table, targets)
    return links


def _generic_links(staging: Staging, table: LiveTable, targets: list[LiveTable]) -> Iterator[_Link]:
    if not apps.is_installed("django.contrib.contenttypes") or table.model is None:
        return
    from django.contrib.contenttypes.fields import GenericForeignKey
    from django.contrib.contenttypes.models import ContentType

    for field in table.model._meta.private_fields:
        if not isinstance(field, GenericForeignKey):
            continue
        kind: Any = table.model._meta.get_field(field.ct_field)
        number: Any = table.model._meta.get_field(field.fk_field)
        for target in targets:
            if target.model is None or len(target.key) != 1:
                continue
            types = ContentType.objects.db_manager(staging.live.alias)
            condition = composed(
                "{type} = {expected} AND {number}::text = {key}::text",
                type=column(kind.column, "w"),
                expected=literal(types.get_for_model(target.model).pk),
                number=column(number.column, "w"),
                key=column(target.key[0], "s"),
            )
            yield _Link(table, target, condition)

"""The history of one object, revision by revision: what each of them changed of it on the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.backends.postgresql.psycopg_any import sql
from django.db.models.expressions import RawSQL

from audittrail.diff.changes import FieldChange
from audittrail.diff.memberships import MembershipChanges, ever, membership_change, targets_of
from audittrail.diff.object_keys import ObjectKeys
from audittrail.diff.parts import (
    ObjectPart,
    Relation,
    chosen_fields,
    parts_of,
    relations_of,
    tables_of,
)
from audittrail.diff.span import Span
from audittrail.diff.statements import (
    Fragment,
    as_text,
    history_table,
    in_chunks,
    key_in,
    same_key,
)
from audittrail.diff.states import (
    ObjectState,
    changes_of_state,
    columns_of_parts,
    key_of,
    operation_of,
    states_at,
)
from audittrail.diff.tracked import require_tracked
from audittrail.revisions.models import BaseRevision, RevisionQuerySet, revision_model
from audittrail.revisions.versions import Operation, version_model

#: How many revisions are looked at together.
CHUNK: Final = 100


@dataclass(frozen=True)
class RevisionChanges:
    """What one revision changed of an object on the whole: intermediate states within the transaction don't count.

    The operation is "I", "U" or "D" for an object that it inserted, updated or deleted, "" for one that it left as it was.
    Inherited fields and many-to-many fields are among the changes.
    """

    revision: BaseRevision
    operation: str
    changes: tuple[FieldChange, ...]


class ObjectHistory:
    """The history of the object of a model with a primary key, in one database, whether it is there now or not.

    Takes the names of the fields to look at, by default all, and whether columns that no field has any more are told as well (see
    `version_changes`). Raises `NotTrackedError` and `TimeTravelError` for what isn't
    tracked, `Model.DoesNotExist` for a key that neither the table nor its history has, `ValueError` for what is no key.
    """

    def __init__(
        self,
        model: type[models.Model],
        pk: Any,
        using: str,
        fields: Iterable[str] | None = None,
        *,
        dropped: bool = False,
    ) -> None:
        self.model = model
        self._dropped = dropped
        self.using = using
        self.key = key_of(model, pk)
        self._names = chosen_fields(model, fields)
        self._relations = relations_of(model, self._names)
        self.tables = require_tracked(tables_of(model, self._relations), using)
        self._known_from = max(self.tables[part.model].known_from for part in parts_of(model))
        self._keys = ObjectKeys(model, self.key, using)
        if not self._keys.is_known():
            raise model.DoesNotExist(  # type: ignore[attr-defined]
                f"There is no {model._meta.label} with primary key {pk!r}, and there was none: neither the table nor its history has it."
            )

    def names(self) -> list[str]:
        """Return the names of the fields that are looked at, inherited ones first."""
        found = [
            column.field.name
            for part in reversed(parts_of(self.model))
            for column in part.columns
            if self._names is None or column.field.name in self._names
        ]
        return [*found, *(relation.field.name for relation in self._relations)]

    def revisions(self) -> RevisionQuerySet:
        """Return the revisions that changed the object, its inherited parts or its many-to-many relations, as a queryset.

        Those that are committed; a baseline is no change.
        """
        queries = [self._of_part(part) for part in parts_of(self.model)]
        queries += [self._of_relation(relation) for relation in self._relations]
        # The text becomes a part of a statement with parameters, in which a percent sign is written twice.
        text = as_text(self.using, sql.SQL(" UNION ").join(queries)).replace("%", "%%")
        found: Any = revision_model().objects.using(self.using).committed()
        return found.filter(pk__in=RawSQL(text, ()))  # type: ignore[no-any-return]

    def between(self, span: Span) -> Iterator[RevisionChanges]:
        """Yield what each revision of a span changed, in the order of their commits.

        Memory is bounded: the revisions come from a server-side cursor, and are looked at in chunks.
        """
        found = self.revisions().filter(committed__gt=span.start, committed__lte=span.end)
        for chunk in in_chunks(found.order_by("committed").iterator(chunk_size=CHUNK), CHUNK):
            for changes in self.changes(chunk):
                if changes.operation:
                    yield changes

    def changes(self, revisions: Iterable[BaseRevision]) -> list[RevisionChanges]:
        """Return what each of some committed revisions changed, a page of them, in their order.

        Of one from before the history that is kept, it may not be known what it changed: then it updated nothing that is told.
        Sends one query for each table of the object's parts, three for each many-to-many field, however many they are.
        """
        wanted: Any = list(revisions)
        in_order = sorted(wanted, key=lambda revision: revision.committed)
        points = [
            (self.key, tick)
            for revision in in_order
            for tick in (revision.committed - 1, revision.committed)
        ]
        states = states_at(self.model, self.using, points, self.tables, dropped=self._dropped)
        columns = columns_of_parts(self.model)
        found: dict[int, list[FieldChange]] = {}
        pairs = {}
        for revision, old, new in zip(in_order, states[::2], states[1::2], strict=True):
            if not self._has_both_sides(revision, old, new):
                old = new
            pairs[revision.pk] = old, new
            found[revision.pk] = list(changes_of_state(columns, old, new, revision))
        for relation in self._relations:
            for revision, change in self._relation_changes(relation, in_order, pairs):
                found[revision.pk].append(change)
        result = []
        for revision in wanted:
            changes = tuple(
                change
                for change in found[revision.pk]
                if self._names is None or change.attribute in self._names
            )
            operation = operation_of(*pairs[revision.pk], changes)
            result.append(RevisionChanges(revision, operation, changes))
        return result

    def _has_both_sides(
        self, revision: Any, old: ObjectState | None, new: ObjectState | None
    ) -> bool:
        """Return whether the states before and after a revision are all that there was: versions of before may have been pruned."""
        if revision.committed > self._known_from:
            return True
        if new is not None and old is None:
            return new.images[0].row.operation == Operation.INSERT and None not in new.images  # type: ignore[union-attr]
        return all(state is None or None not in state.images for state in (old, new))

    def _relation_changes(
        self,
        relation: Relation,
        revisions: list[Any],
        pairs: dict[int, tuple[ObjectState | None, ObjectState | None]],
    ) -> Iterator[tuple[Any, FieldChange]]:
        sources = self._keys.values(relation.part, relation.key)
        if not revisions or not sources:
            return
        ticks = revisions[0].committed - 1, revisions[-1].committed
        table = self.tables[relation.through]
        story = MembershipChanges(relation, sources, self.using, ticks, table)
        memberships, events = story.at_start(), story.events()
        position = 0
        for revision in revisions:
            # Events before the revision bring the relations up to it; they are of revisions that were not asked for.
            while position < len(events) and events[position].committed < revision.committed:
                memberships.apply(events[position])
                position += 1
            old, new = pairs[revision.pk]
            before = targets_of(relation, old, memberships, self.model)
            while position < len(events) and events[position].committed == revision.committed:
                memberships.apply(events[position])
                position += 1
            after = targets_of(relation, new, memberships, self.model)
            change = membership_change(relation, before, after, revision)
            if change is not None and revision.committed > table.known_from:
                yield revision, change

    def _of_part(self, part: ObjectPart) -> Fragment:
        keys = self._keys.of_part(part)
        model = part.version_model
        return sql.SQL("SELECT h.revision_id FROM {} h WHERE {} AND {}").format(
            history_table(model),
            key_in(model, "h", keys, self.using) if keys else sql.SQL("false"),
            self.tables[part.model].change("h"),
        )

    def _of_relation(self, relation: Relation) -> Fragment:
        table = self.tables[relation.through]
        sources = self._keys.values(relation.part, relation.key)
        if not sources:
            return sql.SQL("SELECT NULL::bigint WHERE false")
        model = version_model(relation.through)
        return sql.SQL("SELECT h.revision_id FROM {} JOIN {} h ON {} WHERE {}").format(
            ever(relation, sources, self.using, table),
            history_table(model),
            same_key(model, "h", "e"),
            table.change("h"),
        )

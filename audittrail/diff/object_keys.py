"""The keys by which the rows of one object are found in all of history: those of tables that it inherits from may have changed."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.diff.loading import converted
from audittrail.diff.parts import ObjectPart, parts_of
from audittrail.diff.statements import fetch, history_table, key_in, live_rows
from audittrail.diff.states import Key
from audittrail.revisions.versions import version_name


class ObjectKeys:
    """What the rows of an object's parts ever had for keys; takes the object's own key, which never changes."""

    def __init__(self, model: type[models.Model], key: Key, using: str) -> None:
        self.model = model
        self.key = key
        self.using = using
        self._values: dict[tuple[ObjectPart, str], list[Any]] = {}

    def of_part(self, part: ObjectPart) -> list[Key]:
        """Return the keys that the object's row of a part ever had: the object's own key, as a rule."""
        if part.child is None:
            return [self.key]
        return [(value,) for value in self.values(part.child, part.link)]

    def values(self, part: ObjectPart, field: Any) -> list[Any]:
        """Return the values that a field of the object's row of a part ever had; the key's are known without a query."""
        keys = self.of_part(part)
        if part.model._meta.pk_fields == [field] or not keys:
            return [value for (value,) in keys]
        if (part, field.name) not in self._values:
            model = part.version_model
            stored = model._meta.get_field(version_name(field.attname))
            statement = sql.SQL(
                "SELECT {0} FROM {1} h WHERE {2} UNION SELECT {0} FROM {3} WHERE {4}"
            ).format(
                sql.Identifier(stored.column),
                history_table(model),
                key_in(model, "h", keys, self.using),
                live_rows(model, "b", 0),
                key_in(model, "b", keys, self.using),
            )
            rows = converted(model, self.using, [stored], fetch(self.using, statement))
            self._values[part, field.name] = [value for (value,) in rows if value is not None]
        return self._values[part, field.name]

    def is_known(self) -> bool:
        """Return whether the table or its history has the object's key."""
        model = parts_of(self.model)[0].version_model
        statement = sql.SQL(
            "SELECT EXISTS (SELECT FROM {} h WHERE {}) OR EXISTS (SELECT FROM {} WHERE {})"
        ).format(
            history_table(model),
            key_in(model, "h", [self.key], self.using),
            live_rows(model, "b", 0),
            key_in(model, "b", [self.key], self.using),
        )
        return bool(fetch(self.using, statement)[0][0])

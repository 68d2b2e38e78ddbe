"""Let a query of the past keep only those rows whose keys a query of the present has, however many they are.

In one statement the name of a tracked table stands for the past, by the WITH clause in front of it. What the present is asked for stands
first in that clause, where the name is still that of the live table: so the database joins both, and no key is read out and sent back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import F, Func

#: How a statement names the keys that a query of the present has.
_NAME: Final = "audittrail_live_keys_{}"

#: Queries of the present that a past connection keeps between the making of a statement and its sending.
KEPT: Final = 200


class LiveKeys(OrderedDict[str, str]):
    """Queries of the present that statements of a past connection name, the last ones of them."""

    def named(self, query: str) -> str:
        """Return the name by which a statement can read what a query has."""
        name = _NAME.format(sha256(query.encode()).hexdigest()[:32])
        self[name] = query
        self.move_to_end(name)
        if len(self) > KEPT:
            self.popitem(last=False)
        return name

    def cte(self, name: str) -> str:
        """Return the part of a WITH clause that defines a name; it stands before those of all tables of the past.

        Materialized: otherwise PostgreSQL might execute it anew for each row of the past.
        """
        return f'"{name}" AS MATERIALIZED ({self[name]})'


class HasLiveKey(Func):
    """Whether the key of a row is among those that a statement of the present reads, given as text without parameters."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, *keys: Any, query: str) -> None:
        super().__init__(*keys)
        self.query = query

    def as_sql(self, compiler: Any, connection: Any, **_kwargs: Any) -> Any:  # type: ignore[override]
        """Return the SQL: for a connection to the past it names the keys, which `to_past` defines."""
        parts = [compiler.compile(one) for one in self.get_source_expressions()]
        keys = ", ".join(sql for sql, _params in parts)
        params = [value for _sql, values in parts for value in values]
        named = getattr(connection, "live_keys", None)
        # A statement of the present reads the present anyway; its parameters are put in where it has a percent sign.
        present = self.query.replace("%", "%%")
        rows = f"({present})" if named is None else f'"{named.named(self.query)}"'
        alias = " live_keys" if named is None else ""
        return f"({keys}) IN (SELECT * FROM {rows}{alias})", params


def has_live_key(model: type[models.Model], queries: Sequence[str]) -> HasLiveKey:
    """Return the condition that the key of an object of a model is among those that one of some statements reads."""
    keys = [F(field.attname) for field in model._meta.pk_fields]
    return HasLiveKey(*keys, query=" UNION ALL ".join(f"({query})" for query in queries))


def keys_as_text(queryset: Any) -> str | None:
    """Return the statement that reads the keys of a queryset, with its parameters in it; None for one that has no rows.

    A queryset of the past becomes the statement that reads it. Raises `TimeTravelError` for one that can't be turned there.
    """
    connection: Any = connections[queryset.db]
    names = [field.attname for field in queryset.model._meta.pk_fields]
    try:
        found = queryset.values(*names).query.get_compiler(queryset.db).as_sql()
    except EmptyResultSet:
        return None
    text = connection.ops.compose_sql(*found)
    if getattr(connection, "moment", None) is not None:
        text = connection.to_past(text, None, has_params=False)
    # With DISTINCT, Django selects what it orders by as well, after the keys.
    keys = ", ".join(f'"audittrail_key_{number}"' for number, _name in enumerate(names))
    return f'SELECT {keys} FROM ({text}) "audittrail_keys" ({keys})'

"""Page through lists of any length by key: a page costs the same wherever it is, and nothing is ever counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone

T = TypeVar("T")

#: The parameters that say where a page begins: after which row of the list, or before which.
BEFORE, AFTER = "before", "after"

Position = tuple[Any, ...]


@dataclass(frozen=True)
class ListPage(Generic[T]):
    """A page of a list that has the newest first, with the query strings of its neighbours, None where there are none."""

    rows: Sequence[T]
    newer: str | None = None
    older: str | None = None


@dataclass(frozen=True)
class Keyset:
    """The order of a list: names of its columns, unique together, with fields that read their values; the newest first."""

    columns: tuple[tuple[str, models.Field[Any, Any]], ...]
    #: What has the columns, where it isn't the row itself.
    of: Callable[[Any], Any] | None = None
    #: Whether the list has the oldest first: then its pages go on with `after`, and `older` is the next page all the same.
    is_ascending: bool = False

    def page(self, queryset: Any, size: int, parameters: QueryDict) -> ListPage[Any]:
        """Return the page of a queryset that the parameters of a request ask for, with one query.

        What is no position, such as a mistyped one, gives the first page.
        """
        before, after = self.positions(parameters)
        rows = [*self.slice(queryset, before, after)[: size + 1]]
        return self.cut(rows, size, parameters, before, after)

    def positions(self, parameters: QueryDict) -> tuple[Position | None, Position | None]:
        """Return the positions before which and after which a request asks for rows, one of them at most."""
        before = self.position(parameters.get(BEFORE))
        return before, self.position(parameters.get(AFTER)) if before is None else None

    def beyond(self, queryset: Any, position: Position | None, is_newer: bool = False) -> Any:
        """Return the rows beyond a position in the order in which one goes away from it, all of them without one."""
        if position is None:
            return self.slice(queryset, None, None)
        return self.slice(queryset, *((None, position) if is_newer else (position, None)))

    def slice(self, queryset: Any, before: Position | None, after: Position | None) -> Any:
        """Return a queryset older than `before`, newest first, or newer than `after`, oldest first; all in the list's order."""
        is_ascending = after is not None or (self.is_ascending and before is None)
        sign = "" if is_ascending else "-"
        ordered = queryset.order_by(*(f"{sign}{name}" for name, _field in self.columns))
        if before is not None:
            return ordered.filter(self._beyond(before, "lt"))
        return ordered if after is None else ordered.filter(self._beyond(after, "gt"))

    def cut(
        self,
        rows: list[Any],
        size: int,
        parameters: QueryDict,
        before: Position | None,
        after: Position | None,
    ) -> ListPage[Any]:
        """Return the page of rows as `slice` gives them, one more than fit if there are further ones."""
        more = len(rows) > size
        rows = rows[:size]
        on, back, names = before, after, (BEFORE, AFTER)
        if self.is_ascending:
            on, back, names = after, before, (AFTER, BEFORE)
        if back is not None:
            rows.reverse()
        has_previous = on is not None or (back is not None and more)
        has_next = back is not None or more
        return ListPage(
            rows,
            query(parameters, names[1], self.encoded(rows[0])) if rows and has_previous else None,
            query(parameters, names[0], self.encoded(rows[-1])) if rows and has_next else None,
        )

    def position(self, text: str | None) -> Position | None:
        """Return the position that a parameter says, None for none and for what is not one."""
        try:
            values = json.loads(text or "null")
            if not isinstance(values, list) or len(values) != len(self.columns):
                return None
            read = [
                _read(field, value)
                for (_name, field), value in zip(self.columns, values, strict=True)
            ]
        except (ValueError, TypeError, OverflowError, RecursionError, ValidationError):
            return None
        return None if None in read else tuple(read)

    def encoded(self, row: Any) -> str:
        """Return the position of a row as a parameter."""
        found = self.of(row) if self.of else row
        return self.text([getattr(found, name) for name, _field in self.columns])

    def text(self, position: Sequence[Any]) -> str:
        """Return a position as a parameter."""
        return json.dumps([*position], cls=_PositionEncoder, separators=(",", ":"))

    def _beyond(self, position: Position, way: str) -> Q:
        # Redundant, but PostgreSQL finds the place in an index by this condition alone.
        condition = Q(**{f"{self.columns[0][0]}__{way}e": position[0]})
        beyond, same = Q(), Q()
        for (name, _field), value in zip(self.columns, position, strict=True):
            beyond |= same & Q(**{f"{name}__{way}": value})
            same &= Q(**{name: value})
        return condition & beyond


def _read(field: models.Field[Any, Any], value: Any) -> Any:
    read = field.to_python(value)
    if isinstance(read, str) and "\x00" in read:
        raise ValueError("PostgreSQL has no text with a NUL")
    if isinstance(read, datetime) and settings.USE_TZ and timezone.is_naive(read):
        return timezone.make_aware(read)
    return read


class _PositionEncoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        # Django's own encoder cuts times to milliseconds, and a position has to be exact.
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def query(parameters: QueryDict, name: str, value: str) -> str:
    """Return the query string of a page of the list that a request shows: the same but for its position."""
    changed = parameters.copy()
    for other in (BEFORE, AFTER):
        changed.pop(other, None)
    changed[name] = value
    return f"?{changed.urlencode()}"

"""Cursors whose statements read the past."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import DatabaseError
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper

from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError
from audittrail.timetravel import machine, registry

_UNREADABLE = frozenset({"copy", "copy_from", "copy_to", "copy_expert", "stream"})


class PastCursor(CursorWrapper):
    """A cursor whose statements read the past."""

    db: Any
    cursor: Any

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Execute a statement that reads.

        Raises `PastIsReadOnlyError` for one that writes, `TimeTravelError` for one that can't be turned to the past.
        """
        if machine.current() is not None:
            # The statement is turned to the past here. The session is that of the present connection, whose guard is to let it pass.
            with machine.unwatched():
                return self.execute(sql, params)
        # A server-side cursor of psycopg2 can execute one statement only, so it can't be sent again if it turns out to be outdated.
        is_named = getattr(self.cursor, "name", None) is not None
        past = self.db.to_past(sql, self.cursor, params is not None, verify=is_named)
        try:
            return super().execute(past, params)
        except DatabaseError as error:
            if not registry.may_be_outdated(error):
                raise
            registry.forget()
            if is_named or self.db.in_atomic_block or not self.db.get_autocommit():
                if not registry.is_outdated(error):
                    raise
                raise TimeTravelError(
                    "The schema was changed, or history pruned, while this transaction was reading the past. Try the transaction again."
                ) from error
            renewed = self.db.to_past(sql, self.cursor, params is not None)
            if renewed == past:
                raise
        return super().execute(renewed, params)

    def executemany(self, sql: Any, param_list: Any) -> NoReturn:
        """Refuse: what is executed for many rows writes."""
        refuse("executemany()")

    def callproc(self, procname: str, params: Any = None, kparams: Any = None) -> NoReturn:
        """Refuse: what a procedure reads can't be turned to the past."""
        refuse(f"callproc({procname!r})")

    def __getattr__(self, name: str) -> Any:
        if name in _UNREADABLE:
            refuse(f"{name}()")
        return super().__getattr__(name)


class PastDebugCursor(PastCursor, CursorDebugWrapper):
    """The same with Django's log of queries, which shows what was really sent."""


def refuse(what: str) -> NoReturn:
    """Raise `PastIsReadOnlyError` for something that a connection to the past can't do."""
    raise PastIsReadOnlyError(
        f"{what} is not possible on a connection that reads the past. Send a query with execute(), or use the present connection."
    )

"""Clients of a play: what each of them has done in its open transaction, and what they left prepared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.histories.moments import Moment
from tests.histories.record import Row

#: SQLSTATE classes of errors that an application may well get: data, constraints, concurrency, its own RAISE.
EXPECTED = ("21", "22", "23", "27", "40", "55", "0A", "2D", "P0", "25", "3B")
ISOLATION = {
    "begin": "BEGIN",
    "begin repeatable read": "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "begin serializable": "BEGIN ISOLATION LEVEL SERIALIZABLE",
}
#: A server has room for 20 prepared transactions, and several plays may be going on.
MOST_PREPARED = 3


@dataclass(frozen=True)
class Change:
    """What a statement made of one row; None is no row."""

    table: str
    key: tuple[Any, ...]
    before: Row | None
    after: Row | None


@dataclass
class Client:
    """A connection and what its open transaction has done so far."""

    connection: Any
    open: bool = False
    failed: bool = False
    #: Name of each savepoint and how many changes had been made by then.
    savepoints: list[tuple[str, int]] = field(default_factory=list)
    #: Changes with their place in time.
    pending: list[tuple[int, Change]] = field(default_factory=list)
    changed_schema: bool = False
    truncated: bool = False
    #: How many transactions with a TRUNCATE had been committed when this one began.
    truncations: int = 0


@dataclass
class Prepared:
    """A prepared transaction: its identifier, changes and place; `unsettled` if it alone kept readers waiting then."""

    identifier: str
    pending: list[tuple[int, Change]]
    changed_schema: bool
    truncated: bool
    moment: Moment
    unsettled: bool | None


def code(error: Exception) -> str:
    """Return the SQLSTATE of an error of either driver, or ""."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def is_expected(error: Exception, refusals: Collection[str] = ()) -> bool:
    """Tell whether an application may well get this error, and not because of audittrail, or for one of these reasons of its."""
    told = str(error).split("CONTEXT")[0]
    if "audittrail" not in told:
        return code(error).startswith(EXPECTED)
    return code(error) == "40001" and any(
        reason in told for reason in ("could remove rows", *refusals)
    )

"""What restoring would do, or has done: rows to insert, update and delete, what stands in the way, what else to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.db import models

from audittrail.diff.states import pk_of

#: What to do about conflicts: refuse everything, leave out the rows and fields concerned, or (undo alone) win over later changes.
OnConflict = Literal["refuse", "skip", "override"]

#: How many rows of a table, and conflicts of a kind, a plan tells one by one; it counts all of them.
DETAILS: Final = 1000
LISTED: Final = 100


@dataclass(frozen=True)
class ColumnChange:
    """A column of a row that changes: its field, if the model has one, and both values, null in JSON as `JSON_NULL`."""

    column: str
    old: Any
    new: Any
    field: models.Field[Any, Any] | None = None
    masked: bool = False


@dataclass(frozen=True)
class RowPlan:
    """A row: what happens to it ("I" insert, "U" update, "D" delete, "=" nothing, because of a conflict), its key, and what changes in it."""

    action: str
    key: tuple[Any, ...]
    changes: tuple[ColumnChange, ...]
    #: Its key as the database writes it, by which it can be left out.
    place: str = ""

    @property
    def pk(self) -> Any:
        """The key as an object has it."""
        return pk_of(self.key)


@dataclass(frozen=True)
class TablePlan:
    """What happens to the rows of one table; `rows` are the first of them, and all if `complete`."""

    table: str
    model: type[models.Model] | None
    inserted: int
    updated: int
    deleted: int
    rows: tuple[RowPlan, ...] = field(repr=False)
    #: The oid of the table, by which its rows can be left out.
    relation: int = 0

    @property
    def total(self) -> int:
        """How many rows are concerned."""
        return self.inserted + self.updated + self.deleted

    @property
    def complete(self) -> bool:
        """Whether `rows` has all of them."""
        return len(self.rows) == self.total


@dataclass(frozen=True)
class LeftAlone:
    """What a plan is made without: rows, columns of rows, and all rows of a table with which something would be done.

    Tables are named by their oids, rows by their `place`, what would be done by its letter.
    """

    rows: frozenset[tuple[int, str]] = frozenset()
    columns: frozenset[tuple[int, str, str]] = frozenset()
    actions: frozenset[tuple[int, str]] = frozenset()

    def __or__(self, other: LeftAlone) -> LeftAlone:
        return LeftAlone(
            self.rows | other.rows, self.columns | other.columns, self.actions | other.actions
        )


NOTHING: Final = LeftAlone()


@dataclass(frozen=True)
class Conflict:
    """Something that stands in the way, and the row that it concerns.

    `kind` is one of "missing reference", "unique", "exclusion", "check", "protected", "missing value", "changed since" and
    "not tracked then"; `message` says it in words, `columns` names the columns concerned. `rows` counts how many rows have the same
    conflict, for the last one listed of many.
    """

    kind: str
    table: str
    model: type[models.Model] | None
    key: tuple[Any, ...]
    columns: tuple[str, ...]
    message: str
    rows: int = 1
    #: The model on the other side, of the missing target or of the rows that refer to this one, and the values concerned, as text.
    other: type[models.Model] | None = None
    detail: str = ""


@dataclass(frozen=True)
class Note:
    """Something to know that stands in nobody's way, and how many rows of which table it concerns.

    `kind` is one of "default", "not restored" and "changed since"; `columns` and `revisions` are those that `message` names.
    """

    kind: str
    table: str
    rows: int
    message: str
    model: type[models.Model] | None = None
    columns: tuple[str, ...] = ()
    revisions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a restoring call would do (`dry_run=True`), or has done.

    Two plans with the same `digest` do the same to the same rows: it tells whether anything has moved since.
    """

    kind: str
    database: str
    #: Whose state is brought back, or what is undone: a revision's number, and None for the last state of deleted rows.
    revision: int | None
    tables: tuple[TablePlan, ...]
    conflicts: tuple[Conflict, ...]
    notes: tuple[Note, ...]
    digest: str
    carried_out: bool = False
    #: The number of the revision that carrying it out has made; None before, and if that changed nothing.
    new_revision: int | None = None
    #: What a rollback erases, or has erased: numbers of revisions and versions.
    erased: tuple[int, int] | None = None
    left_out: LeftAlone = NOTHING
    #: Rows with which nothing is done because of conflicts alone, by their tables; an undo knows them before it looks for others.
    held: tuple[TablePlan, ...] = ()
    repeat: Callable[..., Plan] | None = field(default=None, repr=False, compare=False)

    @property
    def inserted(self) -> int:
        """How many rows are inserted, in all tables."""
        return sum(table.inserted for table in self.tables)

    @property
    def updated(self) -> int:
        """How many rows are updated, in all tables."""
        return sum(table.updated for table in self.tables)

    @property
    def deleted(self) -> int:
        """How many rows are deleted, in all tables."""
        return sum(table.deleted for table in self.tables)

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of rows in all tables by what happens to them."""
        return {"inserted": self.inserted, "updated": self.updated, "deleted": self.deleted}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not any(table.total for table in self.tables) and not self.erased

    def carry_out(self) -> Plan:
        """Do what the plan says, in one transaction, and return the plan of what was done.

        Raises `StalePlanError` if anything has changed since the plan was made so that it would do something else now,
        `RestoreConflictError` for conflicts; then nothing is changed.
        """
        assert self.repeat is not None
        return self.repeat(digest=self.digest, left_out=self.left_out)

    def again(self, left_out: LeftAlone, on_conflict: OnConflict | None = None) -> Plan:
        """Return the plan made once more, also without these rows and columns, which stay as they are; nothing comes along with them.

        Takes what is done about conflicts, if that is to be something else. Raises `RestoreError` for a rollback.
        """
        assert self.repeat is not None
        chosen = {} if on_conflict is None else {"on_conflict": on_conflict}
        return self.repeat(dry_run=True, left_out=self.left_out | left_out, **chosen)

    def __str__(self) -> str:
        """Return the plan in words, as the commands print it."""
        if self.carried_out:
            what = f"{self.inserted} inserted, {self.updated} updated, {self.deleted} deleted"
        else:
            what = f"{self.inserted} to insert, {self.updated} to update, {self.deleted} to delete"
        lines = [
            f"{self.kind.capitalize()} {'carried out' if self.carried_out else 'planned'}: {what}"
        ]
        lines += [
            f"  {table.table}: +{table.inserted} ~{table.updated} -{table.deleted}"
            for table in self.tables
        ]
        lines += [f"  Conflict: {conflict.message}" for conflict in self.conflicts]
        lines += [f"  Note: {note.message}" for note in self.notes]
        return "\n".join(lines)

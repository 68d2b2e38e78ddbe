"""Every way of writing that any table knows: in SQL and by the ORM, as functions of a kind of table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction

from tests.builders.sending import sql
from tests.capture.kinds import Kind


@dataclass(frozen=True)
class Way:
    """A way of writing: what it does to a table that holds the first two sample rows, and what that is."""

    name: str
    write: Callable[[Kind, Prepared], object]
    operations: str
    applies: Callable[[Kind], bool] = lambda kind: True
    deletes: str = "D"
    since: int = 0
    statements: int | None = 1

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Prepared:
    """Objects of the three rows as the ORM reads them, and of the first row after its change."""

    objects: list[Any]
    changed: Any
    texts: tuple[str | None, ...]  # the columns of the third row


WAYS: list[Way] = []


def way(name: str, operations: str, **options: Any) -> Callable[[Any], Any]:
    """Register a function as a way of writing."""

    def registered(function: Callable[[Kind, Prepared], object]) -> Any:
        WAYS.append(Way(name, function, operations, **options))
        return function

    return registered


def simple(name: str, operations: str, text: Callable[[Kind], str], **options: Any) -> None:
    """Register one SQL statement as a way of writing."""
    WAYS.append(Way(name, lambda kind, prepared: sql(text(kind)), operations, **options))


def may_set_key(kind: Kind) -> bool:
    """Say whether the ORM may choose the key of a new row."""
    return not kind.always_identity


# SQL, one statement each.

simple("INSERT of one row", "I", lambda k: k.insert(2))
simple("INSERT ... SELECT", "I", lambda k: (
    f"INSERT INTO {k.table} {k.columns()} {k.overriding()} SELECT {k.values(2)[1:-1]}"
))  # fmt: skip
simple("UPDATE of one row", "U", lambda k: (
    f"UPDATE {k.table} SET {k.assignments()} WHERE {k.where(0)}"
))  # fmt: skip
simple("UPDATE of all rows", "UU", lambda k: f"UPDATE {k.table} SET {k.assignments()}")
simple("UPDATE ... FROM", "U", lambda k: (
    f"UPDATE {k.table} SET {k.assignments()} FROM generate_series(1, 3) WHERE {k.where(0)}"
))  # fmt: skip
simple("UPDATE of the key", "DI", lambda k: (
    f"UPDATE {k.table} SET {k.assignments({c: k.rows[2][c] for c in k.key})} WHERE {k.where(0)}"
), applies=may_set_key)  # fmt: skip
simple("DELETE of one row", "D", lambda k: f"DELETE FROM {k.table} WHERE {k.where(1)}")
simple("DELETE of all rows", "DD", lambda k: f"DELETE FROM {k.table}")
simple("DELETE ... USING", "D", lambda k: (
    f"DELETE FROM {k.table} USING generate_series(1, 3) WHERE {k.where(1)}"
))  # fmt: skip
simple("INSERT ... ON CONFLICT DO UPDATE", "IU", lambda k: k.insert(
    0, 2, then=f"ON CONFLICT {k.conflict_target()} DO UPDATE SET {k.assignments()}"
))  # fmt: skip
simple("INSERT ... ON CONFLICT DO UPDATE WHERE false", "I", lambda k: k.insert(
    0, 2, then=f"ON CONFLICT {k.conflict_target()} DO UPDATE SET {k.assignments()} WHERE false"
))  # fmt: skip
simple("INSERT ... ON CONFLICT DO NOTHING", "I", lambda k: k.insert(
    0, 2, then=f"ON CONFLICT {k.conflict_target()} DO NOTHING"
))  # fmt: skip
simple("WITH UPDATE", "U", lambda k: (
    f"WITH changed AS (UPDATE {k.table} SET {k.assignments()} WHERE {k.where(0)} RETURNING 1)"
    " SELECT count(*) FROM changed"
))  # fmt: skip
simple("WITH UPDATE, DELETE, INSERT", "DIU", lambda k: (
    f"WITH changed AS (UPDATE {k.table} SET {k.assignments()} WHERE {k.where(0)} RETURNING 1),"
    f" removed AS (DELETE FROM {k.table} WHERE {k.where(1)}) {k.insert(2)}"
))  # fmt: skip
simple("MERGE", "DIU", lambda k: (
    f"MERGE INTO {k.table} USING generate_series(0, 2) s (n)"
    f" ON {' OR '.join(f'(s.n = {n} AND {k.where(n)})' for n in (0, 1, 2))}"
    f" WHEN MATCHED AND s.n = 0 THEN UPDATE SET {k.assignments()}"
    " WHEN MATCHED THEN DELETE"
    f" WHEN NOT MATCHED THEN INSERT {k.columns()} {k.overriding()} VALUES {k.values(2)}"
), since=150000)  # fmt: skip
simple("MERGE ... RETURNING", "DIU", lambda k: (
    f"WITH merged AS (MERGE INTO {k.table} USING generate_series(0, 0) s (n) ON s.n = 0 AND {k.where(0)}"
    f" WHEN MATCHED THEN UPDATE SET {k.assignments()}"
    " WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING merge_action())"
    f" {k.insert(2)}"
), since=170000)  # fmt: skip
simple(
    "TRUNCATE CASCADE", "TT", lambda k: f"TRUNCATE {k.table} CASCADE", deletes="T", statements=None
)


@way("a block of PL/pgSQL", "DIU", statements=None)
def _(kind: Kind, prepared: Prepared) -> None:
    sql(
        f"DO $block$ BEGIN UPDATE {kind.table} SET {kind.assignments()} WHERE {kind.where(0)};"
        f" DELETE FROM {kind.table} WHERE {kind.where(1)}; {kind.insert(2)}; END $block$"
    )


@way("COPY", "I")
def _(kind: Kind, prepared: Prepared) -> None:
    statement = f"COPY {kind.table} {kind.columns()} FROM STDIN"
    with connection.cursor() as cursor:
        if settings.DRIVER == "psycopg":
            with cursor.copy(statement) as copy:
                copy.write_row(prepared.texts)
        else:
            escapes = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})
            fields = ("\\N" if text is None else text.translate(escapes) for text in prepared.texts)
            cursor.copy_expert(statement, StringIO("\t".join(fields) + "\n"))


# SQL that changes nothing.

simple("INSERT of no row", "", lambda k: (
    f"INSERT INTO {k.table} {k.columns()} {k.overriding()} SELECT {k.values(2)[1:-1]} WHERE false"
))  # fmt: skip
simple("UPDATE of no row", "", lambda k: (
    f"UPDATE {k.table} SET {k.assignments()} WHERE {k.where(2)}"
))  # fmt: skip
simple("DELETE of no row", "", lambda k: f"DELETE FROM {k.table} WHERE {k.where(2)}")
simple("UPDATE to the same values", "", lambda k: (
    f"UPDATE {k.table} SET {k.same_values()}"
))  # fmt: skip


@way("TRUNCATE of an empty table", "DD")
def _(kind: Kind, prepared: Prepared) -> None:
    sql(f"DELETE FROM {kind.table}")
    sql(f"TRUNCATE {kind.table} CASCADE")


@way("transaction rolled back", "")
def _(kind: Kind, prepared: Prepared) -> None:
    with transaction.atomic():
        _write_all(kind)
        transaction.set_rollback(True)


@way("savepoint rolled back", "")
def _(kind: Kind, prepared: Prepared) -> None:
    with transaction.atomic(), transaction.atomic():
        _write_all(kind)
        transaction.set_rollback(True)


@way("change after a savepoint rolled back", "U")
def _(kind: Kind, prepared: Prepared) -> None:
    with transaction.atomic():
        with transaction.atomic():
            _write_all(kind)
            transaction.set_rollback(True)
        sql(f"UPDATE {kind.table} SET {kind.assignments()} WHERE {kind.where(0)}")


@way("statement that fails", "")
def _(kind: Kind, prepared: Prepared) -> None:
    with transaction.atomic():
        _write_all(kind)
        with pytest.raises(IntegrityError):
            sql(kind.insert(2))
        transaction.set_rollback(True)


def _write_all(kind: Kind) -> None:
    sql(kind.insert(2))
    sql(f"UPDATE {kind.table} SET {kind.assignments()} WHERE {kind.where(0)}")
    sql(f"DELETE FROM {kind.table} WHERE {kind.where(1)}")


# The ORM. What it does to other tables (a parent's, say) is what the tables themselves tell.


def orm(name: str, operations: str, **options: Any) -> Callable[[Any], Any]:
    """Register a way of writing by the ORM, which may take several statements."""
    return way(name, operations, statements=None, **options)


def single_table(kind: Kind) -> bool:
    """Say whether bulk_create can write to the kind with keys given."""
    return not kind.inherits and not kind.always_identity


def new(kind: Kind, obj: Any) -> Any:
    """Return an object as it was before its row was written."""
    obj._state.adding = True
    if kind.always_identity:
        obj.pk = None
    return obj


def change(kind: Kind, prepared: Prepared) -> dict[str, Any]:
    """Return the change of the first row as fields and values."""
    fields = {f.column: f.attname for f in kind.model._meta.local_concrete_fields}
    return {
        fields[column]: getattr(prepared.changed, fields[column])
        for column in kind.change
        if column in fields
    }


def field_names(kind: Kind) -> list[str]:
    """Return the names of the changed fields."""
    fields = {f.column: f.name for f in kind.model._meta.local_concrete_fields}
    return [fields[column] for column in kind.change if column in fields]


def given(kind: Kind, obj: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the key and the other values of an object by field."""
    keys = [f.attname for f in kind.model._meta.pk_fields]
    values = {
        f.attname: getattr(obj, f.attname)
        for f in kind.model._meta.concrete_fields
        if f.column is not None and not f.generated
    }
    return {name: values.pop(name) for name in keys}, values


def all_rows(kind: Kind) -> models.QuerySet[Any]:
    """Return all rows of the model."""
    return kind.model._base_manager.all()


def apply(kind: Kind, prepared: Prepared, obj: Any) -> Any:
    """Change an object as the first row is to be changed."""
    for name, value in change(kind, prepared).items():
        setattr(obj, name, value)
    return obj


@orm("save() of a new object", "I")
def _(kind: Kind, prepared: Prepared) -> None:
    new(kind, prepared.objects[2]).save()


@orm("save() of a changed object", "U")
def _(kind: Kind, prepared: Prepared) -> None:
    apply(kind, prepared, prepared.objects[0]).save()


@orm("save(update_fields)", "U")
def _(kind: Kind, prepared: Prepared) -> None:
    apply(kind, prepared, prepared.objects[0]).save(update_fields=field_names(kind))


@orm("save() of an unchanged object", "")
def _(kind: Kind, prepared: Prepared) -> None:
    prepared.objects[0].save()


@orm("create()", "I")
def _(kind: Kind, prepared: Prepared) -> None:
    key, values = given(kind, prepared.objects[2])
    kind.model._base_manager.create(**values, **({} if kind.always_identity else key))


@orm("bulk_create()", "I", applies=lambda kind: not kind.inherits)
def _(kind: Kind, prepared: Prepared) -> None:
    kind.model._base_manager.bulk_create([new(kind, prepared.objects[2])])


# PostgreSQL can't take a deferrable constraint as arbiter, and Django names none here.
@orm(
    "bulk_create(ignore_conflicts)",
    "I",
    applies=lambda kind: single_table(kind) and kind.label != "testapp.Seat",
)
def _(kind: Kind, prepared: Prepared) -> None:
    kind.model._base_manager.bulk_create(
        [prepared.objects[0], prepared.objects[2]], ignore_conflicts=True
    )


@orm("bulk_create(update_conflicts)", "IU", applies=single_table)
def _(kind: Kind, prepared: Prepared) -> None:
    kind.model._base_manager.bulk_create(
        [apply(kind, prepared, prepared.objects[0]), prepared.objects[2]],
        update_conflicts=True,
        update_fields=field_names(kind),
        unique_fields=[f.name for f in kind.model._meta.pk_fields],
    )


@orm("bulk_update()", "U")
def _(kind: Kind, prepared: Prepared) -> None:
    first, second, _ = prepared.objects
    kind.model._base_manager.bulk_update([apply(kind, prepared, first), second], field_names(kind))


@orm("QuerySet.update()", "U")
def _(kind: Kind, prepared: Prepared) -> None:
    all_rows(kind).filter(pk=prepared.objects[0].pk).update(**change(kind, prepared))


@orm("QuerySet.update() of no row", "")
def _(kind: Kind, prepared: Prepared) -> None:
    all_rows(kind).filter(pk=prepared.objects[2].pk).update(**change(kind, prepared))


@orm("delete() of an object", "D")
def _(kind: Kind, prepared: Prepared) -> None:
    prepared.objects[0].delete()


@orm("QuerySet.delete()", "DD")
def _(kind: Kind, prepared: Prepared) -> None:
    all_rows(kind).delete()


@orm("QuerySet._raw_delete()", "DD")
def _(kind: Kind, prepared: Prepared) -> None:
    rows: Any = all_rows(kind)
    rows._raw_delete(rows.db)


@orm("get_or_create() that creates", "I", applies=may_set_key)
def _(kind: Kind, prepared: Prepared) -> None:
    key, values = given(kind, prepared.objects[2])
    assert kind.model._base_manager.get_or_create(**key, defaults=values)[1]


@orm("get_or_create() that gets", "")
def _(kind: Kind, prepared: Prepared) -> None:
    key, values = given(kind, prepared.objects[1])
    assert not kind.model._base_manager.get_or_create(**key, defaults=values)[1]


@orm("update_or_create() that creates", "I", applies=may_set_key)
def _(kind: Kind, prepared: Prepared) -> None:
    key, values = given(kind, prepared.objects[2])
    assert kind.model._base_manager.update_or_create(**key, defaults=values)[1]


@orm("update_or_create() that updates", "U")
def _(kind: Kind, prepared: Prepared) -> None:
    key, _ = given(kind, prepared.objects[0])
    values = change(kind, prepared)
    assert not kind.model._base_manager.update_or_create(**key, defaults=values)[1]

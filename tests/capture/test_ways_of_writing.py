"""Every way of writing to every kind of table is recorded exactly once, as it happened, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from audittrail import history
from tests.capture.kinds import KINDS, Kind
from tests.capture.truth import Witness
from tests.capture.ways import WAYS, Prepared, Way, sql

MATRIX = [
    pytest.param(kind, way, id=f"{kind}-{way}")
    for kind in KINDS
    for way in WAYS
    if way.applies(kind)
]


def prepared(kind: Kind) -> Prepared:
    """Write what the kind needs and its first two rows; read the others without leaving them there."""
    with transaction.atomic():
        for label, values in kind.needs:
            sql(Kind("", label, (values, values, values), {}).insert(0))
        sql(kind.insert(0, 1))
    with transaction.atomic():
        sql(kind.insert(2))
        manager = kind.model._base_manager
        objects = {str(obj.pk): obj for obj in manager.all()}
        with connection.cursor() as cursor:
            columns = ", ".join(f"{name}::text" for name in kind.columns()[1:-1].split(", "))
            cursor.execute(f"SELECT {columns} FROM {kind.table} WHERE {kind.where(2)}")
            texts = cursor.fetchall()[0]
        sql(f"UPDATE {kind.table} SET {kind.assignments()} WHERE {kind.where(0)}")
        by_number = [objects[str(_key_of(kind, n))] for n in range(3)]
        changed = manager.get(pk=by_number[0].pk)
        transaction.set_rollback(True)
    return Prepared(by_number, changed, texts)


def _key_of(kind: Kind, number: int) -> object:
    fields = kind.model._meta.pk_fields
    values = tuple(
        field.to_python(kind.rows[number][column])
        for field, column in zip(fields, kind.key, strict=True)
    )
    return values if len(values) > 1 else values[0]


@pytest.mark.parametrize(("kind", "way"), MATRIX)
def test_what_was_recorded_is_what_happened(kind: Kind, way: Way, witness: Witness) -> None:
    if connection.pg_version < way.since:  # type: ignore[attr-defined]
        pytest.skip(f"PostgreSQL has had this statement since version {way.since // 10000}.")
    table = witness.name(kind.table)
    before = prepared(kind)
    said: dict[str, Any] = {
        "committed_by": 4711,
        "reason": f"{way} to {kind}",
        "context": {"way": way.name},
    }
    with (
        witness.watching(deletes=way.deletes, **said) as watch,
        history.context(user=4711, reason=f"{way} to {kind}", way=way.name),
    ):
        way.write(kind, before)
    recorded = watch.recorded
    assert recorded.operations.get(table, "") == way.operations
    if way.statements == 1:
        events = {(version.table, version.operation) for version in recorded.versions}
        assert len({(v.table, v.operation, v.version) for v in recorded.versions}) == len(events)


def test_the_kinds_are_all_the_tables_there_are(witness: Witness) -> None:
    assert {witness.name(kind.table) for kind in KINDS} == set(witness.tables)
    assert len(KINDS) == len(witness.tables)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_history_table_has_the_columns_of_its_table(kind: Kind, witness: Witness) -> None:
    table = witness.tables[witness.name(kind.table)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = format('audittrail.%%I', %s::text)::regclass AND attnum > 0",
            [table.history],
        )
        found = dict(cursor.fetchall())
        cursor.execute(
            # A composite value is stored as text, a domain as its base type.
            "SELECT a.attname::text, CASE WHEN t.typtype = 'c' THEN 'text'"
            " ELSE format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), a.atttypmod) END"
            "  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE attrelid = %s::regclass AND attnum > 0",
            [table.name],
        )
        types = dict(cursor.fetchall())
    own = {
        "version": "bigint",
        "superseded": "bigint",
        "revision_id": "bigint",
        "operation": '"char"',
    }
    assert found == own | {table.stored(name): types[name] for name in table.recorded}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_versions_read_as_the_objects_do(kind: Kind, witness: Witness) -> None:
    from audittrail.revisions.versions import versions_of

    prepared(kind)
    excluded = {"password"} if kind.label == "auth.User" else set()
    versions = {
        tuple(getattr(version, name) for name in version.key_names): version
        for version in versions_of(kind.model).in_order()
    }
    objects = list(kind.model._base_manager.all())
    assert len(objects) == 2
    for obj in objects:
        key = tuple(getattr(obj, field.attname) for field in kind.model._meta.pk_fields)
        for field in kind.model._meta.local_concrete_fields:
            if field.column is None or field.name in excluded:
                continue
            name = field.attname
            if kind.label == "testapp.Clash" and name not in ("id", "doubled"):
                name = f"row_{name}"
            assert getattr(versions[key], name) == getattr(obj, field.attname), name

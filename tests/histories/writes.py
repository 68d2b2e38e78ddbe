"""Random steps of several clients: statements, transactions, savepoints, changes of the schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from tests.histories.schemas import COLUMNS, COPIED, KEYS, VALUES, Schema, Table

STATEMENTS = (
    "insert",
    "insert nothing",
    "upsert",
    "upsert many",
    "insert many",
    "update",
    "update same",
    "update all",
    "update few",
    "update key",
    "swap keys",
    "delete",
    "delete half",
    "move rows",
    "two tables",
    "many writes",
    "block",
    "merge",
    "copy",
    "copy some",
    "partition",
    "truncate",
    "truncate cascade",
    "select for update",
)
CONTROL = (
    "begin",
    "begin repeatable read",
    "begin serializable",
    "savepoint",
    "release",
    "rollback to",
    "rollback",
    "commit",
    "commit and chain",
    "rollback and chain",
    "prepare",
    "constraints immediate",
    "constraints deferred",
)
COMMON = (
    "begin",
    "begin",
    "savepoint",
    "rollback to",
    "commit",
    "prepare",
    "insert",
    "update",
    "upsert",
)
#: Ways of ending a prepared transaction, of one's own or somebody else's.
PREPARED = ("commit prepared", "commit prepared", "rollback prepared")
CHANGES = (
    "add column",
    "add filled column",
    "add computed column",
    "drop column",
    "rename column",
    "retype column",
    "track",
)


@dataclass(frozen=True)
class Step:
    """One thing that one client does; the numbers choose table, keys and values."""

    client: int
    action: str
    table: int = 0
    key: int = 1
    value: int = 0


def random_step(dice: Random, schema: Schema, clients: int) -> Step:
    """Draw a step of one of `clients` clients."""
    actions: tuple[str, ...] = STATEMENTS * 2 + CONTROL + COMMON * 5 + PREPARED * 2 + ("backfill",)
    if schema.changing:
        actions += CHANGES
    if schema.plain:
        # A block changes rows more than once.
        actions = tuple(action for action in actions if action != "block")
    return Step(
        client=dice.randint(0, clients - 1),
        action=dice.choice(actions),
        table=dice.randint(0, len(schema.tables) - 1),
        key=dice.randint(1, 6),
        value=dice.randint(0, 9),
    )


def statement(schema: Schema, step: Step, columns: dict[str, str], version: int) -> str:
    """Return the SQL of a step, given the columns (with types) that its table has now, and the server's version."""
    table = schema.tables[step.table]
    key = table.key_value(step.key)
    fixed = {"id", "doubled", "part", "a", "b"}
    own = {name: type_ for name, type_ in columns.items() if name not in fixed}
    column = sorted(own)[step.value % len(own)]
    value = _value(own[column], step.value)
    references = _references(schema, table, step)
    names = ["id", column, *references]
    row = ", ".join([key, value, *references.values()])
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({row})"
    other = schema.tables[step.value % len(schema.tables)]
    where = f"id = {key}"
    by_source = version >= 17 and step.key % 2
    match step.action:
        case "insert":
            return insert
        case "insert nothing":
            return f"{insert} ON CONFLICT DO NOTHING"
        case "upsert":
            assignments = {"n": f"coalesce({table.name}.n, 0) + {step.value % 3}"}
            assignments[column] = f"EXCLUDED.{column}"
            assigned = ", ".join(f"{name} = {new}" for name, new in assignments.items())
            return f"{insert} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {assigned}"
        case "upsert many":
            rows = ", ".join(
                f"({table.key_value(number)}, {step.value})" for number in (1, 4, 5, 6)
            )
            return (
                f"INSERT INTO {table.name} (id, n) VALUES {rows} ON CONFLICT ({', '.join(table.key)})"
                f" DO UPDATE SET n = {table.name}.n + EXCLUDED.n"
            )
        case "insert many":
            # More rows than a capture function plans for, or just so many.
            rows = ", ".join(f"({table.key_value(20 + i)}, {i})" for i in range(7 + step.key))
            return f"INSERT INTO {table.name} (id, n) VALUES {rows} ON CONFLICT DO NOTHING"
        case "update":
            sets = [f"{column} = {value}", *(f"{n} = {v}" for n, v in references.items())]
            return f"UPDATE {table.name} SET {', '.join(sets)} WHERE {where}"
        case "update same":
            return f"UPDATE {table.name} SET {column} = {column}"
        case "update all":
            return f"UPDATE {table.name} SET n = coalesce(n, 0) + {step.value % 4}"
        case "update few":
            return f"UPDATE {table.name} SET {column} = {value} WHERE n % 2 = {step.key % 2}"
        case "update key":
            return f"UPDATE {table.name} SET id = {KEYS[table.key_kind][2]}, n = n + {step.value % 2} WHERE {where}"
        case "swap keys":
            # Another row takes over the key in the same statement.
            return (
                f"UPDATE {table.name} SET id = {KEYS[table.key_kind][2]}"
                if not table.composite
                else f"UPDATE {table.name} SET part = part + {step.value % 3} WHERE {where}"
            )
        case "delete":
            return f"DELETE FROM {table.name} WHERE {where}"
        case "delete half":
            return f"DELETE FROM {table.name} WHERE n % 2 = {step.value % 2}"
        case "move rows":
            target = table.key_value(step.value if step.value != step.key else 9)
            return (
                f"WITH gone AS (DELETE FROM {table.name} WHERE {where} RETURNING n)"
                f" INSERT INTO {table.name} (id, n) SELECT {target}, n + 1 FROM gone"
                " ON CONFLICT DO NOTHING"
            )
        case "two tables":
            return (
                f"WITH first AS (UPDATE {table.name} SET n = n + 1 WHERE {where} RETURNING 1)"
                f" UPDATE {other.name} SET n = n + 1 WHERE EXISTS (SELECT FROM first)"
            )
        case "many writes":
            # What is deleted and comes again as it was has changed for history, not for who compares the table.
            made = other.key_value(step.key if other is not table else 20 + step.key)
            return (
                f"WITH changed AS (UPDATE {table.name} SET n = n + 1 WHERE n % 2 = {step.value % 2} RETURNING n),"
                f" gone AS (DELETE FROM {table.name} WHERE n % 2 <> {step.value % 2} AND {where} RETURNING n),"
                f" made AS (INSERT INTO {other.name} (id, n) SELECT {made}, count(*) FROM changed"
                f" ON CONFLICT ({', '.join(other.key)}) DO UPDATE SET n = EXCLUDED.n)"
                f" INSERT INTO {table.name} (id, n) SELECT {table.key_value(10 + step.key)}, n FROM gone"
                " ON CONFLICT DO NOTHING"
            )
        case "copy":
            # Often one row too many, so that none comes about.
            numbers = (step.key, 10 + step.key) if step.value % 3 else (10 + step.value, 30)
            return copy(table, own, column, numbers, "")
        case "copy some":
            return copy(table, own, column, range(step.key, 20), f"WHERE n > {6 + step.value}")
        case "block":
            # What an exception undoes never happened; what surrounds it did.
            undo = "RAISE EXCEPTION 'undo'" if step.value % 2 else "NULL"
            return (
                f"DO $$ BEGIN UPDATE {table.name} SET n = n + 1 WHERE {where};"
                f" BEGIN UPDATE {other.name} SET n = n + 2; {insert}; {undo};"
                f" EXCEPTION WHEN raise_exception OR integrity_constraint_violation THEN NULL; END;"
                f" UPDATE {table.name} SET n = n + 1 WHERE {where}; END $$"
            )
        case "merge" if version >= 15:
            return (
                f"MERGE INTO {table.name} t USING (VALUES ({key}), ({table.key_value(step.value)})) v (id)"
                f" ON t.id = CAST(v.id AS {KEYS[table.key_kind][0]})"
                f" WHEN MATCHED AND t.n % 2 = {step.value % 2} THEN DELETE"
                " WHEN MATCHED THEN UPDATE SET n = coalesce(t.n, 0) + 1"
                f" WHEN NOT MATCHED THEN INSERT (id) VALUES (CAST(v.id AS {KEYS[table.key_kind][0]}))"
                + (
                    " WHEN NOT MATCHED BY SOURCE AND t.n % 4 = 2 THEN UPDATE SET n = t.n + 1"
                    * by_source
                )
            )
        case "partition" if table.partitioned:
            part = f"{table.name}_{step.key % 2}"
            if step.value % 3 == 0:
                return f"TRUNCATE {part}"
            if step.value % 3 == 1:
                return f"DELETE FROM {part} WHERE {where}"
            return f"UPDATE {part} SET n = n + 1"
        case "truncate":
            return f"TRUNCATE {table.name}" if step.value < 4 else f"UPDATE {table.name} SET n = 5"
        case "truncate cascade":
            return (
                f"TRUNCATE {table.name} CASCADE"
                if step.value < 4
                else f"UPDATE {table.name} SET n = NULL WHERE {where}"
            )
        case "backfill":
            return (
                "SELECT audittrail.backfill_batch(t.id, 2) FROM audittrail.tracked_table t"
                f" WHERE t.table_name = '{table.name}'"
            )
        case "track":
            return f"SELECT audittrail.track('{table.name}')"
        case "constraints immediate":
            return "SET CONSTRAINTS ALL IMMEDIATE"
        case "constraints deferred":
            return "SET CONSTRAINTS ALL DEFERRED"
        case "select for update":
            return f"SELECT FROM {table.name} WHERE {where} FOR UPDATE"
        case _:
            return f"UPDATE {table.name} SET n = 1 WHERE {where}"


def copy(
    table: Table, own: dict[str, str], column: str, numbers: Iterable[int], condition: str
) -> str:
    """Return a COPY of rows with these numbers, and its data on the lines after it."""
    value = COPIED.get(own[column], r"\N")
    names = ["id", "n"] if column == "n" else ["id", "n", column]
    rows = [
        [table.key_value(number).strip("'"), str(number), value][: len(names)] for number in numbers
    ]
    lines = "".join("\t".join(row) + "\n" for row in rows)
    return f"COPY {table.name} ({', '.join(names)}) FROM STDIN {condition}\n{lines}"


def schema_change(table: Table, step: Step, columns: dict[str, str], fresh: str) -> str:
    """Return the SQL of a change of the table's columns; `fresh` is a name that no column ever had."""
    types = sorted(VALUES)
    type_ = types[step.value % len(types)]
    free = [name for name in columns if name.startswith("c_") or name in COLUMNS]
    match step.action, free:
        case "add filled column", _:
            return f"ALTER TABLE {table.name} ADD COLUMN {fresh} {type_} DEFAULT {VALUES[type_][0]}"
        case "add computed column", _:
            return f"ALTER TABLE {table.name} ADD COLUMN {fresh} text DEFAULT md5(random()::text)"
        case "drop column", [_, *_]:
            return f"ALTER TABLE {table.name} DROP COLUMN {free[step.key % len(free)]}"
        case "rename column", [_, *_]:
            return f"ALTER TABLE {table.name} RENAME COLUMN {free[step.key % len(free)]} TO {fresh}"
        case "retype column", [_, *_]:
            name = free[step.key % len(free)]
            return f"ALTER TABLE {table.name} ALTER COLUMN {name} TYPE text USING {name}::text"
        case _:
            return f"ALTER TABLE {table.name} ADD COLUMN {fresh} {type_}"


def _value(type_: str, number: int) -> str:
    values = VALUES.get(type_, ("NULL",))
    return values[number % len(values)]


def _references(schema: Schema, table: Table, step: Step) -> dict[str, str]:
    """Return a value for each foreign key column: a row that may be there, or NULL."""
    return {
        reference.column: "NULL"
        if step.value % 3 == 0
        else schema.tables[reference.target].key_value(step.value % 5)
        for reference in table.references
        if reference.column != "id"
    }

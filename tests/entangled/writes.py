"""Random statements: several commands at once, merges in all forms, moves, keys that are used again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.entangled.schemas import KEYS

Writer = Callable[[Random, str, int], str]
TABLES = sorted(KEYS)


def _key(dice: Random, table: str = "") -> int:
    """Draw a key; those of a table that inherits are not those of the other's own rows."""
    return dice.randint(1, 8) + 100 * (table == "heir")


def _set(dice: Random, table: str) -> str:
    choices = [
        f"n = n + {dice.randint(0, 3)}",
        "n = n",
        f"id = id + {dice.choice([-1, 1, 7])}",
        f"id = {_key(dice, table)}",
    ]
    if table == "part":
        choices += ["state = (state + 1) % 4"] * 4
        choices += ["owner = NULL", f"owner = {_key(dice)}"]
    if table == "child":
        choices += [
            f"a = {_key(dice)}",
            f"b = {_key(dice)}, a = NULL",
            f"c = {_key(dice)}",
            "c = id",
        ]
    return ", ".join(dice.sample(choices[:2], 1) + dice.sample(choices[2:], dice.randint(0, 1)))


def _where(dice: Random, table: str = "") -> str:
    return dice.choice(
        [
            f"id = {_key(dice, table)}",
            f"id IN ({_key(dice, table)}, {_key(dice, table)})",
            f"n % 2 = {dice.randint(0, 1)}",
            "true",
            f"id < {_key(dice, table)}",
        ]
    )


def _insert(dice: Random, table: str) -> str:
    columns = {"part": "id, state, n", "child": "id, a, c, n"}.get(table, "id, n")
    rows = []
    for _ in range(dice.randint(1, 3)):
        extra = {
            "part": [dice.randint(0, 3)],
            "child": [dice.choice(["NULL", _key(dice)]), dice.choice(["NULL", _key(dice)])],
        }.get(table, [])
        rows.append(f"({', '.join(map(str, [_key(dice, table), *extra, dice.randint(0, 9)]))})")
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join(rows)}"


def _conflict(dice: Random, table: str) -> str:
    if table == "place" or dice.randint(0, 2) == 0:
        return ""
    action = dice.choice(["NOTHING", f"UPDATE SET n = {table}.n + EXCLUDED.n"])
    return f" ON CONFLICT ({', '.join(KEYS[table])}) DO {action}"


def insert(dice: Random, table: str, version: int) -> str:
    """Draw an insertion of some rows."""
    return _insert(dice, table) + _conflict(dice, table)


def update(dice: Random, table: str, version: int) -> str:
    """Draw an update."""
    return f"UPDATE {table} SET {_set(dice, table)} WHERE {_where(dice, table)}"


def delete(dice: Random, table: str, version: int) -> str:
    """Draw a deletion."""
    return f"DELETE FROM {table} WHERE {_where(dice, table)}"


def several(dice: Random, table: str, version: int) -> str:
    """Draw several commands in one statement, often on one table, and often stopped before they are through."""
    kinds = [insert, update, delete]
    if version >= 17:
        kinds.append(merge)
    commands = []
    for number in range(dice.randint(1, 3)):
        target = dice.choice([table, table, dice.choice(TABLES)])
        command = dice.choice(kinds)(dice, target, version)
        returned = "t" if command.startswith("MERGE") else target
        commands.append(f"c{number} AS ({command} RETURNING {returned}.id)")
    source = "c0" + f" LIMIT {dice.randint(0, 2)}" * dice.randint(0, 1)
    columns = {"part": "id, state, n", "child": "id, n"}.get(table, "id, n")
    state = f", {dice.randint(0, 3)}" if table == "part" else ""
    last = dice.choice(
        [
            f"INSERT INTO {table} ({columns}) SELECT id{state}, 50 FROM (SELECT * FROM {source}) s"
            + _conflict(dice, table),
            f"INSERT INTO {table} ({columns}) SELECT {_key(dice, table)}{state}, 60 FROM (SELECT * FROM c0 LIMIT 1) s"
            + _conflict(dice, table),
            f"UPDATE {table} SET {_set(dice, table)} WHERE {_where(dice, table)} AND EXISTS (SELECT FROM c0)",
            f"DELETE FROM {table} WHERE {_where(dice, table)}",
            "SELECT count(*) FROM c0",
        ]
    )
    return f"WITH {', '.join(commands)} {last}"


def merge(dice: Random, table: str, version: int) -> str:
    """Draw a merge with any of its branches."""
    if version < 15:
        return update(dice, table, version)
    rows = ", ".join(
        f"({key + 100 * (table == 'heir')}, {dice.randint(0, 3)})"
        for key in dice.sample(range(1, 10), dice.randint(1, 5))
    )
    branches = dice.sample(
        [
            f"WHEN MATCHED AND t.n % 3 = {dice.randint(0, 2)} THEN DELETE",
            f"WHEN MATCHED AND t.n % 4 = {dice.randint(0, 3)} THEN DO NOTHING",
            f"WHEN MATCHED AND s.v > {dice.randint(0, 3)} THEN UPDATE SET {_set(dice, table).replace('n + ', 't.n + ').replace('= n,', '= t.n,')}",
        ],
        dice.randint(0, 2),
    )
    branches.append(
        f"WHEN MATCHED THEN UPDATE SET n = t.n + {dice.randint(0, 2)}"
        + (", state = s.v" if table == "part" else "")
    )
    columns, values = ("id, state, n", "s.k, s.v, 7") if table == "part" else ("id, n", "s.k, 7")
    if dice.randint(0, 2):
        branches.append(f"WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})")
    if version >= 17 and dice.randint(0, 2) == 0:
        branches.append(
            f"WHEN NOT MATCHED BY SOURCE AND t.n % 2 = 0 THEN {dice.choice(['DELETE', 'UPDATE SET n = t.n + 1'])}"
        )
    return f"MERGE INTO {table} t USING (VALUES {rows}) s (k, v) ON t.id = s.k {' '.join(branches)}"


def hidden(dice: Random, table: str, version: int) -> str:
    """Draw several statements in one, where a client's text does not tell them."""
    inner = "; ".join(
        dice.choice([insert, update, delete, merge])(dice, table, version)
        for _ in range(dice.randint(1, 3))
    )
    return (
        f"DO $$ BEGIN {inner}; BEGIN {update(dice, table, version)}; {dice.choice(['NULL', 'RAISE division_by_zero'])};"
        " EXCEPTION WHEN division_by_zero OR integrity_constraint_violation THEN NULL; END; END $$"
    )


def aimed(dice: Random, table: str, version: int) -> str:
    """Draw a statement that is aimed at a partition, or at a table and not at those that inherit from it."""
    target = dice.choice(["part_0", "part_1", "part_rest", "ONLY base"])
    return dice.choice(
        [
            f"UPDATE {target} SET n = n + 1 WHERE {_where(dice, table)}",
            f"DELETE FROM {target} WHERE {_where(dice, table)}",
        ]
    )


def swap(dice: Random, table: str, version: int) -> str:
    """Draw a swap of deferrable keys."""
    first, second = dice.sample(range(1, 7), 2)
    return f"UPDATE place SET id = CASE id WHEN {first} THEN {second} ELSE {first} END WHERE id IN ({first}, {second})"


def truncate(dice: Random, table: str, version: int) -> str:
    """Draw a TRUNCATE."""
    return f"TRUNCATE {dice.choice(['part_0', 'place', 'part', 'base'])}"


WRITES: tuple[Writer, ...] = (
    insert, insert, update, update, update, delete, delete, several, several, several, merge, merge, hidden, aimed, swap,
)  # fmt: skip


def statement(dice: Random, version: int, table: str | None = None) -> str:
    """Draw a statement, most often on `table`, if one is given."""
    writer = truncate if dice.randint(0, 60) == 0 else dice.choice(WRITES)
    if table is None or dice.randint(0, 3) == 0:
        table = dice.choice(TABLES)
    return writer(dice, table, version)


def disturbance(dice: Random, version: int, table: str) -> str:
    """Draw a statement on `table` for another session: it often makes room for keys."""
    return dice.choice([delete, delete, update, insert, several])(dice, table, version)


def change(dice: Random, number: int) -> str:
    """Draw a change of a table, made by another session."""
    table = dice.choice(["parent", "child", "part", "base", "place"])
    return dice.choice(
        [
            f"ALTER TABLE {table} ADD c_{number} int",
            f"ALTER TABLE {table} ADD c_{number} int DEFAULT 5",
            f"ALTER TABLE {table} ALTER n TYPE {dice.choice(['bigint', 'int'])}",
            f"SELECT audittrail.track('{table}')",
            f"SELECT audittrail.backfill_batch(id, 3) FROM audittrail.tracked_table WHERE table_name = '{table}'",
        ]
    )

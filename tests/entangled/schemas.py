"""Random tables on which one statement does several things: referential actions, triggers, partitions, deferrable keys, policies."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")
DEFERRABLE = ("", "DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED")

#: Tables by name, with the columns of their key.
KEYS = {
    "parent": ("id",),
    "child": ("id",),
    "part": ("id", "state"),
    "base": ("id",),
    "heir": ("id",),
    "place": ("id",),
}

#: What triggers of the application do: when, and the body of their function.
TRIGGERS = {
    "again": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 1)",
        "UPDATE {own} SET n = n + 1 WHERE id = NEW.id;",
    ),
    "there and back": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 1)",
        "UPDATE {own} SET n = n + 1 WHERE id = NEW.id; UPDATE {own} SET n = n - 1 WHERE id = NEW.id;",
    ),
    "after insert": (
        "AFTER INSERT ON {own} FOR EACH ROW",
        "UPDATE {own} SET n = n + 1 WHERE id = NEW.id;",
    ),
    "echo": (
        "AFTER INSERT OR UPDATE OR DELETE ON {own} FOR EACH ROW",
        "UPDATE {other} SET n = n + 1 WHERE n < 9;",
    ),
    "undelete": (
        "AFTER DELETE ON {own} FOR EACH ROW WHEN (OLD.n % 3 = 2)",
        "INSERT INTO {own} SELECT (OLD).* ON CONFLICT DO NOTHING;",
    ),
    "weed": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 2)",
        "DELETE FROM {other} WHERE n % 2 = 0;",
    ),
    "alter": (
        "BEFORE INSERT OR UPDATE ON {own} FOR EACH ROW",
        "NEW.n := coalesce(NEW.n, 0) + 1; RETURN NEW;",
    ),
    "cancel": (
        "BEFORE INSERT OR UPDATE OR DELETE ON {own} FOR EACH ROW",
        "IF coalesce(OLD.n, NEW.n) % 5 = 4 THEN RETURN NULL; END IF; RETURN coalesce(NEW, OLD);",
    ),
    "before": (
        "BEFORE DELETE ON {own} FOR EACH ROW",
        "UPDATE {other} SET n = n + 1; RETURN OLD;",
    ),
    "statement": ("AFTER UPDATE ON {own}", "UPDATE {own} SET n = n + 1 WHERE n % 3 = 1;"),
    "late": (
        "AFTER INSERT OR UPDATE ON {own} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
        "UPDATE {other} SET n = n + 1 WHERE n < 9;",
    ),
}


@dataclass(frozen=True)
class Schema:
    """The statements that make the tables, and whether rows are hidden from the role that writes."""

    statements: tuple[str, ...]
    has_policies: bool


def random_schema(dice: Random) -> Schema:
    """Draw tables: the same ones, with other constraints, triggers and policies."""

    def reference(target: str) -> str:
        return (
            f"REFERENCES {target} ON DELETE {dice.choice(ACTIONS)} ON UPDATE {dice.choice(ACTIONS)}"
            f" {dice.choice(DEFERRABLE)}"
        )

    parts = dice.choice(["int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE", "int"])
    statements = [
        "CREATE TABLE parent (id int PRIMARY KEY, n int DEFAULT 0)",
        (
            f"CREATE TABLE child (id int PRIMARY KEY, a int DEFAULT 1 {reference('parent')}, b int {reference('parent')},"
            f" c int {reference('child')}, n int DEFAULT 0)"
        ),
        (
            f"CREATE TABLE part (id int, state int DEFAULT 0, owner {parts}, n int DEFAULT 0, PRIMARY KEY (id, state))"
            " PARTITION BY LIST (state)"
        ),
        "CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0)",
        # Its columns stand in another order.
        "CREATE TABLE part_1 (n int DEFAULT 0, owner int, state int NOT NULL, id int NOT NULL)",
        "ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES IN (1, 2)",
        "CREATE TABLE part_rest PARTITION OF part DEFAULT PARTITION BY HASH (id)",
        "CREATE TABLE part_rest_0 PARTITION OF part_rest FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "CREATE TABLE base (id int PRIMARY KEY, n int DEFAULT 0, CONSTRAINT own CHECK (id < 90) NO INHERIT)",
        "CREATE TABLE heir (extra text DEFAULT 'x', CHECK (id > 90), PRIMARY KEY (id)) INHERITS (base)",
        f"CREATE TABLE place (id int PRIMARY KEY {dice.choice(DEFERRABLE[1:])}, n int DEFAULT 0)",
    ]
    for table in ("parent", "child", "part", "base", "place"):
        if dice.randint(0, 2):
            rows = ", ".join(f"({n}, {n % 4})" for n in range(1, 7))
            statements.append(f"INSERT INTO {table} (id, n) VALUES {rows}")
    limits = {table: dice.choice([0, 33554432]) for table in KEYS if table != "heir"}
    for table, limit in limits.items():
        statements.append(f"SELECT audittrail.track('{table}', baseline_limit => {limit})")
    names = sorted(set(KEYS) - {"heir"})
    for number in range(dice.randint(0, 4)):
        kind, own, other = dice.choice(sorted(TRIGGERS)), dice.choice(names), dice.choice(names)
        if kind == "undelete" and own in ("part", "place"):
            continue
        event, body = TRIGGERS[kind]
        # Names before and after those of audittrail's triggers, since PostgreSQL runs triggers by name.
        name = f"{dice.choice('az')}_{number}"
        kept = "coalesce(NEW, OLD)" if "FOR EACH ROW" in event else "NULL"
        # Nothing may go on for ever.
        statements += [
            (
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF pg_trigger_depth() > 2 THEN RETURN {kept}; END IF; {body.format(own=own, other=other)} RETURN NULL; END $$"
            ),
            (
                f"CREATE {'CONSTRAINT' if kind == 'late' else ''} TRIGGER {name} {event.format(own=own)}"
                f" EXECUTE FUNCTION {name}()"
            ),
        ]
    has_policies = dice.randint(0, 3) == 0
    statements += [
        "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO application",
        "GRANT USAGE ON SCHEMA public TO application",
    ]
    if has_policies:
        for table in dice.sample(names, 2):
            statements += [
                f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY seen ON {table} USING (n % 5 <> 3) WITH CHECK (true)",
            ]
    return Schema(tuple(statements), has_policies)

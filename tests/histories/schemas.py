"""Random tables: a few of them, with random columns, keys, foreign keys, triggers and beginnings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

#: Values of each type, as SQL. Few, so that updates often change nothing and keys often clash.
VALUES: dict[str, tuple[str, ...]] = {
    "integer": ("0", "1", "7", "NULL"),
    "text": ("''", "'a'", "'% {} \\ ''/*ä*/'", "repeat('long ', 2000)", "NULL"),
    "numeric": ("1", "1.00", "2.5", "'NaN'", "NULL"),
    "jsonb": ("""'{"a": 1}'""", """'{"a": 1.00}'""", "'null'", "NULL"),
    "json": ("""'{"a":1}'""", """'{"a": 1}'""", "NULL"),
    "boolean": ("true", "false", "NULL"),
    "double precision": ("0", "'-0'", "'NaN'", "1e300", "NULL"),
    "timestamp with time zone": ("'2024-02-29 12:00+01'", "'infinity'", "NULL"),
    "bytea": (r"'\x00ff'", "''", "NULL"),
    "integer[]": ("'{}'", "'{1,NULL,3}'", "NULL"),
    "character varying(5)": ("'abc'", "'abcde'", "''", "NULL"),
    "character(5)": ("'ab'", "'abcde'", "NULL"),
    "int4range": ("'[1,5)'", "'empty'", "NULL"),
    "mood": ("'glad'", "'sad'", "NULL"),
    "short_text": ("'s'", "'t'", "NULL"),
}
#: A value of some types as COPY reads it.
COPIED = {
    "text": r"tab\t, line\n, \\ and ä",
    "jsonb": '{"a": 1.00, "b": "\\\\n"}',
    "json": '{"a":1,  "a":2}',
    "numeric": "1.00",
    "double precision": "-0",
    "bytea": r"\\x00ff",
    "integer[]": "{1,NULL}",
    "character(5)": "ab",
    "mood": "sad",
}
PREPARATION = (
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE DOMAIN short_text AS text CHECK (length(VALUE) < 9)",
)

#: Names of columns, which may well be those that the capture functions use for themselves.
COLUMNS = ("few", "o", "version", "mine", "captured")

#: Type of a key, the SQL of key number %d, the SQL that changes a key.
KEYS = {
    "integer": ("integer", "%d", "id + 10"),
    "less": ("integer", "%d", "id - 1"),
    "text": ("text", "'k%d'", "id || 'x'"),
    "uuid": ("uuid", "'00000000-0000-0000-0000-%012d'", "'00000000-0000-0000-0000-0000000000ff'"),
}
ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")

#: What triggers of the application do, as the body of a PL/pgSQL function; {own} is the table, {other} another one.
TRIGGERS = {
    "again": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 1)",
        "UPDATE {own} SET n = n + 1 WHERE id = NEW.id;",
    ),
    "twice": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 1)",
        "UPDATE {own} SET n = n + 1 WHERE id = NEW.id; UPDATE {own} SET n = n - 1 WHERE id = NEW.id;",
    ),
    "inserted": (
        "AFTER INSERT ON {own} FOR EACH ROW",
        "UPDATE {own} SET n = n + 1 WHERE id = NEW.id;",
    ),
    "neighbours": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 1)",
        "UPDATE {own} SET n = n + 1 WHERE n < 9;",
    ),
    "undelete": (
        "AFTER DELETE ON {own} FOR EACH ROW WHEN (OLD.n % 3 = 2)",
        "INSERT INTO {own} SELECT (OLD).*;",
    ),
    "echo": (
        "AFTER INSERT OR UPDATE ON {own} FOR EACH ROW",
        "UPDATE {other} SET n = n + 1 WHERE n < 9;",
    ),
    "weed": (
        "AFTER UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 2)",
        "DELETE FROM {other} WHERE n % 2 = 0;",
    ),
    "count": (
        "BEFORE INSERT OR UPDATE ON {own} FOR EACH ROW",
        "NEW.n := coalesce(NEW.n, 0) + 1; RETURN NEW;",
    ),
    "before": ("BEFORE DELETE ON {own} FOR EACH ROW", "UPDATE {other} SET n = n + 1; RETURN OLD;"),
    "refuse": ("BEFORE UPDATE ON {own} FOR EACH ROW WHEN (NEW.n % 3 = 0)", "RETURN NULL;"),
    "statement": ("AFTER UPDATE ON {own}", "UPDATE {own} SET n = n + 1 WHERE n % 3 = 1;"),
    "late": (
        "AFTER INSERT OR UPDATE ON {own} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
        "UPDATE {other} SET n = n + 1 WHERE n < 9;",
    ),
}


@dataclass(frozen=True)
class Reference:
    """A foreign key of one column."""

    column: str
    target: int
    on_delete: str
    on_update: str
    deferrable: str


@dataclass(frozen=True)
class Table:
    """A table: `baseline` says when it gets its first rows and how they get into history."""

    name: str
    key_kind: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    references: tuple[Reference, ...]
    partitioned: bool
    generated: bool
    composite: bool
    baseline: str

    @property
    def key(self) -> tuple[str, ...]:
        """Give the names of the primary key's columns."""
        return ("id", "part") if self.composite else ("id",)

    def key_value(self, number: int) -> str:
        """Give the SQL of key number `number` (`part` is left to its default)."""
        return KEYS[self.key_kind][1] % number


@dataclass(frozen=True)
class Trigger:
    """A trigger of the application: its kind, name, table and the other table it may write to."""

    kind: str
    name: str
    own: int
    other: int


@dataclass(frozen=True)
class Schema:
    """Tables with their triggers.

    `witnessed`: row triggers of the test note every change. `changing`: columns come and go.
    """

    tables: tuple[Table, ...]
    triggers: tuple[Trigger, ...]
    witnessed: bool
    changing: bool

    @property
    def plain(self) -> bool:
        """Tell whether a statement changes a row at most once, and nothing happens behind its back."""
        return not (
            self.triggers
            or self.changing
            or any(
                action in ("CASCADE", "SET NULL", "SET DEFAULT")
                for table in self.tables
                for reference in table.references
                for action in (reference.on_delete, reference.on_update)
            )
        )

    def statements(self) -> Iterator[str]:
        """Yield the SQL that makes the tables, their first rows and the triggers, and begins to track them."""
        yield from PREPARATION
        for table in self.tables:
            yield from self._create(table)
        for table in self.tables:
            if table.baseline != "empty":
                rows = ", ".join(f"({table.key_value(number)})" for number in (1, 2, 4))
                yield f"INSERT INTO {table.name} (id) VALUES {rows}"
            limit = 0 if table.baseline == "backfilled" else 33554432
            yield f"SELECT audittrail.track('{table.name}', baseline_limit => {limit})"
        for trigger in self.triggers:
            yield from self._create_trigger(trigger)

    def _create(self, table: Table) -> Iterator[str]:
        key_type = KEYS[table.key_kind][0]
        columns = [f"id {key_type}", "n integer DEFAULT 0"]
        if table.composite:
            columns.append("part integer DEFAULT 1")
        columns += [
            f"{name} {type_}" for name, type_ in zip(table.columns, table.types, strict=True)
        ]
        if table.generated:
            columns.append("doubled integer GENERATED ALWAYS AS (n * 2) STORED")
        for reference in table.references:
            target = self.tables[reference.target]
            if reference.column != "id":
                columns.append(f"{reference.column} {KEYS[target.key_kind][0]}")
            columns.append(
                f"FOREIGN KEY ({reference.column}) REFERENCES {target.name} ON DELETE {reference.on_delete}"
                f" ON UPDATE {reference.on_update} {reference.deferrable}"
            )
        columns.append(f"PRIMARY KEY ({', '.join(table.key)})")
        partition = "PARTITION BY HASH (id)" if table.partitioned else ""
        yield f"CREATE TABLE {table.name} ({', '.join(columns)}) {partition}"
        if table.partitioned:
            for number in (0, 1):
                yield (
                    f"CREATE TABLE {table.name}_{number} PARTITION OF {table.name}"
                    f" FOR VALUES WITH (MODULUS 2, REMAINDER {number})"
                )

    def _create_trigger(self, trigger: Trigger) -> Iterator[str]:
        event, body = TRIGGERS[trigger.kind]
        names = {"own": self.tables[trigger.own].name, "other": self.tables[trigger.other].name}
        kept = "OLD" if "DELETE" in event else "NEW"
        # Nothing may go on for ever.
        yield (
            f"CREATE FUNCTION {trigger.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF pg_trigger_depth() > 2 THEN RETURN {kept if 'ROW' in event else 'NULL'}; END IF;"
            f" {body.format(**names)} RETURN NULL; END $$"
        )
        constraint = "CONSTRAINT" if trigger.kind == "late" else ""
        yield (
            f"CREATE {constraint} TRIGGER {trigger.name} {event.format(**names)}"
            f" EXECUTE FUNCTION {trigger.name}()"
        )


def random_schema(dice: Random) -> Schema:
    """Draw a schema of one to three tables."""
    purpose = dice.choice(["witnessed", "plain", "changing"])
    tables: list[Table] = []
    for number in range(dice.randint(1, 3)):
        tables.append(_table(dice, number, tables, purpose))
    triggers = []
    for number in range(0 if purpose == "plain" else dice.randint(0, 3)):
        kinds = sorted(TRIGGERS) if purpose == "witnessed" else sorted({*TRIGGERS} - {"undelete"})
        own = dice.randint(0, len(tables) - 1)
        kind = dice.choice(kinds)
        if kind == "undelete" and (tables[own].generated or tables[own].partitioned):
            continue
        # Names before and after those of audittrail's triggers, since PostgreSQL runs triggers by name.
        name = f"{dice.choice('az')}_{number}_{kind}"
        triggers.append(Trigger(kind, name, own, dice.randint(0, len(tables) - 1)))
    return Schema(tuple(tables), tuple(triggers), purpose == "witnessed", purpose == "changing")


def _table(dice: Random, number: int, earlier: list[Table], purpose: str) -> Table:
    actions = ACTIONS[:2] if purpose == "plain" else ACTIONS
    kind = dice.choice(sorted(KEYS))
    targets = [index for index, table in enumerate(earlier) if not table.composite]
    composite = dice.choice([False, True])
    references = []
    for column in ("a", "b")[: dice.randint(0, 2)]:
        own = [] if composite else [number]
        if not targets + own:
            break
        target = dice.choice(targets + own)
        if target != number and column == "a" and dice.randint(0, 3) == 0:
            # The key is itself a foreign key, as in multi-table inheritance.
            column, kind = "id", earlier[target].key_kind
        deferrable = dice.choice(["", "DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
        references.append(
            Reference(column, target, dice.choice(actions), dice.choice(actions), deferrable)
        )
    baseline = dice.choice(["empty", "copied", "backfilled"])
    if any(r.column == "id" and earlier[r.target].baseline == "empty" for r in references):
        baseline = "empty"
    types = tuple(dice.choice(sorted(VALUES)) for _ in range(dice.randint(0, 3)))
    return Table(
        name=f"t{number}",
        key_kind=kind,
        columns=tuple(dice.sample(COLUMNS, len(types))),
        types=types,
        references=tuple(references),
        partitioned=dice.randint(0, 3) == 0,
        generated=dice.choice([False, True]),
        composite=composite,
        baseline=baseline,
    )

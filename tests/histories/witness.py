"""An independent witness of what happens to rows: row triggers, which are slow, simple and plainly right.

A BEFORE trigger, the last of its table, gives each change its place in time, for PostgreSQL runs it at the moment of the change; an
AFTER trigger confirms that this change came about and adds the images, which are complete only then.

Among transactions that run at the same time it is the place of the confirmation that counts: a row is locked by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.histories.schemas import Schema, Table

PREPARATION = """
CREATE SCHEMA witness;
CREATE SEQUENCE witness.clock;
CREATE TABLE witness.change (
    seq bigint PRIMARY KEY, tab text, op text, old_key text[], new_key text[], planned text, old_image text[], new_image text[],
    xid xid8 DEFAULT pg_current_xact_id(), confirmed bigint);
CREATE INDEX ON witness.change (planned, xid);
"""

FUNCTIONS = """
CREATE FUNCTION witness.{table}_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness.change (seq, tab, op, planned)
    VALUES (nextval('witness.clock'), '{table}', TG_OP, '{table} ' || TG_OP || md5(concat({old_plan}, {new_plan})));
    RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION witness.{table}_after() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Not every planned change comes about: an INSERT ... ON CONFLICT may update instead. The latest one did.
    UPDATE witness.change SET planned = NULL, confirmed = nextval('witness.clock'),
           old_key = CASE WHEN TG_OP <> 'INSERT' THEN {old_key} END, new_key = CASE WHEN TG_OP <> 'DELETE' THEN {new_key} END,
           old_image = CASE WHEN TG_OP <> 'INSERT' THEN {old} END, new_image = CASE WHEN TG_OP <> 'DELETE' THEN {new} END
     WHERE seq = (SELECT max(seq) FROM witness.change
                   WHERE xid = pg_current_xact_id()
                     AND planned = '{table} ' || TG_OP || md5(concat({old_plan}, {new_plan})));
    IF NOT FOUND THEN RAISE 'the witness missed something'; END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION witness.{table}_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO witness.change (seq, tab, op, old_key, old_image)'
                   ' SELECT nextval(''witness.clock''), ''{table}'', ''TRUNCATE'', {row_key}, {row} FROM ONLY %s r', TG_RELID::regclass);
    RETURN NULL;
END $$;
CREATE TRIGGER zzz_witness_before BEFORE INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION witness.{table}_before();
CREATE TRIGGER zzz_witness_after AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION witness.{table}_after();
"""
TRUNCATION = """
CREATE TRIGGER zzz_witness_truncate BEFORE TRUNCATE ON {target}
    FOR EACH STATEMENT EXECUTE FUNCTION witness.{table}_truncate();
"""


def statements(schema: Schema, columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the SQL that sets the witness on every table, whose column names are in `columns`."""
    yield PREPARATION
    for table in schema.tables:

        def image(row: str, names: Sequence[str]) -> str:
            return f"ARRAY[{', '.join(f'{row}.{name}::text' for name in names)}]"

        names = columns[table.name]
        # Generated columns have no values yet before the change.
        plan = [name for name in names if name != "doubled"]
        yield FUNCTIONS.format(
            table=table.name,
            old=image("OLD", names),
            new=image("NEW", names),
            old_key=image("OLD", table.key),
            new_key=image("NEW", table.key),
            old_plan=image("OLD", plan),
            new_plan=image("NEW", plan),
            row=image("r", names),
            row_key=image("r", table.key),
        )
        for target in truncated(table):
            yield TRUNCATION.format(table=table.name, target=target)


def truncated(table: Table) -> list[str]:
    """Return the tables that hold the rows: the partitions of a partitioned one."""
    return [f"{table.name}_{number}" for number in (0, 1)] if table.partitioned else [table.name]

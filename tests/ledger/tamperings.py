"""What the owner of a database may do to history behind its back, and what has to be told of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tampering:
    """Something done by the owner in SQL: `{...}` stand for numbers of `Victim`. Each of `told` has to be in what is found.

    `entered` is done when something was entered after that. `rebuilt` is what a digest tells when the ledger has been made anew to fit: regular expressions too; None if it has nothing to do with
    what is entered.
    """

    name: str
    statements: tuple[str, ...]
    told: tuple[str, ...]
    rebuilt: tuple[str, ...] | None = None
    entered: tuple[str, ...] = ()


OFF = (
    "ALTER TABLE audittrail.shop_history DISABLE TRIGGER USER",
    "ALTER TABLE audittrail.buyer_history DISABLE TRIGGER USER",
    "ALTER TABLE audittrail.note_history DISABLE TRIGGER USER",
    "ALTER TABLE audittrail.revision DISABLE TRIGGER USER",
)
ON = (
    *(statement.replace("DISABLE", "ENABLE") for statement in OFF),
    "ALTER TABLE audittrail.revision ENABLE REPLICA TRIGGER follow_clock",
)


def quietly(*statements: str) -> tuple[str, ...]:
    """Return statements with the guards off meanwhile, which nothing shows afterwards."""
    return (*OFF, *statements, *ON)


ERASED_BY_ITSELF = (
    "DELETE FROM audittrail.shop_history WHERE revision_id = {revision}",
    "DELETE FROM audittrail.revision WHERE id = {revision}",
    (
        "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = {revision} WHERE position ="
        " (SELECT position FROM audittrail.ledger_entry WHERE version = {revision} AND kind = 'R')"
    ),
)

CHANGED = (r"revision {revision} is not what it was",)

#: Old values are shown under other names, and new ones are stored where the registry says.
CROSSWISE = (
    "ALTER TABLE audittrail.shop_history RENAME COLUMN name TO x",
    "ALTER TABLE audittrail.shop_history RENAME COLUMN city TO name",
    "ALTER TABLE audittrail.shop_history RENAME COLUMN x TO city",
)
FUNCTIONS_MADE_ANEW = (
    "UPDATE audittrail.tracked_table t SET fingerprint = audittrail.fingerprint(t.relation, t.history_name);"
    " SELECT audittrail.create_functions(t) FROM audittrail.tracked_table t"
)

TAMPERINGS = (
    Tampering(
        "a value of a version",
        quietly(
            "UPDATE audittrail.shop_history SET total = 1000000 WHERE version = {version} AND id = 1"
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "a value with the guard's own setting",
        (
            "SET audittrail.unguarded = 'on'",
            "SET audittrail.closing = 'on'",
            "UPDATE audittrail.shop_history SET total = total + 1 WHERE version = {version}",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "a value of an enum with a name like that of regclass",
        quietly(
            "UPDATE audittrail.shop_history SET region = 'south' WHERE version = {version} AND id = 1"
        ),
        (r"^shop: version {version} of row \(1\)",),
        CHANGED,
    ),
    Tampering(
        "a value that becomes NULL",
        quietly(
            "UPDATE audittrail.shop_history SET total = NULL WHERE version = {version} AND id = 1"
        ),
        (r"^shop: version {version} of row \(1\)",),
        CHANGED,
    ),
    Tampering(
        "a number written otherwise, of the same value",
        quietly(
            "UPDATE audittrail.shop_history SET details = '{{\"a\": 1.0}}' WHERE version = {version} AND id = 1"
        ),
        (r"^shop: version {version} of row \(1\)",),
        CHANGED,
    ),
    Tampering(
        "the operation",
        quietly(
            "UPDATE audittrail.shop_history SET operation = 'D' WHERE version = {version} AND id = 1"
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "the key of a version",
        quietly("UPDATE audittrail.shop_history SET id = 77 WHERE version = {version} AND id = 1"),
        (
            r"^shop: version {version} of row \(1\) was removed",
            r"^shop: version {version} of row \(77\) of revision {revision} was inserted",
        ),
        CHANGED,
    ),
    Tampering(
        "the tick of a version",
        quietly(
            "UPDATE audittrail.shop_history SET version = version + 1000000 WHERE version = {version} AND id = 1"
        ),
        (
            r"^shop: version {version} of row \(1\) was removed",
            r"^shop: version \d+ of row \(1\) of revision {revision} was inserted",
        ),
        CHANGED,
    ),
    Tampering(
        "the revision of a version",
        quietly(
            "UPDATE audittrail.shop_history SET revision_id = {other} WHERE version = {version} AND id = 1"
        ),
        (r"^shop: version {version} of row \(1\) of revision {other} is not what it was",),
        (r"revision {other} is not what it was", r"revision {revision} is not what it was"),
    ),
    Tampering(
        "a version removed",
        quietly("DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1"),
        (r"^shop: version {version} of row \(1\) was removed",),
        CHANGED,
    ),
    Tampering(
        "a version inserted",
        quietly(
            "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) VALUES ({version}, {revision}, 'I', 55, 'Bribe')"
        ),
        (r"^shop: version {version} of row \(55\) of revision {revision} was inserted",),
        CHANGED,
    ),
    Tampering(
        "a version of a statement that has many",
        quietly("UPDATE audittrail.note_history SET body = 'x' WHERE version = {many} AND id = 20"),
        (r"^note: version {many} of row \(20\) of revision {many} is not what it was",),
        (r"revision {many} is not what it was",),
    ),
    Tampering(
        "the author",
        quietly("UPDATE audittrail.revision SET committed_by = 666 WHERE id = {revision}"),
        (r"^Revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "the time",
        quietly(
            "UPDATE audittrail.revision SET committed_at = committed_at - interval '1 microsecond' WHERE id = {revision}"
        ),
        (r"^Revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "the reason",
        quietly("UPDATE audittrail.revision SET reason = '' WHERE id = {revision}"),
        (r"^Revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "the context",
        quietly(
            "UPDATE audittrail.revision SET context = context - 'ticket' WHERE id = {revision}"
        ),
        (r"^Revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "from where",
        quietly(
            "UPDATE audittrail.revision SET client_addr = '10.0.0.1', application_name = 'cron' WHERE id = {revision}"
        ),
        (r"^Revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "the role",
        quietly("UPDATE audittrail.revision SET db_user = 'nobody' WHERE id = {revision}"),
        (r"^Revision {revision} is not what it was",),
        CHANGED,
    ),
    Tampering(
        "the order of two revisions",
        quietly(
            "UPDATE audittrail.revision a SET committed = b.committed FROM audittrail.revision b"
            " WHERE (a.id, b.id) IN (({revision}, {other}), ({other}, {revision}))"
        ),
        (r"^Revision {revision} is not what it was", r"^Revision {other} is not what it was"),
        (r"revision {revision} is not what it was", r"revision {other} is not what it was"),
    ),
    Tampering(
        "a revision removed with its versions",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE revision_id = {revision}",
            "DELETE FROM audittrail.revision WHERE id = {revision}",
        ),
        (r"^Revision {revision} was removed", r"^shop: version {version} of row \(1\) was removed"),
        (r"revision {revision} was removed",),
    ),
    Tampering(
        "the last revision removed with its versions",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE revision_id = {last}",
            "DELETE FROM audittrail.revision WHERE id = {last}",
        ),
        (r"^Revision {last} was removed",),
        (r"the ledger has only \d+ of its \d+ revisions",),
    ),
    Tampering(
        "a revision inserted between others",
        quietly(
            "INSERT INTO audittrail.revision (id, committed, committed_at, committed_by, reason) SELECT {gap}, {gap}, committed_at, 1, 'Forged'"
            " FROM audittrail.revision WHERE id = {other}",
            "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) VALUES ({gap}, {gap}, 'I', 56, 'Bribe')",
        ),
        (
            r"^Revision {gap} was inserted",
            r"^shop: version {gap} of row \(56\) of revision {gap} was inserted",
        ),
        (r"revision {gap} was inserted",),
    ),
    Tampering(
        "when a version was superseded",
        quietly(
            "UPDATE audittrail.shop_history SET superseded = version WHERE version = {version} AND id = 1"
        ),
        (r"^shop: what version {version} of row \(1\) says of when it was superseded is not so",),
    ),
    Tampering(
        "a long revision forgotten",
        ("SET audittrail.unguarded = 'on'", "DELETE FROM audittrail.long_revision"),
        (r"^long_revision: it lacks revision {long}",),
    ),
    Tampering(
        "a column dropped from history",
        ("ALTER TABLE audittrail.shop_history DROP COLUMN total",),
        (
            r"^shop: column total was dropped from audittrail.shop_history",
            r"^shop: version {version} of row \(1\)",
        ),
        CHANGED,
    ),
    Tampering(
        "a column of history got another type, and other values",
        (
            "ALTER TABLE audittrail.shop_history ALTER COLUMN name TYPE varchar(3) USING left(name, 3)",
        ),
        (r"^shop: version {version} of row \(1\)",),
        CHANGED,
    ),
    Tampering(
        "the clock set back",
        ("SELECT setval('audittrail.clock', 10)",),
        (r"^clock: the clock stands at 10, and revisions were committed at tick \d+",),
    ),
    Tampering(
        "the clock set back, and more written",
        (
            "SELECT setval('audittrail.clock', {gap} - 1)",
            "SET audittrail.clock = 'checked'",
            'SET audittrail.context = \'{{"reason": "Dated back"}}\'',
            "INSERT INTO shop (id, name) VALUES (57, 'Late')",
        ),
        (r"^Revision {gap} was inserted", r"^clock: "),
        (r"revision {gap} was inserted",),
    ),
    Tampering(
        "a history table replaced by a copy",
        (
            "CREATE TABLE audittrail.copy (LIKE audittrail.shop_history INCLUDING INDEXES)",
            "INSERT INTO audittrail.copy SELECT * FROM audittrail.shop_history",
            "UPDATE audittrail.copy SET name = 'Other' WHERE version = {version} AND id = 1",
            "DROP TABLE audittrail.shop_history",
            "ALTER TABLE audittrail.copy RENAME TO shop_history",
        ),
        (
            r"^Trigger guard on audittrail.shop_history is missing",
            r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",
        ),
        CHANGED,
    ),
    Tampering(
        "a history table replaced by a view that shows auditors what they want",
        (
            "ALTER TABLE audittrail.shop_history RENAME TO real",
            "CREATE VIEW audittrail.shop_history AS SELECT * FROM audittrail.real",
        ),
        (
            r"^Table audittrail.shop_history is not as it was installed: kind",
            r"^Trigger guard on audittrail.shop_history is missing",
        ),
    ),
    Tampering(
        "the table of revisions replaced by a view",
        (
            "ALTER TABLE audittrail.revision RENAME TO real",
            "CREATE VIEW audittrail.revision AS SELECT * FROM audittrail.real",
        ),
        (r"^Table audittrail.revision is not as it was installed: kind",),
    ),
    Tampering(
        "the table of revisions replaced by a view with a column of another type",
        (
            "ALTER TABLE audittrail.revision RENAME TO real",
            (
                "CREATE VIEW audittrail.revision AS SELECT id, committed, committed_at, xid, committed_by, client_addr, db_user,"
                " application_name, reason, context::text AS context FROM audittrail.real"
            ),
        ),
        (
            r"^Table audittrail.revision is not as it was installed: kind",
            r"^Revision {many} is not what it was \(nor of the type that it had\)",
        ),
    ),
    Tampering(
        "a history table dropped",
        ("DROP TABLE audittrail.note_history",),
        (
            r"^The table audittrail.note_history is gone",
            r"^note: version {many} of row \(20\) was removed",
        ),
    ),
    Tampering(
        "a guard off",
        ("ALTER TABLE audittrail.shop_history DISABLE TRIGGER guard",),
        (r"^Trigger guard on audittrail.shop_history is disabled",),
    ),
    Tampering(
        "a clock that does not follow what is replicated",
        ("ALTER TABLE audittrail.revision DISABLE TRIGGER follow_clock",),
        (
            r"^Trigger follow_clock on audittrail.revision is disabled, not enabled for replication alone",
        ),
    ),
    Tampering(
        "a guard gone",
        ("DROP TRIGGER guard ON audittrail.revision",),
        (r"^Trigger guard on audittrail.revision is missing",),
    ),
    Tampering(
        "a guard that never looks",
        (
            "DROP TRIGGER guard ON audittrail.shop_history",
            (
                "CREATE TRIGGER guard BEFORE UPDATE OR DELETE OR TRUNCATE ON audittrail.shop_history FOR EACH STATEMENT"
                " WHEN (current_setting('x.y', true) = 'z') EXECUTE FUNCTION audittrail.guard()"
            ),
        ),
        (r"^Trigger guard on audittrail.shop_history is not as it was installed",),
    ),
    Tampering(
        "the function of the guard replaced",
        (
            "CREATE OR REPLACE FUNCTION audittrail.guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ),
        (r"^Function audittrail.guard\(\) is not as it was installed: .*body",),
    ),
    Tampering(
        "a setting on the function of the guard",
        ("ALTER FUNCTION audittrail.guard() SET audittrail.unguarded = 'on'",),
        (r"^Function audittrail.guard\(\) is not as it was installed: settings",),
    ),
    Tampering(
        "the stamp replaced",
        (
            (
                "CREATE OR REPLACE FUNCTION audittrail.stamp(number bigint) RETURNS void LANGUAGE sql AS"
                " 'UPDATE audittrail.revision SET committed = nextval(''audittrail.clock''), committed_at = ''2020-01-01'' WHERE id = number'"
            ),
        ),
        (r"^Function audittrail.stamp\(number bigint\) is not as it was installed: .*body",),
    ),
    Tampering(
        "the context replaced",
        (
            "CREATE OR REPLACE FUNCTION audittrail.parse_context(raw text) RETURNS jsonb LANGUAGE sql STABLE AS 'SELECT NULL::jsonb'",
        ),
        (r"^Function audittrail.parse_context\(raw text\) is not as it was installed: .*body",),
    ),
    Tampering(
        "a function that reads the past replaced",
        (
            (
                "CREATE OR REPLACE FUNCTION audittrail.open_at(tick bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS"
                " 'SELECT id FROM audittrail.revision WHERE id = {revision}'"
            ),
        ),
        (r"^Function audittrail.open_at\(tick bigint\) is not as it was installed: .*body",),
    ),
    Tampering(
        "a capture function that does nothing, and a registry that finds it right",
        (
            (
                "CREATE OR REPLACE FUNCTION audittrail.shop_history_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
                " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'"
            ),
            "UPDATE audittrail.tracked_table SET functions = audittrail.functions_digest(history_name)",
        ),
        (r"^Function audittrail.shop_history_update\(\) is not as it was installed: body",),
    ),
    Tampering(
        "a capture function whose generator does nothing either",
        (
            (
                "CREATE OR REPLACE FUNCTION audittrail.capture_function(tracked audittrail.tracked_table, name text) RETURNS text LANGUAGE sql"
                " STABLE AS 'SELECT ''BEGIN RETURN NULL; END'''"
            ),
            "SELECT audittrail.create_functions(t) FROM audittrail.tracked_table t",
        ),
        (r"^Function audittrail.capture_function\(.*\) is not as it was installed: .*body",),
    ),
    Tampering(
        "a capture function of a table that is out of step with the registry",
        (
            "ALTER TABLE shop ADD COLUMN more int",
            (
                "CREATE OR REPLACE FUNCTION audittrail.shop_history_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
                " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'"
            ),
        ),
        (r"^Function audittrail.shop_history_update\(\) is not as it was installed: body",),
    ),
    Tampering(
        "a capture function that never finds that its table is out of step",
        (
            "UPDATE audittrail.tracked_table SET fingerprint = 'other' WHERE table_name = 'shop'",
            (
                "DO $do$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef('audittrail.shop_history_update'::regproc), 'AND TG_RELID', 'OR TG_RELID')); END $do$"
            ),
        ),
        (r"^Function audittrail.shop_history_update\(\) is not as it was installed: body",),
    ),
    Tampering(
        "the settings of a capture function whose table is out of step",
        (
            "ALTER TABLE shop ADD COLUMN more int",
            "ALTER FUNCTION audittrail.shop_history_update() SET audittrail.context = '{{}}'",
        ),
        (r"^Function audittrail.shop_history_update\(\) is not as it was installed: settings",),
    ),
    Tampering(
        "the indexes by which versions are found",
        (
            "DROP INDEX audittrail.shop_history_key",
            "DROP INDEX audittrail.note_history_version",
        ),
        (
            r"^Index audittrail.shop_history_key is missing",
            r"^Index audittrail.note_history_version is missing",
        ),
    ),
    Tampering(
        "an index of a part of the versions",
        (
            "DROP INDEX audittrail.shop_history_key",
            "CREATE UNIQUE INDEX shop_history_key ON audittrail.shop_history (id, version) WHERE id = 2",
        ),
        (r"^Index audittrail.shop_history_key is not as it was installed",),
    ),
    Tampering(
        "since when a table is tracked",
        (
            "UPDATE audittrail.tracked_table SET since_at = since_at - interval '1 year' WHERE table_name = 'shop'",
        ),
        (r"^shop: the registry says since_at .*, and said .*; no revision has changed that",),
    ),
    Tampering(
        "since when history is kept",
        ("UPDATE audittrail.tracked_table SET kept_since = now() WHERE table_name = 'shop'",),
        (r"^shop: the registry says kept_since .*, and said None; no revision has changed that",),
    ),
    Tampering(
        "from where on versions are still to be closed",
        ("UPDATE audittrail.tracked_table SET tail_from = 1000000 WHERE table_name = 'shop'",),
        (
            r"^shop: the registry says that nothing before tick 1000000 is still to be closed, and revision \d+ is",
        ),
    ),
    Tampering(
        "a column that history no longer has, in the registry",
        ("ALTER TABLE audittrail.shop_history RENAME COLUMN name TO hidden",),
        (
            r"^shop: the registry says that column name is stored as name, which history does not have",
        ),
    ),
    Tampering(
        "a correction that its owner enters beside an honest one",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            (
                "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = (SELECT max(id) FROM audittrail.revision) WHERE version = {version} AND key = '(1)'"
            ),
        ),
        (
            r"^shop: 1 version was marked as erased on purpose by revision {last}, which says nothing of it",
        ),
    ),
    Tampering(
        "a correction to which a revision of before confesses",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            'UPDATE audittrail.revision SET context = context || \'{{"corrected": ["shop_history"]}}\' WHERE id = {other}',
            "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = {other} WHERE version = {version} AND key = '(1)'",
        ),
        (r"^Revision {other} is not what it was",),
        (r"revision {other} is not what it was",),
    ),
    Tampering(
        "a salt",
        (
            "UPDATE audittrail.ledger_entry SET salt = gen_random_uuid() WHERE version = {version} AND kind = 'V' AND key = '(1)'",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "the layout by which an entry is read",
        (
            'UPDATE audittrail.ledger_layout SET form = replace(form, \'"money", "money"\', \'"money", "text"\') WHERE form LIKE \'%total%\'',
        ),
        (r"^What the ledger says of revision \d+ is not what it said",),
    ),
    Tampering(
        "what a table's layout says of its past",
        (
            "UPDATE audittrail.ledger_layout SET facts = (facts::jsonb || '{{\"since_version\": 99}}')::text WHERE form LIKE '%total%'",
        ),
        (r"^What the ledger says of revision \d+ is not what it said",),
    ),
    Tampering(
        "two versions of a row exchanged",
        quietly(
            "UPDATE audittrail.shop_history SET version = 1, revision_id = {other} WHERE version = {version} AND id = 1",
            "UPDATE audittrail.shop_history SET version = {version}, revision_id = {revision} WHERE version = {other} AND id = 1",
            "UPDATE audittrail.shop_history SET version = {other} WHERE version = 1 AND id = 1",
        ),
        (
            r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",
            r"^shop: version {other} of row \(1\) of revision {other} is not what it was",
        ),
        (r"revision {other} is not what it was", r"revision {revision} is not what it was"),
    ),
    Tampering(
        "a version twice",
        quietly(
            "DROP INDEX audittrail.shop_history_key",
            "INSERT INTO audittrail.shop_history SELECT * FROM audittrail.shop_history WHERE version = {version} AND id = 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} was inserted",),
    ),
    Tampering(
        "a history table that a partition of it has taken the rows of",
        (
            "CREATE TABLE audittrail.child () INHERITS (audittrail.shop_history)",
            "INSERT INTO audittrail.child (version, revision_id, operation, id, name) VALUES ({version}, {revision}, 'I', 55, 'Bribe')",
        ),
        (
            r"^Table audittrail.shop_history is not as it was installed: inheritance",
            r"^shop: version {version} of row \(55\) of revision {revision} was inserted",
        ),
    ),
    Tampering(
        "a revision without its versions, as if its table had been pruned",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE revision_id = {revision}",
            "UPDATE audittrail.tracked_table SET kept_from = {other}, kept_since = now() WHERE table_name = 'shop'",
        ),
        (
            r"^shop: version {version} of row \(1\) was removed",
            r"^shop: the registry says that it is kept from tick {other} on",
        ),
        CHANGED,
    ),
    Tampering(
        "a default that fills in what nobody wrote",
        ("ALTER TABLE audittrail.shop_history ALTER COLUMN name SET DEFAULT 'Forged'",),
        (r"^Table audittrail.shop_history is not as it was installed: defaults",),
    ),
    Tampering(
        "a constraint that keeps versions out",
        ("ALTER TABLE audittrail.shop_history ADD CHECK (total < 1000000) NOT VALID",),
        (r"^Table audittrail.shop_history is not as it was installed: constraints",),
    ),
    Tampering(
        "history that an unclean shutdown empties",
        ("ALTER TABLE audittrail.note_history SET UNLOGGED",),
        (r"^Table audittrail.note_history is not as it was installed: persistence",),
    ),
    Tampering(
        "a digest said to be verified",
        (
            "UPDATE audittrail.digest SET verified_at = now()",
            *quietly("UPDATE audittrail.revision SET reason = '' WHERE id = {revision}"),
        ),
        (r"^Revision {revision} is not what it was",),
    ),
    Tampering(
        "a capture trigger that fires never",
        (
            "DROP TRIGGER audittrail_update ON shop",
            (
                "CREATE TRIGGER audittrail_update AFTER UPDATE ON shop REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
                " WHEN (current_setting('x.y', true) = 'z') EXECUTE FUNCTION audittrail.shop_history_update()"
            ),
        ),
        (r"^Trigger audittrail_update on public.shop is not as it was installed",),
    ),
    Tampering(
        "a capture trigger off",
        ("ALTER TABLE shop DISABLE TRIGGER audittrail_delete",),
        (r"^Trigger audittrail_delete on public.shop is disabled",),
    ),
    Tampering(
        "a function added beside another",
        ("CREATE FUNCTION audittrail.stamp(number int) RETURNS void LANGUAGE sql AS ''",),
        (r"^Function audittrail.stamp\(number integer\) was added",),
    ),
    Tampering(
        "a trigger that swallows what is recorded",
        (
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER swallow BEFORE INSERT ON audittrail.shop_history FOR EACH ROW EXECUTE FUNCTION swallow()",
        ),
        (r"^Trigger swallow on audittrail.shop_history was added",),
    ),
    Tampering(
        "a rule that swallows what is recorded",
        (
            "CREATE RULE swallow AS ON INSERT TO audittrail.shop_history WHERE NEW.id = 9 DO INSTEAD NOTHING",
        ),
        (r"^Table audittrail.shop_history is not as it was installed: rules",),
    ),
    Tampering(
        "row security on revisions",
        ("ALTER TABLE audittrail.revision ENABLE ROW LEVEL SECURITY",),
        (r"^Table audittrail.revision is not as it was installed: row security",),
    ),
    Tampering(
        "another role by default",
        ("ALTER TABLE audittrail.revision ALTER COLUMN db_user SET DEFAULT 'somebody'",),
        (r"^Table audittrail.revision is not as it was installed: columns",),
    ),
    Tampering(
        "the right to write history for others",
        ("GRANT INSERT, UPDATE ON audittrail.revision TO PUBLIC",),
        (r"^Table audittrail.revision is not as it was installed: who may write",),
    ),
    Tampering(
        "the right to call what changes history for others",
        ("GRANT EXECUTE ON FUNCTION audittrail.erase_later(bigint) TO PUBLIC",),
        (
            r"^Function audittrail.erase_later\(tick bigint\) is not as it was installed: who may call it",
        ),
    ),
    Tampering(
        "guards off for a whole database",
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET audittrail.unguarded = ''on''', current_database()); END $$",
        ),
        (r"^The setting audittrail.unguarded=on is set for every session",),
    ),
    Tampering(
        "the stamp of the release on other functions",
        (
            "CREATE OR REPLACE FUNCTION audittrail.guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "COMMENT ON FUNCTION audittrail.next_version() IS 'audittrail functions of another release'",
        ),
        (r"^The server code is that of another release, or was marked so",),
    ),
    Tampering(
        "columns swapped in the registry",
        (
            (
                'UPDATE audittrail.tracked_table SET columns = replace(replace(replace(columns::text, \'"history": "name"\', \'"history": "?"\'),'
                ' \'"history": "city"\', \'"history": "name"\'), \'"history": "?"\', \'"history": "city"\')::jsonb WHERE table_name = \'shop\''
            ),
        ),
        (
            r"^shop: the registry says that column name is stored as city",
            r"^shop: the registry says that column city is stored as name",
        ),
    ),
    Tampering(
        "columns of history renamed crosswise, with capture functions made anew",
        (*CROSSWISE, FUNCTIONS_MADE_ANEW),
        (
            r"^shop: what history holds of column name belongs to column city by now",
            r"^shop: what history holds of column city belongs to column name by now",
        ),
    ),
    Tampering(
        "columns of history renamed crosswise, and a registry that lies about their numbers",
        (
            *CROSSWISE,
            (
                "UPDATE audittrail.tracked_table t SET columns = (SELECT jsonb_agg(CASE c ->> 'name' WHEN 'name' THEN c || '{{\"attnum\": 3}}' WHEN 'city' THEN c || '{{\"attnum\": 2}}'"
                " ELSE c END) FROM jsonb_array_elements(t.columns) c) WHERE t.table_name = 'shop'"
            ),
            FUNCTIONS_MADE_ANEW,
        ),
        (
            r"^shop: the registry says that column name has number 3, which it does not have",
            r"^shop: the registry says that column city has number 2, which it does not have",
        ),
    ),
    Tampering(
        "another column in the place of one of history",
        (
            "ALTER TABLE audittrail.shop_history RENAME COLUMN name TO name_until_1",
            "ALTER TABLE audittrail.shop_history ADD COLUMN name text DEFAULT 'Forged'",
            FUNCTIONS_MADE_ANEW,
        ),
        (r"^shop: version {version} of row \(1\)",),
    ),
    Tampering(
        "another column in the place of one of history, said to be the default of a new one",
        (
            "ALTER TABLE audittrail.shop_history RENAME COLUMN name TO name_until_1",
            "SELECT audittrail.add_column('audittrail.shop_history', 'name', 'text', NULL, 'Forged')",
            FUNCTIONS_MADE_ANEW,
        ),
        (r"^shop: another column of history has taken the place of the one of column name",),
    ),
    Tampering(
        "another column in the place of one of history, said to be converted from it",
        (
            "ALTER TABLE audittrail.shop_history RENAME COLUMN opened TO opened_until_1",
            "ALTER TABLE audittrail.shop_history ADD COLUMN opened timestamptz",
            *quietly(
                "UPDATE audittrail.shop_history SET opened = opened_until_1 - interval '1 day'"
            ),
            "SELECT audittrail.note_origin('audittrail.shop_history', 'opened', '{{\"converted\": 9, \"type\": \"timestamp with time zone\"}}')",
            FUNCTIONS_MADE_ANEW,
        ),
        (r"^shop: version {version} of row \(1\)",),
    ),
    Tampering(
        "a later beginning in the registry",
        (
            "UPDATE audittrail.tracked_table SET since_version = {version} WHERE table_name = 'shop'",
        ),
        (
            r"^shop: the registry says since_version {version}, and said \d+; no revision has changed that",
        ),
    ),
    Tampering(
        "a pruning that never was in the registry",
        (
            "UPDATE audittrail.tracked_table SET kept_from = {last}, kept_since = now(), pruned_at = now() WHERE table_name = 'note'",
        ),
        (
            r"^note: the registry says that it is kept from tick {last} on, since .*, and no revision has pruned it so",
        ),
    ),
    Tampering(
        "changes of a column that are not recorded any more",
        (
            (
                "UPDATE audittrail.tracked_table SET columns = (SELECT jsonb_agg(CASE WHEN c ->> 'name' = 'name' THEN c || '{{\"ignored\": true}}' ELSE c END)"
                " FROM jsonb_array_elements(columns) c) WHERE table_name = 'shop'"
            ),
            FUNCTIONS_MADE_ANEW,
        ),
        (
            r"^shop: the registry says that changes of column name are ignored, and of the table that they are recorded",
        ),
    ),
    Tampering(
        "a table taken out of the registry",
        (
            "DROP TRIGGER audittrail_insert ON note; DROP TRIGGER audittrail_update ON note; DROP TRIGGER audittrail_delete ON note; DROP TRIGGER audittrail_truncate ON note",
            "DELETE FROM audittrail.tracked_table WHERE table_name = 'note'",
        ),
        (r"^note was taken out of the registry",),
    ),
    Tampering(
        "the ledger emptied",
        (
            "TRUNCATE audittrail.ledger, audittrail.ledger_entry, audittrail.ledger_layout, audittrail.ledger_tile",
        ),
        (r"does not agree: the database has no ledger",),
    ),
    Tampering(
        "an entry made to fit a changed value",
        quietly(
            "UPDATE audittrail.revision SET reason = 'Other' WHERE id = {revision}",
            "SELECT audittrail.forge(0, {revision})",
        ),
        (
            r"^What the ledger says of revision {revision} is not what it said",
            r"revision {revision} is not what it was, or not what it changed",
        ),
    ),
    Tampering(
        "entries of the ledger taken away with a version",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            "DELETE FROM audittrail.ledger_entry WHERE version = {version} AND kind = 'V'",
        ),
        (r"^What the ledger says of revision {revision} is not what it said",),
    ),
    Tampering(
        "a version marked as erased on purpose, by a revision that was another's",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = {other} WHERE version = {version} AND key = '(1)'",
        ),
        (
            r"^shop: 1 version was marked as erased on purpose by revision {other}, which says nothing of it",
        ),
    ),
    Tampering(
        "a version marked as erased on purpose, by a correction of before",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = {correction}, erased_in = (SELECT r.position FROM audittrail.ledger_entry r"
            " WHERE r.version = {correction} AND r.kind = 'R') WHERE version = {version} AND key = '(1)'",
        ),
        (r"^What the ledger says of revision {correction} is not what it said",),
    ),
    Tampering(
        "a version marked as erased on purpose, by a revision that never was",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = 999999 WHERE version = {version} AND key = '(1)'",
        ),
        (
            r"^shop: 1 version was marked as erased on purpose by revision 999999, which does not exist",
        ),
    ),
    Tampering(
        "the tree altered",
        (
            "UPDATE audittrail.ledger_tile SET hashes = set_byte(hashes, 0, (get_byte(hashes, 0) + 1) % 256)",
        ),
        (r"^What the ledger says of revision \d+ is not what it said",),
    ),
    Tampering(
        "an entry that nobody compares any more",
        quietly(
            "DELETE FROM audittrail.shop_history WHERE version = {version} AND id = 1",
            "UPDATE audittrail.ledger_entry SET key = NULL WHERE version = {version} AND key = '(1)'",
        ),
        (r"^shop: version {version} is marked as erased, by nobody",),
    ),
    Tampering(
        "a revision marked as erased by itself",
        quietly(*ERASED_BY_ITSELF),
        (
            r"^revision: 1 version was marked as erased on purpose by revision {revision}, after that was entered",
            r"^shop: 2 versions were marked as erased on purpose by revision {revision}, after that was entered",
        ),
    ),
    Tampering(
        "a version marked as changed with its column's type",
        quietly(
            "UPDATE audittrail.shop_history SET total = 1000000 WHERE version = {version} AND id = 1",
            "UPDATE audittrail.ledger_entry SET salt = NULL, key = NULL, erased_by = 0 WHERE version = {version} AND key = '(1)'",
            (
                "INSERT INTO audittrail.ledger_entry (version, table_id, layout, kind, key, made_by)"
                " SELECT {version}, id, 1, 'C', '(1)', 0 FROM audittrail.tracked_table WHERE table_name = 'shop'"
            ),
        ),
        (r"^shop: 1 version was marked as erased on purpose by revision 0, which does not exist",),
    ),
    Tampering(
        "a version inserted that is marked as changed on purpose",
        quietly(
            "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) VALUES ({version}, {revision}, 'I', 55, 'Bribe')",
            (
                "INSERT INTO audittrail.ledger_entry (version, table_id, layout, kind, key, made_by)"
                " SELECT {version}, id, 1, 'C', '(55)', {correction} FROM audittrail.tracked_table WHERE table_name = 'shop'"
            ),
        ),
        (r"^shop: version {version} is entered as changed more often than it was",),
    ),
    Tampering(
        "a version inserted with an entry of no leaf",
        quietly(
            "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) VALUES ({version}, {revision}, 'I', 55, 'Bribe')",
            "SELECT audittrail.forge_entry('shop', {version}, 1000000)",
        ),
        (r"^shop: version {version} has no place in the tree",),
    ),
    Tampering(
        "a layout of no leaf",
        (
            "INSERT INTO audittrail.ledger_layout SELECT table_id, 99, 1000000, form, facts, fills FROM audittrail.ledger_layout WHERE table_id > 0 AND number = 1",
        ),
        (r"^shop has a layout that has no place in the tree",),
    ),
    Tampering(
        "a revision inserted that was never committed",
        quietly(
            "INSERT INTO audittrail.revision (id, committed_by, reason) VALUES ({gap}, 1, 'Forged')",
            "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) VALUES ({gap}, {gap}, 'I', 56, 'Bribe')",
        ),
        (r"^Revision {gap} was never committed",),
    ),
    Tampering(
        "a revision inserted, and the ledger said not to have come so far",
        quietly(
            "INSERT INTO audittrail.revision (id, committed, committed_at, committed_by, reason) SELECT {gap}, {gap}, committed_at, 1, 'Forged'"
            " FROM audittrail.revision WHERE id = {other}",
            "UPDATE audittrail.ledger SET committed = {gap} - 1",
        ),
        (
            r"^Revision {last} is entered, and the ledger says that it has come through tick \d+ only",
        ),
    ),
    Tampering(
        "a correction that is dated back",
        (
            "BEGIN; SET LOCAL audittrail.editing = 'on'; UPDATE audittrail.shop_history SET total = 5 WHERE version = {version} AND id = 1; COMMIT",
            *quietly(
                "UPDATE audittrail.revision SET committed_at = '2020-01-01' WHERE id = (SELECT max(id) FROM audittrail.revision)"
            ),
        ),
        (
            r"^Revision \d+ came after the digest of .*, and says that it was committed before that, 2020-01-01",
        ),
    ),
    Tampering(
        "operators that compare nothing, for every session",
        (
            *quietly(*ERASED_BY_ITSELF),
            "CREATE SCHEMA evil",
            "CREATE FUNCTION evil.never(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false'",
            "CREATE OPERATOR evil.> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.never)",
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog, public', current_database()); END $$",
        ),
        (
            r"^revision: 1 version was marked as erased on purpose by revision {revision}, after that was entered",
        ),
    ),
    Tampering(
        "a clock of which each session takes a thousand ticks ahead",
        ("ALTER SEQUENCE audittrail.clock CACHE 1000",),
        (r"^Table audittrail.clock is not as it was installed: counting",),
    ),
    Tampering(
        "a trigger off on a partition",
        ("ALTER TABLE visit_2026 DISABLE TRIGGER audittrail_update",),
        (r"^Trigger audittrail_update on public.visit_2026 is disabled",),
    ),
    Tampering(
        "a trigger gone from a partition",
        ("DROP TRIGGER audittrail_delete ON visit_2026",),
        (r"^Trigger audittrail_delete on public.visit_2026 is missing",),
    ),
    Tampering(
        "a trigger of a partition that fires never",
        (
            "DROP TRIGGER audittrail_insert ON visit_2026",
            (
                "CREATE TRIGGER audittrail_insert AFTER INSERT ON visit_2026 REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT"
                " WHEN (current_setting('x.y', true) = 'z') EXECUTE FUNCTION audittrail.visit_history_insert()"
            ),
        ),
        (r"^Trigger audittrail_insert on public.visit_2026 is not as it was installed",),
    ),
    Tampering(
        "a trigger for each row off, on a partitioned table",
        ("ALTER TABLE ONLY visit DISABLE TRIGGER audittrail_update_row",),
        (r"^Trigger audittrail_update_row on public.visit is disabled",),
    ),
    Tampering(
        "a trigger for each row off, on a partition alone",
        ("ALTER TABLE visit_2026 DISABLE TRIGGER audittrail_update_row",),
        (r"^Trigger audittrail_update_row on public.visit_2026 is disabled",),
    ),
    Tampering(
        "a second trigger that records everything twice",
        (
            "CREATE TRIGGER more AFTER INSERT ON shop REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.shop_history_insert()",
        ),
        (r"^Trigger more on public.shop does not belong there",),
    ),
    Tampering(
        "guards off for a whole database, in capitals",
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET \"AuditTrail.Unguarded\" = ''on''', current_database()); END $$",
        ),
        (r"^The setting AuditTrail.Unguarded=on is set for every session",),
    ),
    Tampering(
        "the right to write one column of history for others",
        ("GRANT UPDATE (reason) ON audittrail.revision TO PUBLIC",),
        (r"^Table audittrail.revision is not as it was installed: who may write",),
    ),
    Tampering(
        "the right to write history for others, as if it were the default",
        (
            "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC",
            "GRANT INSERT ON audittrail.revision TO PUBLIC",
        ),
        (r"^Table audittrail.revision is not as it was installed: who may write",),
    ),
    Tampering(
        "the right to put functions beside ours for others",
        ("GRANT CREATE ON SCHEMA audittrail TO PUBLIC",),
        (r"^Schema audittrail lets PUBLIC create things in it",),
    ),
    Tampering(
        "an index that lets nothing in",
        ("CREATE UNIQUE INDEX one ON audittrail.shop_history ((true)) WHERE id > 100",),
        (r"^Index audittrail.one was added, and refuses rows with values that are there already",),
    ),
    Tampering(
        "an index that runs a function of somebody's with each version",
        (
            "CREATE FUNCTION mine(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            "CREATE INDEX mine ON audittrail.shop_history (public.mine(name))",
        ),
        (r"^Index audittrail.mine was added, and runs public.mine\(text\)",),
    ),
    Tampering(
        "statistics that run a function of somebody's",
        (
            "CREATE FUNCTION mine(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            "CREATE STATISTICS mine ON (public.mine(name)) FROM audittrail.shop_history",
        ),
        (r"^Statistics public.mine was added, and runs public.mine\(text\)",),
    ),
    Tampering(
        "a collation by which two rows are one",
        (
            "CREATE COLLATION loose (LOCALE = 'C')",
            "ALTER TABLE audittrail.buyer_history ALTER COLUMN code TYPE text COLLATE loose",
            "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'",
            FUNCTIONS_MADE_ANEW,
        ),
        (r"^buyer: column code of history is of type text COLLATE public.loose, not text",),
    ),
    Tampering(
        "a collation of what revisions say",
        ('ALTER TABLE audittrail.revision ALTER COLUMN reason TYPE text COLLATE "C"',),
        (r"^Table audittrail.revision is not as it was installed: columns",),
    ),
    Tampering(
        "an enum in the place of a text, of which a label is renamed",
        (
            "CREATE TYPE names AS ENUM ('Bakery', 'Press', 'Corner Bakery', 'Printing press')",
            "ALTER TABLE audittrail.shop_history ALTER COLUMN name TYPE names USING name::names",
            "ALTER TYPE names RENAME VALUE 'Bakery' TO 'Bribery'",
            FUNCTIONS_MADE_ANEW,
        ),
        (r"^shop: column name of history is of type public.names, not text",),
    ),
    Tampering(
        "a domain in the place of a type, of a table that is out of step",
        (
            "CREATE DOMAIN name_of_shop AS text",
            "ALTER TABLE audittrail.shop_history ALTER COLUMN name TYPE name_of_shop",
        ),
        (r"^shop: column name of history is of type public.name_of_shop, not text",),
    ),
    Tampering(
        "a version of before, of a revision that is still to be entered",
        (
            "INSERT INTO note VALUES (1000, 1, 'honest')",
            *quietly(
                "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) SELECT {version}, max(id), 'I', 55, 'Bribe' FROM audittrail.revision"
            ),
        ),
        (r"^shop: version {version} of row \(55\) of revision \d+ was inserted",),
    ),
    Tampering(
        "a registry of which nothing can be made",
        (
            "UPDATE audittrail.tracked_table SET baseline_complete = false WHERE table_name = 'shop'",
        ),
        (r"^The server code can't be compared: audittrail: there is no part since_revision",),
    ),
)

#: The same, with a digest and more revisions afterwards: what is entered then must not cover up what was done before.
TAMPERINGS_BEFORE_ENTERING = (
    Tampering(
        "a version inserted with an entry of a later leaf",
        (
            *quietly(
                "INSERT INTO audittrail.shop_history (version, revision_id, operation, id, name) VALUES ({version}, {revision}, 'I', 55, 'Bribe')",
                "SELECT audittrail.forge_entry('shop', {version}, (SELECT size FROM audittrail.ledger))",
            ),
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(55\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "columns of history renamed crosswise",
        (*CROSSWISE, FUNCTIONS_MADE_ANEW, "UPDATE shop SET total = total + 1"),
        (r"^shop: what history holds of column name belongs to column city by now",),
    ),
    Tampering(
        "a value, and a conversion of times that depends on settings",
        (
            *quietly(
                "UPDATE audittrail.shop_history SET total = 1000000 WHERE version = {version} AND id = 1"
            ),
            "ALTER TABLE shop ALTER COLUMN opened TYPE timestamp",
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "a time, and a conversion of it that depends on settings",
        (
            *quietly(
                "UPDATE audittrail.shop_history SET opened = opened - interval '1 year' WHERE version = {version} AND id = 1"
            ),
            "ALTER TABLE shop ALTER COLUMN opened TYPE timestamp",
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "a time, after a conversion that depends on settings",
        (
            "SET TimeZone = 'Asia/Kolkata'",
            "ALTER TABLE shop ALTER COLUMN opened TYPE timestamp",
            "SELECT audittrail.track('shop')",
            *quietly(
                "UPDATE audittrail.shop_history SET opened = opened - interval '1 year' WHERE version = {version} AND id = 1"
            ),
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "a value, and a label of its enum renamed",
        (
            *quietly(
                "UPDATE audittrail.shop_history SET region = 'south' WHERE version = {version} AND id = 1"
            ),
            "ALTER TYPE region RENAME VALUE 'south' TO 'far south'",
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "a value, and a column added",
        (
            *quietly(
                "UPDATE audittrail.shop_history SET total = 1000000 WHERE version = {version} AND id = 1"
            ),
            "ALTER TABLE shop ADD COLUMN more int DEFAULT 3",
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "a value, and the type of another column",
        (
            *quietly(
                "UPDATE audittrail.shop_history SET total = 1000000 WHERE version = {version} AND id = 1"
            ),
            "ALTER TABLE shop ALTER COLUMN city TYPE text",
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: version {version} of row \(1\) of revision {revision} is not what it was",),
    ),
    Tampering(
        "a later beginning in the registry, with capture functions made anew",
        (
            "UPDATE audittrail.tracked_table SET since_version = {version} WHERE table_name = 'shop'",
            FUNCTIONS_MADE_ANEW,
            "UPDATE shop SET total = total + 1",
        ),
        (
            r"^shop: the registry says that it is tracked since tick {version}, and later versions were entered before it said so",
        ),
    ),
    Tampering(
        "an earlier time of the beginning in the registry",
        (
            "UPDATE audittrail.tracked_table SET since_at = since_at - interval '1 year' WHERE table_name = 'shop'",
            "UPDATE shop SET total = total + 1",
        ),
        (r"^shop: the registry says since_at .*, and said .*; it is not tracked anew",),
    ),
    Tampering(
        "rows of a baseline that was complete",
        (
            "UPDATE audittrail.tracked_table SET baseline_complete = false WHERE table_name = 'buyer'",
            FUNCTIONS_MADE_ANEW,
            "UPDATE shop SET total = total + 1",
        ),
        (
            r"^buyer: the registry says that rows of its baseline are still to come, which was complete",
        ),
        entered=(
            (
                "INSERT INTO audittrail.buyer_history (version, revision_id, operation, code, name)"
                " SELECT since_version, since_revision, 'B', 'x', 'Bribe' FROM audittrail.tracked_table WHERE table_name = 'buyer'"
            ),
            "UPDATE audittrail.tracked_table SET baseline_complete = true WHERE table_name = 'buyer'",
            FUNCTIONS_MADE_ANEW,
            "UPDATE shop SET total = total + 1",
        ),
    ),
    Tampering(
        "two tables that have exchanged their history",
        (
            *(
                f"DROP TRIGGER audittrail_{event} ON {table}"
                for table in ("buyer", "seller")
                for event in ("insert", "update", "delete", "truncate")
            ),
            (
                "UPDATE audittrail.tracked_table a SET relation = b.relation, table_name = b.table_name FROM audittrail.tracked_table b"
                " WHERE (a.table_name, b.table_name) IN (('buyer', 'seller'), ('seller', 'buyer'))"
            ),
            FUNCTIONS_MADE_ANEW,
            "SELECT audittrail.create_triggers(t) FROM audittrail.tracked_table t",
            "UPDATE shop SET total = total + 1",
        ),
        (
            r"^buyer: history of seller is said to be that of buyer by now",
            r"^seller: history of buyer is said to be that of seller by now",
        ),
    ),
)

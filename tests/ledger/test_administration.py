"""What those who look after a database do to it raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_django import DjangoDbBlocker

from tests.ledger.scene import Scene, told

#: Statements with strokes between them. The last is that all of it gets another owner.
DONE = {
    "rebuilt indexes": "REINDEX TABLE audittrail.shop_history | REINDEX TABLE CONCURRENTLY audittrail.revision",
    "rewritten tables": "VACUUM FULL audittrail.shop_history | CLUSTER audittrail.note_history USING note_history_key | VACUUM FULL audittrail.ledger_entry",
    "statistics": "ALTER TABLE audittrail.shop_history ALTER COLUMN name SET STATISTICS 500 | CREATE STATISTICS more ON name, city FROM audittrail.shop_history | ANALYZE",
    "storage": "ALTER TABLE audittrail.shop_history SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01) | ALTER TABLE audittrail.shop_history ALTER COLUMN name SET STORAGE EXTERNAL",
    "an index of one's own": "CREATE INDEX own ON audittrail.shop_history (name) | CREATE INDEX other ON audittrail.revision (lower(reason)) WHERE reason <> ''",
    "a column's comment": "COMMENT ON COLUMN audittrail.shop_history.name IS 'as told by phone'",
    "an auditor": "GRANT USAGE ON SCHEMA audittrail TO auditor | GRANT SELECT ON ALL TABLES IN SCHEMA audittrail TO auditor | GRANT SELECT (reason) ON audittrail.revision TO auditor",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT INSERT, UPDATE ON TABLES TO auditor | ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC | ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO auditor",
    "settings": "ALTER ROLE auditor SET search_path = audittrail | DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tokyo''', current_database()); END $$",
    "names always in quotes": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers = on', current_database()); END $$ | UPDATE shop SET total = 4",
    "replication": "CREATE PUBLICATION everything FOR ALL TABLES | UPDATE shop SET total = 5",
    "a trigger that fires for replicas too": "ALTER TABLE shop ENABLE ALWAYS TRIGGER audittrail_insert",
    "a trigger of one's own": "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END' | CREATE TRIGGER own BEFORE UPDATE ON shop FOR EACH ROW EXECUTE FUNCTION nothing()",
    "row security": "ALTER TABLE note ENABLE ROW LEVEL SECURITY | CREATE POLICY own ON note USING (true)",
    "another schema": "CREATE SCHEMA place | ALTER TABLE seller SET SCHEMA place | ALTER TYPE region SET SCHEMA place | SELECT audittrail.track('place.seller')",
    "another collation": "ALTER TABLE shop ALTER COLUMN city TYPE varchar(40) COLLATE \"C\" | UPDATE shop SET total = 6",
    "a collation's version": "ALTER DATABASE postgres REFRESH COLLATION VERSION",
    "partitions": "CREATE TABLE visit_2027 PARTITION OF visit FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') | ALTER TABLE visit DETACH PARTITION visit_2026 | SELECT audittrail.track('visit') | INSERT INTO visit VALUES (9, '2027-01-02')",
    "a unique index of the user's": "CREATE UNIQUE INDEX ON shop (name) | CREATE UNIQUE INDEX ON note ((body || id))",
    "another owner of a table": "ALTER TABLE shop OWNER TO dba | GRANT CREATE ON DATABASE postgres TO dba",
    "another owner": """DO $$ DECLARE command text; BEGIN FOR command IN
        SELECT 'ALTER SCHEMA audittrail OWNER TO dba' UNION ALL
        SELECT format('ALTER %s %s OWNER TO dba', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass) FROM pg_class c
         WHERE relnamespace = 'audittrail'::regnamespace AND relkind IN ('r', 'S') AND NOT EXISTS (
               SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i' AND d.refclassid = 'pg_class'::regclass) UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO dba', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'audittrail'::regnamespace
        LOOP EXECUTE command; END LOOP; END $$""",
}  # fmt: skip


def test_looking_after_a_database_raises_no_alarm(
    fresh_database: Callable[[], Any], django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.begin()
        digest = scene.digest(tmp_path / "digest.json")
        try:
            scene.run("CREATE ROLE auditor", "CREATE ROLE dba")
            for what, done in DONE.items():
                scene.run(*done.split(" | "))
                assert told(scene.verify(digest)) == [], what
        finally:
            scene.run("DROP OWNED BY auditor, dba CASCADE", "DROP ROLE auditor, dba")

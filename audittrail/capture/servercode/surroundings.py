"""What somebody may put around our functions and tables: indexes and statistics on them, rights on the schema, settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final


def read(cursor: Any) -> Iterator[tuple[str, str]]:
    """Yield what is there and must not be, with what is wrong about it."""
    for query in (_ADDED, _RIGHTS, _SETTINGS):
        cursor.execute(query)
        yield from cursor.fetchall()


#: Indexes and statistics that were put on tables of ours and refuse rows, or run functions that somebody has made.
_ADDED: Final = """
SELECT 'Index ' || i.indexrelid::regclass, 'was added, and refuses rows with values that are there already'
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
 WHERE c.relnamespace = to_regnamespace('audittrail') AND (i.indisunique OR i.indisexclusion)
   AND i.indexrelid NOT IN (SELECT k.conindid FROM pg_constraint k WHERE k.conrelid = c.oid)
   AND NOT EXISTS (SELECT FROM audittrail.tracked_table t WHERE t.history_name = c.relname AND i.indexrelid = to_regclass(format('audittrail.%I', t.history_name || '_key')))
   AND i.indexrelid IS DISTINCT FROM to_regclass('audittrail.ledger_is_one')
UNION ALL
SELECT DISTINCT o.what, 'was added, and runs ' || d.refobjid::regprocedure
  FROM pg_class c
  JOIN LATERAL (SELECT 'Index ' || i.indexrelid::regclass, 'pg_class'::regclass, i.indexrelid FROM pg_index i WHERE i.indrelid = c.oid
                UNION ALL SELECT 'Statistics ' || s.stxnamespace::regnamespace || '.' || quote_ident(s.stxname), 'pg_statistic_ext'::regclass, s.oid
                            FROM pg_statistic_ext s WHERE s.stxrelid = c.oid) o (what, class, oid) ON true
  JOIN pg_depend d ON d.classid = o.class AND d.objid = o.oid AND d.refclassid = 'pg_proc'::regclass
 WHERE c.relnamespace = to_regnamespace('audittrail')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = d.refobjid AND e.deptype = 'e')
 ORDER BY 1
"""

#: Roles beside the owner that may create things in our schema: they could put functions and operators before ours.
_RIGHTS: Final = """
SELECT 'Schema audittrail', 'lets ' || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || ' create things in it'
  FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
 WHERE n.nspname = 'audittrail' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner ORDER BY 2
"""

#: Settings of a role, of this database or of the whole server (what RESET would give). PostgreSQL keeps their names as they were spelled.
_SETTINGS: Final = """
WITH set AS (
    SELECT setting FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) setting
     WHERE s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION
    SELECT name || '=' || reset_val FROM pg_settings WHERE name = 'session_replication_role'
    UNION
    SELECT name || '=' || current_setting(name) FROM unnest('{audittrail.unguarded,audittrail.closing,audittrail.erasing}'::text[]) name
     WHERE current_setting(name, true) <> ''
)
SELECT 'The setting ' || setting, 'is set for every session, and switches off what audittrail does there' FROM set
 WHERE lower(setting) LIKE 'audittrail.%' OR setting LIKE 'session_replication_role=%' AND setting NOT IN ('session_replication_role=origin', 'session_replication_role=local')
"""

"""What the catalogs say of the functions, tables and triggers of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SCHEMA: Final = "audittrail"

#: Settings on which the text of a default or a condition depends.
PINNED: Final = (
    "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC';"
    " SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';"
    " SET LOCAL quote_all_identifiers = off"
)

#: The parts that are about rights, with those whose rights are expected there; the name of a role that looks like "(owner)" would be quoted.
RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {
    "who may call it": ("(owner)", "PUBLIC"),
    "who may write": (),
}

#: The table that is tracked under the other name, to see what tracking makes.
SAMPLE: Final = "sample"


@dataclass(frozen=True)
class Code:
    """What is in a schema of ours: definitions by name, and triggers by table."""

    functions: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Mapping[str, Any]]
    triggers: Mapping[str, Mapping[str, Any]]


def read(cursor: Any, schema: str) -> Code:
    """Return what is in a schema, spelled as if it were ours."""
    functions: dict[str, dict[str, Any]] = {}
    cursor.execute(_FUNCTIONS, [schema])
    columns = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        entry = {name: _spelled(value, schema) for name, value in zip(columns, row, strict=True)}
        functions[entry.pop("name")] = entry
    tables: dict[str, dict[str, Any]] = {}
    cursor.execute(_TABLES, [schema])
    columns = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        entry = {name: _spelled(value, schema) for name, value in zip(columns, row, strict=True)}
        tables[entry.pop("name")] = entry
    triggers: dict[str, dict[str, Any]] = {}
    cursor.execute(_TRIGGERS, [schema])
    for table, name, *definition in cursor.fetchall():
        spelled = [_spelled(value, schema) for value in definition]
        triggers.setdefault(_spelled(table, schema), {})[_spelled(name, schema)] = spelled
    return Code(functions, tables, triggers)


def _spelled(value: Any, schema: str) -> Any:
    if isinstance(value, str):
        return value.replace(schema, SCHEMA)
    if isinstance(value, list):
        return [_spelled(part, schema) for part in value]
    return value


_OWNERS: Final = "CASE WHEN a.grantee = {owner} THEN '(owner)' WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END"

_FUNCTIONS: Final = rf"""
SELECT quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name, p.prosrc AS body, l.lanname::text AS language,
       pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result, p.prokind::text AS kind,
       p.prosecdef AS "rights of its owner", p.provolatile::text AS volatility, p.proparallel::text AS parallel, p.proisstrict AS strict,
       -- With quote_all_identifiers names are kept in quotes.
       ARRAY(SELECT regexp_replace(c, '"([a-z_]+)"', '\1', 'g') FROM unnest(p.proconfig) c) AS settings, p.proowner = n.nspowner AS owner,
       ARRAY(SELECT {_OWNERS.format(owner="p.proowner")} || ' ' || a.privilege_type
               FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a ORDER BY 1) AS "who may call it"
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
 WHERE n.nspname = %s
"""

_TABLES: Final = f"""
SELECT c.relname::text AS name, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       c.relforcerowsecurity OR c.relrowsecurity <> EXISTS (
           SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'bound_readers' AND strpos(pg_get_expr(p.polqual, p.polrelid), '.may_read(') > 0)
         OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname <> 'bound_readers') AS "row security",
       c.relowner = n.nspowner AS owner, ARRAY(SELECT r.rulename::text FROM pg_rewrite r WHERE r.ev_class = c.oid) AS rules,
       EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inheritance,
       (SELECT concat_ws(' ', s.seqtypid::regtype, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle) FROM pg_sequence s WHERE s.seqrelid = c.oid) AS counting,
       ARRAY(SELECT {_OWNERS.format(owner="c.relowner")} || ' ' || a.privilege_type
               FROM (SELECT c.relacl UNION ALL SELECT a.attacl FROM pg_attribute a WHERE a.attrelid = c.oid) l (acl) CROSS JOIN aclexplode(l.acl) a
              WHERE a.grantee <> c.relowner AND a.privilege_type <> 'SELECT' ORDER BY 1) AS "who may write",
       ARRAY(SELECT a.attname || ' ' || CASE WHEN a.attname = 'committed_by' THEN '' ELSE format_type(a.atttypid, a.atttypmod) END
                    || CASE WHEN a.attcollation <> (SELECT t.typcollation FROM pg_type t WHERE t.oid = a.atttypid) THEN ' collate ' || a.attcollation::regcollation ELSE '' END
                    || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') || a.attidentity::text || a.attgenerated::text
               FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attnotnull OR a.atthasdef OR a.attidentity <> '') ORDER BY a.attnum) AS defaults,
       ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x') ORDER BY 1) AS constraints
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""

_TRIGGERS: Final = """
SELECT n.nspname || '.' || c.relname, t.tgname::text,
       CASE WHEN t.tgenabled IN ('O', 'A') THEN 'enabled' WHEN t.tgenabled = 'R' THEN 'enabled for replication alone' ELSE 'disabled' END, t.tgtype::int, p.pronamespace::regnamespace || '.' || p.proname, t.tgdeferrable, t.tginitdeferred,
       t.tgoldtable::text, t.tgnewtable::text, t.tgattr::text, encode(t.tgargs, 'hex'),
       substring(pg_get_triggerdef(t.oid) FROM ' WHEN \\((.*)\\) EXECUTE FUNCTION')
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname = %s
"""

-- Compare a tracked table with its history, and record the changes that its triggers have not seen.

-- A query for the last version of each row since tracking began.
CREATE OR REPLACE FUNCTION audittrail.last_versions(parts jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_lines($template$
SELECT DISTINCT ON ({stored_key}) *
  FROM {history}
 WHERE version >= {since_version} AND ROW({stored_key}) IS NOT NULL  -- versions from before another key was chosen may have none
 ORDER BY {stored_key}, version DESC
$template$, parts);
END
$$;

-- Write versions, as of now: a template says of which image, and from what; in it, b stands for a row of the table and l for the last
-- version of one. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.write_versions(tracked audittrail.tracked_table, operation text, template text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts   jsonb := audittrail.parts_of(tracked);
    written bigint;
BEGIN
    PERFORM audittrail.require_all_rows(tracked.relation);
    EXECUTE audittrail.compose($template$
INSERT INTO {history} (version, revision_id, operation, {stored_columns})
SELECT (SELECT audittrail.next_version()), (SELECT current_setting('audittrail.revision')::bigint), {operation}, $template$ || template,
        parts || jsonb_build_object('operation', quote_literal(operation), 'is_complete', tracked.baseline_complete,
                                    'last_versions', audittrail.last_versions(parts)));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Write a new version of each row that is not what its last version says, as after a column has been added or has
-- changed its type. Returns how many. A transaction that has rewritten the table sees all of its rows, and may keep a snapshot that does
-- not show what others have recorded of them before: then each row gets a version.
CREATE OR REPLACE FUNCTION audittrail.record_differences(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT audittrail.sees_all() THEN
        IF NOT tracked.baseline_complete THEN
            PERFORM audittrail.require_present(tracked.relation);  -- which rows have versions can't be told
        END IF;
        RETURN audittrail.write_versions(tracked, 'B', '{b.stored_values} FROM {live} b');
    END IF;
    RETURN audittrail.write_versions(tracked, 'B', $template${b.stored_values}
  FROM {live} b
 CROSS JOIN LATERAL (
    SELECT * FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version} ORDER BY h.version DESC LIMIT 1) l
 WHERE ROW({b.compared})::record *<> ROW({l.stored_compared})::record AND l.operation NOT IN ('D', 'T')
$template$);
END
$$;

-- Record what happened to a table unrecorded, so that the last versions agree with it again. Returns how many rows it
-- concerns. Locks the table against writers meanwhile.
CREATE OR REPLACE FUNCTION audittrail.repair(tracked_id int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    tracked := audittrail.tie(tracked_id);
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tracked.relation::regclass);
    PERFORM audittrail.require_present(tracked.relation);
    IF tracked.key = '{}' THEN
        RETURN 0;
    END IF;
    RETURN audittrail.record_differences(tracked)
        -- Rows that history knows as living, and that are gone.
        + audittrail.write_versions(tracked, 'D', $template${l.stored_columns}
  FROM (
    {last_versions}
    ) l
 WHERE l.operation NOT IN ('D', 'T') AND NOT EXISTS (SELECT FROM {live} b WHERE {b.key = l.stored_key})
$template$)
        -- Rows that it does not know as living. One without any version is the baseline's, while that is incomplete.
        + audittrail.write_versions(tracked, 'B', $template${b.stored_values}
  FROM {live} b
 WHERE ({is_complete} OR EXISTS (SELECT FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version}))
   AND NOT EXISTS (
    SELECT FROM (
        {last_versions}
        ) l
     WHERE l.operation NOT IN ('D', 'T') AND {l.stored_key = b.key})
$template$);
END
$$;

-- Compare a table with the last versions of its rows. One row for each kind of difference that was found:
-- 'missing' (a row without a living version), 'extra' (a living version without a row), 'different' (other values), and
-- 'orphaned' (versions whose revision is missing, as after a restore of parts; the example is the number of one of the revisions).
CREATE OR REPLACE FUNCTION audittrail.verify(tracked_id int)
RETURNS TABLE (kind text, rows bigint, example text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    parts   jsonb;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    RETURN QUERY EXECUTE format(
        'SELECT ''orphaned'', count(*), min(v.revision_id)::text FROM audittrail.%I v'
        ' WHERE NOT EXISTS (SELECT FROM audittrail.revision r WHERE r.id = v.revision_id) HAVING count(*) > 0', tracked.history_name);
    IF tracked.key = '{}' THEN
        RETURN;  -- nothing tells its rows apart
    END IF;
    tracked.relation := audittrail.tied_relation(tracked);
    PERFORM audittrail.require_all_rows(tracked.relation);
    parts := audittrail.parts_of(tracked);
    RETURN QUERY EXECUTE audittrail.compose($template$
SELECT d.kind, count(*), min(d.key)
  FROM (
    SELECT CASE WHEN l.version IS NULL THEN 'missing' WHEN b.{first_key} IS NULL THEN 'extra' ELSE 'different' END AS kind,
           CASE WHEN b.{first_key} IS NULL THEN ROW({l.stored_key})::text ELSE ROW({b.key})::text END AS key
      FROM (SELECT * FROM (
                {last_versions}
            ) v WHERE v.operation NOT IN ('D', 'T')) l
      FULL JOIN {live} b ON {l.stored_key = b.key}
     WHERE CASE WHEN l.version IS NULL
                THEN {is_complete} OR EXISTS (SELECT FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version})
                ELSE ROW({b.compared})::record *<> ROW({l.stored_compared})::record END) d
 GROUP BY d.kind ORDER BY d.kind
$template$, parts || jsonb_build_object('first_key', quote_ident(tracked.key[1]), 'is_complete', tracked.baseline_complete,
                                        'last_versions', audittrail.last_versions(parts)));
    -- A primary key tells the rows of one table apart, and not from those of the tables that inherit from it.
    IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.oid = tracked.relation AND c.relkind = 'r') THEN
        RETURN QUERY EXECUTE audittrail.compose($template$
SELECT 'repeated', count(*), min(r.key)
  FROM (SELECT ROW({b.key})::text AS key FROM {live} b GROUP BY {b.key} HAVING count(*) > 1) r
HAVING count(*) > 0
$template$, parts);
    END IF;
END
$$;

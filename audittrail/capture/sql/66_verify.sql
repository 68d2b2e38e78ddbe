-- Compare a tracked table with its history, and record what passed by unrecorded.

-- A query for the last version of each row since tracking began.
CREATE OR REPLACE FUNCTION audittrail.last_versions(tracked audittrail.tracked_table) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.compose_lines($template$
SELECT DISTINCT ON ({key}) *
  FROM audittrail.{history}
 WHERE version >= {since} AND ROW({key}) IS NOT NULL  -- it is before another primary key was chosen
 ORDER BY {key}, version DESC
$template$, jsonb_build_object('key', audittrail.key_items(tracked, NULL, true), 'history', quote_ident(tracked.history_name), 'since', tracked.since_version))
$$;

-- Write versions of rows for which history and table differ, as of now. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.write_versions(tracked audittrail.tracked_table, operation text, image text[], source text[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    EXECUTE audittrail.compose($template$
INSERT INTO audittrail.{history} (version, revision_id, operation, {columns})
SELECT (SELECT audittrail.next_version()), (SELECT current_setting('audittrail.revision')::bigint), {operation}, {image}
{source}
$template$, jsonb_build_object('history', quote_ident(tracked.history_name), 'columns', audittrail.column_items(tracked, NULL, true),
                               'operation', quote_literal(operation), 'image', image, 'source', source));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- The parts of the queries that compare a table (b) with its history (h, and last versions l).
CREATE OR REPLACE FUNCTION audittrail.comparison_parts(tracked audittrail.tracked_table) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'live', tracked.relation::regclass, 'history', quote_ident(tracked.history_name), 'since', tracked.since_version,
        'is_complete', tracked.baseline_complete,
        'h_is_b', audittrail.same_key(tracked, 'h', true, 'b', false),
        'l_is_b', audittrail.same_key(tracked, 'l', true, 'b', false),
        'b_key', audittrail.key_items(tracked, 'b', false), 'l_key', audittrail.key_items(tracked, 'l', true),
        'b_values', audittrail.column_items(tracked, 'b', false, true), 'l_values', audittrail.column_items(tracked, 'l', true, true),
        'last_versions', audittrail.last_versions(tracked))
$$;

-- Write a new version of each row that is not what its last version says, as after a column has been added or has
-- changed its type. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_differences(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.write_versions(tracked, 'B', audittrail.column_items(tracked, 'b', false), audittrail.compose_lines($template$
  FROM {live} b
 CROSS JOIN LATERAL (SELECT * FROM audittrail.{history} h WHERE {h_is_b} AND h.version >= {since} ORDER BY h.version DESC LIMIT 1) l
 WHERE ROW({b_values})::record *<> ROW({l_values})::record AND l.operation NOT IN ('D', 'T')
$template$, audittrail.comparison_parts(tracked)))
$$;

-- Write a version of each row that history does not know as living. One without any version is the baseline's, while
-- that is incomplete. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_appearances(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.write_versions(tracked, 'B', audittrail.column_items(tracked, 'b', false), audittrail.compose_lines($template$
  FROM {live} b
 WHERE ({is_complete} OR EXISTS (SELECT FROM audittrail.{history} h WHERE {h_is_b} AND h.version >= {since}))
   AND NOT EXISTS (
       SELECT FROM (
           {last_versions}
       ) l WHERE l.operation NOT IN ('D', 'T') AND {l_is_b})
$template$, audittrail.comparison_parts(tracked)))
$$;

-- Write a deletion of each row that history knows as living and that is gone. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_disappearances(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.write_versions(tracked, 'D', audittrail.column_items(tracked, 'l', true), audittrail.compose_lines($template$
  FROM (
       {last_versions}
       ) l
 WHERE l.operation NOT IN ('D', 'T') AND NOT EXISTS (SELECT FROM {live} b WHERE {l_is_b})
$template$, audittrail.comparison_parts(tracked)))
$$;

-- Record what happened to a table unrecorded, so that the last versions agree with it again. Returns how many rows it
-- concerns. Locks the table against writers meanwhile.
CREATE OR REPLACE FUNCTION audittrail.repair(tracked_id int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tracked.relation::regclass);
    IF tracked.key = '{}' THEN
        RETURN 0;
    END IF;
    RETURN audittrail.record_differences(tracked) + audittrail.record_disappearances(tracked) + audittrail.record_appearances(tracked);
END
$$;

-- Compare a table with the last versions of its rows. One row for each kind of difference that was found:
-- 'missing' (a row without a living version), 'extra' (a living version without a row), 'different' (other values).
CREATE OR REPLACE FUNCTION audittrail.verify(tracked_id int)
RETURNS TABLE (kind text, rows bigint, example text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    IF tracked.key = '{}' THEN
        RETURN;  -- nothing tells its rows apart
    END IF;
    tracked.relation := audittrail.tied_relation(tracked);
    RETURN QUERY EXECUTE audittrail.compose($template$
SELECT d.kind, count(*), min(d.key)
  FROM (SELECT CASE WHEN l.version IS NULL THEN 'missing' WHEN b.{first_key} IS NULL THEN 'extra' ELSE 'different' END AS kind,
               CASE WHEN b.{first_key} IS NULL THEN ROW({l_key})::text ELSE ROW({b_key})::text END AS key
          FROM (SELECT * FROM (
                   {last_versions}
                ) v WHERE v.operation NOT IN ('D', 'T')) l
          FULL JOIN {live} b ON {l_is_b}
         WHERE CASE WHEN l.version IS NULL
                    THEN {is_complete} OR EXISTS (SELECT FROM audittrail.{history} h WHERE {h_is_b} AND h.version >= {since})
                    ELSE ROW({b_values})::record *<> ROW({l_values})::record END
       ) d
 GROUP BY d.kind ORDER BY d.kind
$template$, audittrail.comparison_parts(tracked) || jsonb_build_object('first_key', quote_ident(tracked.key[1])));
END
$$;

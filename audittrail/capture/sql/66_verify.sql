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
    PERFORM audittrail.require_unbound(tracked.relation);
    EXECUTE audittrail.compose($template$
INSERT INTO {history} (version, revision_id, operation, {stored_columns})
SELECT (SELECT audittrail.next_version()), (SELECT current_setting('audittrail.revision')::bigint), {operation}, $template$ || template,
        parts || jsonb_build_object('operation', quote_literal(operation), 'is_complete', tracked.baseline_complete,
                                    'last_versions', audittrail.last_versions(parts)));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Whether this transaction has changed the columns of a table, or the composite types of some, itself.
CREATE OR REPLACE FUNCTION audittrail.has_altered(relations oid[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ANY (relations) AND audittrail.is_own(a.xmin))
$$;

-- Write a new version of each row that is not what its last version says, as after a column has been added or has
-- changed its type. Returns how many. What another transaction has made of the table is there to be seen with that, since whoever has
-- written to it later, or truncated it, has followed first. One that has changed the table itself sees the rows that it has rewritten, and may keep a
-- snapshot that does not show what others have recorded of them before: then each of those gets a version.
CREATE OR REPLACE FUNCTION audittrail.record_differences(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    composites oid[] := ARRAY(SELECT named::text::oid FROM jsonb_path_query(tracked.columns, '$[*].composite.**.relation') named);
BEGIN
    IF audittrail.keeps_snapshot() AND audittrail.has_altered(tracked.relation || composites) AND NOT audittrail.snapshot_is_complete() THEN
        IF NOT tracked.baseline_complete OR audittrail.has_altered(composites) THEN
            PERFORM audittrail.require_present(tracked.relation);  -- which rows have versions can't be told, or which are others by now
        END IF;
        RETURN audittrail.write_versions(tracked, 'B', $template${b.stored_values}
  FROM {live} b
  LEFT JOIN LATERAL (
    SELECT * FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version} ORDER BY h.version DESC LIMIT 1) l ON true
 WHERE audittrail.is_own(b.xmin)
   AND ((l.revision_id = (SELECT audittrail.own_revision())) IS NOT TRUE OR ROW({b.compared})::record *<> ROW({l.stored_compared})::record)
$template$);
    END IF;
    RETURN audittrail.write_versions(tracked, 'B', $template${b.stored_values}
  FROM {live} b
 CROSS JOIN LATERAL (
    SELECT * FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version} ORDER BY h.version DESC LIMIT 1) l
 WHERE ROW({b.compared})::record *<> ROW({l.stored_compared})::record AND l.operation NOT IN ('D', 'T')
$template$);
END
$$;

-- Called by a capture function when it has recorded the event at hand of a table that it has found changed: what the change has made of
-- the rows that no statement touches is recorded at the commit. Until then statements are going on whose changes are only partly recorded,
-- and their rows would pass for differences.
CREATE OR REPLACE FUNCTION audittrail.complete_follow(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('audittrail.reworked', true) = tracked_id::text THEN
        PERFORM audittrail.require_unbound(t.relation) FROM audittrail.tracked_table t WHERE t.id = tracked_id;
        PERFORM audittrail.queue_differences(tracked_id);
    END IF;
END
$$;

-- Have record_at_commit() called for a table. By the setting its trigger knows that it is wanted.
CREATE OR REPLACE FUNCTION audittrail.queue_differences(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ignored text := set_config('audittrail.reworked', tracked_id::text, true);
BEGIN
    SET CONSTRAINTS audittrail.record_differences DEFERRED;
    UPDATE audittrail.tracked_table SET relation = relation WHERE id = tracked_id;
    ignored := set_config('audittrail.reworked', '', true);
END
$$;

-- Deferred constraint trigger on audittrail.tracked_table: records what a change of a table has made of its rows. SET CONSTRAINTS ...
-- IMMEDIATE fires it early, in a trigger maybe within a statement: then it defers itself again. The table may have been changed once more, or
-- be gone.
CREATE OR REPLACE FUNCTION audittrail.record_at_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table := audittrail.tie(NEW.id);
    ignored text;
BEGIN
    IF pg_trigger_depth() > 1 THEN
        PERFORM audittrail.queue_differences(NEW.id);
    ELSIF tracked.until_version IS NULL AND EXISTS (SELECT FROM pg_class c WHERE c.oid = tracked.relation) THEN
        IF audittrail.fingerprint(tracked.relation, tracked.history_name) <> tracked.fingerprint THEN
            PERFORM audittrail.reconcile(NEW.id);
            ignored := set_config('audittrail.reworked', '', true);
            SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = NEW.id;
        END IF;
        IF tracked.key <> '{}' THEN
            PERFORM audittrail.record_differences(tracked);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'audittrail.tracked_table'::regclass AND tgname = 'record_differences') THEN
        CREATE CONSTRAINT TRIGGER record_differences
            AFTER UPDATE ON audittrail.tracked_table
            DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW
            WHEN (current_setting('audittrail.reworked', true) = NEW.id::text)
            EXECUTE FUNCTION audittrail.record_at_commit();
    END IF;
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

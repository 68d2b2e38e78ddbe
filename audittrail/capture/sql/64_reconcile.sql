-- Follow a change of a tracked table: history table and capture functions come in step with its columns and its key.

-- Bring the history table and the capture functions of a tracked table in step with its columns, its key and the given
-- options (NULL: as they are). Columns are known by their number, so that a renamed one is not taken for another; after a
-- restore into a new database, where numbers differ, by name. Returns whether anything was out of step.
CREATE OR REPLACE FUNCTION audittrail.reconcile(tracked_id int, wanted_excluded text[] DEFAULT NULL, wanted_ignored text[] DEFAULT NULL, wanted_history text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    tracked    audittrail.tracked_table;
    history    regclass;
    live       record;
    known      jsonb;
    columns    jsonb := '[]';
    by_name    boolean;
    reworked   boolean := false;
    retyped    boolean := false;
    filled     boolean;
    changed    boolean := false;
    stored     boolean;
    name       text;
    former     jsonb := '{}';  -- the numbers of the columns that a renamed one has left in the history table
    retired    text;
    held       text;  -- the type of the history column
    conversion jsonb;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id FOR UPDATE;
    by_name := (tracked.fingerprint = '');
    tracked.excluded := coalesce(wanted_excluded, tracked.excluded);
    tracked.ignored := coalesce(wanted_ignored, tracked.ignored);
    IF wanted_history <> tracked.history_name THEN
        PERFORM audittrail.rename_history(tracked_id, wanted_history);
        tracked.history_name := wanted_history;
        changed := true;
    END IF;
    IF to_regclass(format('audittrail.%I', tracked.history_name)) IS NULL THEN
        -- Dropped by hand. What was in it is lost; history begins again with a new baseline.
        tracked.columns := audittrail.create_history(tracked.history_name, tracked.relation, tracked.excluded);
        tracked.since_version := NULL;
    END IF;
    history := format('audittrail.%I', tracked.history_name)::regclass;

    -- Renamed columns first, so that their names are free for others.
    FOR live IN SELECT c.*, k.entry AS known FROM audittrail.live_columns(tracked.relation) c
                  JOIN jsonb_array_elements(tracked.columns) k (entry) ON NOT by_name AND (k.entry ->> 'attnum')::int = c.attnum
                 WHERE k.entry ->> 'name' <> c.name AND audittrail.has_column(history, k.entry ->> 'history')
    LOOP
        -- What it held under other types goes with it: who redacts the column redacts that too.
        former := former || jsonb_build_object(live.known ->> 'attnum', coalesce((
            SELECT jsonb_agg(a.attnum)
              FROM audittrail.retired_columns(history, live.known ->> 'history') r (name)
              JOIN pg_attribute a ON a.attrelid = history AND a.attname = r.name
             WHERE NOT tracked.columns @> jsonb_build_array(jsonb_build_object('history', r.name))), '[]'));
        name := audittrail.retired_name(history, live.known ->> 'history');
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, live.known ->> 'history', name);
        tracked.columns := (SELECT jsonb_agg(CASE WHEN k.entry = live.known THEN jsonb_set(k.entry, '{history}', to_jsonb(name)) ELSE k.entry END)
                              FROM jsonb_array_elements(tracked.columns) k (entry));
    END LOOP;

    FOR live IN SELECT * FROM audittrail.live_columns(tracked.relation) LOOP
        SELECT k.entry INTO known FROM jsonb_array_elements(tracked.columns) k (entry)
         WHERE CASE WHEN by_name THEN k.entry ->> 'name' = live.name ELSE (k.entry ->> 'attnum')::int = live.attnum END;
        name := audittrail.stored_name(live.name);
        stored := live.name <> ALL (tracked.excluded);
        columns := columns || (jsonb_build_object('attnum', live.attnum, 'name', live.name, 'type', live.type,
            'history', CASE WHEN stored THEN name END, 'ignored', live.name = ANY (tracked.ignored))
            || jsonb_strip_nulls(jsonb_build_object('composite', live.composite)));
        IF NOT stored THEN
            CONTINUE;
        ELSIF NOT coalesce(audittrail.has_column(history, known ->> 'history'), false) THEN
            -- New, dropped from the history table by hand, or no longer excluded: then there is no value for the past, whatever the table was added with.
            PERFORM audittrail.add_column(history, name, live.type, live.collation_name, CASE WHEN known IS NULL THEN live.missing_value END);
            -- A column that was added without a value holds one only where a statement has written it since. Outside of triggers
            -- such rows are looked for. In a trigger it may be the statement at hand that has written them, which records that
            -- itself: there only a column that computes a value, as by a default, counts as filled.
            IF known IS NULL AND live.missing_value IS NULL AND pg_trigger_depth() = 0 THEN
                PERFORM audittrail.require_all_rows(tracked.relation);
                EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE num_nulls(%I) = 0)', tracked.relation::regclass, live.name) INTO filled;
            ELSE
                filled := known IS NOT NULL OR live.computed AND live.missing_value IS NULL
                          OR audittrail.foreign_code(0, to_regtype(live.type)) IS NOT NULL;  -- see add_column()
            END IF;
            reworked := reworked OR filled;
        ELSE
            IF known ->> 'history' <> name THEN
                IF audittrail.has_column(history, name) THEN
                    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, audittrail.retired_name(history, name));
                END IF;
                EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, known ->> 'history', name);
                FOR retired IN SELECT a.attname FROM pg_attribute a
                                WHERE a.attrelid = history AND former -> (known ->> 'attnum') @> to_jsonb(a.attnum) ORDER BY a.attnum
                LOOP
                    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, retired, audittrail.retired_name(history, name));
                END LOOP;
            END IF;
            held := (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = history AND a.attname = name);
            IF live.composite IS NULL AND (held <> live.type OR audittrail.collation_of(history, name) IS DISTINCT FROM live.collation_name) THEN
                PERFORM audittrail.change_type(history, name, live.type, live.collation_name);
                reworked := reworked OR held <> live.type;
                retyped := retyped OR held <> live.type;
            ELSIF held = 'text' AND (CASE WHEN by_name THEN known #> '{composite,type}' = live.composite -> 'type'
                                          ELSE known #> '{composite,oid}' = live.composite -> 'oid' END) THEN
                conversion := audittrail.conversion(known #> '{composite,layout}', live.composite -> 'layout', by_name);
                IF conversion IS NOT NULL THEN
                    PERFORM audittrail.convert_column(history, name, conversion);
                    reworked := true;
                END IF;
            ELSIF live.composite IS NOT NULL THEN
                IF held <> live.composite ->> 'type' THEN
                    PERFORM audittrail.change_type(history, name, live.composite ->> 'type', NULL);
                    reworked := true;
                    retyped := true;
                END IF;
                PERFORM audittrail.release_column(history, name);
            END IF;
        END IF;
    END LOOP;

    -- The key, under its columns' present names; while there is none, its columns, if they are there, go on telling rows apart.
    tracked.key := coalesce(nullif(audittrail.key_columns(tracked.relation), '{}'), (
        SELECT CASE WHEN bool_and(c.name IS NOT NULL) THEN array_agg(c.name ORDER BY k.position) END
          FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
          LEFT JOIN jsonb_to_recordset(tracked.columns) o (attnum int, name text) ON o.name = k.name
          LEFT JOIN jsonb_to_recordset(columns) c (attnum int, name text)
                 ON CASE WHEN by_name THEN c.name = k.name ELSE c.attnum = o.attnum END), '{}');
    IF tracked.key <> '{}' AND NOT audittrail.has_key_index(history, tracked.key) THEN
        -- The rows' identity has changed, and which row a version belonged to can't be told by the new key.
        PERFORM audittrail.create_key_index(history, tracked.key);
        tracked.since_version := NULL;
    ELSIF retyped AND NOT tracked.baseline_complete AND tracked.key <> '{}' AND audittrail.is_rewritten(tracked) THEN
        -- What rows without a version held before can't be told any more: the new type may have come with other values.
        tracked.since_version := NULL;
    END IF;
    IF tracked.since_version IS NULL THEN
        tracked.since_version := audittrail.next_version();
        tracked.since_revision := current_setting('audittrail.revision')::bigint;
        tracked.since_at := clock_timestamp();
        tracked.baseline_complete := false;
        tracked.baseline_position := NULL;
        reworked := false;
    END IF;

    changed := changed OR columns IS DISTINCT FROM tracked.columns
               OR audittrail.fingerprint(tracked.relation, tracked.history_name) IS DISTINCT FROM tracked.fingerprint;
    tracked.columns := columns;
    tracked.fingerprint := audittrail.fingerprint(tracked.relation, tracked.history_name);
    SELECT n.nspname, c.relname INTO tracked.schema_name, tracked.table_name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = tracked.relation;
    UPDATE audittrail.tracked_table t
       SET (columns, key, fingerprint, schema_name, table_name, excluded, ignored, since_version, since_revision, since_at, baseline_complete, baseline_position,
            database, files)
         = (tracked.columns, tracked.key, tracked.fingerprint, tracked.schema_name, tracked.table_name, tracked.excluded, tracked.ignored,
            tracked.since_version, tracked.since_revision, tracked.since_at, tracked.baseline_complete, tracked.baseline_position,
            audittrail.this_database(), audittrail.files_of(tracked.relation))
     WHERE t.id = tracked_id;
    PERFORM audittrail.secure_history(tracked);
    IF changed OR audittrail.has_stale_functions(tracked) THEN
        PERFORM audittrail.create_functions(tracked);
        changed := true;
    END IF;
    IF reworked AND tracked.key <> '{}' THEN
        IF pg_trigger_depth() = 0 THEN
            PERFORM audittrail.record_differences(tracked);
        ELSE
            -- The statement at hand is recorded first, and all that is going on around it: otherwise their rows would pass for differences.
            name := set_config('audittrail.reworked', tracked_id::text, true);
        END IF;
    END IF;
    RETURN changed;
END
$$;

-- Whether rows that have no version may have got other values with the new type of a column: ALTER TABLE has stored the table anew, or it
-- can't be told that it has not. In a trigger no row need be left that has none: the statement may have changed or deleted it.
CREATE OR REPLACE FUNCTION audittrail.is_rewritten(tracked audittrail.tracked_table) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rewritten boolean := audittrail.has_new_files(tracked, tracked.relation);
BEGIN
    IF rewritten AND pg_trigger_depth() = 0 THEN
        PERFORM audittrail.require_all_rows(tracked.relation);
        EXECUTE audittrail.compose('SELECT EXISTS (SELECT FROM {live} b WHERE NOT EXISTS ('
                                   'SELECT FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version}))', audittrail.parts_of(tracked))
           INTO rewritten;
    END IF;
    RETURN rewritten;
END
$$;

-- Called by a capture function that finds its table changed: follow the change within the same transaction, and return
-- the statements that capture the event at hand. The rows of a TRUNCATE are those of "truncated".
CREATE OR REPLACE FUNCTION audittrail.follow(tracked_id int, event text, truncated text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked    audittrail.tracked_table;
    parts      jsonb;
    statements text[];
    different  text;
    continues  boolean := audittrail.continues_statement();
BEGIN
    tracked := audittrail.tie(tracked_id);
    IF audittrail.fingerprint(tracked.relation, tracked.history_name) <> tracked.fingerprint THEN
        PERFORM audittrail.reconcile(tracked_id);
        SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    END IF;
    parts := audittrail.parts_of(tracked);
    IF NOT tracked.baseline_complete AND tracked.key <> '{}' AND event <> 'INSERT' THEN
        statements := audittrail.baseline_statement(parts, coalesce(truncated, 'old_rows'));
    END IF;
    IF NOT row_security_active(tracked.relation) THEN
        statements := statements || audittrail.shared_baseline(tracked, parts, event);
    END IF;
    IF tracked.key = '{}' OR event = 'TRUNCATE' OR NOT (
           continues OR pg_trigger_depth() > 1 OR audittrail.has_deferrable_key(tracked.relation)
           OR event = 'UPDATE' AND audittrail.has_referential_actions(tracked.relation)) THEN
        RETURN array_to_string(statements || audittrail.capture_statement(tracked, parts, event, true, coalesce(truncated, 'new_rows')), E'\n');
    END IF;
    -- The changes are woven into the versions of this transaction, as a capture function does that finds them entangled with others.
    -- Here it is always done if a row is another under its key: a change of the table is rare, and asking first would be another statement.
    different := CASE event WHEN 'INSERT' THEN 'new_rows' WHEN 'DELETE' THEN 'old_rows' ELSE audittrail.compose($template$new_rows n
  FULL JOIN old_rows o ON {o.key = n.key}
 WHERE ROW({n.compared})::record
   *<> ROW({o.compared})::record$template$, parts) END;
    RETURN array_to_string(statements || audittrail.compose_lines(concat($template$
SELECT audittrail.next_version() FROM {different} LIMIT 1;
SELECT audittrail.unguard();
WITH live AS NOT MATERIALIZED (SELECT {live_rows} WHERE {is_told})
$template$, audittrail.weaving_template(tracked.baseline_complete), $template$
SELECT audittrail.guard_as({former});
$template$), parts || jsonb_build_object(
        'former', quote_literal(audittrail.guard_settings()), 'is_told', NOT row_security_active(tracked.relation), 'live_rows', audittrail.live_rows(tracked.relation),
        'revision', 'nullif(current_setting(''audittrail.revision'', true), '''')::bigint', 'different', different,
        'changes', ARRAY['SELECT c.* FROM ('] || audittrail.changes_at_hand(tracked, parts, event) || format(') c WHERE EXISTS (SELECT FROM %s)', different))
        || audittrail.weaving_parts(tracked)), E'\n');
END
$$;

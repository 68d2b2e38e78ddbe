-- Begin, keep up and end the tracking of a table.
--
-- track() is all that a DBA needs:  SELECT audittrail.track('public.orders');
-- It is safe to call again at any time, and brings a tracked table in step with its columns.

-- The tables on which the triggers of a tracked table belong: itself and its partitions. TRUNCATE fires on each
-- partition by itself, so the partitioned table is left out there.
CREATE OR REPLACE FUNCTION audittrail.trigger_targets(live oid, event text)
RETURNS TABLE (target oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.relid::oid FROM pg_partition_tree(live) t
      JOIN pg_class c ON c.oid = t.relid
     WHERE c.relkind IN ('r', 'p') AND NOT (event = 'TRUNCATE' AND c.relkind = 'p')
    UNION
    SELECT live WHERE NOT (event = 'TRUNCATE' AND (SELECT relkind FROM pg_class WHERE oid = live) = 'p')
$$;

-- Triggers that a tracked table lacks, or that are not enabled: one row each.
CREATE OR REPLACE FUNCTION audittrail.faulty_triggers(tracked audittrail.tracked_table)
RETURNS TABLE (event text, target oid, fault text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.event, x.target, CASE WHEN t.oid IS NULL THEN 'missing' ELSE 'disabled' END
      FROM unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) e (event)
      CROSS JOIN LATERAL audittrail.trigger_targets(tracked.relation, e.event) x
      LEFT JOIN pg_trigger t ON t.tgrelid = x.target
           AND t.tgname = 'audittrail_' || lower(e.event)
           AND t.tgfoid = to_regproc(format('audittrail.%I', tracked.history_name || '_' || lower(e.event)))
     WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
$$;

-- Whether one of a tracked table's capture functions is not the one that would be generated today.
CREATE OR REPLACE FUNCTION audittrail.has_stale_functions(tracked audittrail.tracked_table) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) e (event)
          LEFT JOIN pg_proc p
            ON p.oid = to_regproc(format('audittrail.%I', tracked.history_name || '_' || lower(e.event)))
         WHERE p.prosrc IS DISTINCT FROM audittrail.capture_function(tracked, e.event))
$$;

-- Make the capture functions of a tracked table anew.
CREATE OR REPLACE FUNCTION audittrail.create_functions(tracked audittrail.tracked_table) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event text;
    name  text;
BEGIN
    FOREACH event IN ARRAY '{INSERT,UPDATE,DELETE,TRUNCATE}'::text[] LOOP
        name := format('audittrail.%I()', tracked.history_name || '_' || lower(event));
        EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql '
                       'SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L',
                       name, audittrail.capture_function(tracked, event));
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END
$$;

-- Create the triggers that are missing and enable those that are disabled.
CREATE OR REPLACE FUNCTION audittrail.create_triggers(tracked audittrail.tracked_table) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    faulty record;
BEGIN
    FOR faulty IN SELECT * FROM audittrail.faulty_triggers(tracked) LOOP
        IF faulty.fault = 'disabled' THEN
            EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', faulty.target::regclass, 'audittrail_' || lower(faulty.event));
            CONTINUE;
        END IF;
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', 'audittrail_' || lower(faulty.event), faulty.target::regclass);
        EXECUTE format('CREATE TRIGGER %I %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION audittrail.%I()',
            'audittrail_' || lower(faulty.event),
            CASE faulty.event WHEN 'TRUNCATE' THEN 'BEFORE TRUNCATE' ELSE 'AFTER ' || faulty.event END,
            faulty.target::regclass,
            CASE faulty.event WHEN 'INSERT' THEN 'REFERENCING NEW TABLE AS new_rows'
                              WHEN 'UPDATE' THEN 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
                              WHEN 'DELETE' THEN 'REFERENCING OLD TABLE AS old_rows'
                              ELSE '' END,
            tracked.history_name || '_' || lower(faulty.event));
    END LOOP;
END
$$;

-- A name in a history table that no column has yet, for a column that makes room for another.
CREATE OR REPLACE FUNCTION audittrail.retired_name(history oid, column_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number int := 1;
    retired text;
BEGIN
    LOOP
        retired := left(column_name, 50) || '_until_' || number;
        EXIT WHEN NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = history AND attname = retired AND NOT attisdropped);
        number := number + 1;
    END LOOP;
    RETURN retired;
END
$$;

-- Add a column to a history table. What stands under its name already belonged to a column that is gone: it stays,
-- under another name. Rows that lived when PostgreSQL added the column without rewriting the table hold its missing value.
CREATE OR REPLACE FUNCTION audittrail.add_column(history regclass, name text, type text, collation_name text, missing_value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = history AND a.attname = name AND NOT a.attisdropped) THEN
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, audittrail.retired_name(history, name));
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s%s%s', history, name, type, ' COLLATE ' || collation_name,
                   CASE WHEN missing_value IS NOT NULL THEN format(' DEFAULT %L::%s', missing_value, type) ELSE '' END);
    IF missing_value IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', history, name);
    END IF;
END
$$;

-- Write a new version of each row that is not what its last version says, as after a column has been added or has
-- changed its type. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_differences(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    EXECUTE format(
        'INSERT INTO audittrail.%1$I (version, revision_id, operation, %2$s)'
        ' SELECT (SELECT audittrail.next_version()), (SELECT current_setting(''audittrail.revision'')::bigint), ''B'', %3$s'
        ' FROM %4$s b CROSS JOIN LATERAL (SELECT * FROM audittrail.%1$I h WHERE %5$s AND h.version >= %6$s ORDER BY h.version DESC LIMIT 1) l'
        ' WHERE ROW(%7$s)::record *<> ROW(%8$s)::record AND l.operation NOT IN (''D'', ''T'')',
        tracked.history_name, audittrail.column_list(tracked), audittrail.column_list(tracked, 'b'), tracked.relation::regclass,
        audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version,
        audittrail.column_list(tracked, 'b', true), audittrail.column_list(tracked, 'l', true, true));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Bring the history table and the capture functions of a tracked table in step with its columns, its key and the given
-- options (NULL: as they are). Columns are known by their number, so that a renamed one is not taken for another; after a
-- restore into a new database, where numbers differ, by name. Returns whether anything was out of step.
CREATE OR REPLACE FUNCTION audittrail.reconcile(tracked_id int, excluded text[] DEFAULT NULL, ignored_columns text[] DEFAULT NULL, wanted_history text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked  audittrail.tracked_table;
    history  regclass;
    live     record;
    known    jsonb;
    entry    jsonb;
    columns  jsonb := '[]';
    by_name  boolean;
    reworked boolean := false;
    filled   boolean;
    changed  boolean := false;
    event    text;
    name     text;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id FOR UPDATE;
    by_name := (tracked.fingerprint = '');
    IF wanted_history IS NOT NULL AND wanted_history <> tracked.history_name THEN
        EXECUTE format('ALTER TABLE audittrail.%I RENAME TO %I', tracked.history_name, wanted_history);
        FOREACH event IN ARRAY '{_insert,_update,_delete,_truncate}'::text[] LOOP
            EXECUTE format('ALTER FUNCTION audittrail.%I() RENAME TO %I', tracked.history_name || event, wanted_history || event);
        END LOOP;
        tracked.history_name := wanted_history;
        changed := true;
    END IF;
    history := format('audittrail.%I', tracked.history_name)::regclass;

    -- Renamed columns first, so that their names are free for others.
    FOR live IN SELECT c.*, k.entry AS known FROM audittrail.live_columns(tracked.relation) c
                  JOIN jsonb_array_elements(tracked.columns) k (entry) ON NOT by_name AND (k.entry ->> 'attnum')::int = c.attnum
                 WHERE k.entry ->> 'name' <> c.name AND k.entry ->> 'history' IS NOT NULL
    LOOP
        name := audittrail.retired_name(history, live.known ->> 'history');
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, live.known ->> 'history', name);
        tracked.columns := (SELECT jsonb_agg(CASE WHEN k.entry = live.known THEN jsonb_set(k.entry, '{history}', to_jsonb(name)) ELSE k.entry END)
                              FROM jsonb_array_elements(tracked.columns) k (entry));
    END LOOP;

    FOR live IN SELECT * FROM audittrail.live_columns(tracked.relation) LOOP
        SELECT k.entry INTO known FROM jsonb_array_elements(tracked.columns) k (entry)
         WHERE CASE WHEN by_name THEN k.entry ->> 'name' = live.name ELSE (k.entry ->> 'attnum')::int = live.attnum END;
        name := audittrail.stored_name(live.name);
        entry := jsonb_build_object('attnum', live.attnum, 'name', live.name, 'type', live.type, 'history', name,
            'ignored', CASE WHEN ignored_columns IS NULL THEN coalesce(known -> 'ignored', 'false') ELSE to_jsonb(live.name = ANY (ignored_columns)) END);
        IF (CASE WHEN excluded IS NULL THEN known IS NOT NULL AND known ->> 'history' IS NULL ELSE live.name = ANY (excluded) END) THEN
            entry := jsonb_set(entry, '{history}', 'null');
        ELSIF known ->> 'history' IS NULL OR NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = history AND a.attname = known ->> 'history' AND NOT a.attisdropped) THEN
            -- New, dropped from the history table by hand, or no longer excluded: then there is no value for the past, whatever the table was added with.
            PERFORM audittrail.add_column(history, name, live.type, live.collation_name, CASE WHEN known IS NULL THEN live.missing_value END);
            -- A column that was added without a value has one only where a statement has written it since; that
            -- statement records it, unless it is not captured yet, which is why this looks at defaults in a trigger.
            IF known IS NULL AND live.missing_value IS NULL AND pg_trigger_depth() = 0 THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NOT NULL)', tracked.relation::regclass, live.name) INTO filled;
            ELSE
                filled := known IS NOT NULL OR live.computed AND live.missing_value IS NULL;
            END IF;
            reworked := reworked OR filled;
        ELSE
            IF known ->> 'history' <> name THEN
                IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = history AND a.attname = name AND NOT a.attisdropped) THEN
                    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, audittrail.retired_name(history, name));
                END IF;
                EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, known ->> 'history', name);
            END IF;
            IF (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = history AND a.attname = name) <> live.type THEN
                PERFORM audittrail.change_type(history, name, live.type, live.collation_name);
                reworked := true;
            END IF;
        END IF;
        columns := columns || entry;
    END LOOP;

    IF cardinality(audittrail.key_columns(tracked.relation)) > 0 AND audittrail.key_columns(tracked.relation) IS DISTINCT FROM tracked.key THEN
        -- The rows' identity has changed: versions are found by the new key from now on.
        tracked.key := audittrail.key_columns(tracked.relation);
        PERFORM audittrail.create_key_index(history, tracked.key);
        reworked := true;
    ELSIF cardinality(audittrail.key_columns(tracked.relation)) = 0 THEN
        -- The key is gone, though not its columns: they go on telling rows apart, under their present names.
        tracked.key := (SELECT array_agg(coalesce(c.name, k.name) ORDER BY k.position)
                          FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
                          LEFT JOIN jsonb_to_recordset(tracked.columns) o (attnum int, name text) ON o.name = k.name
                          LEFT JOIN jsonb_to_recordset(columns) c (attnum int, name text) ON c.attnum = o.attnum);
    END IF;

    changed := changed OR columns IS DISTINCT FROM tracked.columns
               OR audittrail.fingerprint(tracked.relation, tracked.history_name) IS DISTINCT FROM tracked.fingerprint;
    tracked.columns := columns;
    tracked.fingerprint := audittrail.fingerprint(tracked.relation, tracked.history_name);
    SELECT n.nspname, c.relname INTO tracked.schema_name, tracked.table_name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = tracked.relation;
    UPDATE audittrail.tracked_table t
       SET columns = tracked.columns, key = tracked.key, fingerprint = tracked.fingerprint, history_name = tracked.history_name,
           schema_name = tracked.schema_name, table_name = tracked.table_name
     WHERE t.id = tracked_id;
    IF changed OR audittrail.has_stale_functions(tracked) THEN
        PERFORM audittrail.create_functions(tracked);
        changed := true;
    END IF;
    IF reworked AND pg_trigger_depth() > 0 THEN
        -- The statement at hand is recorded first: its rows would pass for differences.
        name := set_config('audittrail.reworked', tracked_id::text, true);
    ELSIF reworked THEN
        PERFORM audittrail.record_differences(tracked);
    END IF;
    RETURN changed;
END
$$;

-- Give a history column another type. If the new type can't hold all of its values as they are, the old column stays,
-- under another name, beside a new one with what can be converted.
CREATE OR REPLACE FUNCTION audittrail.change_type(history regclass, name text, type text, collation_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_type text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = history AND attname = name);
    lossless boolean;
    source   text := name;
BEGIN
    BEGIN
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %1$s WHERE %2$I::%3$s::%4$s::text IS DISTINCT FROM %2$I::text)',
                       history, name, type, old_type) INTO lossless;
    EXCEPTION WHEN data_exception OR cannot_coerce OR datatype_mismatch OR undefined_function THEN
        NULL;  -- not every value can be converted
    END;
    IF lossless IS NOT TRUE THEN
        source := audittrail.retired_name(history, name);
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, source);
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s%s', history, name, type, ' COLLATE ' || collation_name);
    END IF;
    IF lossless IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s%s USING %I::%s', history, name, type, ' COLLATE ' || collation_name, source, type);
    END IF;
END
$$;

-- The index by which versions are found, unique for each row and version.
CREATE OR REPLACE FUNCTION audittrail.create_key_index(history regclass, key text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := left((SELECT relname FROM pg_class WHERE oid = history), 50) || '_key';
BEGIN
    IF to_regclass(format('audittrail.%I', name)) IS NOT NULL THEN
        EXECUTE format('DROP INDEX audittrail.%I', name);
    END IF;
    EXECUTE format('CREATE UNIQUE INDEX %I ON %s (%s, version)', name, history,
        (SELECT string_agg(quote_ident(audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
           FROM unnest(key) WITH ORDINALITY k (name, position)));
END
$$;

-- Called by a capture function that finds its table changed: follow the change within the same transaction, and return
-- the statement that captures the event at hand.
CREATE OR REPLACE FUNCTION audittrail.follow(tracked_id int, event text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation) OR audittrail.fingerprint(tracked.relation, tracked.history_name) <> tracked.fingerprint THEN
        IF to_regclass(format('%I.%I', tracked.schema_name, tracked.table_name))::oid IS DISTINCT FROM tracked.relation
           AND NOT EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation) THEN
            -- Restored from a dump: the table has got another oid, its columns other numbers.
            UPDATE audittrail.tracked_table t
               SET relation = to_regclass(format('%I.%I', tracked.schema_name, tracked.table_name))::oid, fingerprint = ''
             WHERE t.id = tracked_id;
        END IF;
        PERFORM audittrail.reconcile(tracked_id);
        SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    END IF;
    RETURN audittrail.capture_statement(tracked, event);
END
$$;

-- Called when the statement that follow() returned has been executed.
CREATE OR REPLACE FUNCTION audittrail.finish_follow(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    ignored text;
BEGIN
    IF current_setting('audittrail.reworked', true) = tracked_id::text THEN
        SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
        PERFORM audittrail.record_differences(tracked);
        ignored := set_config('audittrail.reworked', '', true);
    END IF;
END
$$;

-- Track a table, or bring its tracking in step. The baseline of a table of at most baseline_limit bytes is copied
-- at once, under the lock; that of a larger one row by row, as they change, and by backfill_batch().
-- Returns 'created', 'changed' or 'unchanged'. Locks the table against writers, if there is something to do.
CREATE OR REPLACE FUNCTION audittrail.track(live regclass, excluded text[] DEFAULT '{}', ignored_columns text[] DEFAULT '{}',
                                            wanted_history text DEFAULT NULL, baseline_limit bigint DEFAULT 33554432) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    class   pg_class;
    history text;
    filled  boolean;
    since   bigint;
    unknown text[];
    columns jsonb;
    definitions text;
BEGIN
    SELECT * INTO class FROM pg_class WHERE oid = live;
    IF class.relkind NOT IN ('r', 'p') OR class.relpersistence = 't' OR class.relispartition THEN
        RAISE EXCEPTION 'audittrail: % cannot be tracked: it is not an ordinary or partitioned table', live
            USING ERRCODE = 'wrong_object_type', HINT = 'A partition is tracked through its partitioned table; views and foreign tables have no rows of their own.';
    END IF;
    IF cardinality(audittrail.key_columns(live)) = 0 THEN
        RAISE EXCEPTION 'audittrail: % cannot be tracked: it has no primary key', live
            USING ERRCODE = 'invalid_table_definition', HINT = 'Add a primary key, or exclude the table.';
    END IF;
    SELECT array_agg(o.name) INTO unknown FROM unnest(excluded || ignored_columns) o (name)
     WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = live AND a.attname = o.name AND a.attnum > 0 AND NOT a.attisdropped);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'audittrail: % has no column %', live, array_to_string(unknown, ', ')
            USING ERRCODE = 'undefined_column', HINT = 'Name columns of the table in exclude and ignore.';
    END IF;
    IF excluded && audittrail.key_columns(live) THEN
        RAISE EXCEPTION 'audittrail: the primary key of % cannot be excluded', live
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Exclude other columns, or the whole table.';
    END IF;

    tracked := audittrail.find_tracked(live);
    IF tracked.id IS NOT NULL THEN
        history := coalesce(wanted_history, tracked.history_name);
        IF (SELECT state FROM audittrail.tracking_state(live, excluded, ignored_columns, history)) = 'unchanged' THEN
            RETURN 'unchanged';
        END IF;
        IF EXISTS (SELECT FROM audittrail.faulty_triggers(tracked) WHERE target = live) THEN
            -- Writes may have passed unrecorded: what is there now becomes a new version where it differs.
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', live);
            PERFORM audittrail.reconcile(tracked.id, excluded, ignored_columns, history);
            SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked.id;
            PERFORM audittrail.create_triggers(tracked);
            PERFORM audittrail.repair(tracked);
        ELSE
            PERFORM audittrail.reconcile(tracked.id, excluded, ignored_columns, history);
            SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked.id;
            PERFORM audittrail.create_triggers(tracked);
        END IF;
        RETURN 'changed';
    END IF;

    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', live);
    history := coalesce(wanted_history, left(class.relname, 46) || '_history');
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', live) INTO filled;
    -- A table of this name that was tracked before goes on in the same history, with a baseline of its own.
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE history_name = history AND until_version IS NOT NULL;
    IF tracked.id IS NULL THEN
        IF to_regclass(format('audittrail.%I', history)) IS NOT NULL THEN
            RAISE EXCEPTION 'audittrail: the history table audittrail.% already belongs to another table', history
                USING ERRCODE = 'duplicate_table', HINT = 'Track the table under another history name.';
        END IF;
        SELECT string_agg(format(', %I %s%s', c.stored, c.type, ' COLLATE ' || c.collation_name), '' ORDER BY c.attnum) FILTER (WHERE NOT c.excluded),
               jsonb_agg(jsonb_build_object('attnum', c.attnum, 'name', c.name, 'type', c.type, 'ignored', c.name = ANY (ignored_columns),
                                            'history', CASE WHEN NOT c.excluded THEN c.stored END) ORDER BY c.attnum)
          INTO definitions, columns
          FROM (SELECT *, audittrail.stored_name(name) AS stored, name = ANY (excluded) AS excluded FROM audittrail.live_columns(live)) c;
        EXECUTE format('CREATE TABLE audittrail.%I (version bigint NOT NULL, revision_id bigint NOT NULL, operation "char" NOT NULL%s)', history, definitions);
        EXECUTE format('COMMENT ON TABLE audittrail.%I IS %L', history, 'Versions of the rows of ' || live || ', kept by audittrail.');
        EXECUTE format('CREATE INDEX %I ON audittrail.%I USING brin (version) WITH (pages_per_range = 16, autosummarize = on)', left(history, 50) || '_version', history);
        INSERT INTO audittrail.tracked_table (relation, schema_name, table_name, history_name, columns, key, fingerprint, since_version, since_at, baseline_complete)
        VALUES (live, (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), class.relname, history, columns, audittrail.key_columns(live), '',
                nextval('audittrail.clock'), clock_timestamp(), true)
        RETURNING * INTO tracked;
        PERFORM audittrail.create_key_index(format('audittrail.%I', history)::regclass, tracked.key);
        PERFORM audittrail.create_guard(format('audittrail.%I', history)::regclass);
    END IF;
    since := CASE WHEN filled THEN audittrail.next_version() ELSE nextval('audittrail.clock') END;
    UPDATE audittrail.tracked_table t
       SET relation = live, until_version = NULL, until_at = NULL, baseline_position = NULL,
           fingerprint = CASE WHEN t.relation = live THEN t.fingerprint ELSE '' END,
           since_version = since,
           since_revision = CASE WHEN filled THEN current_setting('audittrail.revision')::bigint END,
           since_at = clock_timestamp(),
           baseline_complete = NOT filled OR pg_table_size(live) <= baseline_limit
     WHERE t.id = tracked.id;
    PERFORM audittrail.reconcile(tracked.id, excluded, ignored_columns);
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked.id;
    PERFORM audittrail.create_triggers(tracked);
    IF filled AND tracked.baseline_complete THEN
        EXECUTE audittrail.baseline_statement(tracked, live::text);
    END IF;
    RETURN 'created';
END
$$;

-- What track() would do to a table, with the reason: 'created', 'changed', 'unchanged', or 'skipped' if it can't.
CREATE OR REPLACE FUNCTION audittrail.tracking_state(live regclass, excluded text[], ignored_columns text[], wanted_history text,
                                                     OUT state text, OUT detail text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    class   pg_catalog.pg_class;
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO class FROM pg_catalog.pg_class WHERE oid = live;
    SELECT * INTO tracked FROM audittrail.tracked_table t WHERE t.relation = live AND t.until_version IS NULL;
    detail := CASE WHEN live IS NULL THEN 'the table does not exist'
                   WHEN class.relispartition THEN 'a partition is tracked through its partitioned table'
                   WHEN class.relkind NOT IN ('r', 'p') THEN 'not an ordinary or partitioned table'
                   WHEN tracked.id IS NULL AND cardinality(audittrail.key_columns(live)) = 0 THEN 'no primary key' END;
    state := 'skipped';
    IF detail IS NOT NULL THEN
        RETURN;
    END IF;
    state := 'created';
    detail := '';
    IF tracked.id IS NULL THEN
        RETURN;
    END IF;
    state := 'changed';
    detail := concat_ws(', ',
        CASE WHEN tracked.history_name <> wanted_history THEN 'history table renamed' END,
        CASE WHEN tracked.fingerprint <> audittrail.fingerprint(live, tracked.history_name)
                  OR tracked.schema_name <> (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace) OR tracked.table_name <> class.relname
             THEN 'columns, key, name, or columns of the history table' END,
        CASE WHEN EXISTS (SELECT FROM jsonb_to_recordset(tracked.columns) c (name text, history text, ignored boolean)
                           WHERE (c.history IS NULL) <> (c.name = ANY (excluded)) OR c.ignored <> (c.name = ANY (ignored_columns)))
             THEN 'excluded or ignored columns' END,
        CASE WHEN audittrail.has_stale_functions(tracked) THEN 'capture functions' END,
        (SELECT string_agg(DISTINCT f.fault || ' triggers', ', ') FROM audittrail.faulty_triggers(tracked) f));
    IF detail = '' THEN
        state := 'unchanged';
    END IF;
END
$$;

-- The registry row of a table that is tracked, or an empty one. After a restore from a dump the table has another oid:
-- then its own triggers tell whose it is.
CREATE OR REPLACE FUNCTION audittrail.find_tracked(live oid) RETURNS audittrail.tracked_table
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE relation = live AND until_version IS NULL;
    IF tracked.id IS NULL THEN
        SELECT t.* INTO tracked FROM audittrail.tracked_table t
          JOIN pg_trigger g ON g.tgrelid = live AND g.tgname = 'audittrail_insert'
           AND g.tgfoid = to_regproc(format('audittrail.%I', t.history_name || '_insert'))
         WHERE t.until_version IS NULL;
        IF tracked.id IS NOT NULL THEN
            tracked.relation := live;
            tracked.fingerprint := '';
            UPDATE audittrail.tracked_table SET relation = live, fingerprint = '' WHERE id = tracked.id;
        END IF;
    END IF;
    RETURN tracked;
END
$$;

-- Record what happened to a table while its triggers were missing or disabled: a new version of each row that differs
-- from its last one, a deletion of each that is gone, a baseline of each that is new. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.repair(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    repaired bigint := audittrail.record_differences(tracked);
    written  bigint;
    target   text := format('INSERT INTO audittrail.%I (version, revision_id, operation, %s) SELECT (SELECT audittrail.next_version()), '
                            '(SELECT current_setting(''audittrail.revision'')::bigint), ', tracked.history_name, audittrail.column_list(tracked));
BEGIN
    EXECUTE target || format('''D'', %s FROM (%s) l WHERE l.operation NOT IN (''D'', ''T'') AND NOT EXISTS (SELECT FROM %s b WHERE %s)',
        audittrail.column_list(tracked, 'l', false, true), audittrail.last_versions(tracked),
        tracked.relation::regclass, audittrail.same_key(tracked, 'b', false, 'l', true));
    GET DIAGNOSTICS written = ROW_COUNT;
    repaired := repaired + written;
    -- A row that was deleted and is there again has versions, but not as it is; one without a version is the baseline's,
    -- while that is incomplete.
    EXECUTE target || format('''B'', %s FROM %s b WHERE (%L OR EXISTS (SELECT FROM audittrail.%I h WHERE %s)) AND NOT EXISTS (SELECT FROM (%s) l WHERE l.operation NOT IN (''D'', ''T'') AND %s)',
        audittrail.column_list(tracked, 'b'), tracked.relation::regclass, tracked.baseline_complete,
        tracked.history_name, audittrail.same_key(tracked, 'h', true, 'b', false),
        audittrail.last_versions(tracked), audittrail.same_key(tracked, 'l', true, 'b', false));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN repaired + written;
END
$$;

-- A query for the last version of each row since tracking began.
CREATE OR REPLACE FUNCTION audittrail.last_versions(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT DISTINCT ON (%1$s) * FROM audittrail.%2$I WHERE version >= %3$s ORDER BY %1$s, version DESC',
        (SELECT string_agg(quote_ident(audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
           FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        tracked.history_name, tracked.since_version)
$$;

-- End the tracking of a table: its triggers and capture functions go, its history stays.
CREATE OR REPLACE FUNCTION audittrail.untrack(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    event   text;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id AND until_version IS NULL FOR UPDATE;
    FOREACH event IN ARRAY '{_insert,_update,_delete,_truncate}'::text[] LOOP
        -- CASCADE takes the triggers along, on the partitions too.
        EXECUTE format('DROP FUNCTION IF EXISTS audittrail.%I() CASCADE', tracked.history_name || event);
    END LOOP;
    UPDATE audittrail.tracked_table SET until_version = nextval('audittrail.clock'), until_at = clock_timestamp() WHERE id = tracked_id;
END
$$;

-- Copy the next batch of a baseline: rows after the last key copied, in key order. Returns how many rows it looked at;
-- 0 means that the baseline is complete. Writers are not waited for: call it with a short lock_timeout and try again.
CREATE OR REPLACE FUNCTION audittrail.backfill_batch(tracked_id int, batch_size int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    keys    text;
    types   text;
    looked  bigint;
    reached text[];
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id AND until_version IS NULL FOR UPDATE;
    IF tracked.baseline_complete THEN
        RETURN 0;
    END IF;
    IF audittrail.fingerprint(tracked.relation, tracked.history_name) <> tracked.fingerprint THEN
        PERFORM audittrail.reconcile(tracked_id);
        SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    END IF;
    SELECT string_agg(format('t.%I', k.name), ', ' ORDER BY k.position),
           string_agg(format('($1[%s])::%s', k.position, c.type), ', ' ORDER BY k.position)
      INTO keys, types
      FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
      JOIN jsonb_to_recordset(tracked.columns) c (name text, type text) ON c.name = k.name;
    EXECUTE format('CREATE TEMPORARY TABLE audittrail_batch ON COMMIT DROP AS SELECT t.* FROM %s t %s ORDER BY %s LIMIT %s',
                   tracked.relation::regclass,
                   CASE WHEN tracked.baseline_position IS NOT NULL THEN format('WHERE (%s) > (%s)', keys,
                       (SELECT string_agg(format('%L::%s', tracked.baseline_position[k.position], c.type), ', ' ORDER BY k.position)
                          FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
                          JOIN jsonb_to_recordset(tracked.columns) c (name text, type text) ON c.name = k.name)) ELSE '' END,
                   keys, batch_size);
    EXECUTE format('SELECT count(*), (SELECT ARRAY[%s] FROM pg_temp.audittrail_batch t ORDER BY %s LIMIT 1) FROM pg_temp.audittrail_batch',
                   (SELECT string_agg(format('t.%I::text', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
                   (SELECT string_agg(format('t.%I DESC', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)))
       INTO looked, reached;
    IF looked = 0 THEN
        UPDATE audittrail.tracked_table SET baseline_complete = true, baseline_position = NULL WHERE id = tracked_id RETURNING * INTO tracked;
        PERFORM audittrail.create_functions(tracked);
    ELSE
        EXECUTE audittrail.baseline_statement(tracked, 'pg_temp.audittrail_batch');
        UPDATE audittrail.tracked_table SET baseline_position = reached WHERE id = tracked_id;
    END IF;
    RETURN looked;
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
    RETURN QUERY EXECUTE format(
        'SELECT d.kind, count(*), min(d.key) FROM ('
        ' SELECT CASE WHEN l.version IS NULL THEN ''missing'' WHEN b.%1$I IS NULL THEN ''extra'' ELSE ''different'' END AS kind,'
        '        CASE WHEN b.%1$I IS NULL THEN ROW(%2$s)::text ELSE ROW(%3$s)::text END AS key'
        '   FROM (SELECT * FROM (%4$s) v WHERE v.operation NOT IN (''D'', ''T'')) l'
        '   FULL JOIN %5$s b ON %6$s'
        '  WHERE CASE WHEN l.version IS NULL THEN %7$L::boolean OR EXISTS (SELECT FROM audittrail.%8$I h WHERE %9$s AND h.version >= %10$s)'
        '        ELSE ROW(%11$s)::record *<> ROW(%12$s)::record END'
        ') d GROUP BY d.kind ORDER BY d.kind',
        tracked.key[1],
        (SELECT string_agg(format('l.%I', audittrail.stored_name(k.name)), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        (SELECT string_agg(format('b.%I', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        audittrail.last_versions(tracked), tracked.relation::regclass, audittrail.same_key(tracked, 'l', true, 'b', false),
        tracked.baseline_complete, tracked.history_name, audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version,
        audittrail.column_list(tracked, 'b', true), audittrail.column_list(tracked, 'l', true, true));
END
$$;

-- Begin, keep up and end the tracking of a table.
--
-- track() is all that a DBA needs:  SELECT audittrail.track('public.orders');
-- It is safe to call again at any time, and brings a tracked table in step with its columns.

-- The registry row of a table that is tracked, or an empty one. After a restore from a dump tables have other oids, maybe one that
-- another table had before. So the triggers on the table are asked first: their functions say to which row it belongs.
CREATE OR REPLACE FUNCTION audittrail.find_tracked(live oid) RETURNS audittrail.tracked_table
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT t.* INTO tracked
      FROM pg_trigger g
      JOIN pg_proc p ON p.oid = g.tgfoid AND p.pronamespace = 'audittrail'::regnamespace
      JOIN audittrail.tracked_table t ON t.history_name || '_insert' = p.proname AND t.until_version IS NULL
     WHERE g.tgrelid = live AND g.tgname = 'audittrail_insert' AND g.tgparentid = 0 AND audittrail.tied_relation(t) = live;
    IF tracked.id IS NULL THEN
        SELECT t.* INTO tracked
          FROM audittrail.tracked_table t
         WHERE t.relation = live AND t.until_version IS NULL
           AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgname = 'audittrail_insert' AND g.tgparentid = 0
                              AND g.tgfoid = to_regproc(format('audittrail.%I', t.history_name || '_insert')));
    END IF;
    RETURN tracked;
END
$$;

-- Why a table can't be tracked because of the tables that it inherits from, or that inherit from it, as with INHERITS: a row is
-- recorded in one history. NULL if nothing stands in the way; takes the registry row of the table, or an empty one.
CREATE OR REPLACE FUNCTION audittrail.inheritance_obstacle(live oid, tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN d.above THEN format('it inherits from %s, which is tracked: its rows are recorded there', t.relation::regclass)
                ELSE format('%s inherits from it and is tracked by itself', t.relation::regclass) END
      FROM audittrail.tracked_table t
     CROSS JOIN LATERAL (SELECT live IN (SELECT audittrail.descendants(t.relation)) AS above,
                                t.relation IN (SELECT audittrail.descendants(live)) AS below) d
     WHERE t.until_version IS NULL AND t.id IS DISTINCT FROM tracked.id AND t.relation <> live AND (d.above OR d.below)
       AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = live OR inhparent = live)
     ORDER BY t.id LIMIT 1
$$;

-- Write the baseline of a table of at most baseline_limit bytes (NULL: of any size) at once; a larger one is left to backfill_batch(), and
-- one that this transaction may not see all of.
CREATE OR REPLACE FUNCTION audittrail.copy_baseline(tracked audittrail.tracked_table, baseline_limit bigint DEFAULT pg_catalog.pg_size_bytes('32MB')) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT tracked.baseline_complete AND tracked.key <> '{}'
       AND (pg_table_size(tracked.relation)
            + (SELECT coalesce(sum(pg_table_size(d)), 0) FROM audittrail.descendants(tracked.relation) d) > baseline_limit) IS NOT TRUE
       AND audittrail.sees_all() THEN
        PERFORM audittrail.write_baseline(tracked, tracked.relation::regclass::text);
        PERFORM audittrail.complete_baseline(tracked.id);
    END IF;
END
$$;

-- Note that every row has a version: its capture functions need not look for rows without one any more.
CREATE OR REPLACE FUNCTION audittrail.complete_baseline(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    UPDATE audittrail.tracked_table SET baseline_complete = true, baseline_position = NULL WHERE id = tracked_id RETURNING * INTO tracked;
    PERFORM audittrail.create_functions(tracked);
END
$$;

-- Track a table, or bring its tracking in step. The baseline of a table of at most baseline_limit bytes is copied
-- at once, under the lock; that of a larger one row by row, as they change, and by backfill_batch().
-- Returns 'created', 'changed' or 'unchanged'. Locks the table against writers, if there is something to do.
CREATE OR REPLACE FUNCTION audittrail.track(live regclass, excluded_columns text[] DEFAULT '{}', ignored_columns text[] DEFAULT '{}',
                                            wanted_history text DEFAULT NULL, baseline_limit bigint DEFAULT pg_catalog.pg_size_bytes('32MB')) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    class   pg_class;
    history text;
    passed  boolean := false;
    unknown text[];
BEGIN
    SELECT * INTO class FROM pg_class WHERE oid = live;
    IF class.relkind NOT IN ('r', 'p') OR class.relpersistence = 't' OR class.relispartition THEN
        RAISE EXCEPTION 'audittrail: % cannot be tracked: it is not an ordinary or partitioned table', live
            USING ERRCODE = 'wrong_object_type', HINT = 'A partition is tracked through its partitioned table; views and foreign tables have no rows of their own.';
    END IF;
    tracked := audittrail.find_tracked(live);
    IF tracked.id IS NULL AND cardinality(audittrail.key_columns(live)) = 0 THEN
        RAISE EXCEPTION 'audittrail: % cannot be tracked: it has no primary key', live
            USING ERRCODE = 'invalid_table_definition', HINT = 'Add a primary key, or exclude the table.';
    END IF;
    IF audittrail.inheritance_obstacle(live, tracked) IS NOT NULL THEN
        RAISE EXCEPTION 'audittrail: % cannot be tracked: %', live, audittrail.inheritance_obstacle(live, tracked)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Track one of the two: the one that inherits is recorded with the other.';
    END IF;
    IF excluded_columns && audittrail.key_columns(live) THEN
        RAISE EXCEPTION 'audittrail: the primary key of % cannot be excluded', live
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Exclude other columns, or the whole table.';
    END IF;
    IF octet_length(wanted_history) > audittrail.history_name_bytes() THEN
        RAISE EXCEPTION 'audittrail: % is too long for the name of a history table', quote_ident(wanted_history)
            USING ERRCODE = 'name_too_long', HINT = format('Give a name of at most %s bytes, or none.', audittrail.history_name_bytes());
    END IF;
    wanted_history := coalesce(wanted_history, tracked.history_name, audittrail.history_name(class.relname));
    history := audittrail.history_name_of(live, tracked, wanted_history);
    IF tracked.id IS NOT NULL AND (audittrail.tracking_state(live, excluded_columns, ignored_columns, history)).state = 'unchanged' THEN
        RETURN 'unchanged';
    END IF;
    SELECT array_agg(o.name) INTO unknown FROM unnest(excluded_columns || ignored_columns) o (name)
     WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = live AND a.attname = o.name AND a.attnum > 0 AND NOT a.attisdropped);
    IF unknown IS NOT NULL THEN
        -- Not an error: a migration may be about to add it, and then it has to be known beforehand.
        RAISE WARNING 'audittrail: % has no column % yet', live, array_to_string(unknown, ', ')
            USING HINT = 'If no migration is about to add it, correct the names in exclude and ignore.';
    END IF;

    -- No statement on its way may meet a history table that its capture function knows otherwise.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', live);
    PERFORM audittrail.require_present(live);
    IF history <> wanted_history THEN
        PERFORM audittrail.tell_apart(live, wanted_history);
    END IF;
    IF tracked.id IS NULL THEN
        tracked.id := audittrail.register(live, excluded_columns, history);
    ELSE
        passed := EXISTS (SELECT FROM audittrail.faulty_triggers(tracked));
        UPDATE audittrail.tracked_table t
           SET relation = live, fingerprint = CASE WHEN t.relation = live THEN t.fingerprint ELSE '' END
         WHERE t.id = tracked.id;
    END IF;
    PERFORM audittrail.reconcile(tracked.id, excluded_columns, ignored_columns, history);
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked.id;
    PERFORM audittrail.create_triggers(tracked);
    IF passed THEN
        -- Writes may have passed unrecorded: what is there now becomes a new version where it differs.
        PERFORM audittrail.repair(tracked.id);
    END IF;
    PERFORM audittrail.copy_baseline(tracked, baseline_limit);
    RETURN CASE WHEN tracked.since_at >= transaction_timestamp() THEN 'created' ELSE 'changed' END;
END
$$;

-- Enter a table into the registry, with a history table of that name. A table that was tracked under that name before
-- goes on in the same history, with a baseline of its own. Returns its number.
CREATE OR REPLACE FUNCTION audittrail.register(live regclass, excluded_columns text[], history text) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    filled  boolean;
    since   bigint;
BEGIN
    PERFORM audittrail.require_all_rows(live);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', live) INTO filled;
    since := CASE WHEN filled THEN audittrail.next_version() ELSE nextval('audittrail.clock') END;
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE history_name = history FOR UPDATE;
    IF tracked.until_version IS NULL AND tracked.id IS NOT NULL THEN
        IF EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation) THEN
            PERFORM audittrail.make_room(history);  -- it belongs to a table that has another name by now
            tracked := NULL;
        ELSE
            PERFORM audittrail.untrack(tracked.id);
        END IF;
    END IF;
    IF tracked.schema_name <> (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = live) THEN
        PERFORM audittrail.make_room(history);  -- it belonged to a table of another schema, which is another table
        tracked := NULL;
    END IF;
    IF tracked.id IS NULL THEN
        IF to_regclass(format('audittrail.%I', history)) IS NOT NULL THEN
            RAISE EXCEPTION 'audittrail: audittrail.% exists and is not a history table that audittrail knows', quote_ident(history)
                USING ERRCODE = 'duplicate_table', HINT = 'Rename or drop it, or track the table under another history name.';
        END IF;
        INSERT INTO audittrail.tracked_table (relation, schema_name, table_name, history_name, columns, key, fingerprint, since_version, since_at, baseline_complete)
        SELECT live, n.nspname, c.relname, history, audittrail.create_history(history, live, excluded_columns), audittrail.key_columns(live), '', since, clock_timestamp(), false
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = live
        RETURNING * INTO tracked;
    END IF;
    UPDATE audittrail.tracked_table t
       SET relation = live, until_version = NULL, until_at = NULL, baseline_position = NULL,
           fingerprint = CASE WHEN t.relation = live THEN t.fingerprint ELSE '' END,
           since_version = since, since_at = clock_timestamp(), baseline_complete = NOT filled,
           since_revision = CASE WHEN filled THEN current_setting('audittrail.revision')::bigint END
     WHERE t.id = tracked.id;
    RETURN tracked.id;
END
$$;

-- What track() would do to a table, with the reason: 'created', 'changed', 'unchanged', or 'skipped' if it can't.
CREATE OR REPLACE FUNCTION audittrail.tracking_state(live regclass, excluded_columns text[], ignored_columns text[], wanted_history text,
                                                     OUT state text, OUT detail text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    class   pg_catalog.pg_class;
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO class FROM pg_catalog.pg_class WHERE oid = live;
    tracked := audittrail.find_tracked(live);
    detail := CASE WHEN live IS NULL THEN 'the table does not exist'
                   WHEN class.relispartition THEN 'a partition is tracked through its partitioned table'
                   WHEN class.relkind NOT IN ('r', 'p') THEN 'not an ordinary or partitioned table'
                   WHEN tracked.id IS NULL AND cardinality(audittrail.key_columns(live)) = 0 THEN 'no primary key'
                   ELSE audittrail.inheritance_obstacle(live, tracked) END;
    state := 'skipped';
    IF detail IS NOT NULL THEN
        RETURN;
    END IF;
    state := CASE WHEN tracked.id IS NULL THEN 'created' ELSE 'changed' END;
    detail := '';
    IF state = 'changed' THEN
        detail := concat_ws(', ',
            CASE WHEN tracked.history_name <> audittrail.history_name_of(live, tracked, wanted_history) THEN 'history table renamed' END,
            CASE WHEN tracked.relation <> live OR tracked.fingerprint <> audittrail.fingerprint(live, tracked.history_name)
                      OR tracked.schema_name <> (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace) OR tracked.table_name <> class.relname
                 THEN 'columns, key, name, or columns of the history table' END,
            CASE WHEN NOT (tracked.excluded @> excluded_columns AND tracked.excluded <@ excluded_columns
                           AND tracked.ignored @> ignored_columns AND tracked.ignored <@ ignored_columns)
                 THEN 'excluded or ignored columns' END,
            CASE WHEN audittrail.has_stale_functions(tracked) THEN 'capture functions' END,
            CASE WHEN audittrail.has_other_security(tracked) THEN 'row-level security' END,
            (SELECT string_agg(DISTINCT f.fault || ' triggers', ', ') FROM audittrail.faulty_triggers(tracked) f));
    END IF;
    IF state = 'changed' AND detail = '' THEN
        state := 'unchanged';
    ELSIF NOT pg_has_role(class.relowner, 'USAGE') THEN
        state := 'skipped';
        detail := format('only a member of its owner, role %s, may create triggers on it, and %s is not', class.relowner::regrole, current_user);
    END IF;
END
$$;

-- End the tracking of a table: its triggers and capture functions go, its history stays. If it has rows without a version they get one
-- first, however many there are: nobody would know later what they held.
CREATE OR REPLACE FUNCTION audittrail.untrack(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    name    text;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id AND until_version IS NULL FOR UPDATE;
    tracked := audittrail.tie(tracked_id);
    IF NOT tracked.baseline_complete AND EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation) THEN
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tracked.relation::regclass);
        PERFORM audittrail.require_present(tracked.relation);
        PERFORM audittrail.reconcile(tracked_id);
        SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
        PERFORM audittrail.copy_baseline(tracked, NULL);
    END IF;
    FOREACH name IN ARRAY audittrail.capture_functions() LOOP
        -- CASCADE takes the triggers along, on the partitions too.
        EXECUTE format('DROP FUNCTION IF EXISTS audittrail.%I CASCADE', tracked.history_name || '_' || name);
    END LOOP;
    UPDATE audittrail.tracked_table SET until_version = nextval('audittrail.clock'), until_at = clock_timestamp() WHERE id = tracked_id;
END
$$;


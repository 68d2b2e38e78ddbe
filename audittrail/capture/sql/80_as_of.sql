-- Reading the past. A version belongs to the state as of tick c if it was captured by then, its revision was committed by
-- then, and no later version of its row was.

-- The revisions that had begun before a tick and were not committed by it: their versions are not part of that state.
-- Most revisions are over within a few ticks; the others are listed. Planned once a session, and never as the sequential scan
-- that a small table gets: planning takes longer than looking.
CREATE OR REPLACE FUNCTION audittrail.open_at(tick bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 4 SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
    SELECT r.id FROM audittrail.revision r WHERE r.id >= tick - audittrail.short_revision() AND r.id < tick AND (r.committed IS NULL OR r.committed > tick)
    UNION ALL
    SELECT l.id FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> tick AND l.id < tick - audittrail.short_revision()
    UNION ALL
    SELECT r.id FROM audittrail.revision r
     WHERE r.committed IS NULL AND r.id < tick - audittrail.short_revision()
       AND r.id = CASE WHEN current_setting('audittrail.revision', true) ~ '^[0-9]{1,18}$'
                       THEN current_setting('audittrail.revision', true)::bigint END;
END
$$;

-- Stands for a column that is never stored, so that its use is an error and not an empty value.
CREATE OR REPLACE FUNCTION audittrail.excluded_column(column_name text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RAISE EXCEPTION 'audittrail: % is excluded from history, so nothing is known of its past', column_name
        USING ERRCODE = 'undefined_column', HINT = 'Leave the column out of the query.';
END
$$;

-- The condition that the revision of a version was not open at the moment, which almost all pass. It is written with IS NOT NULL, since
-- of that PostgreSQL expects that almost all rows pass. Of revision_id <> ALL (...) it expects few to pass if there are few revisions,
-- and then joins in the wrong order.
CREATE OR REPLACE FUNCTION audittrail.was_committed(alias text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('CASE WHEN %s.revision_id = ANY (ARRAY(SELECT id FROM audittrail_open)) THEN NULL ELSE true END IS NOT NULL', alias)
$$;

-- True if the rows of a tracked table that have no version are what they were when its tracking began; asked once by a query that reads
-- them. Otherwise it fails: for an old snapshot, which does not show them if others have stored the table anew since; and where a column has
-- got another type, and maybe other values with it, the table has been stored anew, and history has not followed that yet.
CREATE OR REPLACE FUNCTION audittrail.shows_untold(tracked_id int) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    live    oid;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table t WHERE t.id = tracked_id;
    live := audittrail.tied_relation(tracked);
    PERFORM audittrail.require_all_rows(live);
    IF EXISTS (
        SELECT FROM audittrail.live_columns(live) l JOIN jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text, composite jsonb)
                        ON CASE WHEN live = tracked.relation THEN c.attnum = l.attnum ELSE c.name = l.name END
         WHERE c.history IS NOT NULL AND (c.type <> l.type OR CASE WHEN live = tracked.relation THEN c.composite -> 'oid' <> l.composite -> 'oid'
                                                                          ELSE c.composite -> 'type' <> l.composite -> 'type' END))
       AND audittrail.has_new_files(tracked, live) THEN
        RAISE EXCEPTION 'audittrail: a column of % has got another type, and rows without a version may have got other values with it', live::regclass
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run manage.py audittrail sync.';
    END IF;
    RETURN true;
END
$$;

-- The templates of the queries for the rows of a tracked table, under their present names. They name audittrail_open, a query for
-- open_at({tick}).
--   as_of     as of {tick}; {later} is the condition "later", where that is needed: the table is not closed through that tick
--   later     that a version h is not followed by a later one of its row by {tick}, beyond what "superseded" says (see
--             85_closing.sql). Only the tail is looked at: the versions that may be missing there, from {tail} on. As a join of
--             the tail it is quick for all rows of a table; as later_subplan it is quick for few, and adds nothing to the joins
--             of a statement, which PostgreSQL orders badly if there are too many
--   last      as they were at {tick}, and those that were gone as they last were
--   deleted   those that were gone by {tick}, as they last were, with the version and the revision that deleted them
--   changed   those that {revision} changed, as it left them or as they last were, with what it did to them on the whole: a row
--             that it inserted and then updated was inserted
-- While the baseline is incomplete, a row without a version is as it was when tracking began, and as it is now.
CREATE OR REPLACE FUNCTION audittrail.past_template(kind text, baseline_complete boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last     CONSTANT text := 'FROM {history} h WHERE h.version <= {tick} AND h.version >= {since_version}'
                              ' AND (h.superseded IS NULL OR h.superseded > {tick}) AND ' || audittrail.was_committed('h');
    later    CONSTANT text := ' AND NOT EXISTS (SELECT FROM {history} l WHERE {l.stored_key = h.stored_key} AND l.version > h.version'
                              ' AND l.version >= {tail} AND l.version <= {tick} AND ' || audittrail.was_committed('l');
    untold   CONSTANT text := CASE WHEN baseline_complete THEN '' ELSE
                              ' UNION ALL SELECT {present} FROM {live} b WHERE audittrail.shows_untold({id}) AND NOT EXISTS (SELECT FROM {history} h'
                              ' WHERE {h.stored_key = b.key} AND h.version >= {since_version})' END;
BEGIN
    RETURN CASE kind
        WHEN 'as_of' THEN concat('SELECT {past} ', last, ' AND h.operation <> ''D'' AND h.operation <> ''T''{later}', untold)
        WHEN 'later' THEN later || ')'
        WHEN 'later_subplan' THEN later || ' OFFSET 0)'
        WHEN 'last' THEN concat('SELECT {past} ', last, later, ')', untold)
        WHEN 'deleted' THEN concat('SELECT {past}, h.operation::text AS audittrail_operation, h.revision_id AS audittrail_revision,'
                                   ' h.version AS audittrail_version ', last, later, ') AND h.operation IN (''D'', ''T'')')
        WHEN 'changed' THEN
            'SELECT {past}, CASE WHEN h.operation IN (''D'', ''T'') THEN h.operation::text WHEN h.audittrail_first = ''I'' THEN ''I'' ELSE ''U'' END'
            ' AS audittrail_operation FROM (SELECT DISTINCT ON ({v.stored_key}) v.*,'
            ' first_value(v.operation) OVER (PARTITION BY {v.stored_key} ORDER BY v.version) AS audittrail_first FROM {history} v'
            ' WHERE v.version >= {revision} AND v.version <= {tick} AND v.revision_id = {revision} AND v.operation <> ''B'''
            ' ORDER BY {v.stored_key}, v.version DESC) h'
    END;
END
$$;

-- The virtual generated columns of a tracked table (PostgreSQL 18), which are never stored: what generates them, and whether
-- history holds all that they are generated from.
CREATE OR REPLACE FUNCTION audittrail.virtual_columns(tracked audittrail.tracked_table)
RETURNS TABLE (attnum int, name text, type text, expression text, known boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attnum::int, a.attname::text, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid),
           NOT EXISTS (SELECT FROM pg_depend p JOIN jsonb_to_recordset(tracked.columns) c (attnum int, history text) ON c.attnum = p.refobjsubid
                        WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
                          AND p.refobjid = a.attrelid AND c.history IS NULL)
      FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = tracked.relation AND a.attgenerated = 'v' AND NOT a.attisdropped
$$;

-- The stored columns of a tracked table under their present names, as a version h has them: what is stored as text has its own type
-- again, unless that is gone, and the attributes that the type has by now, if the table has not been written to since they changed.
CREATE OR REPLACE FUNCTION audittrail.past_columns(tracked audittrail.tracked_table) RETURNS TABLE (attnum int, name text, type text, known boolean, past text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.attnum, c.name, coalesce(o.type, c.type), c.history IS NOT NULL,
           CASE WHEN c.history IS NOT NULL
                THEN concat(format(CASE WHEN o.conversion IS NULL THEN 'h.%I' ELSE 'audittrail.converted(h.%I, %L)' END, c.history, o.conversion),
                            '::' || o.type, format(' AS %I', c.name)) END
      FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text, composite jsonb)
      LEFT JOIN LATERAL (
        SELECT coalesce(l.composite ->> 'type', CASE WHEN to_regtype(c.composite ->> 'type') IS NOT NULL THEN c.composite ->> 'type' END),
               audittrail.conversion(c.composite -> 'layout', l.composite -> 'layout', t.relation <> tracked.relation)
          FROM audittrail.tied(tracked) t
          LEFT JOIN audittrail.live_columns(t.relation) l
                 ON CASE WHEN t.relation <> tracked.relation THEN l.name = c.name ELSE l.attnum = c.attnum END) o (type, conversion)
             ON c.composite IS NOT NULL
$$;

-- What those templates are filled with, but for the moment: parts_of(), and the columns of the table under their present names, as a
-- version h and as a live row b has them.
CREATE OR REPLACE FUNCTION audittrail.past_parts(tracked audittrail.tracked_table) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- What a virtual column is generated from: the past row, whose columns have their present names there.
    past_row text := (SELECT string_agg(c.past, ', ' ORDER BY c.attnum) FROM audittrail.past_columns(tracked) c);
BEGIN
    RETURN audittrail.parts_of(audittrail.tied(tracked)) || (
        SELECT jsonb_build_object(
                   'past', array_agg(coalesce(e.excluded, c.past) ORDER BY c.attnum),
                   'present', array_agg(coalesce(e.excluded, format('b.%1$I AS %1$I', c.name)) ORDER BY c.attnum))
          FROM (SELECT * FROM audittrail.past_columns(tracked)
                UNION ALL
                SELECT v.attnum, v.name, v.type, v.known, format('(SELECT %s FROM (SELECT %s) past_row) AS %I', v.expression, past_row, v.name)
                  FROM audittrail.virtual_columns(tracked) v) c (attnum, name, type, known, past)
         CROSS JOIN LATERAL (
            SELECT CASE WHEN NOT c.known THEN format('audittrail.excluded_column(%L)::%s AS %I', tracked.table_name || '.' || c.name, c.type, c.name) END) e (excluded));
END
$$;

-- One of those queries in pieces, for a client that keeps it and knows the moment: text, the name of what belongs there, text, ...
CREATE OR REPLACE FUNCTION audittrail.past_query(tracked audittrail.tracked_table, kind text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_around(audittrail.past_template(kind, tracked.baseline_complete), audittrail.past_parts(tracked), '{tick,tail,later,revision}');
END
$$;

-- For psql: the rows of a table as of a time.  SELECT * FROM audittrail.as_of(NULL::shop_order, '2026-01-31 12:00+00');
-- Volatile, because only then it sees what it has waited for.
CREATE OR REPLACE FUNCTION audittrail.as_of(of_table anyelement, at timestamptz) RETURNS SETOF anyelement
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked  audittrail.tracked_table;
    tick     bigint;
    since    bigint;
    wanted   oid := (SELECT typrelid FROM pg_type WHERE oid = pg_typeof(of_table));
    columns  text;
    parts    jsonb;
BEGIN
    tracked := audittrail.find_tracked(wanted);
    IF tracked.id IS NULL THEN
        -- Not tracked any more. If no table has its name, by its oid, in the database where it had that: after a restore another may have it.
        SELECT t.* INTO tracked FROM audittrail.tracked_table t
         WHERE t.until_version IS NOT NULL
           AND coalesce(audittrail.named_relation(t), CASE WHEN t.database = audittrail.this_database() THEN t.relation END) = wanted
         ORDER BY t.relation <> wanted, t.id DESC LIMIT 1;
    END IF;
    IF tracked.id IS NULL THEN
        RAISE EXCEPTION 'audittrail: % is not tracked', pg_typeof(of_table)
            USING ERRCODE = 'undefined_table', HINT = 'SELECT table_name, since_at FROM audittrail.tracked_table shows what is.';
    END IF;
    IF row_security_active(wanted) OR row_security_active(audittrail.tied_relation(tracked)) OR row_security_active(audittrail.named_relation(tracked)) THEN
        PERFORM audittrail.may_read(tracked.id);
        IF NOT tracked.baseline_complete THEN
            PERFORM audittrail.require_all_rows(audittrail.tied_relation(tracked));  -- rows without a version are read as they are now
        END IF;
    END IF;
    IF NOT audittrail.is_closed(at, tracked.closed_through) THEN
        PERFORM audittrail.wait_for_commits(at => at);
        IF current_setting('transaction_isolation') NOT LIKE 'read%' AND audittrail.snapshot_lacks() THEN
            RAISE EXCEPTION 'audittrail: the snapshot of this transaction may lack what was committed by %', at
                USING ERRCODE = 'object_in_use', HINT = 'Ask in a new transaction, or at READ COMMITTED.';
        END IF;
    END IF;
    PERFORM audittrail.require_file(to_regclass(format('audittrail.%I', tracked.history_name)));
    tick := audittrail.newest_tick();
    -- Where the server's clock was set back, times before the last commit have come twice: what was committed last counts.
    IF NOT EXISTS (SELECT FROM audittrail.revision r WHERE r.committed = tick AND r.committed_at <= at
                      AND r.id = ANY (ARRAY(SELECT audittrail.open_at(tick - 1)) || (tick - 1))) THEN
        SELECT committed INTO tick FROM audittrail.revision WHERE committed_at <= at ORDER BY committed_at DESC, committed DESC LIMIT 1;
    END IF;
    SELECT coalesce((SELECT committed FROM audittrail.revision WHERE id = tracked.since_revision), tracked.since_version) INTO since;
    IF tracked.kept_from > greatest(coalesce(tick, 0), since) THEN
        RAISE EXCEPTION 'audittrail: the history of % is kept only since %; what was before was pruned on %', pg_typeof(of_table), tracked.kept_since, tracked.pruned_at
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a later time.';
    ELSIF tick IS NULL OR tick < since THEN
        RAISE EXCEPTION 'audittrail: % is tracked only since %', pg_typeof(of_table), tracked.since_at
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a later time.';
    ELSIF tick > tracked.until_version OR at > tracked.until_at THEN
        RAISE EXCEPTION 'audittrail: % is not tracked any more since %', pg_typeof(of_table), tracked.until_at
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for an earlier time.';
    END IF;
    -- The function gives whole rows, so what a row can't hold must be empty here. A domain is stored as its base type.
    SELECT string_agg(format(CASE WHEN c.history IS NULL AND v.known IS NOT TRUE THEN 'NULL::%2$s' ELSE 'q.%1$I::%2$s' END,
                             a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
      INTO columns
      FROM pg_attribute a LEFT JOIN jsonb_to_recordset(tracked.columns) c (name text, history text) ON c.name = a.attname
      LEFT JOIN audittrail.virtual_columns(tracked) v ON v.attnum = a.attnum
     WHERE a.attrelid = wanted AND a.attnum > 0 AND NOT a.attisdropped;
    PERFORM audittrail.refuse_foreign_code(0, a.atttypid, format('give a row of %s the value of its column %I', pg_typeof(of_table), a.attname))
       FROM pg_attribute a WHERE a.attrelid = wanted AND a.attnum > 0 AND NOT a.attisdropped;
    parts := audittrail.past_parts(tracked) || jsonb_build_object('columns', columns, 'tick', tick, 'tail', tracked.tail_from);
    parts := parts || jsonb_build_object('later', audittrail.compose(audittrail.past_template('later', true), parts));
    RETURN QUERY EXECUTE audittrail.compose(concat(
        'WITH audittrail_open AS MATERIALIZED (SELECT open_at AS id FROM audittrail.open_at({tick})) SELECT {columns} FROM (',
        audittrail.past_template('as_of', tracked.baseline_complete), ') q'), parts);
END
$$;

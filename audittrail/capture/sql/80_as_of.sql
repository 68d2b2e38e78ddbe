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
    SELECT r.id FROM audittrail.revision r WHERE r.id >= tick - 64 AND r.id < tick AND (r.committed IS NULL OR r.committed > tick)
    UNION ALL
    SELECT l.id FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> tick AND l.id < tick - 64
    UNION ALL
    SELECT r.id FROM audittrail.revision r
     WHERE r.committed IS NULL AND r.id < tick - 64
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

-- The columns of a tracked table under their present names: from "alias", which has them as stored or as they are.
CREATE OR REPLACE FUNCTION audittrail.past_columns(tracked audittrail.tracked_table, alias text, stored boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(
               CASE WHEN c.history IS NULL
                    THEN format('audittrail.excluded_column(%L)::%s AS %I', tracked.table_name || '.' || c.name, c.type, c.name)
                    ELSE format('%s.%I AS %I', alias, CASE WHEN stored THEN c.history ELSE c.name END, c.name) END,
               ', ' ORDER BY c.attnum)
      FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text)
$$;

-- The condition that the revision of a version was not open at the moment. Almost none was, which PostgreSQL expects of
-- IS NOT NULL; of revision_id <> ALL (...) it expects the contrary if there are few revisions, and then joins in the wrong order.
CREATE OR REPLACE FUNCTION audittrail.was_committed(alias text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('CASE WHEN %s.revision_id = ANY (ARRAY(SELECT id FROM audittrail_open)) THEN NULL ELSE true END IS NOT NULL', alias)
$$;

-- The condition that a version h is not followed by a later one of its row by the tick that stands for "{tick}", beyond what
-- "superseded" says (see 85_closing.sql). Only the tail is looked at: the versions that may be missing there, from "{tail}" on.
-- As a join of the tail it is quick for all rows of a table; as a subplan it is quick for few, and adds nothing to the joins
-- of a statement, which PostgreSQL orders badly if there are too many.
CREATE OR REPLACE FUNCTION audittrail.not_followed(tracked audittrail.tracked_table, as_subplan boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        ' AND NOT EXISTS (SELECT FROM audittrail.%I l WHERE %s AND l.version > h.version AND l.version >= {tail} AND l.version <= {tick} AND %s%s)',
        tracked.history_name, audittrail.same_key(tracked, 'l', true, 'h', true), audittrail.was_committed('l'),
        CASE WHEN as_subplan THEN ' OFFSET 0' ELSE '' END)
$$;

-- "FROM audittrail.history h WHERE ...": the versions of a tracked table that were the last of their rows at the tick that
-- stands for "{tick}", but for those for which not_followed() has to be asked as well: it has, if the table is not closed
-- through that tick. It names audittrail_open, a query for open_at({tick}).
CREATE OR REPLACE FUNCTION audittrail.last_of_rows(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'FROM audittrail.%I h WHERE h.version <= {tick} AND h.version >= %s AND (h.superseded IS NULL OR h.superseded > {tick}) AND %s',
        tracked.history_name, tracked.since_version, audittrail.was_committed('h'))
$$;

-- The query for the rows of a tracked table, under their present names, as of the tick that stands for "{tick}"; "{later}" stands
-- for not_followed(), where that is needed. While the baseline is incomplete, a row without a version is as it was when
-- tracking began, and as it is now.
CREATE OR REPLACE FUNCTION audittrail.as_of_query(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT %s %s AND h.operation <> ''D'' AND h.operation <> ''T''{later}',
                  audittrail.past_columns(tracked, 'h', true), audittrail.last_of_rows(tracked))
        || CASE WHEN tracked.baseline_complete THEN '' ELSE format(
        ' UNION ALL SELECT %1$s FROM %2$s b WHERE NOT EXISTS (SELECT FROM audittrail.%3$I h WHERE %4$s AND h.version >= %5$s)',
        audittrail.past_columns(tracked, 'b', false), tracked.relation::regclass, tracked.history_name,
        audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version) END
$$;

-- Wait until nothing can appear any more that was committed by a time. What is closed is known to be settled; a stamp may be
-- some milliseconds older than its commit (see stamp_at_commit()).
CREATE OR REPLACE FUNCTION audittrail.settle(at timestamptz, closed_through bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    IF (SELECT committed FROM audittrail.revision WHERE committed_at > at + interval '1 second' ORDER BY committed_at LIMIT 1) <= closed_through THEN
        RETURN;
    END IF;
    IF current_setting('transaction_isolation') NOT LIKE 'read%' AND at > transaction_timestamp() - interval '1 second' THEN
        RAISE EXCEPTION 'audittrail: the snapshot of this transaction may lack what was committed by %', at
            USING ERRCODE = 'object_in_use', HINT = 'Ask in a new transaction, or at READ COMMITTED.';
    END IF;
    IF at > clock_timestamp() - interval '10 ms' THEN
        PERFORM pg_sleep(0.01);
    END IF;
    PERFORM audittrail.wait_for_commits();
END
$$;

-- For psql: the rows of a table as of a time.  SELECT * FROM audittrail.as_of(NULL::shop_order, '2026-01-31 12:00+00');
-- Volatile, because only then it sees what it has waited for.
CREATE OR REPLACE FUNCTION audittrail.as_of(of_table anyelement, at timestamptz) RETURNS SETOF anyelement
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    tracked  audittrail.tracked_table;
    tick     bigint;
    since    bigint;
    wanted   oid := (SELECT typrelid FROM pg_type WHERE oid = pg_typeof(of_table));
    columns  text;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE relation = wanted;
    IF tracked.id IS NULL THEN
        RAISE EXCEPTION 'audittrail: % is not tracked', pg_typeof(of_table)
            USING ERRCODE = 'undefined_table', HINT = 'SELECT table_name, since_at FROM audittrail.tracked_table shows what is.';
    END IF;
    PERFORM audittrail.settle(at, tracked.closed_through);
    SELECT committed INTO tick FROM audittrail.revision WHERE committed_at <= at ORDER BY committed_at DESC, committed DESC LIMIT 1;
    SELECT coalesce((SELECT committed FROM audittrail.revision WHERE id = tracked.since_revision), tracked.since_version) INTO since;
    IF tracked.kept_from > greatest(coalesce(tick, 0), since) THEN
        RAISE EXCEPTION 'audittrail: the history of % is kept only since %; what was before was pruned on %', pg_typeof(of_table), tracked.kept_since, tracked.pruned_at
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a later time.';
    ELSIF tick IS NULL OR tick < since THEN
        RAISE EXCEPTION 'audittrail: % is tracked only since %', pg_typeof(of_table), tracked.since_at
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a later time.';
    END IF;
    -- The function gives whole rows, so what a row can't hold must be empty here.
    SELECT string_agg(CASE WHEN a.attisdropped THEN NULL
                           WHEN c.history IS NULL THEN format('NULL::%s', format_type(a.atttypid, a.atttypmod))
                           ELSE format('q.%I', a.attname) END, ', ' ORDER BY a.attnum)
      INTO columns
      FROM pg_attribute a LEFT JOIN jsonb_to_recordset(tracked.columns) c (name text, history text) ON c.name = a.attname
     WHERE a.attrelid = wanted AND a.attnum > 0 AND NOT a.attisdropped;
    RETURN QUERY EXECUTE replace(replace(format(
        'WITH audittrail_open AS MATERIALIZED (SELECT open_at AS id FROM audittrail.open_at({tick})) SELECT %s FROM (%s) q',
        columns, replace(audittrail.as_of_query(tracked), '{later}', audittrail.not_followed(tracked, false))),
        '{tail}', tracked.tail_from::text), '{tick}', tick::text);
END
$$;

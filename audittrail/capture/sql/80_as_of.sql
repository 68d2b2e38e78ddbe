-- Reading the past. A version belongs to the state as of tick c if it was captured by then, its revision was committed by
-- then, and no later version of its row was.

-- The revisions that had begun before a tick and were not committed by it: their versions are not part of that state.
-- Most revisions are over within a few ticks; the partial index finds the others that the tick stands in.
CREATE OR REPLACE FUNCTION audittrail.open_at(tick bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT id FROM audittrail.revision WHERE id >= tick - 64 AND id < tick AND (committed IS NULL OR committed > tick)
    UNION ALL
    SELECT id FROM audittrail.revision
     WHERE committed - id > 64 AND int8range(id, committed) @> tick AND id < tick - 64
    UNION ALL
    SELECT r.id FROM audittrail.revision r
     WHERE r.committed IS NULL AND r.id < tick - 64
       AND r.id = CASE WHEN current_setting('audittrail.revision', true) ~ '^[0-9]{1,18}$'
                       THEN current_setting('audittrail.revision', true)::bigint END
$$;

-- Stands for a column that is never stored, so that its use is an error and not an empty value.
CREATE OR REPLACE FUNCTION audittrail.excluded_column(column_name text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
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

-- The query for the rows of a tracked table, under their present names, as of the tick that stands for "{tick}".
-- It names audittrail_open, a query for open_at({tick}). While the baseline is incomplete, a row without a version is as
-- it was when tracking began, and as it is now.
CREATE OR REPLACE FUNCTION audittrail.as_of_query(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'SELECT %1$s FROM audittrail.%2$I h WHERE h.version <= {tick} AND h.version >= %3$s'
        ' AND h.operation NOT IN (''D'', ''T'') AND h.revision_id <> ALL (ARRAY(SELECT id FROM audittrail_open))'
        ' AND NOT EXISTS (SELECT FROM audittrail.%2$I l WHERE %4$s AND l.version > h.version AND l.version <= {tick}'
        ' AND l.revision_id <> ALL (ARRAY(SELECT id FROM audittrail_open)))',
        audittrail.past_columns(tracked, 'h', true), tracked.history_name, tracked.since_version,
        audittrail.same_key(tracked, 'l', true, 'h', true))
        || CASE WHEN tracked.baseline_complete THEN '' ELSE format(
        ' UNION ALL SELECT %1$s FROM %2$s b WHERE NOT EXISTS (SELECT FROM audittrail.%3$I h WHERE %4$s AND h.version >= %5$s)',
        audittrail.past_columns(tracked, 'b', false), tracked.relation::regclass, tracked.history_name,
        audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version) END
$$;

-- For psql: the rows of a table as of a time.  SELECT * FROM audittrail.as_of(NULL::shop_order, '2026-01-31 12:00+00');
CREATE OR REPLACE FUNCTION audittrail.as_of(of_table anyelement, at timestamptz) RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE AS $$
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
    SELECT committed INTO tick FROM audittrail.revision WHERE committed_at <= at ORDER BY committed_at DESC, committed DESC LIMIT 1;
    SELECT coalesce((SELECT committed FROM audittrail.revision WHERE id = tracked.since_revision), tracked.since_version) INTO since;
    IF tick IS NULL OR tick < since THEN
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
    RETURN QUERY EXECUTE replace(format(
        'WITH audittrail_open AS MATERIALIZED (SELECT open_at AS id FROM audittrail.open_at({tick})) SELECT %s FROM (%s) q',
        columns, audittrail.as_of_query(tracked)), '{tick}', tick::text);
END
$$;

-- The query for the rows of a tracked table that a revision changed: as it left them, or as they last were.
CREATE OR REPLACE FUNCTION audittrail.changed_query(tracked audittrail.tracked_table, number bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'SELECT %1$s, h.operation::text AS audittrail_operation FROM (SELECT DISTINCT ON (%2$s) * FROM audittrail.%3$I v'
        ' WHERE v.version >= %4$s AND v.version <= %5$s AND v.revision_id = %4$s AND v.operation <> ''B'' ORDER BY %2$s, v.version DESC) h',
        audittrail.past_columns(tracked, 'h', true),
        (SELECT string_agg(format('v.%I', audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
           FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        tracked.history_name, number, coalesce((SELECT committed FROM audittrail.revision WHERE id = number), 9223372036854775807))
$$;

-- The names of the tracked tables of which a revision changed rows.
CREATE OR REPLACE FUNCTION audittrail.changed_tables(number bigint) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    final   bigint := coalesce((SELECT committed FROM audittrail.revision WHERE id = number), 9223372036854775807);
    found   boolean;
BEGIN
    FOR tracked IN SELECT * FROM audittrail.tracked_table t ORDER BY t.table_name LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM audittrail.%I v WHERE v.version >= $1 AND v.version <= $2 AND v.revision_id = $1 AND v.operation <> ''B'')',
                       tracked.history_name) INTO found USING number, final;
        IF found THEN
            RETURN NEXT tracked.table_name;
        END IF;
    END LOOP;
END
$$;

-- The query for the rows of a tracked table that were gone as of the tick that stands for "{tick}", as they last were.
CREATE OR REPLACE FUNCTION audittrail.deleted_query(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'SELECT %1$s, h.operation::text AS audittrail_operation, h.revision_id AS audittrail_revision FROM audittrail.%2$I h'
        ' WHERE h.version <= {tick} AND h.version >= %3$s AND h.operation IN (''D'', ''T'')'
        ' AND h.revision_id <> ALL (ARRAY(SELECT id FROM audittrail_open))'
        ' AND NOT EXISTS (SELECT FROM audittrail.%2$I l WHERE %4$s AND l.version > h.version AND l.version <= {tick}'
        ' AND l.revision_id <> ALL (ARRAY(SELECT id FROM audittrail_open)))',
        audittrail.past_columns(tracked, 'h', true), tracked.history_name, tracked.since_version,
        audittrail.same_key(tracked, 'l', true, 'h', true))
$$;

-- The capture functions of one table: what its triggers run. They are generated for each table, because only then
-- PostgreSQL keeps their plans. "manage.py audittrail show TABLE" prints them.
--
-- Each statement that changes a row makes one INSERT into the history table. The version is taken inside it, in an
-- uncorrelated subquery: after the statement has locked its rows, once, and not at all if no row has changed.

-- The parts of an INSERT into the history table, beside those of parts_of(): all its columns in its own order, and the image for them.
-- It comes from the row "alias"; without one, from the new row n if there is one, otherwise from the old row o. In this order, and
-- with no column left out, PostgreSQL has nothing to arrange anew. Columns that somebody has added have their defaults.
CREATE OR REPLACE FUNCTION audittrail.image_parts(tracked audittrail.tracked_table, alias text, operation text, version text, revision text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
                   'history_columns', array_agg(quote_ident(a.attname) ORDER BY a.attnum),
                   'image', array_agg(
                       CASE WHEN c.name IS NOT NULL AND alias IS NOT NULL THEN audittrail.as_stored(format('%s.%I', alias, c.name), c.composite)
                            WHEN c.name IS NOT NULL THEN audittrail.as_stored(
                                 format('CASE WHEN n.%1$I IS NULL THEN o.%2$I ELSE n.%2$I END', tracked.key[1], c.name), c.composite)
                            WHEN a.attname = 'version' THEN version
                            WHEN a.attname = 'revision_id' THEN revision
                            WHEN a.attname = 'operation' THEN operation
                            ELSE 'NULL::' || format_type(a.atttypid, a.atttypmod) END ORDER BY a.attnum))
          FROM pg_attribute a
          LEFT JOIN jsonb_to_recordset(tracked.columns) c (name text, history text, composite jsonb) ON c.history = a.attname
         WHERE a.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND a.attnum > 0 AND NOT a.attisdropped
           AND (c.name IS NOT NULL OR a.attname IN ('version', 'revision_id', 'operation', 'superseded') OR NOT a.atthasdef));
END
$$;

-- The statement that captures one kind of event of any number of rows. They come from "new_rows" and "old_rows": the transition
-- tables, a single row, or the table, which may be a partition, that is truncated. In a capture function the version is entered
-- into the revision afterwards; elsewhere ("by_itself") by the statement.
CREATE OR REPLACE FUNCTION audittrail.capture_statement(tracked audittrail.tracked_table, parts jsonb, event text, by_itself boolean DEFAULT false,
                                                        new_rows text DEFAULT 'new_rows', old_rows text DEFAULT 'old_rows') RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    version  text := CASE WHEN by_itself THEN '(SELECT audittrail.next_version())' ELSE '(SELECT nextval(''audittrail.clock''))' END;
    revision text := CASE WHEN by_itself THEN '(SELECT current_setting(''audittrail.revision'')::bigint)'
                          ELSE 'coalesce(this.number, currval(''audittrail.clock''))' END;
BEGIN
    parts := parts || jsonb_build_object('new_rows', new_rows, 'old_rows', old_rows, 'source', CASE event WHEN 'DELETE' THEN old_rows ELSE new_rows END);
    IF event <> 'UPDATE' THEN
        RETURN audittrail.compose_lines($template$
INSERT INTO {history} ({history_columns})
SELECT {image}
  FROM {source} r;
$template$, parts || audittrail.image_parts(tracked, 'r', format('%L::"char"', left(event, 1)), version, revision));
    ELSIF tracked.key = '{}' THEN
        -- A migration has dropped the key: rows are paired by their order, which is the same in both tables.
        RETURN audittrail.compose_lines($template$
INSERT INTO {history} ({history_columns})
SELECT {image}
  FROM (SELECT n.*, row_number() OVER () AS audittrail_row FROM {new_rows} n) n
  FULL JOIN (SELECT o.*, row_number() OVER () AS audittrail_row FROM {old_rows} o) o ON n.audittrail_row = o.audittrail_row
 WHERE ROW({n.compared})::record
   *<> ROW({o.compared})::record;
$template$, parts || audittrail.image_parts(tracked, 'n', '''U''::"char"', version, revision));
    END IF;
    -- Rows are paired by key. A row whose key changed is one deleted and one inserted. A full join is never a nested
    -- loop: one that is planned for a single row, and kept, would take hours over many.
    RETURN audittrail.compose_lines($template$
INSERT INTO {history} ({history_columns})
SELECT {image}
  FROM {new_rows} n
  FULL JOIN {old_rows} o ON {o.key = n.key}
 WHERE ROW({n.compared})::record
   *<> ROW({o.compared})::record;
$template$, parts || audittrail.image_parts(tracked, NULL,
        format('CASE WHEN o.%1$I IS NULL THEN ''I''::"char" WHEN n.%1$I IS NULL THEN ''D''::"char" ELSE ''U''::"char" END', tracked.key[1]), version, revision));
END
$$;

-- The statement that writes the baseline of rows that have no version yet, from old_rows or another source of live rows.
CREATE OR REPLACE FUNCTION audittrail.baseline_statement(parts jsonb, source text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_lines($template$
INSERT INTO {history} (version, revision_id, operation, {stored_columns})
SELECT {since_version}, {since_revision}, 'B', {b.stored_values}
  FROM {source} b
 WHERE NOT EXISTS (SELECT FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version})
    ON CONFLICT DO NOTHING;
$template$, parts || jsonb_build_object('source', source));
END
$$;

-- The same for rows that new ones share their key with for a while, where it is deferrable: once that has a version, nothing would tell
-- any more that they had none. Those that this transaction has written have versions, or are told with a statement that is going on. None
-- where there can't be any; and the table is not named where policies hide rows of it.
CREATE OR REPLACE FUNCTION audittrail.shared_baseline(tracked audittrail.tracked_table, parts jsonb, event text, new_rows text DEFAULT 'new_rows') RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tracked.baseline_complete OR event NOT IN ('INSERT', 'UPDATE') OR NOT audittrail.has_deferrable_key(tracked.relation) THEN
        RETURN NULL;
    END IF;
    RETURN audittrail.baseline_statement(parts, audittrail.compose(
        '(SELECT live.* FROM {live} live WHERE NOT audittrail.is_own(live.xmin) AND EXISTS (SELECT FROM {new_rows} n WHERE {n.key = live.key}))',
        parts || jsonb_build_object('new_rows', new_rows)));
END
$$;

-- Write the baseline of those rows that have no version yet.
CREATE OR REPLACE FUNCTION audittrail.write_baseline(tracked audittrail.tracked_table, source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM audittrail.require_all_rows(tracked.relation);
    EXECUTE array_to_string(audittrail.baseline_statement(audittrail.parts_of(tracked), source), E'\n');
END
$$;

-- The part of a capture function that writes the versions of an UPDATE, with a faster statement where only one row has changed.
CREATE OR REPLACE FUNCTION audittrail.capture_update(tracked audittrail.tracked_table, parts jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_whole     boolean;
    time_changed text;
BEGIN
    -- A table that inherits may have columns more, which are not recorded.
    SELECT bool_and(c.history IS NOT NULL AND NOT c.ignored) AND NOT audittrail.is_divided(tracked.relation) INTO is_whole FROM jsonb_to_recordset(tracked.columns) c (history text, ignored boolean);
    -- Most updates change a time: to look at times first spares most comparisons of whole rows.
    SELECT coalesce(string_agg(format('n.%1$I IS DISTINCT FROM o.%1$I OR ', c.name), '' ORDER BY c.attnum), '') INTO time_changed
      FROM (SELECT * FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text, ignored boolean)
             WHERE c.type ~ '^timestamp(\(\d\))? with(out)? time zone$' AND c.history IS NOT NULL AND NOT c.ignored
             ORDER BY c.attnum DESC LIMIT 2) c;
    RETURN audittrail.compose_lines($template$
IF NOT several THEN
    -- A single row, so written that it is joined by a nested loop.
    INSERT INTO {history} ({history_columns})
    SELECT {image}
      FROM new_rows n, old_rows o
     WHERE CASE WHEN {o.key = n.key}
                THEN {time_changed}$template$
        || CASE WHEN is_whole THEN 'n.* *<> o.*' ELSE 'ROW({n.compared})::record *<> ROW({o.compared})::record' END || $template$ END;
    IF NOT FOUND THEN
        PERFORM FROM new_rows n, old_rows o WHERE NOT ({o.key = n.key});
        several := FOUND;  -- its key has changed
    END IF;
END IF;
IF several THEN
    {several}
END IF;
$template$, parts || jsonb_build_object('several', audittrail.capture_statement(tracked, parts, 'UPDATE'), 'time_changed', time_changed)
        || audittrail.image_parts(tracked, 'n', '''U''::"char"', 'nextval(''audittrail.clock'')', 'coalesce(this.number, currval(''audittrail.clock''))'));
END
$$;

-- The body of one of a table's functions, see capture_functions().
CREATE OR REPLACE FUNCTION audittrail.capture_function(tracked audittrail.tracked_table, name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    has_key        boolean := tracked.key <> '{}';
    is_partitioned boolean := coalesce((SELECT relkind = 'p' FROM pg_class WHERE oid = tracked.relation), false);
    event          text := upper(name);
    parts          jsonb;
BEGIN
    IF name = 'truncate' THEN
        RETURN format($body$BEGIN
    PERFORM audittrail.capture_truncate(%s, TG_RELID);
    RETURN NULL;
END$body$, tracked.id);
    END IF;
    parts := audittrail.parts_of(tracked) || jsonb_build_object('event', event);
    IF name = 'weave' THEN
        RETURN CASE WHEN has_key THEN audittrail.weaving_function(tracked, parts) ELSE 'BEGIN RETURN NULL; END' END;
    END IF;
    RETURN audittrail.compose($template$
#variable_conflict use_column
<<this>>
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step({relation}, {history_name}, {fingerprint})
                         AND {on_table} AND (TG_RELID = {history_relation}) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    {stack}
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    {by_row}
    IF NOT in_step THEN
        EXECUTE audittrail.follow({id}, '{event}');
        PERFORM audittrail.complete_follow({id});
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    {several}
    {baseline}
    {disentangle}
    {capture}
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND statement_timestamp() <> transaction_timestamp() THEN
        -- As in continues_statement(), in place.
        ignored := set_config('audittrail.statement', extract(epoch FROM statement_timestamp())::text, true);
    END IF;
    IF is_first AND NOT starts_with(current_query(), '/*audittrail:')
       AND concat(current_setting('audittrail.context', true), current_setting('audittrail.session_context', true)) = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    number := audittrail.enter_revision(number, currval('audittrail.clock'), is_first);
    RETURN NULL;
END
$template$, parts || jsonb_build_object(
        'history_name', quote_literal(tracked.history_name), 'fingerprint', quote_literal(tracked.fingerprint),
        -- Whether the triggers are on the table of the registry: after a restore from a dump they are on one with another oid. The triggers
        -- of a partitioned table, or of one that others inherit from, are on those others too, so there the question is not asked.
        -- The conditions with "IS NOT NULL" always hold: they name the table, or the relations of composite types, so that PostgreSQL
        -- works the expression out anew when one of these has changed.
        'on_table', format(CASE WHEN audittrail.is_divided(tracked.relation) THEN '(TG_RELID = %s) IS NOT NULL' ELSE 'TG_RELID = %s' END, tracked.relation)
                    || (SELECT coalesce(string_agg(format(' AND (TG_RELID = %s) IS NOT NULL', named), ''), '')
                          FROM jsonb_path_query(tracked.columns, '$[*].composite.**.relation') named),
        'history_relation', coalesce(to_regclass(format('audittrail.%I', tracked.history_name))::oid, 0),
        'stack', CASE WHEN is_partitioned THEN ARRAY['stack     text;'] END,
        'by_row', CASE WHEN is_partitioned THEN audittrail.capture_by_row(tracked, parts, event) END,
        'several', CASE WHEN has_key AND event = 'UPDATE' THEN ARRAY['PERFORM FROM new_rows OFFSET 1;', 'several := FOUND;'] END,
        'baseline', CASE WHEN has_key AND event <> 'INSERT' AND NOT tracked.baseline_complete THEN audittrail.baseline_statement(parts, 'old_rows') END,
        'disentangle', CASE WHEN has_key THEN audittrail.compose_lines(concat(
            'IF ', CASE WHEN audittrail.has_deferrable_key(tracked.relation) THEN 'true'  -- rows may share a key for a while
                        WHEN event = 'UPDATE' AND audittrail.has_referential_actions(tracked.relation) THEN 'several OR ' END,
            CASE WHEN NOT audittrail.has_deferrable_key(tracked.relation) THEN 'continues OR pg_trigger_depth() > 1' END,
            $template$ THEN
    {disentangle}
END IF;$template$), jsonb_build_object('disentangle', audittrail.disentangle(tracked, parts, event))) END,
        -- In a partitioned table a trigger may keep a row from arriving in another partition: a single old row may have no new one.
        'capture', CASE WHEN event = 'UPDATE' AND has_key AND NOT is_partitioned THEN audittrail.capture_update(tracked, parts)
                        ELSE audittrail.capture_statement(tracked, parts, event) END));
END
$$;

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
                       CASE WHEN c.name IS NOT NULL AND alias IS NOT NULL THEN format('%s.%I', alias, c.name)
                            WHEN c.name IS NOT NULL THEN format('CASE WHEN n.%1$I IS NULL THEN o.%2$I ELSE n.%2$I END', tracked.key[1], c.name)
                            WHEN a.attname = 'version' THEN version
                            WHEN a.attname = 'revision_id' THEN revision
                            WHEN a.attname = 'operation' THEN operation
                            ELSE 'NULL::' || format_type(a.atttypid, a.atttypmod) END ORDER BY a.attnum))
          FROM pg_attribute a
          LEFT JOIN jsonb_to_recordset(tracked.columns) c (name text, history text) ON c.history = a.attname
         WHERE a.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND a.attnum > 0 AND NOT a.attisdropped
           AND (c.name IS NOT NULL OR a.attname IN ('version', 'revision_id', 'operation', 'superseded') OR NOT a.atthasdef));
END
$$;

-- The statement that captures one kind of event of any number of rows, from the transition tables. Other rows than those come
-- from "source": the table, which may be a partition, that is truncated; new rows of an UPDATE. In a capture function the
-- version is entered into the revision afterwards; elsewhere ("by_itself") by the statement.
CREATE OR REPLACE FUNCTION audittrail.capture_statement(tracked audittrail.tracked_table, parts jsonb, event text, by_itself boolean DEFAULT false, source text DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    version  text := CASE WHEN by_itself THEN '(SELECT audittrail.next_version())' ELSE '(SELECT nextval(''audittrail.clock''))' END;
    revision text := CASE WHEN by_itself THEN '(SELECT current_setting(''audittrail.revision'')::bigint)'
                          ELSE 'coalesce(audittrail_number, currval(''audittrail.clock''))' END;
BEGIN
    IF event <> 'UPDATE' THEN
        RETURN audittrail.compose_lines($template$
INSERT INTO {history} ({history_columns})
SELECT {image}
  FROM {source} r;
$template$, parts || jsonb_build_object('source', coalesce(source, CASE event WHEN 'DELETE' THEN 'old_rows' ELSE 'new_rows' END))
            || audittrail.image_parts(tracked, 'r', format('%L::"char"', left(event, 1)), version, revision));
    ELSIF tracked.key = '{}' THEN
        -- A migration has dropped the key: rows are paired by their order, which is the same in both tables.
        RETURN audittrail.compose_lines($template$
INSERT INTO {history} ({history_columns})
SELECT {image}
  FROM (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n
  FULL JOIN (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o ON n.audittrail_row = o.audittrail_row
 WHERE ROW({n.compared})::record
   *<> ROW({o.compared})::record;
$template$, parts || audittrail.image_parts(tracked, 'n', '''U''::"char"', version, revision));
    END IF;
    -- Rows are paired by key. A row whose key changed is one deleted and one inserted. A full join is never a nested
    -- loop: one that is planned for a single row, and kept, would take hours over many.
    RETURN audittrail.compose_lines($template$
INSERT INTO {history} ({history_columns})
SELECT {image}
  FROM {source} n
  FULL JOIN old_rows o ON {o.key = n.key}
 WHERE ROW({n.compared})::record
   *<> ROW({o.compared})::record;
$template$, parts || jsonb_build_object('source', coalesce(source, 'new_rows'))
        || audittrail.image_parts(tracked, NULL, format('CASE WHEN o.%1$I IS NULL THEN ''I''::"char" WHEN n.%1$I IS NULL THEN ''D''::"char" ELSE ''U''::"char" END',
                                                        tracked.key[1]), version, revision));
END
$$;

-- The statement that writes the baseline of rows that have no version yet, from old_rows or another source of live rows.
CREATE OR REPLACE FUNCTION audittrail.baseline_statement(parts jsonb, source text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_lines($template$
INSERT INTO {history} (version, revision_id, operation, {stored_columns})
SELECT {since_version}, {since_revision}, 'B', {b.columns}
  FROM {source} b
 WHERE NOT EXISTS (SELECT FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version})
    ON CONFLICT DO NOTHING;
$template$, parts || jsonb_build_object('source', source));
END
$$;

-- Write the baseline of those rows that have no version yet.
CREATE OR REPLACE FUNCTION audittrail.write_baseline(tracked audittrail.tracked_table, source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE array_to_string(audittrail.baseline_statement(audittrail.parts_of(tracked), source), E'\n');
END
$$;

-- The statements that put the baseline right after one kind of event inside or around others. The others were captured
-- first, and took a row that this statement had changed already for one that nobody had changed yet. Rows whose first
-- change has the version "captured", given as SQL, were before as old_rows says, or were not there.
CREATE OR REPLACE FUNCTION audittrail.nested_baseline(parts jsonb, event text, captured text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_lines(concat(CASE WHEN event <> 'INSERT' THEN $template$
INSERT INTO {history} AS earliest (version, revision_id, operation, {stored_columns})
SELECT {since_version}, {since_revision}, 'B', {b.columns}
  FROM old_rows b
 WHERE NOT EXISTS (SELECT FROM {history} h
                    WHERE {h.stored_key = b.key} AND h.version > {since_version} AND h.version < {captured})
    ON CONFLICT ({stored_key}, version) DO UPDATE
   SET (revision_id, {stored_columns}) = ROW({since_revision}, {excluded.stored_columns})
 WHERE ROW({earliest.stored_columns})::record
   *<> ROW({excluded.stored_columns})::record;$template$ END, CASE WHEN event <> 'DELETE' THEN $template$
DELETE FROM {history} earliest
 USING {history} mine
 WHERE earliest.version = {since_version} AND earliest.operation = 'B'
   AND {earliest.stored_key = mine.stored_key} AND mine.version = {captured} AND mine.operation = 'I'
   AND NOT EXISTS (SELECT FROM {history} h
                    WHERE {h.stored_key = mine.stored_key} AND h.version > {since_version} AND h.version < mine.version);$template$ END),
        parts || jsonb_build_object('captured', captured));
END
$$;

-- How a capture function writes the versions of an UPDATE: one row apart from several.
CREATE OR REPLACE FUNCTION audittrail.capture_update(tracked audittrail.tracked_table, parts jsonb, is_partitioned boolean, has_actions boolean) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    several      text[] := audittrail.capture_statement(tracked, parts, 'UPDATE');
    is_whole     boolean;
    time_changed text;
BEGIN
    IF tracked.key = '{}' THEN
        RETURN several;
    END IF;
    IF has_actions THEN
        several := audittrail.compose_lines($template$
-- What several referential actions of one statement do to a table is in the same transition tables: then a row may be there
-- more than once. Its images are captured one pair after the other, in the order in which they came about.
IF (SELECT count(*) <> count(DISTINCT ROW({n.key})) FROM new_rows n) THEN
    FOR audittrail_pair IN 1 .. (SELECT count(*) FROM new_rows) LOOP
        INSERT INTO {history} ({history_columns})
        SELECT {image}
          FROM (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o
          JOIN (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n
            ON n.audittrail_row = audittrail_pair AND o.audittrail_row = audittrail_pair
           AND ROW({n.compared})::record
           *<> ROW({o.compared})::record
         CROSS JOIN LATERAL (
            SELECT 'D'::"char" AS audittrail_operation, {o.columns} WHERE NOT ({o.key = n.key})
            UNION ALL
            SELECT CASE WHEN {o.key = n.key} THEN 'U'::"char" ELSE 'I'::"char" END, {n.columns}) c;
    END LOOP;
    RETURN NULL;
END IF;
{several}
$template$, parts || jsonb_build_object('several', several)
            || audittrail.image_parts(tracked, 'c', 'c.audittrail_operation', '(SELECT audittrail.next_version())',
                                      '(SELECT current_setting(''audittrail.revision'')::bigint)'));
    END IF;
    IF is_partitioned THEN
        RETURN audittrail.compose_lines($template$
-- PostgreSQL gives the triggers of a partitioned table the wrong new image of a row that a MERGE updates after it has inserted
-- another: that of the inserted row. The table has the right one, unless the key has changed.
IF EXISTS (SELECT FROM old_rows o
            WHERE NOT EXISTS (SELECT FROM new_rows n WHERE {o.key = n.key})
              AND NOT EXISTS (SELECT FROM {live} n WHERE {o.key = n.key})) THEN
    ignored := set_config('audittrail.moved', 'on', true);  -- for the trigger of INSERT
END IF;
IF EXISTS (SELECT FROM old_rows o
            WHERE NOT EXISTS (SELECT FROM new_rows n WHERE {o.key = n.key})
              AND EXISTS (SELECT FROM {live} n WHERE {o.key = n.key})) THEN
    {from_table}
ELSE
    {several}
END IF;
$template$, parts || jsonb_build_object(
            'several', several,
            'from_table', audittrail.capture_statement(tracked, parts, 'UPDATE', false,
                audittrail.compose('(SELECT n.* FROM {live} n WHERE EXISTS (SELECT FROM old_rows o WHERE {o.key = n.key}))', parts))));
    END IF;
    -- A table that inherits may have columns more, which are not recorded.
    SELECT bool_and(c.history IS NOT NULL AND NOT c.ignored) AND NOT audittrail.is_divided(tracked.relation) INTO is_whole FROM jsonb_to_recordset(tracked.columns) c (history text, ignored boolean);
    -- Most updates change a time: to look at times first spares most comparisons of whole rows.
    SELECT coalesce(string_agg(format('n.%1$I IS DISTINCT FROM o.%1$I OR ', c.name), '' ORDER BY c.attnum), '') INTO time_changed
      FROM (SELECT * FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text, ignored boolean)
             WHERE c.type ~ '^timestamp(\(\d\))? with(out)? time zone$' AND c.history IS NOT NULL AND NOT c.ignored
             ORDER BY c.attnum DESC LIMIT 2) c;
    -- Not so with a partitioned table, where a trigger may keep a row from arriving in another partition: then there are fewer
    -- new rows than old ones.
    RETURN audittrail.compose_lines($template$
PERFORM FROM new_rows OFFSET 1;
several := FOUND;
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
$template$, parts || jsonb_build_object('several', several, 'time_changed', time_changed)
        || audittrail.image_parts(tracked, 'n', '''U''::"char"', 'nextval(''audittrail.clock'')', 'coalesce(audittrail_number, currval(''audittrail.clock''))'));
END
$$;

-- How it writes the versions of an INSERT.
CREATE OR REPLACE FUNCTION audittrail.capture_insert(tracked audittrail.tracked_table, parts jsonb, is_partitioned boolean) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    several text[] := audittrail.capture_statement(tracked, parts, 'INSERT');
BEGIN
    IF tracked.key = '{}' OR NOT is_partitioned THEN
        RETURN several;
    END IF;
    RETURN audittrail.compose_lines($template$
-- New rows that are there already, as the UPDATE of the same MERGE has told, were told instead of others whose keys have changed.
IF current_setting('audittrail.moved', true) <> '' THEN
    IF EXISTS (SELECT FROM new_rows n
                WHERE (SELECT h.operation NOT IN ('D', 'T') AND h.revision_id = audittrail_number
                         FROM {history} h WHERE {h.stored_key = n.key} ORDER BY h.version DESC LIMIT 1)) THEN
        RAISE EXCEPTION 'audittrail: this MERGE inserts rows into % and changes keys of others: PostgreSQL does not tell the triggers of a partitioned table which',
                        {relation}::regclass
            USING ERRCODE = 'feature_not_supported', HINT = 'Insert and update in statements of their own, or use INSERT ... ON CONFLICT.';
    END IF;
END IF;
{several}
$template$, parts || jsonb_build_object('several', several));
END
$$;

-- What it does after a statement inside or around others: put the versions in order, and the baseline while that is incomplete.
CREATE OR REPLACE FUNCTION audittrail.order_versions(tracked audittrail.tracked_table, parts jsonb, event text, may_be_overtaken boolean) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ordering text[];
    quote    text := '$order$';
BEGIN
    IF tracked.key = '{}' THEN
        RETURN ARRAY['PERFORM audittrail.first_version_inside();'];
    END IF;
    ordering := audittrail.ordering_statement(parts, event, '$1', '$2', '$3');
    WHILE strpos(array_to_string(ordering, ' '), quote) > 0 LOOP  -- a column may have that name
        quote := left(quote, -1) || 'r$';
    END LOOP;
    RETURN audittrail.compose_lines(concat($template$
inside := audittrail.first_version_inside();
IF $template$, CASE WHEN may_be_overtaken THEN 'overtaken OR ' END, $template$inside IS NOT NULL THEN
    -- Planned each time: a plan for a few rows, if it were kept, would take hours over many.
    ignored := set_config('audittrail.unguarded', 'on', true);
    EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT * FROM ', {relation}::regclass, ')', {quote}
        {ordering}
        {quote}) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
    ignored := set_config('audittrail.unguarded', '', true);
END IF;$template$, CASE WHEN NOT tracked.baseline_complete THEN $template$
ignored := set_config('audittrail.unguarded', 'on', true);
{baseline}
ignored := set_config('audittrail.unguarded', '', true);$template$ END),
        parts || jsonb_build_object('quote', quote, 'ordering', ordering,
            'baseline', CASE WHEN NOT tracked.baseline_complete THEN audittrail.nested_baseline(parts, event, 'audittrail_version') END));
END
$$;

-- The body of the trigger function for one kind of event.
CREATE OR REPLACE FUNCTION audittrail.capture_function(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    has_key        boolean := tracked.key <> '{}';
    is_partitioned boolean := coalesce((SELECT relkind = 'p' FROM pg_class WHERE oid = tracked.relation), false);
    has_actions    boolean := has_key AND audittrail.has_referential_actions(tracked.relation);
    parts          jsonb;
    overtaken      text[];
BEGIN
    IF event = 'TRUNCATE' THEN
        RETURN format($body$BEGIN
    PERFORM audittrail.capture_truncate(%s, TG_RELID);
    RETURN NULL;
END$body$, tracked.id);
    END IF;
    parts := audittrail.parts_of(tracked) || jsonb_build_object('event', event);
    IF event = 'DELETE' AND has_actions THEN
        overtaken := audittrail.compose_lines($template$
-- A cascade within the table puts off the trigger of the whole DELETE, until after that of an INSERT in the same statement
-- that has put a row in the place of a deleted one.
overtaken := strpos(lower(current_query()), 'merge') > 0
             OR EXISTS (SELECT FROM old_rows o JOIN {live} b ON {b.key = o.key});
$template$, parts);
    ELSIF event = 'DELETE' THEN
        overtaken := ARRAY['overtaken := strpos(lower(current_query()), ''merge'') > 0;'];
    ELSIF event = 'UPDATE' AND has_actions THEN
        overtaken := audittrail.compose_lines($template$
overtaken := EXISTS (SELECT FROM new_rows n WHERE NOT EXISTS (SELECT FROM {live} b WHERE {b.key = n.key}));
$template$, parts);
    END IF;
    RETURN audittrail.compose($template$
#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step({relation}, {history_name}, {fingerprint})
                         AND {on_table} AND (TG_RELID = {history_relation}) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    overtaken boolean;  -- whether rows may have changed again in statements that were captured before this one
    inside    bigint;
    row_count bigint;
    ignored   text;
    audittrail_number  bigint;  -- of the revision; these two stand beside columns, and are named like none
    audittrail_version bigint;
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow({id}, '{event}');
        GET DIAGNOSTICS row_count = ROW_COUNT;
        EXECUTE audittrail.finish_follow({id}, '{event}', row_count > 0);
        RETURN NULL;
    ELSIF NOT is_first THEN
        audittrail_number := audittrail.own_revision();
    END IF;
    {baseline}
    {capture}
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND NOT starts_with(current_query(), '/*audittrail:')
          AND coalesce(current_setting('audittrail.context', true), '') = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    audittrail_version := currval('audittrail.clock');
    audittrail_number := audittrail.enter_revision(audittrail_number, audittrail_version, is_first);
    IF is_first THEN
        RETURN NULL;
    END IF;
    {overtaken}
    IF {or_overtaken}pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
        {order}
    END IF;
    RETURN NULL;
END
$template$, parts || jsonb_build_object(
        'history_name', quote_literal(tracked.history_name), 'fingerprint', quote_literal(tracked.fingerprint),
        -- Only of an ordinary table the triggers are all on the table itself. After a restore from a dump it is not the registry's.
        'on_table', format(CASE WHEN audittrail.is_divided(tracked.relation) THEN '(TG_RELID = %s) IS NOT NULL' ELSE 'TG_RELID = %s' END, tracked.relation),
        'history_relation', coalesce(to_regclass(format('audittrail.%I', tracked.history_name))::oid, 0),
        'baseline', CASE WHEN has_key AND event <> 'INSERT' AND NOT tracked.baseline_complete THEN audittrail.baseline_statement(parts, 'old_rows') END,
        'capture', CASE event WHEN 'INSERT' THEN audittrail.capture_insert(tracked, parts, is_partitioned)
                              WHEN 'UPDATE' THEN audittrail.capture_update(tracked, parts, is_partitioned, has_actions)
                              ELSE audittrail.capture_statement(tracked, parts, event) END,
        'overtaken', overtaken, 'or_overtaken', CASE WHEN overtaken IS NOT NULL THEN 'overtaken OR ' ELSE '' END,
        'order', audittrail.order_versions(tracked, parts, event, overtaken IS NOT NULL)));
END
$$;

-- Whether nobody can have committed anything that the snapshot of this transaction, which it keeps, does not show: nobody was
-- running when it was taken, this transaction was the next to get a number, and a subtransaction gets the one after that, or
-- after those of earlier questions. Wrong only on the safe side.
CREATE OR REPLACE FUNCTION audittrail.snapshot_is_complete() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own     bigint := pg_current_xact_id()::xid::text;
    asked   bigint := coalesce(nullif(current_setting('audittrail.asked', true), ''), '0');
    given   bigint;
    ignored text;
BEGIN
    BEGIN
        INSERT INTO audittrail.long_revision (id, committed) VALUES (0, 0) RETURNING xmin::text INTO given;
        RAISE EXCEPTION USING ERRCODE = 'AT000';  -- undoes the row, keeps the variable
    EXCEPTION WHEN SQLSTATE 'AT000' THEN
        ignored := set_config('audittrail.asked', (asked + 1)::text, true);
    END;
    RETURN pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot())
           AND pg_snapshot_xmax(pg_current_snapshot()) = pg_current_xact_id() AND given = own + 1 + asked;
END
$$;

-- Capture a TRUNCATE: every row's last image. A snapshot that is older than the lock may miss rows that others have
-- committed since and that are truncated all the same; rather than lose them, the statement is refused.
CREATE OR REPLACE FUNCTION audittrail.capture_truncate(tracked_id int, truncated oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation text := truncated::regclass;
    filled   boolean;
BEGIN
    IF pg_relation_size(truncated) = 0 THEN
        RETURN;  -- not a page, so not a row: a test suite truncates all of its tables after each test
    END IF;
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') AND NOT audittrail.snapshot_is_complete() THEN
        RAISE EXCEPTION 'audittrail: TRUNCATE of % at isolation level % could remove rows that this transaction cannot see and record',
                        relation, current_setting('transaction_isolation')
            USING ERRCODE = 'serialization_failure',
                  HINT = 'Truncate at READ COMMITTED, use DELETE, or try again while no other transaction is running.';
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation) INTO filled;
    IF filled THEN
        EXECUTE audittrail.follow(tracked_id, 'TRUNCATE', 'ONLY ' || relation);
        EXECUTE audittrail.finish_follow(tracked_id, 'TRUNCATE', true);
    END IF;
END
$$;

-- The ledger, last part: what history holds against what was entered. Whoever does not trust the server's functions compares them
-- with the released ones first, as "manage.py audittrail ledger verify" does.

-- The versions of a table, of some range, that are not as they were entered: 'changed', 'removed', 'inserted', 'unlike' where only a column
-- that came or got another type since is not what it must be, or 'unreadable' where a value can't be what it was. Versions of revisions that are not entered yet don't count.
CREATE OR REPLACE FUNCTION audittrail.ledger_differences(of_table int, first_version bigint, last_version bigint)
RETURNS TABLE (kind text, version bigint, key text, revision bigint, "position" bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' SET enable_nestloop = off AS $$
DECLARE
    source  regclass := audittrail.ledger_source(of_table);
    head    audittrail.ledger;
    facts   jsonb := (SELECT l.facts FROM audittrail.ledger_layout l WHERE l.table_id = of_table ORDER BY l.number DESC LIMIT 1);
    named   text;
    digests text;
    agrees  text;
    forms   text;
    found   jsonb;
    middle  bigint := floor((first_version::numeric + last_version) / 2);
BEGIN
    SELECT * INTO head FROM audittrail.ledger;
    IF source IS NULL THEN
        RETURN QUERY SELECT 'removed', e.version, e.key, NULL::bigint, e.position FROM audittrail.ledger_entry e
                      WHERE e.table_id = of_table AND e.version BETWEEN first_version AND last_version AND e.salt IS NOT NULL;
        RETURN;
    END IF;
    WITH forms AS (
        SELECT l.form, array_agg(l.number) AS numbers, audittrail.ledger_key(source, l.form, 'h') AS key, audittrail.ledger_agrees(of_table, source, l.form, 'h') AS agrees
          FROM audittrail.ledger_layout l WHERE l.table_id = of_table GROUP BY l.form
    ), keys AS (
        SELECT f.key, array_agg(n ORDER BY n) AS numbers FROM forms f, unnest(f.numbers) n GROUP BY f.key
    )
    SELECT (SELECT string_agg(format('SELECT h.*, %s AS audittrail_name, %s AS audittrail_key FROM held h', k.numbers[1], k.key), ' UNION ALL ') FROM keys k),
           (SELECT string_agg(format('WHEN e.layout = ANY (%L) THEN %s', k.numbers, k.numbers[1]), ' ') FROM keys k),
           (SELECT string_agg(format('WHEN e.layout = ANY (%L) THEN %s', f.numbers, f.agrees), ' ') FROM forms f),
           (SELECT string_agg(format('WHEN e.layout = %s THEN %s', l.number,
                       audittrail.ledger_digest(of_table, l.number, audittrail.ledger_content(source, l.form, 'h'), 'h', 'e.salt')), ' ')
              FROM audittrail.ledger_layout l WHERE l.table_id = of_table)
      INTO named, forms, agrees, digests;
    IF named IS NULL THEN
        -- Nothing of it is entered yet: so nothing may belong to revisions that are.
        named := 'SELECT h.*, 0 AS audittrail_name, NULL::text AS audittrail_key FROM held h';
        forms := 'WHEN true THEN 0';
        agrees := 'WHEN true THEN true';
        digests := 'WHEN true THEN NULL::bytea';
    END IF;
    BEGIN
        EXECUTE audittrail.compose($template$
WITH held AS MATERIALIZED (
    SELECT h.*, row_number() OVER () AS audittrail_row FROM {rows} h WHERE h.version BETWEEN $1 AND $2
), named AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.version, n.audittrail_name, n.audittrail_key) AS audittrail_place FROM ({named}) n
), entries AS (
    SELECT e.*, CASE {forms} END AS name, row_number() OVER (PARTITION BY e.version, CASE {forms} END, e.key) AS place
      FROM audittrail.ledger_entry e
     WHERE e.version BETWEEN $1 AND $2 AND e.table_id = {table} AND e.key IS NOT NULL
), joined AS MATERIALIZED (
    SELECT e.version IS NOT NULL AS entered, h.audittrail_row, coalesce(e.version, h.version) AS version, coalesce(e.key, h.audittrail_key) AS key,
           h.revision_id, h.operation, e.position,
           CASE WHEN e.version IS NULL OR h.version IS NULL OR e.position IS NULL THEN NULL
                WHEN (CASE {digests} END) IS DISTINCT FROM e.digest THEN 'changed'
                -- A version is in the leaf of its revision, but for a baseline that was completed later.
                WHEN e.kind = 'V' AND NOT EXISTS (SELECT FROM audittrail.ledger_entry r WHERE r.version = h.revision_id AND r.kind = 'R' AND r.position = e.position)
                     AND NOT (h.operation = 'B' AND EXISTS (
                         SELECT FROM audittrail.ledger_layout l JOIN audittrail.ledger_layout f ON f.table_id = l.table_id AND f.number = l.number - 1
                          WHERE l.table_id = {table} AND l.position = e.position AND f.facts::jsonb ->> 'baseline_complete' = 'false'
                            AND f.facts::jsonb ->> 'since_version' = e.version::text)) THEN 'changed'
                WHEN (CASE {agrees} END) IS NOT TRUE THEN 'unlike' END AS problem
      FROM entries e
      FULL JOIN named h ON h.version = e.version AND h.audittrail_name = e.name AND h.audittrail_key = e.key AND h.audittrail_place = e.place
)
SELECT jsonb_agg(jsonb_build_array(d.kind, d.version, d.key, d.revision_id, d.position)) FROM (
    SELECT CASE WHEN j.audittrail_row IS NULL THEN 'removed' ELSE j.problem END AS kind, j.*
      FROM joined j WHERE j.entered AND (j.audittrail_row IS NULL OR j.problem IS NOT NULL)
    UNION ALL
    SELECT DISTINCT ON (j.audittrail_row) 'inserted', j.*
      FROM joined j LEFT JOIN audittrail.revision r ON r.id = j.revision_id
     WHERE NOT j.entered AND j.audittrail_row NOT IN (SELECT m.audittrail_row FROM joined m WHERE m.entered AND m.audittrail_row IS NOT NULL)
       -- Nothing is written before its revision begins, nor after that is committed, though that is still to be entered.
       AND (r.id IS NULL OR r.committed <= {committed} OR j.version < r.id OR j.version > r.committed){but_baseline}) d
$template$, jsonb_build_object(
            'rows', audittrail.ledger_rows(of_table), 'named', named, 'forms', forms, 'table', of_table, 'digests', digests, 'agrees', agrees,
            'committed', head.committed, 'but_baseline', CASE WHEN facts ->> 'baseline_complete' = 'false'
                THEN format(' AND NOT (j.operation = ''B'' AND j.version = %s)', facts ->> 'since_version') ELSE '' END))
           INTO found USING first_version, last_version;
    EXCEPTION WHEN data_exception OR cannot_coerce OR datatype_mismatch OR undefined_function OR undefined_object THEN
        -- Some value can't have been of its column's former type. Which one is found by halves.
        IF first_version < last_version THEN
            RETURN QUERY SELECT * FROM audittrail.ledger_differences(of_table, first_version, middle);
            RETURN QUERY SELECT * FROM audittrail.ledger_differences(of_table, middle + 1, last_version);
        ELSE
            RETURN QUERY SELECT 'unreadable', e.version, e.key, NULL::bigint, e.position FROM audittrail.ledger_entry e
                          WHERE e.table_id = of_table AND e.version = first_version AND e.salt IS NOT NULL;
        END IF;
        RETURN;
    END;
    RETURN QUERY SELECT d ->> 0, (d ->> 1)::bigint, d ->> 2, (d ->> 3)::bigint, (d ->> 4)::bigint FROM jsonb_array_elements(found) d;
END
$$;

-- The versions of a table whose "superseded", by which the past is read, is not what the later versions of their rows say.
CREATE OR REPLACE FUNCTION audittrail.ledger_misclosed(of_table int) RETURNS TABLE (version bigint, key text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table t WHERE t.id = of_table;
    IF tracked.key = '{}' OR NOT EXISTS (SELECT FROM pg_class WHERE oid = audittrail.ledger_source(of_table) AND relkind = 'r') THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE audittrail.compose(concat($template$
SELECT h.version, ROW({h.stored_key})::text
  FROM {history} h
  LEFT JOIN ($template$, audittrail.chain_template('SELECT DISTINCT {stored_key}, 0::bigint AS audittrail_first FROM {history}'), $template$) chain
       ON chain.place = h.ctid
 WHERE h.version >= {since_version} AND h.superseded IS DISTINCT FROM chain.closing
$template$), audittrail.parts_of(tracked) || jsonb_build_object('through', tracked.closed_through));
END
$$;

-- The columns of history that belong to other columns of their tables than before, or whose place another has taken that does not hold what
-- they held: as whoever renames columns of a history table crosswise would have it. Compared are layouts with those before them, and what
-- is there now with the last. A table has other numbers after a restore from a dump, or if it was made anew: then its columns are known by
-- their names, or by their order, which a restore keeps.
CREATE OR REPLACE FUNCTION audittrail.ledger_misbound() RETURNS TABLE (about text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH states AS (
        SELECT l.table_id, l.number, l.form::jsonb AS form, l.facts::jsonb AS facts, l.fills::jsonb AS fills FROM audittrail.ledger_layout l WHERE l.table_id > 0
        UNION ALL
        SELECT t.id, 2147483647, audittrail.ledger_form(s.oid, '{}')::jsonb, audittrail.ledger_facts(t)::jsonb, audittrail.ledger_fills(t.id, s.oid)
          FROM audittrail.tracked_table t CROSS JOIN LATERAL (SELECT audittrail.ledger_source(t.id)::oid) s (oid) WHERE s.oid IS NOT NULL
    ), pairs AS (
        SELECT s.*, lag(s.facts) OVER w AS former, lag(s.form) OVER w AS former_form FROM states s WINDOW w AS (PARTITION BY s.table_id ORDER BY s.number)
    ), moves AS (
        SELECT p.table_id, p.number, p.facts ->> 'table' AS name, p.former -> 'relation' = p.facts -> 'relation' AS is_same, (f.value ->> 0)::int AS former_number, f.value ->> 1 AS former_name,
               (b.value ->> 0)::int AS present_number, b.value ->> 1 AS present_name
          FROM pairs p CROSS JOIN LATERAL jsonb_each(p.former -> 'bound') f JOIN LATERAL jsonb_each(p.facts -> 'bound') b ON b.key = f.key
    )
    SELECT m.name, format('what history holds of column %s belongs to column %s by now', m.former_name, m.present_name)
      FROM moves m
     WHERE CASE WHEN m.is_same THEN m.former_number <> m.present_number
                ELSE m.former_name <> m.present_name AND EXISTS (
                     SELECT FROM moves o WHERE o.table_id = m.table_id AND o.number = m.number AND (o.former_number < m.former_number) <> (o.present_number < m.present_number)) END
    UNION ALL
    SELECT p.facts ->> 'table', format('another column of history has taken the place of the one of column %s', b.value ->> 1)
      FROM pairs p CROSS JOIN LATERAL jsonb_each(p.former -> 'bound') f
      JOIN LATERAL jsonb_each(p.facts -> 'bound') b ON b.key <> f.key
                                                   AND CASE WHEN p.former -> 'relation' = p.facts -> 'relation' THEN b.value -> 0 = f.value -> 0 ELSE b.value -> 1 = f.value -> 1 END
     WHERE EXISTS (SELECT FROM jsonb_array_elements(p.former_form -> 'columns') o WHERE o ->> 0 = b.key)
        OR p.fills -> b.key ->> 'is' IS DISTINCT FROM '()' AND NOT EXISTS (
           WITH RECURSIVE origin AS (
               SELECT p.fills -> b.key #>> '{from,0}' AS key
               UNION ALL
               SELECT p.fills -> o.key #>> '{from,0}' FROM origin o WHERE p.fills ? o.key
           )
           SELECT FROM origin o WHERE o.key = f.key)
$$;

-- Columns of history of another type than that of the live column, so that values are shown as others, or of a collation by which rows
-- are taken for one. Of a table that has changed since history followed it, the type counts that the registry says, if it is there still.
CREATE OR REPLACE FUNCTION audittrail.ledger_mistyped() RETURNS TABLE (about text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT t.table_name, format('column %s of history is of type %s, not %s', a.attname, concat_ws(' COLLATE ', h.type, h.collation_name), concat_ws(' COLLATE ', w.type, w.collation_name))
      FROM audittrail.tracked_table t
     CROSS JOIN LATERAL (SELECT audittrail.fingerprint(t.relation, t.history_name) = t.fingerprint) f (in_step)
     CROSS JOIN LATERAL jsonb_to_recordset(t.columns) c (name text, history text, type text, composite jsonb)
      JOIN pg_attribute a ON a.attrelid = audittrail.ledger_source(t.id) AND a.attname = c.history AND NOT a.attisdropped
      LEFT JOIN pg_collation o ON o.oid = a.attcollation
     CROSS JOIN LATERAL (SELECT format_type(a.atttypid, a.atttypmod), audittrail.collation_of(a.attrelid, a.attname)) h (type, collation_name)
     CROSS JOIN LATERAL (
        SELECT l.type, l.composite, l.collation_name FROM audittrail.live_columns(t.relation) l WHERE f.in_step AND l.name = c.name
        UNION ALL
        SELECT c.type, c.composite, h.collation_name WHERE NOT f.in_step AND to_regtype(c.type) IS NOT NULL) w (type, composite, collation_name)
     WHERE t.until_version IS NULL
       AND (h.type <> ALL (array_remove(ARRAY[w.type, w.composite ->> 'type'], NULL)) OR h.collation_name IS DISTINCT FROM w.collation_name AND NOT o.collisdeterministic)
$$;

-- What the registry says of a table that does not go with what it said before, as layouts have it: tables that have exchanged their history,
-- and a beginning that was moved. Nobody writes to a table while its tracking begins anew; and a baseline that is complete stays so.
CREATE OR REPLACE FUNCTION audittrail.ledger_inconsistencies() RETURNS TABLE (about text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH states AS (
        SELECT l.table_id, l.number, l.position, l.facts::jsonb AS facts FROM audittrail.ledger_layout l WHERE l.table_id > 0
        UNION ALL
        SELECT t.id, 2147483647, h.size, audittrail.ledger_facts(t)::jsonb FROM audittrail.ledger h, audittrail.tracked_table t
    ), steps AS (
        SELECT s.table_id, s.position, lag(s.facts) OVER w AS former, s.facts
          FROM states s WINDOW w AS (PARTITION BY s.table_id ORDER BY s.number)
    )
    SELECT s.facts ->> 'table', format('history of %s is said to be that of %s by now', s.former ->> 'table', s.facts ->> 'table')
      FROM steps s
     WHERE s.former -> 'relation' <> s.facts -> 'relation'
       AND (s.former ->> 'schema', s.former ->> 'table') IS DISTINCT FROM (s.facts ->> 'schema', s.facts ->> 'table')
       AND EXISTS (SELECT FROM steps o WHERE o.table_id <> s.table_id AND o.former ->> 'schema' = s.facts ->> 'schema' AND o.former ->> 'table' = s.facts ->> 'table')
    UNION ALL
    SELECT s.facts ->> 'table', format('the registry says that it is tracked since tick %s, and later versions were entered before it said so', s.facts ->> 'since_version')
      FROM steps s
     WHERE s.former -> 'since_version' <> s.facts -> 'since_version'
       AND EXISTS (SELECT FROM audittrail.ledger_entry e
                    WHERE e.table_id = s.table_id AND e.kind = 'V' AND e.version >= (s.facts ->> 'since_version')::bigint AND e.position < s.position)
    UNION ALL
    SELECT s.facts ->> 'table', format('the registry says %s %s, and said %s; it is not tracked anew', n.name, s.facts ->> n.name, s.former ->> n.name)
      FROM steps s CROSS JOIN unnest('{since_revision,since_at}'::text[]) n (name)
     WHERE s.former ? n.name AND s.former -> 'since_version' = s.facts -> 'since_version' AND s.former -> n.name <> s.facts -> n.name
    UNION ALL
    SELECT s.facts ->> 'table', 'the registry says that rows of its baseline are still to come, which was complete'
      FROM steps s
     WHERE s.former -> 'since_version' = s.facts -> 'since_version' AND s.former -> 'baseline_complete' = 'true' AND s.facts -> 'baseline_complete' = 'false'
$$;

-- What the registry says of tables, and long_revision of revisions, that can't be so; each with the table that it is about.
CREATE OR REPLACE FUNCTION audittrail.ledger_contradictions() RETURNS TABLE (about text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.table_name, format('the registry says that column %s is stored as %s', c ->> 'name', coalesce(c ->> 'history', 'nothing'))
      FROM audittrail.tracked_table t CROSS JOIN LATERAL jsonb_array_elements(t.columns) c
     WHERE c ->> 'history' IS DISTINCT FROM CASE WHEN c ->> 'name' = ANY (t.excluded) THEN NULL ELSE audittrail.stored_name(c ->> 'name') END
    UNION ALL
    SELECT t.table_name, format('the registry says that changes of column %s are %s, and of the table that they are %s', c ->> 'name', w.does, w.should)
      FROM audittrail.tracked_table t CROSS JOIN LATERAL jsonb_array_elements(t.columns) c
     CROSS JOIN LATERAL (SELECT CASE c ->> 'ignored' WHEN 'true' THEN 'ignored' ELSE 'recorded' END,
                                CASE WHEN c ->> 'name' = ANY (t.ignored) THEN 'ignored' ELSE 'recorded' END) w (does, should)
     WHERE t.until_version IS NULL AND w.does <> w.should
    UNION ALL
    SELECT t.table_name, format('the registry says that column %s is stored as %s, which history does not have', c ->> 'name', c ->> 'history')
      FROM audittrail.tracked_table t CROSS JOIN LATERAL jsonb_array_elements(t.columns) c
     WHERE audittrail.has_column(audittrail.ledger_source(t.id), c ->> 'history') IS FALSE
    UNION ALL
    SELECT t.table_name, format('the registry says that column %s has number %s, which it does not have', c ->> 'name', c ->> 'attnum')
      FROM audittrail.tracked_table t CROSS JOIN LATERAL jsonb_array_elements(t.columns) c
     WHERE t.until_version IS NULL AND audittrail.fingerprint(t.relation, t.history_name) = t.fingerprint
       AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attnum = (c ->> 'attnum')::int AND a.attname = c ->> 'name')
    UNION ALL
    SELECT * FROM audittrail.ledger_mistyped()
    UNION ALL
    SELECT * FROM audittrail.ledger_misbound()
    UNION ALL
    SELECT * FROM audittrail.ledger_inconsistencies()
    UNION ALL
    SELECT t.table_name, format('the registry says that it is kept from tick %s on, since %s, and no revision has pruned it so', t.kept_from, t.kept_since)
      FROM audittrail.tracked_table t
     WHERE t.kept_from > t.since_version AND NOT EXISTS (SELECT FROM audittrail.revision r
                                                          WHERE r.context #>> '{pruned,kept_since}' IS NOT NULL AND (r.context #>> '{pruned,kept_since}')::timestamptz = t.kept_since
                                                     -- A rollback to what was kept has erased the record of it.
                                                     OR r.context #>> '{restored,kind}' = 'rollback' AND t.kept_from <= coalesce(
                                                        (SELECT o.committed FROM audittrail.revision o WHERE o.id = (r.context #>> '{restored,revision}')::bigint), t.kept_from))
    UNION ALL
    SELECT t.table_name, format('the registry says that nothing before tick %s is still to be closed, and revision %s is', t.tail_from, r.id)
      FROM audittrail.tracked_table t
      JOIN audittrail.revision r ON r.committed > t.closed_through AND r.id < t.tail_from AND (
           r.id > t.closed_through - audittrail.short_revision()
           OR r.id IN (SELECT l.id FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> t.closed_through))
    UNION ALL
    SELECT t.table_name, format('the registry says that it is closed through tick %s, which is still to come', t.closed_through)
      FROM audittrail.tracked_table t WHERE t.closed_through > (SELECT last_value FROM audittrail.clock)
    UNION ALL
    SELECT 'clock', format('the clock stands at %s, and revisions were committed at tick %s', c.last_value, r.newest)
      FROM audittrail.clock c, (SELECT greatest((SELECT l.committed FROM audittrail.ledger l), max(n.committed)) AS newest
                                  FROM (SELECT committed FROM audittrail.revision WHERE committed_at IS NOT NULL ORDER BY committed_at DESC LIMIT 1000) n) r
     WHERE c.last_value < r.newest
    UNION ALL
    SELECT 'long_revision', format('it %s revision %s', CASE WHEN l.id IS NULL THEN 'lacks' ELSE 'is wrong about' END, coalesce(r.id, l.id))
      FROM (SELECT r.id, r.committed FROM audittrail.revision r WHERE r.committed - r.id > audittrail.short_revision()) r
      FULL JOIN (SELECT * FROM audittrail.long_revision l WHERE l.id > 0) l ON l.id = r.id AND l.committed = r.committed
     WHERE l.id IS NULL OR r.id IS NULL
$$;

-- Labels of enums that are called otherwise than versions were entered with. That is compared as it was, and shown as it is.
CREATE OR REPLACE FUNCTION audittrail.ledger_renamed_labels() RETURNS TABLE (about text, "column" text, former text, present text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT t.table_name, a.attname::text, r.value, r.key
      FROM audittrail.tracked_table t
      JOIN audittrail.ledger_layout l ON l.table_id = t.id
     CROSS JOIN LATERAL jsonb_array_elements(l.form::jsonb -> 'columns') c (entry)
      JOIN pg_attribute a ON a.attrelid = audittrail.ledger_source(t.id) AND a.attnum = (c.entry ->> 0)::int AND NOT a.attisdropped
     CROSS JOIN LATERAL jsonb_each_text(audittrail.ledger_former_labels(a.attrelid, c.entry)) r
     WHERE c.entry -> 3 IS NOT NULL
$$;

-- What stands in the ledger as nothing enters it. No digest shows that: leaves are of what has its place in the tree, and marks have none
-- until the revision that made them is entered.
CREATE OR REPLACE FUNCTION audittrail.ledger_irregularities() RETURNS TABLE (table_id int, version bigint, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.table_id, e.version, 'is marked as erased, by nobody' FROM audittrail.ledger_entry e WHERE (e.key IS NULL) <> (e.erased_by IS NOT NULL)
    UNION ALL
    SELECT e.table_id, e.version, 'has no place in the tree' FROM audittrail.ledger_entry e, audittrail.ledger h
     WHERE CASE e.kind WHEN 'C' THEN e.made_by IS NULL OR e.position IS NULL AND e.erased_by IS NOT NULL
                       WHEN 'R' THEN e.position IS NULL OR e.table_id <> 0 ELSE e.position IS NULL OR e.table_id = 0 OR e.kind <> 'V' END
        OR e.position NOT BETWEEN 0 AND h.size - 1 OR e.erased_in NOT BETWEEN e.position + 1 AND h.size - 1
    UNION ALL
    SELECT l.table_id, NULL, 'has a layout that has no place in the tree' FROM audittrail.ledger_layout l, audittrail.ledger h WHERE l.position NOT BETWEEN 0 AND h.size - 1
    UNION ALL
    SELECT c.table_id, c.version, 'is entered as changed more often than it was'
      FROM (SELECT e.table_id, e.version, count(*) AS times FROM audittrail.ledger_entry e WHERE e.kind = 'C' GROUP BY e.table_id, e.version) c
     WHERE c.times > (SELECT count(*) FROM audittrail.ledger_entry e WHERE e.version = c.version AND e.table_id = c.table_id AND e.erased_by IS NOT NULL)
    UNION ALL
    SELECT 0, o.version, 'is entered out of the order of commits'
      FROM (SELECT r.version, n.committed, max(n.committed) OVER (ORDER BY r.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
              FROM audittrail.ledger_entry r JOIN audittrail.revision n ON n.id = r.version WHERE r.kind = 'R') o
     WHERE o.committed <= o.before
    UNION ALL
    SELECT 0, r.version, format('is entered, and the ledger says that it has come through tick %s only', h.committed)
      FROM audittrail.ledger h CROSS JOIN audittrail.ledger_entry r LEFT JOIN audittrail.revision n ON n.id = r.version
     WHERE r.kind = 'R' AND coalesce(n.committed, r.version + 1) > h.committed
    UNION ALL
    SELECT 0, r.id, 'was never committed' FROM audittrail.revision r WHERE r.committed IS NULL AND r.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()
$$;

-- The texts of what a leaf has entered of a table, with their salts: what a proof shows. What was erased has none.
CREATE OR REPLACE FUNCTION audittrail.ledger_contents(of_table int, of_position bigint)
RETURNS TABLE (kind text, version bigint, digest bytea, salt uuid, content text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' AS $$
DECLARE
    source regclass := audittrail.ledger_source(of_table);
    noted  audittrail.ledger_layout;
BEGIN
    FOR noted IN SELECT * FROM audittrail.ledger_layout l WHERE l.table_id = of_table AND source IS NOT NULL ORDER BY l.number LOOP
        RETURN QUERY EXECUTE format(
            'SELECT e.kind::text, e.version, e.digest, e.salt, %s FROM audittrail.ledger_entry e JOIN %s h ON h.version = e.version AND %s = e.key'
            ' WHERE e.table_id = %s AND e.position = %s AND e.layout = %s',
            audittrail.ledger_text(of_table, noted.number, audittrail.ledger_content(source, noted.form, 'h'), 'h'), audittrail.ledger_rows(of_table),
            audittrail.ledger_key(source, noted.form, 'h'), of_table, of_position, noted.number);
    END LOOP;
END
$$;

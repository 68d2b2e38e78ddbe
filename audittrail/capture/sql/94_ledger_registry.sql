-- The ledger, last part: whether the registry, and the columns of history, still say what they said when versions were entered.

-- The columns of history that belong to other columns of their tables than before, or whose place another column has taken that does not
-- hold what they held, as after columns of a history table were renamed crosswise. Each layout is compared with the one before it, and what
-- is there now with the last. After a restore from a dump, or if the table was made anew, its columns have other numbers: then they are
-- known by their names, or by their order, which a restore keeps.
CREATE OR REPLACE FUNCTION audittrail.ledger_misbound() RETURNS TABLE (about text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH states AS (
        SELECT l.table_id, l.number, l.form::jsonb AS form, l.facts::jsonb AS facts, l.fills::jsonb AS fills FROM audittrail.ledger_layout l WHERE l.table_id > 0
        UNION ALL
        -- What is there now, after all layouts.
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
                                                   AND CASE WHEN p.former -> 'relation' = p.facts -> 'relation' THEN b.value -> 0 = f.value -> 0
                                                        -- A name that went from one column to another as both were renamed tells nothing: above, their order does.
                                                        ELSE b.value -> 1 = f.value -> 1 AND NOT (p.former -> 'bound' ? b.key AND (
                                                             p.facts -> 'bound' ? f.key OR NOT p.facts -> 'columns' ? (p.former #>> ARRAY['bound', b.key, '1'])
                                                             AND (SELECT count(*) FROM jsonb_object_keys(p.facts -> 'columns')) < (SELECT count(*) FROM jsonb_object_keys(p.former -> 'columns')))) END
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
        -- What is there now, after all layouts.
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
     WHERE s.former -> 'since_version' <> s.facts -> 'since_version' AND (s.facts ->> 'since_version')::bigint > 0
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
     WHERE t.kept_from > t.since_version AND NOT EXISTS (
           SELECT FROM audittrail.revision r CROSS JOIN audittrail.recorded_prunings(r.context) p (pruned)
            WHERE coalesce((p.pruned ->> 'kept_from')::bigint, t.kept_from) = t.kept_from
              AND coalesce((p.pruned ->> 'kept_since')::timestamptz, t.kept_since) = t.kept_since)
    UNION ALL
    SELECT t.table_name, format('the registry says that its history begins with revision %s, which was not imported', t.since_version)
      FROM audittrail.tracked_table t
     WHERE t.since_version < 0 AND NOT EXISTS (SELECT FROM audittrail.revision r WHERE r.id = t.since_version AND audittrail.imported_by(r.context) IS NOT NULL)
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

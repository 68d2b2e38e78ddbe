-- What is generated for each table to weave the changes at hand into the versions of a transaction, by the chain that weave() finds.

-- The columns of the history table, in its own order, as they are in the row "alias" of the table.
CREATE OR REPLACE FUNCTION audittrail.image_items(tracked audittrail.tracked_table, alias text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT array_agg(CASE WHEN c.name IS NULL THEN 'NULL' ELSE audittrail.as_stored(format('%s.%I', alias, c.name), c.composite) END ORDER BY a.attnum)
          FROM pg_attribute a
          LEFT JOIN jsonb_to_recordset(tracked.columns) c (name text, history text, composite jsonb) ON c.history = a.attname
         WHERE a.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND a.attnum > 0 AND NOT a.attisdropped);
END
$$;

-- The rows of a table, as weaving_template() takes them, for a SELECT. Where policies hide rows there are none, and the table is not
-- named: even if no row is read, naming it could run what policies call with the rights of history's owner.
CREATE OR REPLACE FUNCTION audittrail.live_rows(live oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN format(CASE WHEN row_security_active(live) THEN '(NULL::%s).*, NULL::oid AS tableoid, NULL::tid AS ctid, NULL::xid AS xmin'
                       ELSE '*, tableoid, ctid, xmin FROM %s' END, live::regclass);
END
$$;

-- The statement that weaves the changes at hand into the versions of a transaction, as a template; for follow() and weaving_function().
-- Its parts are, beside those of parts_of(): "changes", which come from changes_at_hand(); "revision", whose versions are woven; and
-- "is_told", whether what is in the table counts. It begins with "WITH live AS NOT MATERIALIZED (SELECT <live_rows()>)": the table
-- is named when the statement is executed.
CREATE OR REPLACE FUNCTION audittrail.weaving_template(baseline_complete boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN concat($template$
, changes AS MATERIALIZED (
    {changes}
), sides AS MATERIALIZED (
    -- A row whose key has changed is one deleted and one inserted.
    SELECT place, audittrail_old AS audittrail_key, audittrail_old,
           CASE WHEN {(audittrail_old).stored_key = (audittrail_new).stored_key} THEN audittrail_new END AS audittrail_new
      FROM changes WHERE has_old
     UNION ALL
    SELECT place, audittrail_new, NULL, audittrail_new
      FROM changes WHERE has_new AND NOT (has_old AND {(audittrail_old).stored_key = (audittrail_new).stored_key})
), keys AS MATERIALIZED (
    SELECT DISTINCT ON ({(audittrail_key).stored_key}) audittrail_key FROM sides
), items AS MATERIALIZED (
    -- All states of these rows: those that versions have left (v), the first one (f), those before (o) and after (n) each change
    -- at hand, and the present one (p), or one that is seen though it is gone (s).
    SELECT row_number() OVER () AS item, i.*
      FROM (SELECT audittrail_key, 'v'::"char" AS kind, h.version AS place, h.operation IN ('D', 'T') AS is_gone,
                   h.operation = 'I' AS is_born, ROW(h.*)::{history} AS audittrail_image
              FROM keys
              JOIN {history} h ON {h.stored_key = (audittrail_key).stored_key}
             WHERE h.revision_id = {revision} AND NOT (h.version = {since_version} AND h.operation = 'B')
             UNION ALL
            SELECT audittrail_key, 'f', h.version, h.operation IN ('D', 'T'),
                   h.version = {since_version} AND h.operation = 'B', ROW(h.*)::{history}
              FROM keys
             CROSS JOIN LATERAL (
                SELECT * FROM {history} h
                 WHERE {h.stored_key = (audittrail_key).stored_key} AND h.version >= {since_version}
                   AND (h.revision_id IS DISTINCT FROM {revision} OR h.version = {since_version} AND h.operation = 'B')
                 ORDER BY h.version DESC LIMIT 1) h
             UNION ALL
            SELECT audittrail_key, 'o', place, audittrail_old IS NULL, false, audittrail_old FROM sides
             UNION ALL
            SELECT audittrail_key, 'n', place, audittrail_new IS NULL, false, audittrail_new FROM sides
             UNION ALL
            SELECT audittrail_key, audittrail.kind_of_row(live.tableoid, live.ctid, live.xmin, {may_share_key}), 0, false, false, ROW({live_image})::{history}
              FROM keys
             -- Of a key that is unique a join would take one row, though an old snapshot may show two.
             CROSS JOIN LATERAL (SELECT * FROM live WHERE {is_told} AND {live.key = (audittrail_key).stored_key} OFFSET 0) live) i
), ranked AS MATERIALIZED (
    SELECT items.*, dense_rank() OVER (
               PARTITION BY {(audittrail_key).stored_key}
               ORDER BY ROW({(audittrail_image).stored_compared})::record USING OPERATOR(pg_catalog.*<))::int AS alike
      FROM items
), chains AS MATERIALIZED (
    SELECT CASE WHEN bool_or(kind = 's') THEN 0
                WHEN bool_or(kind = 'f' AND NOT is_gone) AND NOT bool_or(kind = 'v')
                     AND (array_agg(is_gone ORDER BY place) FILTER (WHERE kind = 'o'))[1] AND audittrail.is_in_doubt({relation}, {is_told}) THEN 0
                ELSE coalesce(max(CASE WHEN is_gone THEN 0 ELSE alike END) FILTER (WHERE kind = 'f'), 0) END AS first,
           {is_replaceable} AND NOT bool_or(kind = 's') AND coalesce(bool_or(is_born) FILTER (WHERE kind = 'f'), false){if_made} AS replaceable,
           {is_replaceable} AND NOT bool_or(kind IN ('f', 's')) AS untold,
           array_agg(CASE WHEN is_gone THEN 0 ELSE alike END ORDER BY place) FILTER (WHERE kind = 'v') AS states,
           array_agg(alike ORDER BY place) FILTER (WHERE kind = 'v') AS images,
           array_agg(is_born ORDER BY place) FILTER (WHERE kind = 'v') AS born,
           array_agg(CASE WHEN is_gone THEN 0 ELSE alike END ORDER BY place) FILTER (WHERE kind = 'o') AS old_states,
           array_agg(CASE WHEN is_gone THEN 0 ELSE alike END ORDER BY place) FILTER (WHERE kind = 'n') AS new_states,
           CASE WHEN {is_told} THEN coalesce(array_agg(alike ORDER BY item) FILTER (WHERE kind = 'p'), ARRAY[]::int[]) END AS present,
           array_agg(item ORDER BY place) FILTER (WHERE kind = 'v') AS v_items,
           array_agg(item ORDER BY place) FILTER (WHERE kind = 'o') AS o_items,
           array_agg(item ORDER BY place) FILTER (WHERE kind = 'n') AS n_items,
           max(item) FILTER (WHERE kind = 'f') AS f_item, min(item) FILTER (WHERE kind = 'p') AS p_item
      FROM ranked
     GROUP BY {(audittrail_key).stored_key}
), steps AS MATERIALIZED (
    SELECT w.step, w.source, w.operation, f_item,
           CASE w.source WHEN 'v' THEN v_items[w.number] WHEN 'o' THEN o_items[w.number] WHEN 'n' THEN n_items[w.number]
                         WHEN 'p' THEN p_item ELSE f_item END AS item
      FROM chains
     CROSS JOIN LATERAL audittrail.weave(first, replaceable, untold, states, images, born, old_states, new_states, present) w
), ticks AS MATERIALIZED (
    SELECT step, nextval('audittrail.clock') AS tick FROM generate_series(1, (SELECT max(step) FROM steps)) step
), moved AS (
    UPDATE {history} h SET version = t.tick, operation = CASE WHEN h.operation IN ('I', 'U') THEN s.operation ELSE h.operation END
      FROM steps s JOIN ticks t USING (step) JOIN items i USING (item)
     WHERE s.source = 'v' AND (s.operation = 'D') = i.is_gone
       AND {h.stored_key = (audittrail_key).stored_key} AND h.version = i.place
)$template$, CASE WHEN NOT baseline_complete THEN $template$, rebased AS (
    -- What was taken for the baseline is what an outer statement had made of it already.
    UPDATE {history} h SET (revision_id, {stored_columns}) = ROW({since_revision}, {(audittrail_image).stored_columns})
      FROM steps s JOIN items i USING (item)
     WHERE s.step = 0 AND s.source = 'o' AND {h.stored_key = (audittrail_key).stored_key} AND h.version = {since_version}
), unbased AS (
    DELETE FROM {history} h
     USING steps s JOIN items i ON i.item = s.f_item
     WHERE s.step = 0 AND s.source = '-' AND {h.stored_key = (audittrail_key).stored_key} AND h.version = {since_version}
)$template$ END, $template$
INSERT INTO {history} (version, revision_id, operation, {stored_columns})
SELECT $template$, CASE WHEN baseline_complete THEN 't.tick, {revision}' ELSE
           $template$CASE s.operation WHEN 'B' THEN {since_version} ELSE t.tick END, CASE s.operation WHEN 'B' THEN {since_revision} ELSE {revision} END$template$ END,
$template$, s.operation, {(audittrail_image).stored_columns}
  FROM steps s JOIN ticks t USING (step) JOIN items i USING (item)
 WHERE NOT (s.source = 'v' AND (s.operation = 'D') = i.is_gone);
$template$);
END
$$;

-- The changes that a statement trigger has at hand in its transition tables, as a query for weaving_template().
CREATE OR REPLACE FUNCTION audittrail.changes_at_hand(tracked audittrail.tracked_table, parts jsonb, event text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_lines(CASE WHEN event = 'INSERT' THEN $template$
SELECT row_number() OVER () AS place, false AS has_old, true AS has_new,
       NULL::{history} AS audittrail_old,
       ROW({new_image})::{history} AS audittrail_new
  FROM new_rows n
$template$ WHEN event = 'DELETE' THEN $template$
SELECT row_number() OVER () AS place, true AS has_old, false AS has_new,
       ROW({old_image})::{history} AS audittrail_old,
       NULL::{history} AS audittrail_new
  FROM old_rows o
$template$ WHEN EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation AND relkind = 'p') THEN $template$
-- By their keys: a trigger may keep a row from arriving in another partition, so that there are fewer new rows than old ones.
SELECT row_number() OVER () AS place, c.*
  FROM (SELECT o.audittrail_found IS NOT NULL AS has_old, n.audittrail_found IS NOT NULL AS has_new,
               ROW({old_image})::{history} AS audittrail_old,
               ROW({new_image})::{history} AS audittrail_new
          FROM (SELECT n.*, true AS audittrail_found FROM new_rows n) n
          FULL JOIN (SELECT o.*, true AS audittrail_found FROM old_rows o) o ON {o.key = n.key}
         WHERE ROW({n.compared})::record
           *<> ROW({o.compared})::record) c
$template$ ELSE $template$
-- By their order, which is that in which they came about: several referential actions may have changed a row.
SELECT audittrail_place AS place, true AS has_old, true AS has_new,
       ROW({old_image})::{history} AS audittrail_old,
       ROW({new_image})::{history} AS audittrail_new
  FROM (SELECT n.*, row_number() OVER () AS audittrail_place FROM new_rows n) n
  JOIN (SELECT o.*, row_number() OVER () AS audittrail_place FROM old_rows o) o USING (audittrail_place)
 WHERE ROW({n.compared})::record
   *<> ROW({o.compared})::record
$template$ END, parts || audittrail.weaving_parts(tracked));
END
$$;

-- The parts of weaving_template() and changes_at_hand() that are always the same.
CREATE OR REPLACE FUNCTION audittrail.weaving_parts(tracked audittrail.tracked_table) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN jsonb_build_object(
        'is_replaceable', NOT tracked.baseline_complete, 'may_share_key', audittrail.has_deferrable_key(tracked.relation),
        -- Of rows that share a key the baseline may be that of one, and the changes those of another: it is replaced if one of them has made
        -- it, and, as far as these are all, if it was not there before them.
        'if_made', CASE WHEN audittrail.has_deferrable_key(tracked.relation) AND NOT tracked.baseline_complete THEN $text$
           AND array_position(array_agg(alike) FILTER (WHERE kind = 'n' AND NOT is_gone), max(alike) FILTER (WHERE kind = 'f')) IS NOT NULL
           AND (bool_or(kind = 'v')
                OR cardinality(array_positions(coalesce(array_agg(alike) FILTER (WHERE kind = 'p'), '{}'), max(alike) FILTER (WHERE kind = 'f')))
                 - cardinality(array_positions(array_agg(alike) FILTER (WHERE kind = 'n' AND NOT is_gone), max(alike) FILTER (WHERE kind = 'f')))
                 + cardinality(array_positions(coalesce(array_agg(alike) FILTER (WHERE kind = 'o' AND NOT is_gone), '{}'), max(alike) FILTER (WHERE kind = 'f'))) < 1)
          $text$ ELSE '' END,
        'old_image', audittrail.image_items(tracked, 'o'), 'new_image', audittrail.image_items(tracked, 'n'), 'live_image', audittrail.image_items(tracked, 'live'));
END
$$;

-- The body of the function that gives the capture functions of a table the statement that weaves their changes, but for its beginning.
-- Its parameters are $1, the revision, and $2, whether what is in the table counts; if "by_row", the change is from $3 to $4.
CREATE OR REPLACE FUNCTION audittrail.weaving_function(tracked audittrail.tracked_table, parts jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pieces text[];
    texts  text[];
    quote  text := '$weave$';
BEGIN
    parts := parts || audittrail.weaving_parts(tracked) || '{"revision": "$1", "is_told": "$2"}';
    pieces := audittrail.compose_around(audittrail.weaving_template(tracked.baseline_complete), parts, '{changes}');
    SELECT array_agg(array_to_string(audittrail.changes_at_hand(tracked, parts, e.event), E'\n') ORDER BY e.place) INTO texts
      FROM unnest('{INSERT,UPDATE,DELETE}'::text[]) WITH ORDINALITY e (event, place);
    WHILE strpos(concat(pieces, texts), quote) > 0 LOOP  -- a column may have that name
        quote := left(quote, -1) || 'e$';
    END LOOP;
    RETURN audittrail.compose($template$
BEGIN
    RETURN concat({quote}{before}{quote}, CASE
        WHEN by_row THEN
            concat('SELECT 1 AS place, ', (event <> 'INSERT')::text, ' AS has_old, ', (event <> 'DELETE')::text, ' AS has_new,'
                   ' $3 AS audittrail_old, $4 AS audittrail_new')
        WHEN event = 'INSERT' THEN {quote}
{insert}
    {quote}
        WHEN event = 'UPDATE' THEN {quote}
{update}
    {quote}
        ELSE {quote}
{delete}
    {quote} END, {quote}{after}{quote});
END
$template$, jsonb_build_object('quote', quote, 'before', pieces[1], 'after', pieces[3], 'insert', texts[1], 'update', texts[2], 'delete', texts[3]));
END
$$;

-- The order of versions: those of a row must count up in the order in which it changed, and the last must be what the table holds.
--
-- A statement is captured when it ends. One that runs inside another (in a row trigger, in a function) ends first, and so is
-- captured first, though the outer statement had changed its rows before. What several commands of one statement do (WITH, MERGE,
-- referential actions) is captured command by command, though it came about in another order. So a capture that may not be the
-- only one of its statement compares twice. If the old images of its rows are not what their last versions say, changes that came
-- before it are yet to be captured: what they made of the rows is recorded with it. If its new images are not what the table holds,
-- changes that came after it have been captured already: then the changes at hand are woven into the versions that are there.

-- Whether something was captured before in the client's statement that is going on; notes that something is. The setting
-- audittrail.statement holds the time of that statement.
CREATE OR REPLACE FUNCTION audittrail.continues_statement() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    moment  text := extract(epoch FROM statement_timestamp());
    ignored text;
BEGIN
    IF current_setting('audittrail.statement', true) = moment THEN
        RETURN true;
    END IF;
    ignored := set_config('audittrail.statement', moment, true);
    -- In the statement that begins a transaction, what comes first does without the setting.
    RETURN statement_timestamp() = transaction_timestamp() AND current_setting('audittrail.revision', true) <> '';
END
$$;

-- Whether a row that this transaction sees was written by itself: its number is at the row, or one that was given later. Those
-- of others have ended before the snapshot was taken.
CREATE OR REPLACE FUNCTION audittrail.is_own(writer xid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN age(writer) <= age(pg_snapshot_xmax(pg_current_snapshot())::xid) OR audittrail.row_status(writer) IS NOT DISTINCT FROM 'in progress';
END
$$;

-- What a row of the table stands for while changes of its key are put in order: "p", the row that is there; or, in a transaction that
-- keeps its snapshot, "s", one that it still sees, and that others have deleted since. For where a key is one row's at a time, a row of a
-- key that this transaction has changed is its own, or is gone. Where two may share a key for a while, PostgreSQL tells: it does not let
-- a row be locked that has been deleted, a serialization failure.
CREATE OR REPLACE FUNCTION audittrail.kind_of_row(stored_in oid, place tid, writer xid, may_share_key boolean) RETURNS "char"
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT audittrail.keeps_snapshot() OR audittrail.is_own(writer) THEN
        RETURN 'p';
    ELSIF NOT may_share_key THEN
        RETURN 's';
    ELSIF has_any_column_privilege(stored_in, 'UPDATE') THEN
        EXECUTE format('SELECT FROM %s WHERE ctid = $1 FOR KEY SHARE SKIP LOCKED', stored_in::regclass) USING place;
    ELSIF NOT audittrail.snapshot_is_complete() THEN
        PERFORM audittrail.refuse_doubt(stored_in);
    END IF;
    RETURN 'p';
END
$$;

-- Refuse a change of a row of which it can't be told whether another transaction has deleted it before.
CREATE OR REPLACE FUNCTION audittrail.refuse_doubt(live oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'audittrail: another transaction may have deleted a row of % after this transaction took its snapshot, so that what it writes there can''t be recorded',
                    live::regclass
        USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again, as after any other serialization failure.';
END
$$;

-- Whether another transaction has given a table, or a partition of it, another file since this transaction took its snapshot.
CREATE OR REPLACE FUNCTION audittrail.has_another_file(live oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM pg_class c
                    WHERE (c.oid = live OR c.oid IN (SELECT audittrail.descendants(live))) AND c.relkind = 'r'
                      AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode AND audittrail.row_status(c.xmax) IS DISTINCT FROM 'in progress');
END
$$;

-- The same for a row that is inserted though its last version says that it is there, and that the table does not show: another
-- command of the statement has deleted it, which is not captured yet; or another transaction has, by a TRUNCATE, since no snapshot keeps
-- the rows that were in the file; or, if policies hide rows, by whatever. Returns false if it was none of these.
CREATE OR REPLACE FUNCTION audittrail.is_in_doubt(live oid, is_told boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF audittrail.keeps_snapshot() AND (is_told AND audittrail.has_another_file(live) OR NOT is_told AND NOT audittrail.snapshot_is_complete()) THEN
        PERFORM audittrail.refuse_doubt(live);
    END IF;
    RETURN false;
END
$$;

-- Weave changes of one row into the versions of it that a transaction has made already. States of the row are numbers, equal for
-- equal ones; 0 is no row. "first" is its state before all of these; version n has left it in states[n], with the values of
-- state images[n], and was an insertion if born[n]; change n, in the order in which they came about, has made new_states[n] of
-- old_states[n]; the table now holds one of "present" (NULL: can't be told). Returns the versions from the first new one on,
-- in their order: the version that is there, or the change whose new image (or old one) is the image of a new version; 0 stands for the row
-- in the table. Step 0, if "replaceable", says that the first state was not what it was taken for, but what change 1 began with.
--
-- Versions and changes can be put into one chain in many ways that keep the order of each. Every place costs where a link does not begin
-- with what the link before it has left, or where the chain does not end with what is in the table; the cheapest chain is returned. A version
-- and a change may be one link: the version was recorded, as what the change had made, when a change that came after it was captured.
CREATE OR REPLACE FUNCTION audittrail.weave(first int, replaceable boolean, states int[], images int[], born boolean[], old_states int[], new_states int[], present int[])
RETURNS TABLE (step int, source "char", number int, operation "char")
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_versions int := coalesce(cardinality(states), 0);
    n_changes  int := coalesce(cardinality(old_states), 0);
    begin_with int := first;
    best       int;
    best_first int := first;
    best_moves int[];
    costs      int[];
    origins    int[];
    moves      int[];
    node       int;
    target     int;
    base       int;
    cost       int;
    needed     int;
    state      int;
    v          int;
    c          int;
    last_image int;
    last_source "char";
BEGIN
    LOOP
        -- Node (v, c, kind): v versions and c changes are in the chain, the last of them a version (0) or a change (1). A move to
        -- it is a version (1), a change (2), a version that is what a change made (3), the latter two after a gap (4, 5).
        costs := array_fill(NULL::int, ARRAY[2 * (n_versions + 1) * (n_changes + 1)]);
        origins := costs;
        moves := costs;
        costs[1] := 0;
        FOR v IN 0 .. n_versions LOOP
            FOR c IN 0 .. n_changes LOOP
                FOR kind IN 0 .. 1 LOOP
                    node := 2 * (v * (n_changes + 1) + c) + kind + 1;
                    CONTINUE WHEN costs[node] IS NULL;
                    state := CASE WHEN kind = 1 THEN new_states[c] WHEN v > 0 THEN states[v] ELSE begin_with END;
                    IF v < n_versions THEN
                        needed := CASE WHEN born[v + 1] THEN 0 WHEN states[v + 1] = 0 THEN images[v + 1]
                                       ELSE nullif(CASE WHEN v > 0 THEN states[v] ELSE first END, 0) END;
                        target := 2 * ((v + 1) * (n_changes + 1) + c) + 1;
                        cost := costs[node] + CASE WHEN state = needed THEN 0 WHEN needed IS NULL AND state <> 0 THEN 1 ELSE 5 END;
                        IF cost < coalesce(costs[target], cost + 1) THEN
                            costs[target] := cost; origins[target] := node; moves[target] := 1;
                        END IF;
                        IF c < n_changes AND new_states[c + 1] = states[v + 1] THEN
                            target := target + 2;
                            -- Only of the first version it is uncertain what it came from.
                            cost := costs[node] + CASE WHEN state = old_states[c + 1] THEN 0 WHEN v = 0 THEN 2 ELSE 4 END;
                            IF cost < coalesce(costs[target], cost + 1) THEN
                                costs[target] := cost; origins[target] := node;
                                moves[target] := CASE WHEN state = old_states[c + 1] THEN 3 ELSE 5 END;
                            END IF;
                        END IF;
                    END IF;
                    IF c < n_changes THEN
                        target := 2 * (v * (n_changes + 1) + c + 1) + 2;
                        cost := costs[node] + CASE WHEN state = old_states[c + 1] THEN 1 ELSE 3 END;
                        IF cost < coalesce(costs[target], cost + 1) THEN
                            costs[target] := cost; origins[target] := node;
                            moves[target] := CASE WHEN state = old_states[c + 1] THEN 2 ELSE 4 END;
                        END IF;
                    END IF;
                END LOOP;
            END LOOP;
        END LOOP;
        base := 2 * (n_versions * (n_changes + 1) + n_changes) + 1;
        FOR node IN base .. base + 1 LOOP
            CONTINUE WHEN costs[node] IS NULL;
            state := CASE WHEN node > base THEN new_states[n_changes] WHEN n_versions > 0 THEN states[n_versions] ELSE begin_with END;
            cost := costs[node] + CASE WHEN present IS NULL OR state = ANY (present) OR present = '{}' AND state = 0 THEN 0 ELSE 4 END;
            IF cost < coalesce(best, cost + 1) THEN
                best := cost;
                best_first := begin_with;
                best_moves := '{}';
                target := node;
                WHILE target > 1 LOOP
                    best_moves := moves[target] || best_moves;
                    target := origins[target];
                END LOOP;
            END IF;
        END LOOP;
        EXIT WHEN NOT replaceable OR n_changes = 0 OR begin_with <> first OR old_states[1] = first;
        begin_with := old_states[1];
    END LOOP;

    step := 0;
    IF best_first <> first THEN
        source := CASE WHEN best_first = 0 THEN '-' ELSE 'o' END;
        number := 1;
        RETURN NEXT;
    END IF;
    state := best_first;
    v := 0;
    c := 0;
    -- "last_source" and "last_image" say where the image of the present state is.
    last_source := 'f';
    last_image := 0;
    FOREACH node IN ARRAY best_moves LOOP
        IF node IN (4, 5) THEN
            step := step + 1;
            IF old_states[c + 1] = 0 THEN
                source := last_source; number := last_image; operation := 'D';
            ELSE
                source := 'o'; number := c + 1; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
            END IF;
            RETURN NEXT;
            state := old_states[c + 1];
            last_source := 'o'; last_image := c + 1;
        END IF;
        IF node IN (2, 3, 4, 5) THEN
            c := c + 1;
        END IF;
        IF node IN (1, 3, 5) THEN
            v := v + 1;
            IF step > 0 AND states[v] = 0 AND state <> images[v] THEN
                -- Of two rows that shared the key, the other one was deleted.
                step := step + 1;
                source := 'v'; number := v; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
                RETURN NEXT;
            END IF;
            IF step > 0 THEN
                step := step + 1;
                source := 'v'; number := v; operation := CASE WHEN states[v] = 0 THEN 'D' WHEN state = 0 THEN 'I' ELSE 'U' END;
                RETURN NEXT;
            END IF;
            state := states[v];
            last_source := 'v'; last_image := v;
        ELSE
            step := step + 1;
            number := c;
            IF new_states[c] = 0 THEN
                source := 'o'; operation := 'D';
            ELSE
                source := 'n'; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
                last_source := 'n'; last_image := c;
            END IF;
            RETURN NEXT;
            state := new_states[c];
        END IF;
    END LOOP;
    IF NOT (present IS NULL OR state = ANY (present) OR present = '{}' AND state = 0) THEN
        step := step + 1;
        IF present = '{}' THEN
            source := last_source; number := last_image; operation := 'D';
        ELSE
            source := 'p'; number := 1; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
        END IF;
        RETURN NEXT;
    END IF;
END
$$;

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

-- The rows of a table, as weaving_template() takes them, for a SELECT; none where policies hide rows: they run nothing with the rights
-- of history's owner, which naming the table might, be it for no row.
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
           {is_replaceable} AND NOT bool_or(kind = 's') AND coalesce(bool_or(is_born) FILTER (WHERE kind = 'f'), false) AS replaceable,
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
     CROSS JOIN LATERAL audittrail.weave(first, replaceable, states, images, born, old_states, new_states, present) w
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
SELECT t.tick, {revision}, s.operation, {(audittrail_image).stored_columns}
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

-- The part of a capture function that puts versions in order, see 35_order.sql: it finds out whether changes from before the ones at
-- hand are not captured yet, and records them first, or whether changes from after them are captured already. In that case it weaves
-- the changes at hand into their versions and returns; in any other the function goes on to capture them as usual.
CREATE OR REPLACE FUNCTION audittrail.disentangle(tracked audittrail.tracked_table, parts jsonb, event text, new_rows text DEFAULT 'new_rows', old_rows text DEFAULT 'old_rows') RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    by_row boolean := new_rows <> 'new_rows';
BEGIN
    RETURN audittrail.compose_lines(concat($template$
seqscan := current_setting('enable_seqscan');
ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
IF row_security_active({relation}::oid) THEN
    -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
    tangle := (SELECT 2 FROM $template$, CASE event WHEN 'INSERT' THEN '{new_rows} n' WHEN 'DELETE' THEN '{old_rows} o' ELSE $template${new_rows} n
                 FULL JOIN {old_rows} o ON {o.key = n.key}
                WHERE ROW({n.compared})::record
                  *<> ROW({o.compared})::record$template$ END, $template$ LIMIT 1);
ELSE
    {shared_baseline}
    tangle := ($template$, CASE event WHEN 'INSERT' THEN $template$
        SELECT max(CASE WHEN live.{first_key} IS NULL OR l.audittrail_lives
                             OR ROW({live.compared})::record
                            *<> ROW({n.compared})::record THEN 2 ELSE 0 END)
          FROM {new_rows} n
         CROSS JOIN LATERAL (SELECT {n.key}) k$template$ WHEN 'DELETE' THEN $template$
        SELECT max(CASE WHEN live.{first_key} IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2
                        WHEN ROW({l.stored_compared})::record
                         *<> ROW({o.compared})::record THEN 1 ELSE 0 END)
          FROM {old_rows} o
         CROSS JOIN LATERAL (SELECT {o.key}) k$template$ ELSE $template$
        SELECT max(CASE WHEN n.{first_key} IS NULL
                        THEN CASE WHEN live.{first_key} IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2 ELSE 0 END
                        WHEN live.{first_key} IS NULL
                             OR ROW({live.compared})::record
                            *<> ROW({n.compared})::record THEN 2
                        WHEN l.audittrail_lives
                             AND (o.{first_key} IS NULL
                                  OR ROW({l.stored_compared})::record
                                  *= ROW({n.compared})::record) THEN 2
                        WHEN o.{first_key} IS NOT NULL
                             AND (l.audittrail_lives IS NOT TRUE
                                  OR ROW({l.stored_compared})::record
                                 *<> ROW({o.compared})::record) THEN 1
                        ELSE 0 END)
          FROM {new_rows} n
          FULL JOIN {old_rows} o ON {o.key = n.key}
         CROSS JOIN LATERAL (SELECT {either_key}) k$template$ END, $template$
          LEFT JOIN LATERAL (
            SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM {history} h
             WHERE {h.stored_key = k.key} AND h.version >= {since_version}
             ORDER BY h.version DESC LIMIT 1) l ON true
          LEFT JOIN LATERAL (SELECT * FROM {live} live WHERE {live.key = k.key} OFFSET 0) live ON true$template$, CASE WHEN event = 'UPDATE' THEN $template$
         WHERE ROW({n.compared})::record
           *<> ROW({o.compared})::record$template$ END, $template$
    );
END IF;$template$, CASE WHEN event = 'UPDATE' AND NOT by_row AND audittrail.has_referential_actions(tracked.relation) THEN $template$
IF (SELECT count(*) <> count(DISTINCT ROW({n.key})) FROM new_rows n) THEN
    tangle := 2;  -- several referential actions have changed a row
END IF;$template$ END, CASE WHEN event <> 'INSERT' THEN $template$
IF tangle = 1 THEN
    INSERT INTO {history} ({history_columns})
    SELECT {image}
      FROM {old_rows} o
      LEFT JOIN LATERAL (
        SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM {history} h
         WHERE {h.stored_key = o.key} AND h.version >= {since_version}
         ORDER BY h.version DESC LIMIT 1) l ON true
     WHERE l.audittrail_lives IS NOT TRUE
           OR ROW({l.stored_compared})::record
          *<> ROW({o.compared})::record;
    number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
END IF;$template$ END, $template$
ignored := set_config('enable_seqscan', seqscan, true);
IF tangle = 2 THEN
    continues := audittrail.continues_statement();  -- for what is captured next
    number := audittrail.enter_revision(
        number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
    former := audittrail.unguard();
    EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows({relation}), ' WHERE $2)', {weave}('{event}', {by_row}))
      USING number, NOT row_security_active({relation}::oid)$template$, CASE WHEN by_row THEN concat(',
            ', CASE WHEN event = 'INSERT' THEN 'NULL' ELSE 'ROW({old_image})' END, '::{history},
            ', CASE WHEN event = 'DELETE' THEN 'NULL' ELSE 'ROW({new_image})' END, '::{history}') END, $template$;
    PERFORM audittrail.guard_as(former);
    RETURN NULL;
END IF;
$template$), parts || jsonb_build_object(
        'new_rows', new_rows, 'old_rows', old_rows, 'by_row', by_row, 'shared_baseline', audittrail.shared_baseline(tracked, parts, event, new_rows), 'weave', format('audittrail.%I', tracked.history_name || '_weave'), 'first_key', quote_ident(tracked.key[1]),
        'either_key', ARRAY(SELECT format('CASE WHEN n.%1$I IS NULL THEN o.%2$I ELSE n.%2$I END AS %2$I', tracked.key[1], k.name)
                              FROM unnest(tracked.key) WITH ORDINALITY k (name, position) ORDER BY k.position),
        'old_image', audittrail.image_items(tracked, 'OLD'), 'new_image', audittrail.image_items(tracked, 'NEW'))
        || audittrail.image_parts(tracked, 'o', 'CASE WHEN l.audittrail_lives THEN ''U''::"char" ELSE ''I''::"char" END',
                                  '(SELECT nextval(''audittrail.clock''))', 'coalesce(this.number, currval(''audittrail.clock''))'));
END
$$;

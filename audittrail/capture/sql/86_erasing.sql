-- Erasing the history after a moment: what a rollback does after it has brought the tables back to that moment.

-- How much history there is after a tick.
CREATE OR REPLACE FUNCTION audittrail.later_history(tick bigint, OUT revisions bigint, OUT versions bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    number  bigint;
BEGIN
    SELECT count(*) INTO revisions FROM audittrail.revision r WHERE r.committed > tick
       AND r.id <> ALL (ARRAY(SELECT DISTINCT audittrail.imported_by(i.context) FROM audittrail.revision i WHERE i.id < 0 AND i.committed <= tick AND audittrail.imported_by(i.context) IS NOT NULL));
    versions := 0;
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL LOOP
        EXECUTE format('SELECT count(*) FROM audittrail.%I h WHERE %s', tracked.history_name, audittrail.is_later(tick)) INTO number;
        versions := versions + number;
    END LOOP;
END
$$;

-- The prunings that a revision records, with "kept_from" and "kept_since": its own, or those whose records a rollback has erased. The
-- rollbacks of earlier releases do not say which, and may have erased any: an object without either stands for that.
CREATE OR REPLACE FUNCTION audittrail.recorded_prunings(context jsonb) RETURNS SETOF jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('kept_from', p.pruned -> 'kept_from', 'kept_since', p.pruned -> 'kept_since')
      FROM (SELECT context -> 'pruned'
            UNION ALL
            SELECT jsonb_array_elements(coalesce(context #> '{restored,erased_prunings}', '[{}]')) WHERE context #>> '{restored,kind}' = 'rollback') p (pruned)
     WHERE p.pruned IS NOT NULL
$$;

-- The condition that a version h is not part of the history up to a tick: it came later, or its revision was committed later.
CREATE OR REPLACE FUNCTION audittrail.is_later(tick bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('(h.version > %1$s OR h.revision_id = ANY (ARRAY(SELECT o FROM audittrail.open_at(%1$s) o)))', tick)
$$;

-- Erase all revisions committed after a tick, with their versions and those of this transaction, whose revision stays and is the
-- record of it. The tables must hold what they held at that tick, and be locked. A table that was not tracked then, or has been
-- pruned since, begins its history anew, with what it holds as baseline.
CREATE OR REPLACE FUNCTION audittrail.erase_later(tick bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    opened  bigint := audittrail.next_version();
    own     bigint := current_setting('audittrail.revision')::bigint;
    later   boolean;
    filled  boolean;
    former  text[] := audittrail.unguard();
    erasing text[];
BEGIN
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL FOR UPDATE LOOP
        tracked := audittrail.tie(tracked.id);
        later := greatest(tracked.kept_from, coalesce((SELECT r.committed FROM audittrail.revision r WHERE r.id = tracked.since_revision), tracked.since_version)) > tick;
        EXECUTE format('DELETE FROM audittrail.%I h WHERE %s', tracked.history_name, audittrail.is_later(tick));
        erasing := audittrail.unguard(closing => 'on');
        EXECUTE format('UPDATE audittrail.%I h SET superseded = NULL WHERE h.superseded > %s', tracked.history_name, tick);
        PERFORM audittrail.guard_as(erasing);
        CONTINUE WHEN NOT later OR tracked.until_version IS NOT NULL OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = tracked.relation);
        PERFORM audittrail.require_all_rows(tracked.relation);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', tracked.relation::regclass) INTO filled;
        UPDATE audittrail.tracked_table t
           SET since_version = audittrail.next_version(), since_at = clock_timestamp(), since_revision = CASE WHEN filled THEN own END,
               baseline_complete = NOT filled, baseline_position = NULL
         WHERE t.id = tracked.id RETURNING * INTO tracked;
        IF filled THEN
            PERFORM audittrail.write_baseline(tracked, tracked.relation::regclass::text);
            PERFORM audittrail.complete_baseline(tracked.id);
        ELSE
            PERFORM audittrail.create_functions(tracked);  -- they say since when the table is tracked
        END IF;
    END LOOP;
    -- No pruning can begin by now: it waits for the rows of the registry.
    UPDATE audittrail.revision r
       SET context = jsonb_set(r.context, '{restored,erased_prunings}', coalesce((
               SELECT jsonb_agg(DISTINCT p.pruned) FROM audittrail.revision l CROSS JOIN audittrail.recorded_prunings(l.context) p (pruned)
                WHERE l.committed > tick AND l.id <> own), '[]'))
     WHERE r.id = own AND r.context #>> '{restored,kind}' = 'rollback';
    -- What was imported stays, unless it is later itself, and so does the revision that did it, with which it is entered into the ledger.
    DELETE FROM audittrail.revision r
     WHERE r.committed > tick AND r.id <> own
       AND r.id <> ALL (ARRAY(SELECT DISTINCT audittrail.imported_by(i.context) FROM audittrail.revision i WHERE i.id < 0 AND i.committed <= tick AND audittrail.imported_by(i.context) IS NOT NULL));
    PERFORM audittrail.guard_as(former);
END
$$;

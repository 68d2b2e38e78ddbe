-- For test databases, whose history is worth nothing when a test has ended.

-- Empty every history table that has rows, and revision; what the tracked tables hold now is their new baseline. The ledger, if it
-- is begun, is begun no more.
CREATE OR REPLACE FUNCTION audittrail.reset_history() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    query   text;
    written_ids int[];
    former  text[];
    ignored text;
    filled  boolean;
    begun   boolean := EXISTS (SELECT FROM audittrail.ledger);
BEGIN
    IF NOT EXISTS (SELECT FROM audittrail.revision) THEN
        RETURN;
    END IF;
    former := audittrail.unguard();
    ignored := set_config('audittrail.revision', '', true);
    DELETE FROM audittrail.ledger;
    DELETE FROM audittrail.ledger_entry;
    DELETE FROM audittrail.ledger_layout;
    DELETE FROM audittrail.ledger_tile;
    DELETE FROM audittrail.digest;
    DELETE FROM audittrail.revision;
    IF begun THEN
        -- A table with events that are still to come can't lose a trigger; those of revisions that are gone do nothing.
        SET CONSTRAINTS audittrail.revision_stamp IMMEDIATE;
        SET CONSTRAINTS audittrail.revision_stamp DEFERRED;
        PERFORM audittrail.drop_ledger_triggers();
    END IF;
    UPDATE audittrail.tracked_table SET kept_from = 0, kept_since = NULL, pruned_at = NULL WHERE kept_from > 0;
    -- One query finds the few history tables that have rows: a test suite has hundreds of them, and resets hundreds of times.
    -- Without a version, a table has no rows either, or a baseline that has not begun.
    SELECT string_agg(format('SELECT %s WHERE EXISTS (SELECT FROM audittrail.%I)', id, history_name), ' UNION ALL ') INTO query
      FROM audittrail.tracked_table WHERE to_regclass(format('audittrail.%I', history_name)) IS NOT NULL;
    EXECUTE format('SELECT ARRAY(%s)', coalesce(query, 'SELECT 0')) INTO written_ids;
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE t.id = ANY (written_ids) LOOP
        EXECUTE format('DELETE FROM audittrail.%I', tracked.history_name);
        tracked := audittrail.tie(tracked.id);
        CONTINUE WHEN tracked.until_version IS NOT NULL OR NOT EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation);
        PERFORM audittrail.require_all_rows(tracked.relation);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', tracked.relation::regclass) INTO filled;
        IF filled THEN
            UPDATE audittrail.tracked_table t
               SET since_version = audittrail.next_version() WHERE t.id = tracked.id RETURNING * INTO tracked;
            UPDATE audittrail.tracked_table t
               SET since_revision = current_setting('audittrail.revision')::bigint WHERE t.id = tracked.id RETURNING * INTO tracked;
            PERFORM audittrail.write_baseline(tracked, tracked.relation::regclass::text);
            PERFORM audittrail.complete_baseline(tracked.id);  -- the capture functions say since when the table is tracked
        END IF;
    END LOOP;
    PERFORM audittrail.guard_as(former);
END
$$;

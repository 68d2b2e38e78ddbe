-- For test databases, whose history is worth nothing when a test has ended.

-- Empty every history table that has rows, and revision; what the tracked tables hold now is their new baseline.
CREATE OR REPLACE FUNCTION audittrail.reset_history() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    ignored text := set_config('audittrail.settling', 'on', true);
    filled  boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM audittrail.revision) THEN
        RETURN;
    END IF;
    ignored := set_config('audittrail.revision', '', true);
    DELETE FROM audittrail.revision;
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL LOOP
        EXECUTE format('DELETE FROM audittrail.%I', tracked.history_name);
        CONTINUE WHEN tracked.until_version IS NOT NULL OR NOT EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', tracked.relation::regclass) INTO filled;
        IF filled THEN
            UPDATE audittrail.tracked_table t
               SET since_version = audittrail.next_version() WHERE t.id = tracked.id RETURNING * INTO tracked;
            UPDATE audittrail.tracked_table t
               SET since_revision = current_setting('audittrail.revision')::bigint WHERE t.id = tracked.id RETURNING * INTO tracked;
            EXECUTE audittrail.baseline_statement(tracked, tracked.relation::regclass::text);
        END IF;
    END LOOP;
    ignored := set_config('audittrail.settling', '', true);
END
$$;

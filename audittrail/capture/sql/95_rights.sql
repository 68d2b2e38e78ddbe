-- Who may call what. Only the owner may call a function that changes anything, or that triggers call. Those that only read do so with
-- the rights of their caller: to have them, a role needs the schema and the tables, which "manage.py audittrail grant" gives.
-- Nor may anybody else call what is generated for a table. The row triggers of partitioned tables ask whether they are on with the rights of
-- whoever writes.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audittrail FROM PUBLIC;
GRANT SELECT ON SEQUENCE audittrail.by_row TO PUBLIC;

DO $$
BEGIN
    -- These are volatile, though they only read: they wait for what is being committed.
    EXECUTE (SELECT format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', string_agg(oid::regprocedure::text, ', ')) FROM pg_proc
              WHERE pronamespace = 'audittrail'::regnamespace
                AND proname NOT IN (SELECT t.history_name || '_weave' FROM audittrail.tracked_table t)
                AND (provolatile <> 'v' OR proname IN ('as_of', 'unseen_commits', 'wait_for_commits', 'next_xid', 'is_given_xid', 'has_replayed', 'snapshot_lacks', 'is_by_row')));
END
$$;

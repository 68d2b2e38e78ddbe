-- Settled moments: between taking its tick and becoming visible, a transaction with a smaller tick may still be unseen.

-- The transactions, other than one's own, that are committing now: they hold the lock of stamp(). By their numbers, which they keep
-- when they are prepared meanwhile.
CREATE OR REPLACE FUNCTION audittrail.committing() RETURNS xid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH locks AS MATERIALIZED (SELECT * FROM pg_locks WHERE granted)
    SELECT coalesce(array_agg(n.transactionid), '{}')
      FROM locks l JOIN locks n USING (virtualtransaction)
     WHERE l.locktype = 'advisory' AND l.classid = 1635083369 AND l.objid = 1 AND l.objsubid = 2
       AND l.pid IS DISTINCT FROM pg_backend_pid() AND n.locktype = 'transactionid' AND n.mode = 'ExclusiveLock'
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Wait for the transactions that are committing now; those that begin to later have later ticks.
CREATE OR REPLACE FUNCTION audittrail.wait_for_commits(patience interval DEFAULT '5 seconds') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + patience;
    holders  xid[] := audittrail.committing();
BEGIN
    WHILE cardinality(holders) > 0 LOOP
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'audittrail: after % a transaction that began to commit is still not visible (its number: %)', patience, holders[1]
                USING ERRCODE = 'object_in_use', HINT = 'Look for prepared transactions in pg_prepared_xacts.';
        END IF;
        PERFORM pg_sleep(0.002);
        holders := ARRAY(SELECT unnest(audittrail.committing()) INTERSECT SELECT unnest(holders));
    END LOOP;
END
$$;

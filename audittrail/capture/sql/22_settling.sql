-- Settled moments: between taking its tick and becoming visible, a transaction with a smaller tick may still be unseen.

-- The transactions, other than one's own, that are committing now: they hold the lock of stamp(). By their numbers, which they keep
-- when they are prepared meanwhile.
CREATE OR REPLACE FUNCTION audittrail.committing() RETURNS xid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH locks AS MATERIALIZED (SELECT * FROM pg_locks WHERE granted)
    SELECT coalesce(array_agg(n.transactionid), '{}')
      FROM locks l JOIN locks n USING (virtualtransaction)
     WHERE l.locktype = 'advisory' AND l.classid = audittrail.commit_lock()::oid AND l.objid = 1 AND l.objsubid = 2
       AND l.pid IS DISTINCT FROM pg_backend_pid() AND n.locktype = 'transactionid' AND n.mode = 'ExclusiveLock'
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Wait for the transactions that are committing now, or for those of them that are given; those that begin to later have later
-- ticks. Returns the ones that are still not visible when patience is at its end, such as prepared ones.
CREATE OR REPLACE FUNCTION audittrail.unseen_commits(patience interval, awaited xid[] DEFAULT NULL) RETURNS xid[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + patience;
    pause    float := 0.001;  -- seconds: a commit takes a millisecond as a rule
BEGIN
    awaited := coalesce(awaited, audittrail.committing());
    WHILE cardinality(awaited) > 0 AND clock_timestamp() <= deadline LOOP
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 0.05);
        awaited := ARRAY(SELECT unnest(awaited) INTERSECT SELECT unnest(audittrail.committing()));
    END LOOP;
    RETURN awaited;
END
$$;

-- The same, with an error if not all are visible then.
CREATE OR REPLACE FUNCTION audittrail.wait_for_commits(patience interval DEFAULT '5 seconds') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unseen xid[] := audittrail.unseen_commits(patience);
BEGIN
    IF cardinality(unseen) > 0 THEN
        RAISE EXCEPTION 'audittrail: after % a transaction that began to commit is still not visible (its number: %)', patience, unseen[1]
            USING ERRCODE = 'object_in_use', HINT = 'Look for prepared transactions in pg_prepared_xacts.';
    END IF;
END
$$;

-- Settled moments: between taking its tick and becoming visible, a transaction with a smaller tick may still be unseen.

-- The numbers of the transactions, other than one's own, that are committing now. They hold the lock of stamp(), and, since they have
-- written a revision, a lock on that table as well: who merely asks for the value of the sequence holds only the first. Numbers, since a
-- transaction keeps its number when it is prepared meanwhile; its locks then move one by one to the virtualtransaction of the prepared one.
CREATE OR REPLACE FUNCTION audittrail.committing() RETURNS xid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH locks AS MATERIALIZED (SELECT * FROM pg_locks WHERE granted)
    SELECT coalesce(array_agg(n.transactionid), '{}')
      FROM locks l JOIN locks n USING (virtualtransaction)
     WHERE l.locktype = 'relation' AND l.relation = 'audittrail.commits'::regclass AND l.mode = 'RowExclusiveLock'
       AND EXISTS (SELECT FROM locks r WHERE r.virtualtransaction = l.virtualtransaction AND r.locktype = 'relation' AND r.database = l.database
                      AND r.relation = 'audittrail.revision'::regclass AND r.mode = 'RowExclusiveLock')
       AND l.pid IS DISTINCT FROM pg_backend_pid() AND n.locktype = 'transactionid' AND n.mode = 'ExclusiveLock'
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Whether a transaction has got this number by now.
CREATE OR REPLACE FUNCTION audittrail.is_given_xid(number bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_xact_status(number::text::xid8);
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;  -- PostgreSQL calls it one of the future
END
$$;

-- The number that the next transaction to write gets, as far as this server has heard: on a standby, every transaction that it has
-- replayed anything of has a smaller one. A transaction has written a row, under its number, before it takes a tick; so whoever
-- has a smaller tick than one that is visible has a smaller number than this. Only age() tells the number, and until the end of the
-- transaction it goes on telling what it told first. So the search goes on from there, in steps that double.
CREATE OR REPLACE FUNCTION audittrail.next_xid() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    horizon xid8 := pg_snapshot_xmax(pg_current_snapshot());
    number  bigint := horizon::text::bigint + greatest(age(horizon::xid), 0);
    step    bigint;
BEGIN
    WHILE audittrail.is_given_xid(number) LOOP
        step := 1;
        WHILE audittrail.is_given_xid(number + step) LOOP
            step := step * 2;
        END LOOP;
        number := number + step / 2 + 1;  -- the last step but one reached a number that is given
    END LOOP;
    RETURN number;
END
$$;

-- Whether every transaction with a smaller number than this has ended, as a snapshot taken now sees it. On a standby, where
-- pg_snapshot_xip() is always empty.
CREATE OR REPLACE FUNCTION audittrail.has_replayed(before bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= before;
END
$$;

-- Whether this database is an archive: its revisions come by logical replication, in the order in which they became visible, and
-- nobody here knows what is still to come. Only what was closed at the origin is known to be settled.
CREATE OR REPLACE FUNCTION audittrail.is_archive() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = 'audittrail.revision'::regclass)
$$;

-- The tick through which every tracked table is read without waiting: closed, and, in an archive, copied.
CREATE OR REPLACE FUNCTION audittrail.closed_tick() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF audittrail.is_archive() AND EXISTS (
        SELECT FROM pg_subscription_rel s JOIN pg_class c ON c.oid = s.srrelid
         WHERE c.relnamespace = 'audittrail'::regnamespace AND s.srsubstate <> 'r')
    THEN
        RETURN 0;
    END IF;
    RETURN (SELECT coalesce(max(closed_through), 0) FROM audittrail.tracked_table);
END
$$;

-- Whether all that was committed by a time is closed, and so known to be settled. Times and ticks of commits side by side may differ.
CREATE OR REPLACE FUNCTION audittrail.is_closed(at timestamptz, closed_through bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    RETURN coalesce((SELECT committed FROM audittrail.revision WHERE committed_at > at + interval '1 second'
                      ORDER BY committed_at LIMIT 1) <= closed_through, false);
END
$$;

-- Wait for the transactions that are committing now; those that begin to later have later ticks. A standby does not know who is
-- committing on the primary: there all that were writing are waited for. With a time, for all that was committed by then.
-- Returns those that can still not be seen when patience is at its end, such as prepared ones, by their numbers; NULL if a standby has
-- not even come as far as the time. Whoever goes on to wait gives that back, so that no later transactions are waited for.
CREATE OR REPLACE FUNCTION audittrail.unseen_commits(patience interval, awaited text[] DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    on_standby boolean := pg_is_in_recovery();
    deadline   timestamptz := clock_timestamp() + patience;
    pause      float := 0.001;  -- seconds: a commit takes a millisecond as a rule
BEGIN
    IF awaited IS NULL AND NOT on_standby THEN
        IF at > clock_timestamp() - audittrail.stamp_age() THEN
            -- A transaction that was stamped by then takes its lock within this time, or is stamped again, later.
            PERFORM pg_sleep(extract(epoch FROM least(at - clock_timestamp(), interval '0') + audittrail.stamp_age()));
        END IF;
        awaited := audittrail.committing();
    END IF;
    LOOP
        IF NOT on_standby THEN
            awaited := ARRAY(SELECT unnest(awaited) INTERSECT SELECT unnest(audittrail.committing()::text[]));
        ELSIF awaited IS NOT NULL THEN
            awaited := CASE WHEN audittrail.has_replayed(awaited[1]::bigint) THEN '{}' ELSE awaited END;
        ELSIF at IS NULL OR pg_last_xact_replay_timestamp() > at THEN
            awaited := ARRAY[audittrail.next_xid()];
            CONTINUE;
        END IF;
        EXIT WHEN awaited = '{}' OR clock_timestamp() > deadline;
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 0.05);
    END LOOP;
    RETURN awaited;
END
$$;

-- Whether the snapshot that this transaction keeps may lack a commit with a smaller tick than one that it shows. A transaction that has
-- committed since may have taken its tick any time before: after the stamp a deferred constraint may have waited for a lock, or the
-- transaction may have been prepared. One that has not begun to commit by now takes a later tick; so this is to be asked when those that
-- were committing have ended. If very many have begun since, they are not looked at one by one, and the answer is true. On a standby the
-- snapshot does not show who was writing.
CREATE OR REPLACE FUNCTION audittrail.snapshot_lacks() RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first bigint := pg_snapshot_xmax(pg_current_snapshot())::text;
    later bigint := audittrail.next_xid();
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN NOT audittrail.has_replayed(later);
    END IF;
    RETURN later > first + 1000 OR EXISTS (
        SELECT FROM (SELECT pg_snapshot_xip(pg_current_snapshot()) UNION ALL SELECT n::text::xid8 FROM generate_series(first, later - 1) n) w (writing)
         WHERE coalesce(pg_xact_status(writing), 'committed') = 'committed');
END
$$;

-- As unseen_commits(), with an error if not all can be seen then.
CREATE OR REPLACE FUNCTION audittrail.wait_for_commits(patience interval DEFAULT '5 seconds', at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unseen text[];
BEGIN
    IF audittrail.is_archive() THEN
        RAISE EXCEPTION 'audittrail: this archive can be read only as far as history was closed at its origin'
            USING ERRCODE = 'object_in_use', HINT = 'Ask for an earlier time, or run manage.py audittrail maintain at the origin.';
    END IF;
    unseen := audittrail.unseen_commits(patience, NULL, at);
    IF unseen IS NULL THEN
        RAISE EXCEPTION 'audittrail: this standby has not replayed what was committed by %, or nothing has been committed since', at
            USING ERRCODE = 'object_in_use', HINT = 'Ask for an earlier time.';
    ELSIF unseen <> '{}' AND pg_is_in_recovery() THEN
        RAISE EXCEPTION 'audittrail: after %, transactions that were writing on the primary when the moment was committed have not ended on this standby', patience
            USING ERRCODE = 'object_in_use', HINT = 'Ask for an earlier time, or run manage.py audittrail maintain on the primary.';
    ELSIF unseen <> '{}' THEN
        RAISE EXCEPTION 'audittrail: after % a transaction that began to commit is still not visible (its number: %)', patience, unseen[1]
            USING ERRCODE = 'object_in_use', HINT = 'Look for prepared transactions in pg_prepared_xacts.';
    END IF;
END
$$;

-- The tick of the last commit that is visible, 0 before the first. A short revision has a number near its tick; the others are
-- listed.
CREATE OR REPLACE FUNCTION audittrail.newest_tick() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    last_number bigint := (SELECT id FROM audittrail.revision WHERE committed IS NOT NULL ORDER BY id DESC LIMIT 1);
    last_tick   bigint := (SELECT max(committed) FROM audittrail.revision WHERE id >= last_number - audittrail.short_revision());
BEGIN
    RETURN coalesce(greatest(last_tick, (SELECT max(committed) FROM audittrail.long_revision
                                          WHERE int8range(id, committed) @> last_tick)), 0);
END
$$;

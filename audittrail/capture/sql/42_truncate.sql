-- TRUNCATE, and whatever else needs all rows of a table: a snapshot that may lack some of them is refused.

-- Whether nobody can have committed anything that the snapshot of this transaction, which it keeps, does not show: nobody was
-- running when it was taken, this transaction was the next to get a number, and a subtransaction gets the one after that, or
-- after those of earlier questions. Wrong only on the safe side.
CREATE OR REPLACE FUNCTION audittrail.snapshot_is_complete() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own     bigint := pg_current_xact_id()::xid::text;
    asked   bigint := coalesce(nullif(current_setting('audittrail.asked', true), ''), '0');
    given   bigint;
    ignored text;
BEGIN
    BEGIN
        INSERT INTO audittrail.long_revision (id, committed) VALUES (0, 0) RETURNING xmin::text INTO given;
        RAISE EXCEPTION USING ERRCODE = 'AT000';  -- undoes the row, keeps the variable
    EXCEPTION WHEN SQLSTATE 'AT000' THEN
        ignored := set_config('audittrail.asked', (asked + 1)::text, true);
    END;
    RETURN pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot())
           AND pg_snapshot_xmax(pg_current_snapshot()) = pg_current_xact_id() AND given = own + 1 + asked;
END
$$;

-- Whether this transaction sees all that others have committed to the tables that it has locked.
CREATE OR REPLACE FUNCTION audittrail.sees_all() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN NOT audittrail.keeps_snapshot() OR audittrail.snapshot_is_complete();
END
$$;

-- Refuse what records a table as it is to a transaction that may not see all of it.
CREATE OR REPLACE FUNCTION audittrail.require_present(live oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT audittrail.sees_all() THEN
        RAISE EXCEPTION 'audittrail: at isolation level % this transaction may not see rows of % that others have committed since it began',
                        current_setting('transaction_isolation'), live::regclass
            USING ERRCODE = 'serialization_failure', HINT = 'Use READ COMMITTED, or try again while no other transaction is running.';
    END IF;
END
$$;

-- Capture a TRUNCATE: every row's last image. A snapshot that is older than the lock may miss rows that others have
-- committed since and that are truncated all the same; rather than lose them, the statement is refused.
CREATE OR REPLACE FUNCTION audittrail.capture_truncate(tracked_id int, truncated oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation text := truncated::regclass;
    filled   boolean;
BEGIN
    IF pg_relation_size(truncated) = 0 THEN
        RETURN;  -- not a page, so not a row: a test suite truncates all of its tables after each test
    END IF;
    IF NOT audittrail.sees_all() THEN
        RAISE EXCEPTION 'audittrail: TRUNCATE of % at isolation level % could remove rows that this transaction cannot see and record',
                        relation, current_setting('transaction_isolation')
            USING ERRCODE = 'serialization_failure',
                  HINT = 'Truncate at READ COMMITTED, use DELETE, or try again while no other transaction is running.';
    END IF;
    PERFORM audittrail.require_all_rows(truncated);
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation) INTO filled;
    IF filled THEN
        EXECUTE audittrail.follow(tracked_id, 'TRUNCATE', 'ONLY ' || relation);
        PERFORM audittrail.complete_follow(tracked_id);
    END IF;
END
$$;

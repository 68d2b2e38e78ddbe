-- Whose a row is that a transaction sees, and whether others may have deleted it since: asked while changes are put in order, in a
-- transaction that keeps its snapshot.

-- Whether a row that this transaction sees was written by itself: its number is at the row, or one that was given later. Those
-- of others have ended before the snapshot was taken.
CREATE OR REPLACE FUNCTION audittrail.is_own(writer xid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN age(writer) <= age(pg_snapshot_xmax(pg_current_snapshot())::xid) OR audittrail.row_status(writer) IS NOT DISTINCT FROM 'in progress';
END
$$;

-- What a row of the table stands for while changes of its key are put in order: "p", the row that is there; or, in a transaction that
-- keeps its snapshot, "s", one that it still sees though others have deleted it since. Where a key belongs to one row at a time, and this
-- transaction has changed rows of the key, a row with it is this transaction's own, or is gone. Where two rows may share a key for a
-- while, PostgreSQL is asked to lock the row: it fails, as a serialization failure, if the row has been deleted.
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

-- Refuse a change of a row if it can't be told whether another transaction has deleted the row before.
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

-- Refuse as well to insert a row which is there by its last version, and which the table does not show, if another transaction may
-- have deleted it: by a TRUNCATE, since no snapshot keeps the rows of a former file, or, if policies hide rows, in any way. Otherwise
-- returns false: another command of the statement has deleted it, and that is not captured yet.
CREATE OR REPLACE FUNCTION audittrail.is_in_doubt(live oid, is_told boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF audittrail.keeps_snapshot() AND (is_told AND audittrail.has_another_file(live) OR NOT is_told AND NOT audittrail.snapshot_is_complete()) THEN
        PERFORM audittrail.refuse_doubt(live);
    END IF;
    RETURN false;
END
$$;

-- The stamp: a transaction's revision gets its place in commit order just before the commit.
--
-- A transaction that is a single statement, as most are, writes its revision once: with the stamp, which is checked just
-- before the commit, and holds if the clock has not moved on meanwhile. Others write it without, and are stamped then.

-- A sequence that gives no numbers. To ask for its last value takes a lock on it, which lasts until the transaction has ended and is
-- visible: by that lock readers see that a transaction stands between its tick and its visibility. Only the owner of the sequence can
-- take a lock that conflicts, whereas anybody may take an advisory lock, and keep it for ever.
-- The value means nothing: a dump, or somebody who sets all sequences, may have given it one. Where it is asked for within a condition,
-- num_nonnulls() makes that hold whatever the value is.
CREATE SEQUENCE IF NOT EXISTS audittrail.commits;

-- Give this transaction's revision its place in commit order. The lock comes before the tick.
CREATE OR REPLACE FUNCTION audittrail.stamp(number bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    ignored bigint;
BEGIN
    ignored := pg_sequence_last_value('audittrail.commits');  -- an assignment instead of PERFORM, which would cost a query
    UPDATE audittrail.revision
       SET committed = nextval('audittrail.clock'),
           committed_at = clock_timestamp()
     WHERE id = number AND committed IS NULL;
    IF FOUND AND currval('audittrail.clock') - number > audittrail.short_revision() THEN
        INSERT INTO audittrail.long_revision (id, committed) VALUES (number, currval('audittrail.clock'));
    END IF;
END
$$;

-- Take a revision into another one of the same transaction.
CREATE OR REPLACE FUNCTION audittrail.join_revisions(kept bigint, other bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    former  text[] := audittrail.unguard(closing => 'on', erasing => kept::text);
BEGIN
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL LOOP
        EXECUTE format('UPDATE audittrail.%I SET revision_id = $1 WHERE version >= $2 AND revision_id = $2', tracked.history_name) USING kept, other;
        IF tracked.since_revision = other THEN
            UPDATE audittrail.tracked_table t SET since_revision = kept WHERE t.id = tracked.id RETURNING * INTO tracked;
            PERFORM audittrail.create_functions(tracked);
        END IF;
    END LOOP;
    UPDATE audittrail.revision r
       SET committed_by = coalesce(r.committed_by, o.committed_by), context = o.context || r.context,
           reason = concat_ws('; ', nullif(r.reason, ''), nullif(nullif(o.reason, ''), r.reason))
      FROM audittrail.revision o WHERE r.id = kept AND o.id = other;
    DELETE FROM audittrail.revision WHERE id = other;
    PERFORM audittrail.guard_as(former);
END
$$;

-- Asked at the stamp of a revision that is not the one which the setting names: somebody has reset the setting within the transaction,
-- as RESET ALL does, and so has begun another. A transaction is one revision: both are joined, and stamped as one. Returns whether this
-- one is to be stamped now. One that was imported has a negative number, and its place already.
CREATE OR REPLACE FUNCTION audittrail.reunite(number bigint, stamped bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    other   bigint;
    ignored text;
BEGIN
    IF number < 0 THEN
        RETURN false;
    END IF;
    PERFORM FROM audittrail.revision r WHERE r.id = number AND (r.committed IS NULL OR r.committed = stamped);
    IF NOT FOUND THEN
        RETURN false;  -- close_revision() has stamped it, or it is part of another by now
    END IF;
    other := audittrail.own_revision();
    ignored := set_config('audittrail.revision', least(number, other)::text, true);
    IF other IS NULL THEN
        RETURN true;
    END IF;
    PERFORM audittrail.join_revisions(least(number, other), greatest(number, other));
    UPDATE audittrail.revision SET committed = NULL, committed_at = NULL, xid = xid WHERE id = least(number, other);  -- queued for another stamp
    RETURN false;
END
$$;

-- Deferred constraint trigger on audittrail.revision: stamps it at commit.
-- SET CONSTRAINTS ... IMMEDIATE fires it early. Then it defers itself again, since only the commit orders revisions.
CREATE OR REPLACE FUNCTION audittrail.stamp_at_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    stack   text;
    probing boolean;
    ignored text;
BEGIN
    IF current_setting('audittrail.clock', true) IS DISTINCT FROM 'checked' THEN
        PERFORM audittrail.check_clock();
    END IF;
    IF current_setting('audittrail.revision', true) IS DISTINCT FROM NEW.id::text AND NOT audittrail.reunite(NEW.id, NEW.committed) THEN
        RETURN NULL;
    END IF;
    GET DIAGNOSTICS stack = PG_CONTEXT;
    IF NEW.committed IS NOT NULL THEN
        -- The stamp that was given with the change stands if it would be the same now: this is the commit of a single statement, with a
        -- semicolon at its end or none, nothing but this function is on the stack, and nobody has taken a tick since. The lock is taken
        -- before the clock is looked at, so that whoever takes a tick later finds the lock.
        IF stack NOT LIKE E'%\n%' AND rtrim(current_query(), E'; \n') NOT LIKE '%;%' AND statement_timestamp() = transaction_timestamp()
           AND num_nonnulls(pg_sequence_last_value('audittrail.commits')) >= 0
           AND NEW.committed = pg_sequence_last_value('audittrail.clock') AND NEW.committed - NEW.id <= audittrail.short_revision()
           AND clock_timestamp() - NEW.committed_at < audittrail.stamp_age()
        THEN
            RETURN NULL;
        END IF;
    ELSIF NEW.committed_at = 'infinity' THEN  -- the question below, which only this function can ask
        ignored := set_config('audittrail.probe', 'answered', true);
        RETURN NULL;
    END IF;
    -- At a plain commit the statement does not name constraints. A long one is not searched for the word.
    IF stack LIKE E'%\n%' OR octet_length(current_query()) > 10000 OR strpos(lower(current_query() COLLATE "C"), 'constraints') > 0 THEN
        -- Otherwise ask: an event queued now fires at once exactly if the trigger is set to IMMEDIATE.
        ignored := set_config('audittrail.probe', 'asked', true);
        UPDATE audittrail.revision SET xid = xid, committed = NULL, committed_at = 'infinity'
         WHERE id = NEW.id AND (committed IS NULL OR committed = NEW.committed);
        IF NOT FOUND THEN
            RETURN NULL;  -- close_revision() has stamped it
        END IF;
        probing := current_setting('audittrail.probe') = 'answered';
        ignored := set_config('audittrail.probe', '', true);
        IF probing THEN
            SET CONSTRAINTS audittrail.revision_stamp DEFERRED;
            UPDATE audittrail.revision SET xid = xid, committed_at = NULL WHERE id = NEW.id;
            RETURN NULL;
        END IF;
    END IF;
    -- As in stamp(), in place: a call costs. The row is where it was, unless a later statement has added to it.
    UPDATE audittrail.revision
       SET committed = CASE WHEN num_nonnulls(pg_sequence_last_value('audittrail.commits')) >= 0 THEN nextval('audittrail.clock') END,
           committed_at = clock_timestamp()
     WHERE ctid = NEW.ctid AND (committed IS NULL OR committed = NEW.committed);
    IF NOT FOUND THEN
        PERFORM audittrail.stamp(NEW.id);
    ELSIF currval('audittrail.clock') - NEW.id > audittrail.short_revision() THEN
        INSERT INTO audittrail.long_revision (id, committed) VALUES (NEW.id, currval('audittrail.clock'));
    END IF;
    RETURN NULL;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'audittrail.revision'::regclass AND tgname = 'revision_stamp') THEN
        CREATE CONSTRAINT TRIGGER revision_stamp
            AFTER INSERT OR UPDATE OF xid ON audittrail.revision
            DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW
            EXECUTE FUNCTION audittrail.stamp_at_commit();
    END IF;
END
$$;

-- Close the revision of this transaction before its end; the next change opens another. For test suites, whose
-- transactions never commit: elsewhere one transaction is one revision.
CREATE OR REPLACE FUNCTION audittrail.close_revision() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    number  bigint := audittrail.own_revision();
    ignored text;
BEGIN
    IF number IS NOT NULL THEN
        PERFORM audittrail.stamp(number);
        ignored := set_config('audittrail.revision', '', true);
        ignored := set_config('audittrail.applied', '', true);
    END IF;
    RETURN number;
END
$$;

-- The revision of a transaction: opened by its first change, stamped just before its commit.

-- Add to an open revision what a later statement's context says and the revision does not: what is there stays.
CREATE OR REPLACE FUNCTION audittrail.add_context(number bigint, raw text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    added   jsonb := audittrail.parse_context(raw);
    author  audittrail.revision.committed_by%TYPE := audittrail.context_user(added);
    motive  text := coalesce(added ->> 'reason', '');
    ignored text := set_config('audittrail.applied', raw, true);
BEGIN
    UPDATE audittrail.revision r
       SET committed_by = coalesce(r.committed_by, author),
           reason = CASE WHEN motive = '' OR motive = ANY (string_to_array(r.reason, '; ')) THEN r.reason
                         WHEN r.reason = '' THEN motive
                         ELSE r.reason || '; ' || motive END,
           context = (added - 'user' - 'reason') || r.context
     WHERE r.id = number;
END
$$;

-- Whether the number belongs to the open revision of this transaction; if so, it takes further changes.
-- Any role may set a setting, so the number is worth nothing until the transaction id stored with it agrees.
-- Sequential scans are off: a plan made while the table was small would be kept while it grows.
CREATE OR REPLACE FUNCTION audittrail.resume_revision(claimed text) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    number  bigint;
    stamped boolean;
    raw     text;
BEGIN
    IF claimed !~ '^[0-9]{1,18}$' THEN
        RETURN false;
    END IF;
    number := claimed;
    SELECT committed IS NOT NULL INTO stamped
      FROM audittrail.revision WHERE id = number AND xid = pg_current_xact_id();
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF stamped THEN
        -- A deferred trigger writes after our stamp: the revision is open again, and queued for another stamp.
        UPDATE audittrail.revision SET committed = NULL, committed_at = NULL, xid = xid
         WHERE id = number;
    END IF;
    raw := audittrail.statement_context();
    IF raw IS NOT NULL AND raw IS DISTINCT FROM current_setting('audittrail.applied', true) THEN
        PERFORM audittrail.add_context(number, raw);
    END IF;
    RETURN true;
END
$$;

-- The version of a captured statement, in the revision of its transaction. The first one opens the revision, and is its
-- number as well.
CREATE OR REPLACE FUNCTION audittrail.next_version() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    raw     text := current_setting('audittrail.revision', true);
    number  bigint;
    context jsonb;
    author  audittrail.revision.committed_by%TYPE;
    ignored text;
BEGIN
    IF raw <> '' THEN
        IF audittrail.resume_revision(raw) THEN
            RETURN nextval('audittrail.clock');
        END IF;
    END IF;
    -- The transaction gets its number first: so whoever has a later number has only later ticks (see move_mark()).
    number := CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audittrail.clock') END;
    -- The first question of statement_context(), asked here to spare a transaction without context the call.
    IF starts_with(current_query(), '/*audittrail:') OR current_setting('audittrail.context', true) <> '' THEN
        raw := audittrail.statement_context();
        context := audittrail.parse_context(raw);
        author := audittrail.context_user(context);
        ignored := set_config('audittrail.applied', raw, true);
        INSERT INTO audittrail.revision (id, committed_by, reason, context)
        VALUES (number, author, coalesce(context ->> 'reason', ''), context - 'user' - 'reason');
    ELSE
        INSERT INTO audittrail.revision (id) VALUES (number);
    END IF;
    ignored := set_config('audittrail.revision', number::text, true);
    RETURN number;
END
$$;

-- Give a revision its place in commit order. The shared lock tells readers that a transaction stands between its tick
-- and its visibility.
CREATE OR REPLACE FUNCTION audittrail.stamp(number bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_advisory_xact_lock_shared(1635083369, 1) IS NULL THEN
        NULL;  -- an expression instead of PERFORM, which would cost a query
    END IF;
    UPDATE audittrail.revision
       SET committed = nextval('audittrail.clock'),
           committed_at = clock_timestamp()
     WHERE id = number AND committed IS NULL;
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
    -- Asked here, because PostgreSQL parses a trigger's WHEN again in every statement.
    IF NEW.committed IS NOT NULL THEN
        RETURN NULL;
    END IF;
    IF NEW.committed_at = 'infinity' THEN  -- the question below, which only this function can ask
        ignored := set_config('audittrail.probe', 'answered', true);
        RETURN NULL;
    END IF;
    GET DIAGNOSTICS stack = PG_CONTEXT;
    -- At a plain commit nothing is on the stack but this function, and the statement speaks of no constraints.
    IF strpos(stack, E'\n') > 0 OR octet_length(current_query()) > 10000 OR strpos(lower(current_query() COLLATE "C"), 'constraints') > 0 THEN
        -- Otherwise ask: an event queued now fires at once exactly if the trigger is set to IMMEDIATE.
        ignored := set_config('audittrail.probe', 'asked', true);
        UPDATE audittrail.revision SET xid = xid, committed_at = 'infinity' WHERE id = NEW.id AND committed IS NULL;
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
    -- As in stamp(), in place: a call costs.
    IF pg_advisory_xact_lock_shared(1635083369, 1) IS NULL THEN
        NULL;
    END IF;
    UPDATE audittrail.revision
       SET committed = nextval('audittrail.clock'),
           committed_at = clock_timestamp()
     WHERE id = NEW.id AND committed IS NULL;
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
    claimed text := current_setting('audittrail.revision', true);
    ignored text;
BEGIN
    IF claimed <> '' THEN
        IF audittrail.resume_revision(claimed) THEN
            PERFORM audittrail.stamp(claimed::bigint);
            ignored := set_config('audittrail.revision', '', true);
            ignored := set_config('audittrail.applied', '', true);
            RETURN claimed::bigint;
        END IF;
    END IF;
    RETURN NULL;
END
$$;

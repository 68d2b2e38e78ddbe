-- The revision of a transaction: opened by its first change, and found by the next ones.

-- Add to an open revision what a later statement's context says and the revision does not: what is there stays.
CREATE OR REPLACE FUNCTION audittrail.add_context(number bigint, raw text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    added   jsonb := audittrail.parse_context(raw);
    author  audittrail.revision.committed_by%TYPE := audittrail.context_user(added);
    motive  text := coalesce(added ->> 'reason', '');
BEGIN
    UPDATE audittrail.revision r
       SET committed_by = coalesce(r.committed_by, author),
           reason = CASE WHEN motive = '' OR motive = ANY (string_to_array(r.reason, '; ')) THEN r.reason
                         WHEN r.reason = '' THEN motive
                         ELSE r.reason || '; ' || motive END,
           -- Of which tenant a user is goes with the user.
           context = (audittrail.context_details(added, author::text)
                      - CASE WHEN r.committed_by IS NULL THEN '' ELSE 'audittrail_user_schema' END) || r.context
     WHERE r.id = number;
END
$$;

-- The number of this transaction's revision, which takes further changes; NULL if it has none yet.
-- Any role may set a setting, so the number is worth nothing until the transaction id stored with it agrees.
-- Sequential scans are off: a plan made while the table was small would be kept while it grows.
CREATE OR REPLACE FUNCTION audittrail.own_revision() RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    claimed text := current_setting('audittrail.revision', true);
    number  bigint;
    stamped boolean;
    is_long boolean;
    former  text[];
BEGIN
    IF claimed ~ '^[0-9]{1,18}$' THEN
        SELECT id, committed IS NOT NULL, committed - id > audittrail.short_revision() INTO number, stamped, is_long
          FROM audittrail.revision WHERE id = claimed::bigint AND xid = pg_current_xact_id();
        IF stamped THEN
            -- A deferred trigger writes after our stamp, or a later statement after the first: the revision is open
            -- again, and queued for another stamp.
            UPDATE audittrail.revision SET committed = NULL, committed_at = NULL, xid = xid WHERE id = number;
            IF is_long THEN
                former := audittrail.unguard();
                DELETE FROM audittrail.long_revision WHERE id = number;
                PERFORM audittrail.guard_as(former);
            END IF;
        END IF;
    END IF;
    RETURN number;
END
$$;

-- Enter a change into its transaction's revision: into the one of that number, or, without one, into a new one, which gets the version as
-- its number, with the context of the statement. Returns the number. "is_first" tells that nothing can have been captured before the
-- change, or inside it: such a revision is stamped at once if its transaction is a single statement (see stamp_at_commit()).
-- The context is read here, in one piece, though others are asked about one that is odd: each call costs, and each handler.
CREATE OR REPLACE FUNCTION audittrail.enter_revision(number bigint, version bigint, is_first boolean) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    is_sent boolean := starts_with(current_query(), '/*audittrail:');
    raw     text := CASE WHEN is_sent THEN substr(split_part(current_query(), '*/', 1), length('/*audittrail:') + 1)
                         ELSE current_setting('audittrail.context', true) END;
    context jsonb := '{}';
    author  audittrail.revision.committed_by%TYPE;
    single  boolean := is_first AND statement_timestamp() = transaction_timestamp();
    ignored text;
BEGIN
    IF is_sent OR raw <> '' THEN
        IF raw = current_setting('audittrail.applied', true) AND number IS NOT NULL THEN
            RETURN number;
        END IF;
        ignored := set_config('audittrail.applied', raw, true);
        IF NOT is_sent THEN
            ignored := set_config('audittrail.context', '', false);  -- it serves no other transaction
        END IF;
        IF number IS NOT NULL THEN
            PERFORM audittrail.add_context(number, raw);
        END IF;
    ELSE
        raw := current_setting('audittrail.session_context', true);
    END IF;
    IF number IS NOT NULL THEN
        RETURN number;
    ELSIF is_sent OR raw <> '' THEN
        BEGIN
            context := raw::jsonb;
            author := context ->> 'user';
        EXCEPTION WHEN data_exception THEN
            context := NULL;
        END;
        IF jsonb_typeof(context) IS DISTINCT FROM 'object' OR context ?| '{audittrail_read_only,corrected,redacted,pruned,restored}' THEN
            context := audittrail.parse_context(raw);
            author := audittrail.context_user(context);
        END IF;
    END IF;
    INSERT INTO audittrail.revision (id, committed, committed_at, committed_by, reason, context)
    VALUES (set_config('audittrail.revision', version::text, true)::bigint,
            CASE WHEN single THEN nextval('audittrail.clock') END, CASE WHEN single THEN clock_timestamp() END,
            author, coalesce(context ->> 'reason', ''), audittrail.context_details(context, author::text));
    RETURN version;
END
$$;

-- A new version, in the revision of its transaction.
CREATE OR REPLACE FUNCTION audittrail.next_version() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number  bigint := audittrail.own_revision();
    -- The transaction gets its number first: so whoever has a later number has only later ticks (see move_mark()).
    version bigint := CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audittrail.clock') END;
BEGIN
    number := audittrail.enter_revision(number, version, false);
    RETURN version;
END
$$;

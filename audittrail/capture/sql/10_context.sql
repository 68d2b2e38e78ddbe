-- Who, why and from where: the context that comes with a statement.
--
-- A client puts it into a comment at the very start of the statement, /*audittrail:{...}*/, or, in psql, into the
-- transaction-local setting audittrail.context. The comment is read only there, so that a value inside the statement
-- can't pass for one.
-- Where it is set for the session instead (SET), it serves one revision as well and is emptied then: others may use the connection later.
-- Nothing tells when it was set, so one that no change has used yet goes to the next revision. What a session is to say of all its
-- revisions has a setting of its own, audittrail.session_context: emptying audittrail.context must not take it away.

-- A context without the marks by which revisions say that history was corrected, redacted, pruned or rolled back. Only the functions that
-- do such a thing set them; in a client's context they are left out, with a warning.
CREATE OR REPLACE FUNCTION audittrail.without_marks(context jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The role of the client, whose statement runs a capture function with the rights of its owner.
    caller text := CASE WHEN current_setting('role') = 'none' THEN session_user::text ELSE current_setting('role') END;
    marks  text[] := '{corrected,redacted,pruned}';
BEGIN
    IF context #>> '{restored,kind}' = 'rollback'
       AND NOT pg_has_role(caller, (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'audittrail'), 'USAGE') THEN
        marks := marks || 'restored'::text;
    END IF;
    marks := ARRAY(SELECT m FROM unnest(marks) m WHERE context ? m);
    IF marks = '{}' THEN
        RETURN context;
    END IF;
    RAISE WARNING 'audittrail: the context of this statement says %, which only audittrail itself can say', array_to_string(marks, ', ')
        USING ERRCODE = 'invalid_parameter_value', HINT = 'Choose other names in the context.';
    RETURN context - marks;
END
$$;

-- The context as a JSON object. What isn't one is kept in it as text: the change is recorded all the same, and a warning says so.
-- Fails for a change within a statement that reads the past: whoever travels in time changes nothing, not even by a function that
-- the statement calls.
CREATE OR REPLACE FUNCTION audittrail.parse_context(raw text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    parsed jsonb;
BEGIN
    BEGIN
        parsed := raw::jsonb;
    EXCEPTION WHEN data_exception THEN
        NULL;
    END;
    IF jsonb_typeof(parsed) IS DISTINCT FROM 'object' THEN
        RAISE WARNING 'audittrail: the context of this statement is not a JSON object: %', left(raw, 200)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Set audittrail.context to an object such as {"user": 1, "reason": "..."}, or leave it out.';
        RETURN jsonb_build_object('audittrail_context', raw);
    END IF;
    IF parsed ? 'audittrail_read_only' THEN
        RAISE EXCEPTION 'audittrail: the past can''t be changed, and this statement reads the past'
            USING ERRCODE = 'read_only_sql_transaction', HINT = 'Change the data outside of history.travelling(), on the connection that reads the present.';
    END IF;
    IF parsed ?| '{corrected,redacted,pruned}' OR parsed #>> '{restored,kind}' = 'rollback' THEN
        parsed := audittrail.without_marks(parsed);
    END IF;
    RETURN parsed;
END
$$;

-- The key of the user that a context names, in the type of the user model's key; NULL, with a warning, for what is no key.
CREATE OR REPLACE FUNCTION audittrail.context_user(context jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    typed audittrail.revision.committed_by%TYPE;
BEGIN
    typed := context ->> 'user';
    RETURN typed::text;
EXCEPTION WHEN data_exception THEN
    RAISE WARNING 'audittrail: the user % of this statement''s context is not a key of the user model', context -> 'user'
        USING ERRCODE = 'invalid_parameter_value',
              HINT = 'Give the primary key of a user, or no user.';
    RETURN NULL;
END
$$;

-- What a context says beside the user and the reason; and the user, if it named one that is no key. STABLE, as what it calls is:
-- otherwise PostgreSQL would not put it in place of a call.
CREATE OR REPLACE FUNCTION audittrail.context_details(context jsonb, author text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN author IS NULL AND context ->> 'user' IS NOT NULL
                THEN context - '{user,reason}'::text[] || jsonb_build_object('audittrail_user', context ->> 'user')
                ELSE context - '{user,reason}'::text[] END
$$;

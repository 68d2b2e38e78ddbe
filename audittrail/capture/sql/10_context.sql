-- Who, why and from where: the context that comes with a statement.
--
-- A client puts it into a comment at the very start of the statement, /*audittrail:{...}*/, or, in psql, into the
-- transaction-local setting audittrail.context. The comment is read only there, so that a value inside the statement
-- can't pass for one.

-- The context of the running statement as it was sent, or NULL.
CREATE OR REPLACE FUNCTION audittrail.statement_context() RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    statement text := current_query();
BEGIN
    IF starts_with(statement, '/*audittrail:') THEN
        RETURN substr(split_part(statement, '*/', 1), 14);
    END IF;
    RETURN nullif(current_setting('audittrail.context', true), '');
END
$$;

-- The context as a JSON object. What isn't one is kept in it as text: the change is recorded all the same, and a warning says so.
-- Fails for a change within a statement that reads the past: whoever travels in time changes nothing, not even by a function that
-- the statement calls.
CREATE OR REPLACE FUNCTION audittrail.parse_context(raw text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
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

-- What a context says beside the user and the reason; and the user, if it named one that is no key.
CREATE OR REPLACE FUNCTION audittrail.context_details(context jsonb, author text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN author IS NULL AND context ->> 'user' IS NOT NULL
                THEN context - 'user' - 'reason' || jsonb_build_object('audittrail_user', context ->> 'user')
                ELSE context - 'user' - 'reason' END
$$;

CREATE OR REPLACE FUNCTION audittrail.kind_history_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
<<this>>
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND TG_RELID = table_oid AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'INSERT');
        PERFORM audittrail.complete_follow(table_number);
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name, price)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'I'::"char", NULL::integer, r.name, r.price
      FROM new_rows r;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND statement_timestamp() <> transaction_timestamp() THEN
        -- As in continues_statement(), in place.
        ignored := set_config('audittrail.statement', extract(epoch FROM statement_timestamp())::text, true);
    END IF;
    IF is_first AND NOT starts_with(current_query(), '/*audittrail:')
       AND concat(current_setting('audittrail.context', true), current_setting('audittrail.session_context', true)) = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    number := audittrail.enter_revision(number, currval('audittrail.clock'), is_first);
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE OR REPLACE FUNCTION audittrail.kind_history_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
<<this>>
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND TG_RELID = table_oid AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'UPDATE');
        PERFORM audittrail.complete_follow(table_number);
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name, price)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'U'::"char", NULL::integer, n.name, n.price
      FROM (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n
      FULL JOIN (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o ON n.audittrail_row = o.audittrail_row
     WHERE ROW(n.name::text, n.price::numeric(8,2))::record
       *<> ROW(o.name::text, o.price::numeric(8,2))::record;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND statement_timestamp() <> transaction_timestamp() THEN
        -- As in continues_statement(), in place.
        ignored := set_config('audittrail.statement', extract(epoch FROM statement_timestamp())::text, true);
    END IF;
    IF is_first AND NOT starts_with(current_query(), '/*audittrail:')
       AND concat(current_setting('audittrail.context', true), current_setting('audittrail.session_context', true)) = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    number := audittrail.enter_revision(number, currval('audittrail.clock'), is_first);
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE OR REPLACE FUNCTION audittrail.kind_history_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
<<this>>
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND TG_RELID = table_oid AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'DELETE');
        PERFORM audittrail.complete_follow(table_number);
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name, price)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'D'::"char", NULL::integer, r.name, r.price
      FROM old_rows r;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND statement_timestamp() <> transaction_timestamp() THEN
        -- As in continues_statement(), in place.
        ignored := set_config('audittrail.statement', extract(epoch FROM statement_timestamp())::text, true);
    END IF;
    IF is_first AND NOT starts_with(current_query(), '/*audittrail:')
       AND concat(current_setting('audittrail.context', true), current_setting('audittrail.session_context', true)) = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    number := audittrail.enter_revision(number, currval('audittrail.clock'), is_first);
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_delete AFTER DELETE ON public.kind REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE OR REPLACE FUNCTION audittrail.kind_history_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$BEGIN
    PERFORM audittrail.capture_truncate(table_number, TG_RELID);
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_truncate BEFORE TRUNCATE ON public.kind FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_truncate();

CREATE OR REPLACE FUNCTION audittrail.kind_history_weave(event text, by_row boolean)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$BEGIN RETURN NULL; END$function$;

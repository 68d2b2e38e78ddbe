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
                         AND (TG_RELID = table_oid) IS NOT NULL AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    stack     text;
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    stack := substr(stack, strpos(stack || E'\n', E'\n') + 1);
    IF TG_LEVEL = 'ROW' THEN
        IF NOT audittrail.may_be_merge(stack) AND NOT audittrail.may_hide_merge() THEN
            RETURN NULL;  -- the trigger after the statement captures it
        END IF;
        number := audittrail.own_revision();
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM (SELECT NEW.id, NEW.region, NEW.name) n LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN live.id IS NULL OR l.audittrail_lives
                                     OR ROW(live.id::integer, live.region::text, live.name::text)::record
                                    *<> ROW(n.id::integer, n.region::text, n.name::text)::record THEN 2 ELSE 0 END)
                  FROM (SELECT NEW.id, NEW.region, NEW.name) n
                 CROSS JOIN LATERAL (SELECT n.id, n.region) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.region OPERATOR(pg_catalog.=) k.region AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id AND live.region OPERATOR(pg_catalog.=) k.region OFFSET 0) live ON true
            );
        END IF;
        ignored := set_config('enable_seqscan', seqscan, true);
        IF tangle = 2 THEN
            continues := audittrail.continues_statement();  -- for what is captured next
            number := audittrail.enter_revision(
                number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
            former := audittrail.unguard();
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows(table_oid), ' WHERE $2)', audittrail.kind_history_weave('INSERT', true))
              USING number, NOT row_security_active(table_oid::oid),
                    NULL::audittrail.kind_history,
                    ROW(NULL, NULL, NULL, NULL, NEW.id, NEW.region, NEW.name)::audittrail.kind_history;
            PERFORM audittrail.guard_as(former);
            RETURN NULL;
        END IF;
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
            'I'::"char", r.id, r.region, r.name
          FROM (SELECT NEW.id, NEW.region, NEW.name) r;
        IF FOUND THEN
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        RETURN NULL;
    ELSIF TG_WHEN = 'BEFORE' THEN
        IF audittrail.turn_by_row(stack, false) AND NOT in_step THEN
            PERFORM audittrail.follow(table_number, 'INSERT'), audittrail.complete_follow(table_number);
        END IF;
        RETURN NULL;
    ELSIF audittrail.may_be_merge(stack) THEN
        RETURN NULL;  -- its rows have been captured one by one
    END IF;
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'INSERT');
        PERFORM audittrail.complete_follow(table_number);
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    IF continues OR pg_trigger_depth() > 1 THEN
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM new_rows n LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN live.id IS NULL OR l.audittrail_lives
                                     OR ROW(live.id::integer, live.region::text, live.name::text)::record
                                    *<> ROW(n.id::integer, n.region::text, n.name::text)::record THEN 2 ELSE 0 END)
                  FROM new_rows n
                 CROSS JOIN LATERAL (SELECT n.id, n.region) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.region OPERATOR(pg_catalog.=) k.region AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id AND live.region OPERATOR(pg_catalog.=) k.region OFFSET 0) live ON true
            );
        END IF;
        ignored := set_config('enable_seqscan', seqscan, true);
        IF tangle = 2 THEN
            continues := audittrail.continues_statement();  -- for what is captured next
            number := audittrail.enter_revision(
                number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
            former := audittrail.unguard();
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows(table_oid), ' WHERE $2)', audittrail.kind_history_weave('INSERT', false))
              USING number, NOT row_security_active(table_oid::oid);
            PERFORM audittrail.guard_as(former);
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'I'::"char", r.id, r.region, r.name
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

CREATE TRIGGER audittrail_insert_begin BEFORE INSERT ON public.kind FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert_row AFTER INSERT ON public.kind FOR EACH ROW WHEN ((((COALESCE(current_setting('audittrail.turned'::text, true), ''::text) = ''::text) AND audittrail.is_by_row()) OR ((currval('audittrail.by_row'::regclass) % (2)::bigint) = 1))) EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind_north REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert_begin BEFORE INSERT ON public.kind_north FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind_rest REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert_begin BEFORE INSERT ON public.kind_rest FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

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
                         AND (TG_RELID = table_oid) IS NOT NULL AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    stack     text;
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    stack := substr(stack, strpos(stack || E'\n', E'\n') + 1);
    IF TG_LEVEL = 'ROW' THEN
        IF NOT audittrail.may_be_merge(stack) AND NOT audittrail.may_hide_merge() THEN
            RETURN NULL;  -- the trigger after the statement captures it
        END IF;
        number := audittrail.own_revision();
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM (SELECT NEW.id, NEW.region, NEW.name) n
                         FULL JOIN (SELECT OLD.id, OLD.region, OLD.name) o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
                        WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
                          *<> ROW(o.id::integer, o.region::text, o.name::text)::record LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN n.id IS NULL
                                THEN CASE WHEN live.id IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2 ELSE 0 END
                                WHEN live.id IS NULL
                                     OR ROW(live.id::integer, live.region::text, live.name::text)::record
                                    *<> ROW(n.id::integer, n.region::text, n.name::text)::record THEN 2
                                WHEN l.audittrail_lives
                                     AND (o.id IS NULL
                                          OR ROW(l.id, l.region, l.name)::record
                                          *= ROW(n.id::integer, n.region::text, n.name::text)::record) THEN 2
                                WHEN o.id IS NOT NULL
                                     AND (l.audittrail_lives IS NOT TRUE
                                          OR ROW(l.id, l.region, l.name)::record
                                         *<> ROW(o.id::integer, o.region::text, o.name::text)::record) THEN 1
                                ELSE 0 END)
                  FROM (SELECT NEW.id, NEW.region, NEW.name) n
                  FULL JOIN (SELECT OLD.id, OLD.region, OLD.name) o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
                 CROSS JOIN LATERAL (SELECT CASE WHEN n.id IS NULL THEN o.id ELSE n.id END AS id,
                     CASE WHEN n.id IS NULL THEN o.region ELSE n.region END AS region) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.region OPERATOR(pg_catalog.=) k.region AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id AND live.region OPERATOR(pg_catalog.=) k.region OFFSET 0) live ON true
                 WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
                   *<> ROW(o.id::integer, o.region::text, o.name::text)::record
            );
        END IF;
        IF tangle = 1 THEN
            INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
            SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
                CASE WHEN l.audittrail_lives THEN 'U'::"char" ELSE 'I'::"char" END, o.id, o.region, o.name
              FROM (SELECT OLD.id, OLD.region, OLD.name) o
              LEFT JOIN LATERAL (
                SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) o.id AND h.region OPERATOR(pg_catalog.=) o.region AND h.version >= since_version
                 ORDER BY h.version DESC LIMIT 1) l ON true
             WHERE l.audittrail_lives IS NOT TRUE
                   OR ROW(l.id, l.region, l.name)::record
                  *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        ignored := set_config('enable_seqscan', seqscan, true);
        IF tangle = 2 THEN
            continues := audittrail.continues_statement();  -- for what is captured next
            number := audittrail.enter_revision(
                number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
            former := audittrail.unguard();
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows(table_oid), ' WHERE $2)', audittrail.kind_history_weave('UPDATE', true))
              USING number, NOT row_security_active(table_oid::oid),
                    ROW(NULL, NULL, NULL, NULL, OLD.id, OLD.region, OLD.name)::audittrail.kind_history,
                    ROW(NULL, NULL, NULL, NULL, NEW.id, NEW.region, NEW.name)::audittrail.kind_history;
            PERFORM audittrail.guard_as(former);
            RETURN NULL;
        END IF;
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
            CASE WHEN o.id IS NULL THEN 'I'::"char" WHEN n.id IS NULL THEN 'D'::"char" ELSE 'U'::"char" END,
            CASE WHEN n.id IS NULL THEN o.id ELSE n.id END, CASE WHEN n.id IS NULL THEN o.region ELSE n.region END,
            CASE WHEN n.id IS NULL THEN o.name ELSE n.name END
          FROM (SELECT NEW.id, NEW.region, NEW.name) n
          FULL JOIN (SELECT OLD.id, OLD.region, OLD.name) o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
         WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
           *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
        IF FOUND THEN
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        RETURN NULL;
    ELSIF TG_WHEN = 'BEFORE' THEN
        IF audittrail.turn_by_row(stack, true) AND NOT in_step THEN
            PERFORM audittrail.follow(table_number, 'UPDATE'), audittrail.complete_follow(table_number);
        END IF;
        RETURN NULL;
    ELSIF audittrail.may_be_merge(stack) THEN
        RETURN NULL;  -- its rows have been captured one by one
    END IF;
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'UPDATE');
        PERFORM audittrail.complete_follow(table_number);
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    PERFORM FROM new_rows OFFSET 1;
    several := FOUND;
    IF continues OR pg_trigger_depth() > 1 THEN
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM new_rows n
                         FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
                        WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
                          *<> ROW(o.id::integer, o.region::text, o.name::text)::record LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN n.id IS NULL
                                THEN CASE WHEN live.id IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2 ELSE 0 END
                                WHEN live.id IS NULL
                                     OR ROW(live.id::integer, live.region::text, live.name::text)::record
                                    *<> ROW(n.id::integer, n.region::text, n.name::text)::record THEN 2
                                WHEN l.audittrail_lives
                                     AND (o.id IS NULL
                                          OR ROW(l.id, l.region, l.name)::record
                                          *= ROW(n.id::integer, n.region::text, n.name::text)::record) THEN 2
                                WHEN o.id IS NOT NULL
                                     AND (l.audittrail_lives IS NOT TRUE
                                          OR ROW(l.id, l.region, l.name)::record
                                         *<> ROW(o.id::integer, o.region::text, o.name::text)::record) THEN 1
                                ELSE 0 END)
                  FROM new_rows n
                  FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
                 CROSS JOIN LATERAL (SELECT CASE WHEN n.id IS NULL THEN o.id ELSE n.id END AS id,
                     CASE WHEN n.id IS NULL THEN o.region ELSE n.region END AS region) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.region OPERATOR(pg_catalog.=) k.region AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id AND live.region OPERATOR(pg_catalog.=) k.region OFFSET 0) live ON true
                 WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
                   *<> ROW(o.id::integer, o.region::text, o.name::text)::record
            );
        END IF;
        IF tangle = 1 THEN
            INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
            SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
                CASE WHEN l.audittrail_lives THEN 'U'::"char" ELSE 'I'::"char" END, o.id, o.region, o.name
              FROM old_rows o
              LEFT JOIN LATERAL (
                SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) o.id AND h.region OPERATOR(pg_catalog.=) o.region AND h.version >= since_version
                 ORDER BY h.version DESC LIMIT 1) l ON true
             WHERE l.audittrail_lives IS NOT TRUE
                   OR ROW(l.id, l.region, l.name)::record
                  *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        ignored := set_config('enable_seqscan', seqscan, true);
        IF tangle = 2 THEN
            continues := audittrail.continues_statement();  -- for what is captured next
            number := audittrail.enter_revision(
                number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
            former := audittrail.unguard();
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows(table_oid), ' WHERE $2)', audittrail.kind_history_weave('UPDATE', false))
              USING number, NOT row_security_active(table_oid::oid);
            PERFORM audittrail.guard_as(former);
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        CASE WHEN o.id IS NULL THEN 'I'::"char" WHEN n.id IS NULL THEN 'D'::"char" ELSE 'U'::"char" END,
        CASE WHEN n.id IS NULL THEN o.id ELSE n.id END, CASE WHEN n.id IS NULL THEN o.region ELSE n.region END,
        CASE WHEN n.id IS NULL THEN o.name ELSE n.name END
      FROM new_rows n
      FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
     WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
       *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
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

CREATE TRIGGER audittrail_update_begin BEFORE UPDATE ON public.kind FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update_row AFTER UPDATE ON public.kind FOR EACH ROW WHEN ((((COALESCE(current_setting('audittrail.turned'::text, true), ''::text) = ''::text) AND audittrail.is_by_row()) OR ((currval('audittrail.by_row'::regclass) % (2)::bigint) = 1))) EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind_north REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update_begin BEFORE UPDATE ON public.kind_north FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind_rest REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update_begin BEFORE UPDATE ON public.kind_rest FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

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
                         AND (TG_RELID = table_oid) IS NOT NULL AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    continues boolean;  -- whether something was captured before in the client's statement
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    tangle    int;      -- 2 if rows have changed again in what was captured before, 1 if changes before are not captured yet
    seqscan   text;
    stack     text;
    former    text[];
    ignored   text;
    number    bigint;  -- of the revision; a column may have that name, so beside columns it is this.number
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    stack := substr(stack, strpos(stack || E'\n', E'\n') + 1);
    IF TG_LEVEL = 'ROW' THEN
        IF NOT audittrail.may_be_merge(stack) AND NOT audittrail.may_hide_merge() THEN
            RETURN NULL;  -- the trigger after the statement captures it
        END IF;
        number := audittrail.own_revision();
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM (SELECT OLD.id, OLD.region, OLD.name) o LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN live.id IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2
                                WHEN ROW(l.id, l.region, l.name)::record
                                 *<> ROW(o.id::integer, o.region::text, o.name::text)::record THEN 1 ELSE 0 END)
                  FROM (SELECT OLD.id, OLD.region, OLD.name) o
                 CROSS JOIN LATERAL (SELECT o.id, o.region) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.region OPERATOR(pg_catalog.=) k.region AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id AND live.region OPERATOR(pg_catalog.=) k.region OFFSET 0) live ON true
            );
        END IF;
        IF tangle = 1 THEN
            INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
            SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
                CASE WHEN l.audittrail_lives THEN 'U'::"char" ELSE 'I'::"char" END, o.id, o.region, o.name
              FROM (SELECT OLD.id, OLD.region, OLD.name) o
              LEFT JOIN LATERAL (
                SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) o.id AND h.region OPERATOR(pg_catalog.=) o.region AND h.version >= since_version
                 ORDER BY h.version DESC LIMIT 1) l ON true
             WHERE l.audittrail_lives IS NOT TRUE
                   OR ROW(l.id, l.region, l.name)::record
                  *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        ignored := set_config('enable_seqscan', seqscan, true);
        IF tangle = 2 THEN
            continues := audittrail.continues_statement();  -- for what is captured next
            number := audittrail.enter_revision(
                number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
            former := audittrail.unguard();
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows(table_oid), ' WHERE $2)', audittrail.kind_history_weave('DELETE', true))
              USING number, NOT row_security_active(table_oid::oid),
                    ROW(NULL, NULL, NULL, NULL, OLD.id, OLD.region, OLD.name)::audittrail.kind_history,
                    NULL::audittrail.kind_history;
            PERFORM audittrail.guard_as(former);
            RETURN NULL;
        END IF;
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
            'D'::"char", r.id, r.region, r.name
          FROM (SELECT OLD.id, OLD.region, OLD.name) r;
        IF FOUND THEN
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        RETURN NULL;
    ELSIF TG_WHEN = 'BEFORE' THEN
        IF audittrail.turn_by_row(stack, false) AND NOT in_step THEN
            PERFORM audittrail.follow(table_number, 'DELETE'), audittrail.complete_follow(table_number);
        END IF;
        RETURN NULL;
    ELSIF audittrail.may_be_merge(stack) THEN
        RETURN NULL;  -- its rows have been captured one by one
    END IF;
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'DELETE');
        PERFORM audittrail.complete_follow(table_number);
        RETURN NULL;
    ELSIF NOT is_first THEN
        number := audittrail.own_revision();
        continues := audittrail.continues_statement();
    END IF;
    IF continues OR pg_trigger_depth() > 1 THEN
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM old_rows o LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN live.id IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2
                                WHEN ROW(l.id, l.region, l.name)::record
                                 *<> ROW(o.id::integer, o.region::text, o.name::text)::record THEN 1 ELSE 0 END)
                  FROM old_rows o
                 CROSS JOIN LATERAL (SELECT o.id, o.region) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.region OPERATOR(pg_catalog.=) k.region AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id AND live.region OPERATOR(pg_catalog.=) k.region OFFSET 0) live ON true
            );
        END IF;
        IF tangle = 1 THEN
            INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
            SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
                CASE WHEN l.audittrail_lives THEN 'U'::"char" ELSE 'I'::"char" END, o.id, o.region, o.name
              FROM old_rows o
              LEFT JOIN LATERAL (
                SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) o.id AND h.region OPERATOR(pg_catalog.=) o.region AND h.version >= since_version
                 ORDER BY h.version DESC LIMIT 1) l ON true
             WHERE l.audittrail_lives IS NOT TRUE
                   OR ROW(l.id, l.region, l.name)::record
                  *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
            number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
        END IF;
        ignored := set_config('enable_seqscan', seqscan, true);
        IF tangle = 2 THEN
            continues := audittrail.continues_statement();  -- for what is captured next
            number := audittrail.enter_revision(
                number, CASE WHEN number IS NULL THEN nextval('audittrail.clock') END, false);
            former := audittrail.unguard();
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT ', audittrail.live_rows(table_oid), ' WHERE $2)', audittrail.kind_history_weave('DELETE', false))
              USING number, NOT row_security_active(table_oid::oid);
            PERFORM audittrail.guard_as(former);
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'D'::"char", r.id, r.region, r.name
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

CREATE TRIGGER audittrail_delete_begin BEFORE DELETE ON public.kind FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete_row AFTER DELETE ON public.kind FOR EACH ROW WHEN ((((COALESCE(current_setting('audittrail.turned'::text, true), ''::text) = ''::text) AND audittrail.is_by_row()) OR ((currval('audittrail.by_row'::regclass) % (2)::bigint) = 1))) EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete AFTER DELETE ON public.kind_north REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete_begin BEFORE DELETE ON public.kind_north FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete AFTER DELETE ON public.kind_rest REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete_begin BEFORE DELETE ON public.kind_rest FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE OR REPLACE FUNCTION audittrail.kind_history_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$BEGIN
    PERFORM audittrail.capture_truncate(table_number, TG_RELID);
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_truncate BEFORE TRUNCATE ON public.kind_north FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_truncate();

CREATE TRIGGER audittrail_truncate BEFORE TRUNCATE ON public.kind_rest FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_truncate();

CREATE OR REPLACE FUNCTION audittrail.kind_history_weave(event text, by_row boolean)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$BEGIN
    RETURN concat($weave$, changes AS MATERIALIZED (
    $weave$, CASE
        WHEN by_row THEN
            concat('SELECT 1 AS place, ', (event <> 'INSERT')::text, ' AS has_old, ', (event <> 'DELETE')::text, ' AS has_new,'
                   ' $3 AS audittrail_old, $4 AS audittrail_new')
        WHEN event = 'INSERT' THEN $weave$
SELECT row_number() OVER () AS place, false AS has_old, true AS has_new,
       NULL::audittrail.kind_history AS audittrail_old,
       ROW(NULL, NULL, NULL, NULL, n.id, n.region, n.name)::audittrail.kind_history AS audittrail_new
  FROM new_rows n
    $weave$
        WHEN event = 'UPDATE' THEN $weave$
-- By their keys: a trigger may keep a row from arriving in another partition, so that there are fewer new rows than old ones.
SELECT row_number() OVER () AS place, c.*
  FROM (SELECT o.audittrail_found IS NOT NULL AS has_old, n.audittrail_found IS NOT NULL AS has_new,
               ROW(NULL, NULL, NULL, NULL, o.id, o.region, o.name)::audittrail.kind_history AS audittrail_old,
               ROW(NULL, NULL, NULL, NULL, n.id, n.region, n.name)::audittrail.kind_history AS audittrail_new
          FROM (SELECT n.*, true AS audittrail_found FROM new_rows n) n
          FULL JOIN (SELECT o.*, true AS audittrail_found FROM old_rows o) o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
         WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
           *<> ROW(o.id::integer, o.region::text, o.name::text)::record) c
    $weave$
        ELSE $weave$
SELECT row_number() OVER () AS place, true AS has_old, false AS has_new,
       ROW(NULL, NULL, NULL, NULL, o.id, o.region, o.name)::audittrail.kind_history AS audittrail_old,
       NULL::audittrail.kind_history AS audittrail_new
  FROM old_rows o
    $weave$ END, $weave$), sides AS MATERIALIZED (
    -- A row whose key has changed is one deleted and one inserted.
    SELECT place, audittrail_old AS audittrail_key, audittrail_old,
           CASE WHEN (audittrail_old).id OPERATOR(pg_catalog.=) (audittrail_new).id AND (audittrail_old).region OPERATOR(pg_catalog.=) (audittrail_new).region THEN audittrail_new END AS audittrail_new
      FROM changes WHERE has_old
     UNION ALL
    SELECT place, audittrail_new, NULL, audittrail_new
      FROM changes WHERE has_new AND NOT (has_old AND (audittrail_old).id OPERATOR(pg_catalog.=) (audittrail_new).id AND (audittrail_old).region OPERATOR(pg_catalog.=) (audittrail_new).region)
), keys AS MATERIALIZED (
    SELECT DISTINCT ON ((audittrail_key).id, (audittrail_key).region) audittrail_key FROM sides
), items AS MATERIALIZED (
    -- All states of these rows: those that versions have left (v), the first one (f), those before (o) and after (n) each change
    -- at hand, and the present one (p), or one that is seen though it is gone (s).
    SELECT row_number() OVER () AS item, i.*
      FROM (SELECT audittrail_key, 'v'::"char" AS kind, h.version AS place, h.operation IN ('D', 'T') AS is_gone,
                   h.operation = 'I' AS is_born, ROW(h.*)::audittrail.kind_history AS audittrail_image
              FROM keys
              JOIN audittrail.kind_history h ON h.id OPERATOR(pg_catalog.=) (audittrail_key).id AND h.region OPERATOR(pg_catalog.=) (audittrail_key).region
             WHERE h.revision_id = $1 AND NOT (h.version = since_version AND h.operation = 'B')
             UNION ALL
            SELECT audittrail_key, 'f', h.version, h.operation IN ('D', 'T'),
                   h.version = since_version AND h.operation = 'B', ROW(h.*)::audittrail.kind_history
              FROM keys
             CROSS JOIN LATERAL (
                SELECT * FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) (audittrail_key).id AND h.region OPERATOR(pg_catalog.=) (audittrail_key).region AND h.version >= since_version
                   AND (h.revision_id IS DISTINCT FROM $1 OR h.version = since_version AND h.operation = 'B')
                 ORDER BY h.version DESC LIMIT 1) h
             UNION ALL
            SELECT audittrail_key, 'o', place, audittrail_old IS NULL, false, audittrail_old FROM sides
             UNION ALL
            SELECT audittrail_key, 'n', place, audittrail_new IS NULL, false, audittrail_new FROM sides
             UNION ALL
            SELECT audittrail_key, audittrail.kind_of_row(live.tableoid, live.ctid, live.xmin, false), 0, false, false, ROW(NULL,
                NULL, NULL, NULL, live.id, live.region, live.name)::audittrail.kind_history
              FROM keys
             -- Of a key that is unique a join would take one row, though an old snapshot may show two.
             CROSS JOIN LATERAL (SELECT * FROM live WHERE $2 AND live.id OPERATOR(pg_catalog.=) (audittrail_key).id AND live.region OPERATOR(pg_catalog.=) (audittrail_key).region OFFSET 0) live) i
), ranked AS MATERIALIZED (
    SELECT items.*, dense_rank() OVER (
               PARTITION BY (audittrail_key).id, (audittrail_key).region
               ORDER BY ROW((audittrail_image).id, (audittrail_image).region, (audittrail_image).name)::record USING OPERATOR(pg_catalog.*<))::int AS alike
      FROM items
), chains AS MATERIALIZED (
    SELECT CASE WHEN bool_or(kind = 's') THEN 0
                WHEN bool_or(kind = 'f' AND NOT is_gone) AND NOT bool_or(kind = 'v')
                     AND (array_agg(is_gone ORDER BY place) FILTER (WHERE kind = 'o'))[1] AND audittrail.is_in_doubt(table_oid, $2) THEN 0
                ELSE coalesce(max(CASE WHEN is_gone THEN 0 ELSE alike END) FILTER (WHERE kind = 'f'), 0) END AS first,
           false AND NOT bool_or(kind = 's') AND coalesce(bool_or(is_born) FILTER (WHERE kind = 'f'), false) AS replaceable,
           false AND NOT bool_or(kind IN ('f', 's')) AS untold,
           array_agg(CASE WHEN is_gone THEN 0 ELSE alike END ORDER BY place) FILTER (WHERE kind = 'v') AS states,
           array_agg(alike ORDER BY place) FILTER (WHERE kind = 'v') AS images,
           array_agg(is_born ORDER BY place) FILTER (WHERE kind = 'v') AS born,
           array_agg(CASE WHEN is_gone THEN 0 ELSE alike END ORDER BY place) FILTER (WHERE kind = 'o') AS old_states,
           array_agg(CASE WHEN is_gone THEN 0 ELSE alike END ORDER BY place) FILTER (WHERE kind = 'n') AS new_states,
           CASE WHEN $2 THEN coalesce(array_agg(alike ORDER BY item) FILTER (WHERE kind = 'p'), ARRAY[]::int[]) END AS present,
           array_agg(item ORDER BY place) FILTER (WHERE kind = 'v') AS v_items,
           array_agg(item ORDER BY place) FILTER (WHERE kind = 'o') AS o_items,
           array_agg(item ORDER BY place) FILTER (WHERE kind = 'n') AS n_items,
           max(item) FILTER (WHERE kind = 'f') AS f_item, min(item) FILTER (WHERE kind = 'p') AS p_item
      FROM ranked
     GROUP BY (audittrail_key).id, (audittrail_key).region
), steps AS MATERIALIZED (
    SELECT w.step, w.source, w.operation, f_item,
           CASE w.source WHEN 'v' THEN v_items[w.number] WHEN 'o' THEN o_items[w.number] WHEN 'n' THEN n_items[w.number]
                         WHEN 'p' THEN p_item ELSE f_item END AS item
      FROM chains
     CROSS JOIN LATERAL audittrail.weave(first, replaceable, untold, states, images, born, old_states, new_states, present) w
), ticks AS MATERIALIZED (
    SELECT step, nextval('audittrail.clock') AS tick FROM generate_series(1, (SELECT max(step) FROM steps)) step
), moved AS (
    UPDATE audittrail.kind_history h SET version = t.tick, operation = CASE WHEN h.operation IN ('I', 'U') THEN s.operation ELSE h.operation END
      FROM steps s JOIN ticks t USING (step) JOIN items i USING (item)
     WHERE s.source = 'v' AND (s.operation = 'D') = i.is_gone
       AND h.id OPERATOR(pg_catalog.=) (audittrail_key).id AND h.region OPERATOR(pg_catalog.=) (audittrail_key).region AND h.version = i.place
)
INSERT INTO audittrail.kind_history (version, revision_id, operation, id, region, name)
SELECT t.tick, $1, s.operation, (audittrail_image).id, (audittrail_image).region, (audittrail_image).name
  FROM steps s JOIN ticks t USING (step) JOIN items i USING (item)
 WHERE NOT (s.source = 'v' AND (s.operation = 'D') = i.is_gone);$weave$);
END$function$;

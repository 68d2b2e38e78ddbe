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
    IF continues OR pg_trigger_depth() > 1 THEN
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM new_rows n LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN live.id IS NULL OR l.audittrail_lives
                                     OR ROW(live.id::integer, live.created_by::integer, live.updated_by::integer,
                                         live.updated_at::timestamp with time zone)::record
                                    *<> ROW(n.id::integer, n.created_by::integer, n.updated_by::integer,
                                        n.updated_at::timestamp with time zone)::record THEN 2 ELSE 0 END)
                  FROM new_rows n
                 CROSS JOIN LATERAL (SELECT n.id) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id OFFSET 0) live ON true
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
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by, updated_at)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'I'::"char", r.id, r.created_by, r.updated_by, r.updated_at
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
    PERFORM FROM new_rows OFFSET 1;
    several := FOUND;
    IF several OR continues OR pg_trigger_depth() > 1 THEN
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM new_rows n
                         FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id
                        WHERE ROW(n.id::integer, n.created_by::integer, n.updated_by::integer,
                            n.updated_at::timestamp with time zone)::record
                          *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer,
                              o.updated_at::timestamp with time zone)::record LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN n.id IS NULL
                                THEN CASE WHEN live.id IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2 ELSE 0 END
                                WHEN live.id IS NULL
                                     OR ROW(live.id::integer, live.created_by::integer, live.updated_by::integer,
                                         live.updated_at::timestamp with time zone)::record
                                    *<> ROW(n.id::integer, n.created_by::integer, n.updated_by::integer,
                                        n.updated_at::timestamp with time zone)::record THEN 2
                                WHEN l.audittrail_lives
                                     AND (o.id IS NULL
                                          OR ROW(l.id, l.created_by, l.updated_by, l.updated_at)::record
                                          *= ROW(n.id::integer, n.created_by::integer, n.updated_by::integer,
                                              n.updated_at::timestamp with time zone)::record) THEN 2
                                WHEN o.id IS NOT NULL
                                     AND (l.audittrail_lives IS NOT TRUE
                                          OR ROW(l.id, l.created_by, l.updated_by, l.updated_at)::record
                                         *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer,
                                             o.updated_at::timestamp with time zone)::record) THEN 1
                                ELSE 0 END)
                  FROM new_rows n
                  FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id
                 CROSS JOIN LATERAL (SELECT CASE WHEN n.id IS NULL THEN o.id ELSE n.id END AS id) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id OFFSET 0) live ON true
                 WHERE ROW(n.id::integer, n.created_by::integer, n.updated_by::integer, n.updated_at::timestamp with time zone)::record
                   *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer, o.updated_at::timestamp with time zone)::record
            );
        END IF;
        IF (SELECT count(*) <> count(DISTINCT ROW(n.id)) FROM new_rows n) THEN
            tangle := 2;  -- several referential actions have changed a row
        END IF;
        IF tangle = 1 THEN
            INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by,
                updated_at)
            SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
                CASE WHEN l.audittrail_lives THEN 'U'::"char" ELSE 'I'::"char" END, o.id, o.created_by, o.updated_by,
                o.updated_at
              FROM old_rows o
              LEFT JOIN LATERAL (
                SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) o.id AND h.version >= since_version
                 ORDER BY h.version DESC LIMIT 1) l ON true
             WHERE l.audittrail_lives IS NOT TRUE
                   OR ROW(l.id, l.created_by, l.updated_by, l.updated_at)::record
                  *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer, o.updated_at::timestamp with time zone)::record;
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
    IF NOT several THEN
        -- A single row, so written that it is joined by a nested loop.
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by,
            updated_at)
        SELECT nextval('audittrail.clock'), coalesce(this.number, currval('audittrail.clock')), NULL::bigint, 'U'::"char",
            n.id, n.created_by, n.updated_by, n.updated_at
          FROM new_rows n, old_rows o
         WHERE CASE WHEN o.id OPERATOR(pg_catalog.=) n.id
                    THEN n.updated_at IS DISTINCT FROM o.updated_at OR n.* *<> o.* END;
        IF NOT FOUND THEN
            PERFORM FROM new_rows n, old_rows o WHERE NOT (o.id OPERATOR(pg_catalog.=) n.id);
            several := FOUND;  -- its key has changed
        END IF;
    END IF;
    IF several THEN
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by, updated_at)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
            CASE WHEN o.id IS NULL THEN 'I'::"char" WHEN n.id IS NULL THEN 'D'::"char" ELSE 'U'::"char" END,
            CASE WHEN n.id IS NULL THEN o.id ELSE n.id END, CASE WHEN n.id IS NULL THEN o.created_by ELSE n.created_by END,
            CASE WHEN n.id IS NULL THEN o.updated_by ELSE n.updated_by END,
            CASE WHEN n.id IS NULL THEN o.updated_at ELSE n.updated_at END
          FROM new_rows n
          FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id
         WHERE ROW(n.id::integer, n.created_by::integer, n.updated_by::integer, n.updated_at::timestamp with time zone)::record
           *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer, o.updated_at::timestamp with time zone)::record;
    END IF;
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
    IF continues OR pg_trigger_depth() > 1 THEN
        seqscan := current_setting('enable_seqscan');
        ignored := set_config('enable_seqscan', 'off', true);  -- a plan that is made while history is small would be kept while it grows
        IF row_security_active(table_oid::oid) THEN
            -- What the table holds can't be told, and policies run nothing with the rights of history's owner.
            tangle := (SELECT 2 FROM old_rows o LIMIT 1);
        ELSE
            tangle := (
                SELECT max(CASE WHEN live.id IS NOT NULL OR l.audittrail_lives IS NOT TRUE THEN 2
                                WHEN ROW(l.id, l.created_by, l.updated_by, l.updated_at)::record
                                 *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer,
                                     o.updated_at::timestamp with time zone)::record THEN 1 ELSE 0 END)
                  FROM old_rows o
                 CROSS JOIN LATERAL (SELECT o.id) k
                  LEFT JOIN LATERAL (
                    SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                     WHERE h.id OPERATOR(pg_catalog.=) k.id AND h.version >= since_version
                     ORDER BY h.version DESC LIMIT 1) l ON true
                  LEFT JOIN LATERAL (SELECT * FROM public.kind live WHERE live.id OPERATOR(pg_catalog.=) k.id OFFSET 0) live ON true
            );
        END IF;
        IF tangle = 1 THEN
            INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by,
                updated_at)
            SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
                CASE WHEN l.audittrail_lives THEN 'U'::"char" ELSE 'I'::"char" END, o.id, o.created_by, o.updated_by,
                o.updated_at
              FROM old_rows o
              LEFT JOIN LATERAL (
                SELECT h.*, h.operation NOT IN ('D', 'T') AS audittrail_lives FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) o.id AND h.version >= since_version
                 ORDER BY h.version DESC LIMIT 1) l ON true
             WHERE l.audittrail_lives IS NOT TRUE
                   OR ROW(l.id, l.created_by, l.updated_by, l.updated_at)::record
                  *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer, o.updated_at::timestamp with time zone)::record;
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
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by, updated_at)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(this.number, currval('audittrail.clock')), NULL::bigint,
        'D'::"char", r.id, r.created_by, r.updated_by, r.updated_at
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
AS $function$BEGIN
    RETURN concat($weave$, changes AS MATERIALIZED (
    $weave$, CASE
        WHEN by_row THEN
            concat('SELECT 1 AS place, ', (event <> 'INSERT')::text, ' AS has_old, ', (event <> 'DELETE')::text, ' AS has_new,'
                   ' $3 AS audittrail_old, $4 AS audittrail_new')
        WHEN event = 'INSERT' THEN $weave$
SELECT row_number() OVER () AS place, false AS has_old, true AS has_new,
       NULL::audittrail.kind_history AS audittrail_old,
       ROW(NULL, NULL, NULL, NULL, n.id, n.created_by, n.updated_by, n.updated_at)::audittrail.kind_history AS audittrail_new
  FROM new_rows n
    $weave$
        WHEN event = 'UPDATE' THEN $weave$
-- By their order, which is that in which they came about: several referential actions may have changed a row.
SELECT audittrail_place AS place, true AS has_old, true AS has_new,
       ROW(NULL, NULL, NULL, NULL, o.id, o.created_by, o.updated_by, o.updated_at)::audittrail.kind_history AS audittrail_old,
       ROW(NULL, NULL, NULL, NULL, n.id, n.created_by, n.updated_by, n.updated_at)::audittrail.kind_history AS audittrail_new
  FROM (SELECT n.*, row_number() OVER () AS audittrail_place FROM new_rows n) n
  JOIN (SELECT o.*, row_number() OVER () AS audittrail_place FROM old_rows o) o USING (audittrail_place)
 WHERE ROW(n.id::integer, n.created_by::integer, n.updated_by::integer, n.updated_at::timestamp with time zone)::record
   *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer, o.updated_at::timestamp with time zone)::record
    $weave$
        ELSE $weave$
SELECT row_number() OVER () AS place, true AS has_old, false AS has_new,
       ROW(NULL, NULL, NULL, NULL, o.id, o.created_by, o.updated_by, o.updated_at)::audittrail.kind_history AS audittrail_old,
       NULL::audittrail.kind_history AS audittrail_new
  FROM old_rows o
    $weave$ END, $weave$), sides AS MATERIALIZED (
    -- A row whose key has changed is one deleted and one inserted.
    SELECT place, audittrail_old AS audittrail_key, audittrail_old,
           CASE WHEN (audittrail_old).id OPERATOR(pg_catalog.=) (audittrail_new).id THEN audittrail_new END AS audittrail_new
      FROM changes WHERE has_old
     UNION ALL
    SELECT place, audittrail_new, NULL, audittrail_new
      FROM changes WHERE has_new AND NOT (has_old AND (audittrail_old).id OPERATOR(pg_catalog.=) (audittrail_new).id)
), keys AS MATERIALIZED (
    SELECT DISTINCT ON ((audittrail_key).id) audittrail_key FROM sides
), items AS MATERIALIZED (
    -- All states of these rows: those that versions have left (v), the first one (f), those before (o) and after (n) each change
    -- at hand, and the present one (p), or one that is seen though it is gone (s).
    SELECT row_number() OVER () AS item, i.*
      FROM (SELECT audittrail_key, 'v'::"char" AS kind, h.version AS place, h.operation IN ('D', 'T') AS is_gone,
                   h.operation = 'I' AS is_born, ROW(h.*)::audittrail.kind_history AS audittrail_image
              FROM keys
              JOIN audittrail.kind_history h ON h.id OPERATOR(pg_catalog.=) (audittrail_key).id
             WHERE h.revision_id = $1 AND NOT (h.version = since_version AND h.operation = 'B')
             UNION ALL
            SELECT audittrail_key, 'f', h.version, h.operation IN ('D', 'T'),
                   h.version = since_version AND h.operation = 'B', ROW(h.*)::audittrail.kind_history
              FROM keys
             CROSS JOIN LATERAL (
                SELECT * FROM audittrail.kind_history h
                 WHERE h.id OPERATOR(pg_catalog.=) (audittrail_key).id AND h.version >= since_version
                   AND (h.revision_id IS DISTINCT FROM $1 OR h.version = since_version AND h.operation = 'B')
                 ORDER BY h.version DESC LIMIT 1) h
             UNION ALL
            SELECT audittrail_key, 'o', place, audittrail_old IS NULL, false, audittrail_old FROM sides
             UNION ALL
            SELECT audittrail_key, 'n', place, audittrail_new IS NULL, false, audittrail_new FROM sides
             UNION ALL
            SELECT audittrail_key, audittrail.kind_of_row(live.tableoid, live.ctid, live.xmin, false), 0, false, false, ROW(NULL,
                NULL, NULL, NULL, live.id, live.created_by, live.updated_by, live.updated_at)::audittrail.kind_history
              FROM keys
             -- Of a key that is unique a join would take one row, though an old snapshot may show two.
             CROSS JOIN LATERAL (SELECT * FROM live WHERE $2 AND live.id OPERATOR(pg_catalog.=) (audittrail_key).id OFFSET 0) live) i
), ranked AS MATERIALIZED (
    SELECT items.*, dense_rank() OVER (
               PARTITION BY (audittrail_key).id
               ORDER BY ROW((audittrail_image).id, (audittrail_image).created_by, (audittrail_image).updated_by,
                   (audittrail_image).updated_at)::record USING OPERATOR(pg_catalog.*<))::int AS alike
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
     GROUP BY (audittrail_key).id
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
       AND h.id OPERATOR(pg_catalog.=) (audittrail_key).id AND h.version = i.place
)
INSERT INTO audittrail.kind_history (version, revision_id, operation, id, created_by, updated_by, updated_at)
SELECT t.tick, $1, s.operation, (audittrail_image).id, (audittrail_image).created_by, (audittrail_image).updated_by,
    (audittrail_image).updated_at
  FROM steps s JOIN ticks t USING (step) JOIN items i USING (item)
 WHERE NOT (s.source = 'v' AND (s.operation = 'D') = i.is_gone);$weave$);
END$function$;

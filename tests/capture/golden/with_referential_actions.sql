CREATE OR REPLACE FUNCTION audittrail.kind_history_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND TG_RELID = table_oid AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    overtaken boolean;  -- whether rows may have changed again in statements that were captured before this one
    inside    bigint;
    row_count bigint;
    ignored   text;
    audittrail_number  bigint;  -- of the revision; these two stand beside columns, and are named like none
    audittrail_version bigint;
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'INSERT');
        GET DIAGNOSTICS row_count = ROW_COUNT;
        EXECUTE audittrail.finish_follow(table_number, 'INSERT', row_count > 0);
        RETURN NULL;
    ELSIF NOT is_first THEN
        audittrail_number := audittrail.own_revision();
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by, updated_at)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
        'I'::"char", r.id, r.created_by, r.updated_by, r.updated_at
      FROM new_rows r;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND NOT starts_with(current_query(), '/*audittrail:')
          AND coalesce(current_setting('audittrail.context', true), '') = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    audittrail_version := currval('audittrail.clock');
    audittrail_number := audittrail.enter_revision(audittrail_number, audittrail_version, is_first);
    IF is_first THEN
        RETURN NULL;
    END IF;
    IF pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
        inside := audittrail.first_version_inside();
        IF inside IS NOT NULL THEN
            -- Planned each time: a plan for a few rows, if it were kept, would take hours over many.
            ignored := set_config('audittrail.unguarded', 'on', true);
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT * FROM ', table_oid::regclass, ')', $order$
                , touched AS (
                    SELECT r.id FROM new_rows r
                ), overtaken AS MATERIALIZED (
                    SELECT mine.id, mine.revision_id,
                           CASE WHEN $3 THEN last.version ELSE since.version END AS audittrail_lower
                      FROM touched
                      JOIN audittrail.kind_history mine ON mine.id OPERATOR(pg_catalog.=) touched.id AND mine.version = $2
                     CROSS JOIN LATERAL (
                        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE $1 END) AS version
                          FROM audittrail.kind_history l
                         WHERE mine.operation = 'I' AND l.id OPERATOR(pg_catalog.=) mine.id
                           AND l.version < $1 AND l.operation IN ('D', 'T')) since
                     CROSS JOIN LATERAL (
                        SELECT * FROM audittrail.kind_history l
                         WHERE l.id OPERATOR(pg_catalog.=) mine.id AND l.revision_id = mine.revision_id
                           AND l.version >= since.version AND l.version < $2
                         ORDER BY l.version DESC LIMIT 1) last
                     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                                ELSE last.operation NOT IN ('D', 'T')
                                     AND ROW(last.id, last.created_by, last.updated_by, last.updated_at)::record
                                      *= ROW(mine.id, mine.created_by, mine.updated_by, mine.updated_at)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id
                                                    AND ROW(live.id::integer, live.created_by::integer, live.updated_by::integer,
                                                        live.updated_at::timestamp with time zone)::record
                                                     *= ROW(mine.id, mine.created_by, mine.updated_by, mine.updated_at)::record) END
                ), later AS MATERIALIZED (
                    SELECT l.id, l.version AS audittrail_old
                      FROM overtaken o
                      JOIN audittrail.kind_history l ON l.id OPERATOR(pg_catalog.=) o.id AND l.revision_id = o.revision_id
                       AND l.version >= o.audittrail_lower AND l.version < $2
                ), renumbered AS MATERIALIZED (
                    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
                      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
                )
                UPDATE audittrail.kind_history h SET version = n.audittrail_new
                  FROM later l JOIN renumbered n USING (audittrail_old)
                 WHERE h.id OPERATOR(pg_catalog.=) l.id AND h.version = l.audittrail_old;
                $order$) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
            ignored := set_config('audittrail.unguarded', '', true);
        END IF;
    END IF;
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE OR REPLACE FUNCTION audittrail.kind_history_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND TG_RELID = table_oid AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    overtaken boolean;  -- whether rows may have changed again in statements that were captured before this one
    inside    bigint;
    row_count bigint;
    ignored   text;
    audittrail_number  bigint;  -- of the revision; these two stand beside columns, and are named like none
    audittrail_version bigint;
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'UPDATE');
        GET DIAGNOSTICS row_count = ROW_COUNT;
        EXECUTE audittrail.finish_follow(table_number, 'UPDATE', row_count > 0);
        RETURN NULL;
    ELSIF NOT is_first THEN
        audittrail_number := audittrail.own_revision();
    END IF;
    PERFORM FROM new_rows OFFSET 1;
    several := FOUND;
    IF NOT several THEN
        -- A single row, so written that it is joined by a nested loop.
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by,
            updated_at)
        SELECT nextval('audittrail.clock'), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
            'U'::"char", n.id, n.created_by, n.updated_by, n.updated_at
          FROM new_rows n, old_rows o
         WHERE CASE WHEN o.id OPERATOR(pg_catalog.=) n.id
                    THEN n.updated_at IS DISTINCT FROM o.updated_at OR n.* *<> o.* END;
        IF NOT FOUND THEN
            PERFORM FROM new_rows n, old_rows o WHERE NOT (o.id OPERATOR(pg_catalog.=) n.id);
            several := FOUND;  -- its key has changed
        END IF;
    END IF;
    IF several THEN
        -- What several referential actions of one statement do to a table is in the same transition tables: then a row may be there
        -- more than once. Its images are captured one pair after the other, in the order in which they came about.
        IF (SELECT count(*) <> count(DISTINCT ROW(n.id)) FROM new_rows n) THEN
            FOR audittrail_pair IN 1 .. (SELECT count(*) FROM new_rows) LOOP
                INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by,
                    updated_at)
                SELECT (SELECT audittrail.next_version()), (SELECT current_setting('audittrail.revision')::bigint), NULL::bigint,
                    c.audittrail_operation, c.id, c.created_by, c.updated_by, c.updated_at
                  FROM (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o
                  JOIN (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n
                    ON n.audittrail_row = audittrail_pair AND o.audittrail_row = audittrail_pair
                   AND ROW(n.id::integer, n.created_by::integer, n.updated_by::integer, n.updated_at::timestamp with time zone)::record
                   *<> ROW(o.id::integer, o.created_by::integer, o.updated_by::integer, o.updated_at::timestamp with time zone)::record
                 CROSS JOIN LATERAL (
                    SELECT 'D'::"char" AS audittrail_operation, o.id, o.created_by, o.updated_by, o.updated_at WHERE NOT (o.id OPERATOR(pg_catalog.=) n.id)
                    UNION ALL
                    SELECT CASE WHEN o.id OPERATOR(pg_catalog.=) n.id THEN 'U'::"char" ELSE 'I'::"char" END, n.id, n.created_by,
                        n.updated_by, n.updated_at) c;
            END LOOP;
            RETURN NULL;
        END IF;
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by, updated_at)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
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
    ELSIF is_first AND NOT starts_with(current_query(), '/*audittrail:')
          AND coalesce(current_setting('audittrail.context', true), '') = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    audittrail_version := currval('audittrail.clock');
    audittrail_number := audittrail.enter_revision(audittrail_number, audittrail_version, is_first);
    IF is_first THEN
        RETURN NULL;
    END IF;
    overtaken := EXISTS (SELECT FROM new_rows n WHERE NOT EXISTS (SELECT FROM public.kind b WHERE b.id OPERATOR(pg_catalog.=) n.id));
    IF overtaken OR pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
        inside := audittrail.first_version_inside();
        IF overtaken OR inside IS NOT NULL THEN
            -- Planned each time: a plan for a few rows, if it were kept, would take hours over many.
            ignored := set_config('audittrail.unguarded', 'on', true);
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT * FROM ', table_oid::regclass, ')', $order$
                , touched AS (
                    SELECT r.id FROM new_rows r UNION SELECT r.id FROM old_rows r
                ), overtaken AS MATERIALIZED (
                    SELECT mine.id, mine.revision_id,
                           CASE WHEN $3 THEN last.version ELSE since.version END AS audittrail_lower
                      FROM touched
                      JOIN audittrail.kind_history mine ON mine.id OPERATOR(pg_catalog.=) touched.id AND mine.version = $2
                     CROSS JOIN LATERAL (
                        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE $1 END) AS version
                          FROM audittrail.kind_history l
                         WHERE mine.operation = 'I' AND l.id OPERATOR(pg_catalog.=) mine.id
                           AND l.version < $1 AND l.operation IN ('D', 'T')) since
                     CROSS JOIN LATERAL (
                        SELECT * FROM audittrail.kind_history l
                         WHERE l.id OPERATOR(pg_catalog.=) mine.id AND l.revision_id = mine.revision_id
                           AND l.version >= since.version AND l.version < $2
                         ORDER BY l.version DESC LIMIT 1) last
                     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                                ELSE last.operation NOT IN ('D', 'T')
                                     AND ROW(last.id, last.created_by, last.updated_by, last.updated_at)::record
                                      *= ROW(mine.id, mine.created_by, mine.updated_by, mine.updated_at)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id
                                                    AND ROW(live.id::integer, live.created_by::integer, live.updated_by::integer,
                                                        live.updated_at::timestamp with time zone)::record
                                                     *= ROW(mine.id, mine.created_by, mine.updated_by, mine.updated_at)::record) END
                ), later AS MATERIALIZED (
                    SELECT l.id, l.version AS audittrail_old
                      FROM overtaken o
                      JOIN audittrail.kind_history l ON l.id OPERATOR(pg_catalog.=) o.id AND l.revision_id = o.revision_id
                       AND l.version >= o.audittrail_lower AND l.version < $2
                ), renumbered AS MATERIALIZED (
                    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
                      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
                )
                UPDATE audittrail.kind_history h SET version = n.audittrail_new
                  FROM later l JOIN renumbered n USING (audittrail_old)
                 WHERE h.id OPERATOR(pg_catalog.=) l.id AND h.version = l.audittrail_old;
                $order$) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
            ignored := set_config('audittrail.unguarded', '', true);
        END IF;
    END IF;
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE OR REPLACE FUNCTION audittrail.kind_history_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND TG_RELID = table_oid AND (TG_RELID = history_oid) IS NOT NULL;
    -- The first change of its transaction, outside of triggers: nothing has been captured before it, or inside it.
    is_first  boolean := pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '';
    several   boolean;  -- whether an UPDATE concerned several rows, or changed the key of one
    overtaken boolean;  -- whether rows may have changed again in statements that were captured before this one
    inside    bigint;
    row_count bigint;
    ignored   text;
    audittrail_number  bigint;  -- of the revision; these two stand beside columns, and are named like none
    audittrail_version bigint;
BEGIN
    IF NOT in_step THEN
        EXECUTE audittrail.follow(table_number, 'DELETE');
        GET DIAGNOSTICS row_count = ROW_COUNT;
        EXECUTE audittrail.finish_follow(table_number, 'DELETE', row_count > 0);
        RETURN NULL;
    ELSIF NOT is_first THEN
        audittrail_number := audittrail.own_revision();
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, created_by, updated_by, updated_at)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
        'D'::"char", r.id, r.created_by, r.updated_by, r.updated_at
      FROM old_rows r;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF is_first AND NOT starts_with(current_query(), '/*audittrail:')
          AND coalesce(current_setting('audittrail.context', true), '') = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
    audittrail_version := currval('audittrail.clock');
    audittrail_number := audittrail.enter_revision(audittrail_number, audittrail_version, is_first);
    IF is_first THEN
        RETURN NULL;
    END IF;
    -- A cascade within the table puts off the trigger of the whole DELETE, until after that of an INSERT in the same statement
    -- that has put a row in the place of a deleted one.
    overtaken := strpos(lower(current_query()), 'merge') > 0
                 OR EXISTS (SELECT FROM old_rows o JOIN public.kind b ON b.id OPERATOR(pg_catalog.=) o.id);
    IF overtaken OR pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
        inside := audittrail.first_version_inside();
        IF overtaken OR inside IS NOT NULL THEN
            -- Planned each time: a plan for a few rows, if it were kept, would take hours over many.
            ignored := set_config('audittrail.unguarded', 'on', true);
            EXECUTE concat('WITH live AS NOT MATERIALIZED (SELECT * FROM ', table_oid::regclass, ')', $order$
                , touched AS (
                    SELECT r.id FROM old_rows r
                ), overtaken AS MATERIALIZED (
                    SELECT mine.id, mine.revision_id,
                           CASE WHEN $3 THEN last.version ELSE since.version END AS audittrail_lower
                      FROM touched
                      JOIN audittrail.kind_history mine ON mine.id OPERATOR(pg_catalog.=) touched.id AND mine.version = $2
                     CROSS JOIN LATERAL (
                        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE $1 END) AS version
                          FROM audittrail.kind_history l
                         WHERE mine.operation = 'I' AND l.id OPERATOR(pg_catalog.=) mine.id
                           AND l.version < $1 AND l.operation IN ('D', 'T')) since
                     CROSS JOIN LATERAL (
                        SELECT * FROM audittrail.kind_history l
                         WHERE l.id OPERATOR(pg_catalog.=) mine.id AND l.revision_id = mine.revision_id
                           AND l.version >= since.version AND l.version < $2
                         ORDER BY l.version DESC LIMIT 1) last
                     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                                ELSE last.operation NOT IN ('D', 'T')
                                     AND ROW(last.id, last.created_by, last.updated_by, last.updated_at)::record
                                      *= ROW(mine.id, mine.created_by, mine.updated_by, mine.updated_at)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id
                                                    AND ROW(live.id::integer, live.created_by::integer, live.updated_by::integer,
                                                        live.updated_at::timestamp with time zone)::record
                                                     *= ROW(mine.id, mine.created_by, mine.updated_by, mine.updated_at)::record) END
                ), later AS MATERIALIZED (
                    SELECT l.id, l.version AS audittrail_old
                      FROM overtaken o
                      JOIN audittrail.kind_history l ON l.id OPERATOR(pg_catalog.=) o.id AND l.revision_id = o.revision_id
                       AND l.version >= o.audittrail_lower AND l.version < $2
                ), renumbered AS MATERIALIZED (
                    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
                      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
                )
                UPDATE audittrail.kind_history h SET version = n.audittrail_new
                  FROM later l JOIN renumbered n USING (audittrail_old)
                 WHERE h.id OPERATOR(pg_catalog.=) l.id AND h.version = l.audittrail_old;
                $order$) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
            ignored := set_config('audittrail.unguarded', '', true);
        END IF;
    END IF;
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

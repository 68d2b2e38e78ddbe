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
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
        'I'::"char", r.id, r.name
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
                                     AND ROW(last.id, last.name)::record
                                      *= ROW(mine.id, mine.name)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id
                                                    AND ROW(live.id::integer, live.name::text)::record
                                                     *= ROW(mine.id, mine.name)::record) END
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
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name)
        SELECT nextval('audittrail.clock'), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
            'U'::"char", n.id, n.name
          FROM new_rows n, old_rows o
         WHERE CASE WHEN o.id OPERATOR(pg_catalog.=) n.id
                    THEN n.* *<> o.* END;
        IF NOT FOUND THEN
            PERFORM FROM new_rows n, old_rows o WHERE NOT (o.id OPERATOR(pg_catalog.=) n.id);
            several := FOUND;  -- its key has changed
        END IF;
    END IF;
    IF several THEN
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
            CASE WHEN o.id IS NULL THEN 'I'::"char" WHEN n.id IS NULL THEN 'D'::"char" ELSE 'U'::"char" END,
            CASE WHEN n.id IS NULL THEN o.id ELSE n.id END, CASE WHEN n.id IS NULL THEN o.name ELSE n.name END
          FROM new_rows n
          FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id
         WHERE ROW(n.id::integer, n.name::text)::record
           *<> ROW(o.id::integer, o.name::text)::record;
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
    IF pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
        inside := audittrail.first_version_inside();
        IF inside IS NOT NULL THEN
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
                                     AND ROW(last.id, last.name)::record
                                      *= ROW(mine.id, mine.name)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id
                                                    AND ROW(live.id::integer, live.name::text)::record
                                                     *= ROW(mine.id, mine.name)::record) END
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
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
        'D'::"char", r.id, r.name
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
    overtaken := strpos(lower(current_query()), 'merge') > 0;
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
                                     AND ROW(last.id, last.name)::record
                                      *= ROW(mine.id, mine.name)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id
                                                    AND ROW(live.id::integer, live.name::text)::record
                                                     *= ROW(mine.id, mine.name)::record) END
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

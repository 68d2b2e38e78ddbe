CREATE OR REPLACE FUNCTION audittrail.kind_history_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND (TG_RELID = table_oid) IS NOT NULL AND (TG_RELID = history_oid) IS NOT NULL;
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
    -- New rows that are there already, as the UPDATE of the same MERGE has told, were told instead of others whose keys have changed.
    IF current_setting('audittrail.moved', true) <> '' THEN
        IF EXISTS (SELECT FROM new_rows n
                    WHERE (SELECT h.operation NOT IN ('D', 'T') AND h.revision_id = audittrail_number
                             FROM audittrail.kind_history h WHERE h.id OPERATOR(pg_catalog.=) n.id AND h.region OPERATOR(pg_catalog.=) n.region ORDER BY h.version DESC LIMIT 1)) THEN
            RAISE EXCEPTION 'audittrail: this MERGE inserts rows into % and changes keys of others: PostgreSQL does not tell the triggers of a partitioned table which',
                            table_oid::regclass
                USING ERRCODE = 'feature_not_supported', HINT = 'Insert and update in statements of their own, or use INSERT ... ON CONFLICT.';
        END IF;
    END IF;
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
        'I'::"char", r.id, r.region, r.name
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
                    SELECT r.id, r.region FROM new_rows r
                ), overtaken AS MATERIALIZED (
                    SELECT mine.id, mine.region, mine.revision_id,
                           CASE WHEN $3 THEN last.version ELSE since.version END AS audittrail_lower
                      FROM touched
                      JOIN audittrail.kind_history mine ON mine.id OPERATOR(pg_catalog.=) touched.id AND mine.region OPERATOR(pg_catalog.=) touched.region AND mine.version = $2
                     CROSS JOIN LATERAL (
                        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE $1 END) AS version
                          FROM audittrail.kind_history l
                         WHERE mine.operation = 'I' AND l.id OPERATOR(pg_catalog.=) mine.id AND l.region OPERATOR(pg_catalog.=) mine.region
                           AND l.version < $1 AND l.operation IN ('D', 'T')) since
                     CROSS JOIN LATERAL (
                        SELECT * FROM audittrail.kind_history l
                         WHERE l.id OPERATOR(pg_catalog.=) mine.id AND l.region OPERATOR(pg_catalog.=) mine.region AND l.revision_id = mine.revision_id
                           AND l.version >= since.version AND l.version < $2
                         ORDER BY l.version DESC LIMIT 1) last
                     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                                ELSE last.operation NOT IN ('D', 'T')
                                     AND ROW(last.id, last.region, last.name)::record
                                      *= ROW(mine.id, mine.region, mine.name)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id AND live.region OPERATOR(pg_catalog.=) mine.region)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id AND live.region OPERATOR(pg_catalog.=) mine.region
                                                    AND ROW(live.id::integer, live.region::text, live.name::text)::record
                                                     *= ROW(mine.id, mine.region, mine.name)::record) END
                ), later AS MATERIALIZED (
                    SELECT l.id, l.region, l.version AS audittrail_old
                      FROM overtaken o
                      JOIN audittrail.kind_history l ON l.id OPERATOR(pg_catalog.=) o.id AND l.region OPERATOR(pg_catalog.=) o.region AND l.revision_id = o.revision_id
                       AND l.version >= o.audittrail_lower AND l.version < $2
                ), renumbered AS MATERIALIZED (
                    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
                      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
                )
                UPDATE audittrail.kind_history h SET version = n.audittrail_new
                  FROM later l JOIN renumbered n USING (audittrail_old)
                 WHERE h.id OPERATOR(pg_catalog.=) l.id AND h.region OPERATOR(pg_catalog.=) l.region AND h.version = l.audittrail_old;
                $order$) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
            ignored := set_config('audittrail.unguarded', '', true);
        END IF;
    END IF;
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind_north REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE TRIGGER audittrail_insert AFTER INSERT ON public.kind_rest REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_insert();

CREATE OR REPLACE FUNCTION audittrail.kind_history_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND (TG_RELID = table_oid) IS NOT NULL AND (TG_RELID = history_oid) IS NOT NULL;
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
    -- PostgreSQL gives the triggers of a partitioned table the wrong new image of a row that a MERGE updates after it has inserted
    -- another: that of the inserted row. The table has the right one, unless the key has changed.
    IF EXISTS (SELECT FROM old_rows o
                WHERE NOT EXISTS (SELECT FROM new_rows n WHERE o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region)
                  AND NOT EXISTS (SELECT FROM public.kind n WHERE o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region)) THEN
        ignored := set_config('audittrail.moved', 'on', true);  -- for the trigger of INSERT
    END IF;
    IF EXISTS (SELECT FROM old_rows o
                WHERE NOT EXISTS (SELECT FROM new_rows n WHERE o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region)
                  AND EXISTS (SELECT FROM public.kind n WHERE o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region)) THEN
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
            CASE WHEN o.id IS NULL THEN 'I'::"char" WHEN n.id IS NULL THEN 'D'::"char" ELSE 'U'::"char" END,
            CASE WHEN n.id IS NULL THEN o.id ELSE n.id END, CASE WHEN n.id IS NULL THEN o.region ELSE n.region END,
            CASE WHEN n.id IS NULL THEN o.name ELSE n.name END
          FROM (SELECT n.* FROM public.kind n WHERE EXISTS (SELECT FROM old_rows o WHERE o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region)) n
          FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
         WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
           *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
    ELSE
        INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
        SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
            CASE WHEN o.id IS NULL THEN 'I'::"char" WHEN n.id IS NULL THEN 'D'::"char" ELSE 'U'::"char" END,
            CASE WHEN n.id IS NULL THEN o.id ELSE n.id END, CASE WHEN n.id IS NULL THEN o.region ELSE n.region END,
            CASE WHEN n.id IS NULL THEN o.name ELSE n.name END
          FROM new_rows n
          FULL JOIN old_rows o ON o.id OPERATOR(pg_catalog.=) n.id AND o.region OPERATOR(pg_catalog.=) n.region
         WHERE ROW(n.id::integer, n.region::text, n.name::text)::record
           *<> ROW(o.id::integer, o.region::text, o.name::text)::record;
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
                    SELECT r.id, r.region FROM new_rows r UNION SELECT r.id, r.region FROM old_rows r
                ), overtaken AS MATERIALIZED (
                    SELECT mine.id, mine.region, mine.revision_id,
                           CASE WHEN $3 THEN last.version ELSE since.version END AS audittrail_lower
                      FROM touched
                      JOIN audittrail.kind_history mine ON mine.id OPERATOR(pg_catalog.=) touched.id AND mine.region OPERATOR(pg_catalog.=) touched.region AND mine.version = $2
                     CROSS JOIN LATERAL (
                        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE $1 END) AS version
                          FROM audittrail.kind_history l
                         WHERE mine.operation = 'I' AND l.id OPERATOR(pg_catalog.=) mine.id AND l.region OPERATOR(pg_catalog.=) mine.region
                           AND l.version < $1 AND l.operation IN ('D', 'T')) since
                     CROSS JOIN LATERAL (
                        SELECT * FROM audittrail.kind_history l
                         WHERE l.id OPERATOR(pg_catalog.=) mine.id AND l.region OPERATOR(pg_catalog.=) mine.region AND l.revision_id = mine.revision_id
                           AND l.version >= since.version AND l.version < $2
                         ORDER BY l.version DESC LIMIT 1) last
                     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                                ELSE last.operation NOT IN ('D', 'T')
                                     AND ROW(last.id, last.region, last.name)::record
                                      *= ROW(mine.id, mine.region, mine.name)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id AND live.region OPERATOR(pg_catalog.=) mine.region)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id AND live.region OPERATOR(pg_catalog.=) mine.region
                                                    AND ROW(live.id::integer, live.region::text, live.name::text)::record
                                                     *= ROW(mine.id, mine.region, mine.name)::record) END
                ), later AS MATERIALIZED (
                    SELECT l.id, l.region, l.version AS audittrail_old
                      FROM overtaken o
                      JOIN audittrail.kind_history l ON l.id OPERATOR(pg_catalog.=) o.id AND l.region OPERATOR(pg_catalog.=) o.region AND l.revision_id = o.revision_id
                       AND l.version >= o.audittrail_lower AND l.version < $2
                ), renumbered AS MATERIALIZED (
                    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
                      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
                )
                UPDATE audittrail.kind_history h SET version = n.audittrail_new
                  FROM later l JOIN renumbered n USING (audittrail_old)
                 WHERE h.id OPERATOR(pg_catalog.=) l.id AND h.region OPERATOR(pg_catalog.=) l.region AND h.version = l.audittrail_old;
                $order$) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
            ignored := set_config('audittrail.unguarded', '', true);
        END IF;
    END IF;
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind_north REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE TRIGGER audittrail_update AFTER UPDATE ON public.kind_rest REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_update();

CREATE OR REPLACE FUNCTION audittrail.kind_history_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$#variable_conflict use_column
DECLARE
    -- Worked out when the expression is planned, and again after one of the tables that it names has changed: see in_step().
    in_step   boolean := audittrail.in_step(table_oid, 'kind_history', 'fingerprint')
                         AND (TG_RELID = table_oid) IS NOT NULL AND (TG_RELID = history_oid) IS NOT NULL;
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
    INSERT INTO audittrail.kind_history (version, revision_id, superseded, operation, id, region, name)
    SELECT (SELECT nextval('audittrail.clock')), coalesce(audittrail_number, currval('audittrail.clock')), NULL::bigint,
        'D'::"char", r.id, r.region, r.name
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
                    SELECT r.id, r.region FROM old_rows r
                ), overtaken AS MATERIALIZED (
                    SELECT mine.id, mine.region, mine.revision_id,
                           CASE WHEN $3 THEN last.version ELSE since.version END AS audittrail_lower
                      FROM touched
                      JOIN audittrail.kind_history mine ON mine.id OPERATOR(pg_catalog.=) touched.id AND mine.region OPERATOR(pg_catalog.=) touched.region AND mine.version = $2
                     CROSS JOIN LATERAL (
                        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE $1 END) AS version
                          FROM audittrail.kind_history l
                         WHERE mine.operation = 'I' AND l.id OPERATOR(pg_catalog.=) mine.id AND l.region OPERATOR(pg_catalog.=) mine.region
                           AND l.version < $1 AND l.operation IN ('D', 'T')) since
                     CROSS JOIN LATERAL (
                        SELECT * FROM audittrail.kind_history l
                         WHERE l.id OPERATOR(pg_catalog.=) mine.id AND l.region OPERATOR(pg_catalog.=) mine.region AND l.revision_id = mine.revision_id
                           AND l.version >= since.version AND l.version < $2
                         ORDER BY l.version DESC LIMIT 1) last
                     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                                ELSE last.operation NOT IN ('D', 'T')
                                     AND ROW(last.id, last.region, last.name)::record
                                      *= ROW(mine.id, mine.region, mine.name)::record END
                        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id AND live.region OPERATOR(pg_catalog.=) mine.region)
                                ELSE NOT EXISTS (SELECT FROM live WHERE live.id OPERATOR(pg_catalog.=) mine.id AND live.region OPERATOR(pg_catalog.=) mine.region
                                                    AND ROW(live.id::integer, live.region::text, live.name::text)::record
                                                     *= ROW(mine.id, mine.region, mine.name)::record) END
                ), later AS MATERIALIZED (
                    SELECT l.id, l.region, l.version AS audittrail_old
                      FROM overtaken o
                      JOIN audittrail.kind_history l ON l.id OPERATOR(pg_catalog.=) o.id AND l.region OPERATOR(pg_catalog.=) o.region AND l.revision_id = o.revision_id
                       AND l.version >= o.audittrail_lower AND l.version < $2
                ), renumbered AS MATERIALIZED (
                    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
                      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
                )
                UPDATE audittrail.kind_history h SET version = n.audittrail_new
                  FROM later l JOIN renumbered n USING (audittrail_old)
                 WHERE h.id OPERATOR(pg_catalog.=) l.id AND h.region OPERATOR(pg_catalog.=) l.region AND h.version = l.audittrail_old;
                $order$) USING coalesce(inside, audittrail_number), audittrail_version, inside IS NULL;
            ignored := set_config('audittrail.unguarded', '', true);
        END IF;
    END IF;
    RETURN NULL;
END$function$;

CREATE TRIGGER audittrail_delete AFTER DELETE ON public.kind REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete AFTER DELETE ON public.kind_north REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

CREATE TRIGGER audittrail_delete AFTER DELETE ON public.kind_rest REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audittrail.kind_history_delete();

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

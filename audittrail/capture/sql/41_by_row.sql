-- How the functions of a partitioned table capture row by row, in a MERGE. Of the rows that a MERGE moves between partitions, and of
-- those that it updates after it has inserted others, PostgreSQL shows statement triggers wrong images, or none (16.14, 18.4);
-- row triggers see the right ones, and cost several times as much. So a trigger before each statement finds out whether it may
-- be one, or be part of one; if so, the row triggers are on until all statements inside it have ended.
CREATE OR REPLACE FUNCTION audittrail.capture_by_row(tracked audittrail.tracked_table, parts jsonb, event text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_row text := audittrail.compose('(SELECT {NEW.columns})', parts);
    old_row text := audittrail.compose('(SELECT {OLD.columns})', parts);
BEGIN
    RETURN audittrail.compose_lines($template$
IF TG_LEVEL = 'ROW' THEN
    number := audittrail.own_revision();
    {baseline}
    {disentangle}
    {capture}
    IF FOUND THEN
        number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
    END IF;
    RETURN NULL;
ELSIF TG_WHEN = 'BEFORE' THEN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    IF audittrail.begin_by_row(substr(stack, strpos(stack || E'\n', E'\n') + 1)) AND NOT in_step THEN
        PERFORM audittrail.follow({id}, '{event}'), audittrail.complete_follow({id});
    END IF;
    RETURN NULL;
ELSIF audittrail.end_by_row() THEN
    RETURN NULL;
END IF;
$template$, parts || jsonb_build_object(
        'baseline', CASE WHEN tracked.key <> '{}' AND event <> 'INSERT' AND NOT tracked.baseline_complete THEN audittrail.baseline_statement(parts, old_row) END,
        'disentangle', CASE WHEN tracked.key <> '{}' THEN audittrail.disentangle(tracked, parts, event, new_row, old_row) END,
        'capture', audittrail.capture_statement(tracked, parts, event, false, new_row, old_row)));
END
$$;

-- Called before each statement on a partitioned table, with where it stands on the stack: turns the row triggers on if it may be a
-- MERGE. The setting audittrail.by_row counts the statements that have begun since, and not ended yet.
CREATE OR REPLACE FUNCTION audittrail.begin_by_row(stack text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running   text := coalesce(current_setting('audittrail.by_row', true), '');
    -- A statement that runs in a function, and that the stack does not show, may be a MERGE.
    statement text := lower(CASE WHEN stack = '' THEN current_query() WHEN starts_with(stack, 'SQL statement "') THEN stack ELSE 'merge' END);
    ignored   text;
BEGIN
    IF running = '' AND strpos(statement, 'merge') = 0 AND strpos(statement, 'execute') = 0 THEN
        RETURN false;
    END IF;
    ignored := set_config('audittrail.by_row', (coalesce(nullif(running, '')::int, 0) + 1)::text, true);
    RETURN true;
END
$$;

-- Called after each: whether its rows have been captured one by one.
CREATE OR REPLACE FUNCTION audittrail.end_by_row() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running int := nullif(current_setting('audittrail.by_row', true), '');
    ignored text;
BEGIN
    IF running IS NULL THEN
        RETURN false;
    END IF;
    ignored := set_config('audittrail.by_row', CASE WHEN running > 1 THEN (running - 1)::text ELSE '' END, true);
    RETURN true;
END
$$;

-- How the functions of a partitioned table capture row by row, in a MERGE. Of the rows that a MERGE moves between partitions, and of
-- those that it updates after it has inserted others, PostgreSQL shows statement triggers wrong images, or none (16.14, 18.4);
-- row triggers see the right ones, and cost several times as much. So a trigger before each statement finds out whether it may
-- be one, and turns the row triggers on; the trigger after it finds out the same, and leaves the rows to them.

-- Whether the row triggers are on, in each session by itself: they are if its last number is odd. A setting would do, if not anybody could
-- make one, also in the middle of a statement, and so keep rows from both kinds of triggers; of a sequence others can but read where they
-- are. Its numbers are odd and even in turn, also where a session takes the next ones of its cache, whose size is even.
CREATE SEQUENCE IF NOT EXISTS audittrail.by_row MINVALUE 0 CACHE 1024 CYCLE;

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
END IF;
GET DIAGNOSTICS stack = PG_CONTEXT;
stack := substr(stack, strpos(stack || E'\n', E'\n') + 1);
IF TG_WHEN = 'BEFORE' THEN
    IF audittrail.turn_by_row(stack) AND NOT in_step THEN
        PERFORM audittrail.follow({id}, '{event}'), audittrail.complete_follow({id});
    END IF;
    RETURN NULL;
ELSIF audittrail.may_be_merge(stack) THEN
    RETURN NULL;  -- its rows have been captured one by one
END IF;
$template$, parts || jsonb_build_object(
        'baseline', CASE WHEN tracked.key <> '{}' AND event <> 'INSERT' AND NOT tracked.baseline_complete THEN audittrail.baseline_statement(parts, old_row) END,
        'disentangle', CASE WHEN tracked.key <> '{}' THEN audittrail.disentangle(tracked, parts, event, new_row, old_row) END,
        'capture', audittrail.capture_statement(tracked, parts, event, false, new_row, old_row)));
END
$$;

-- Whether a statement may be a MERGE, by where its triggers stand on the stack: the same before it and after it, whatever is done meanwhile.
CREATE OR REPLACE FUNCTION audittrail.may_be_merge(stack text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- A statement that runs in a function, and that the stack does not show, may be one.
    statement text := lower(CASE WHEN stack = '' THEN current_query() WHEN starts_with(stack, 'SQL statement "') THEN stack ELSE 'merge' END);
BEGIN
    RETURN strpos(statement, 'merge') > 0 OR strpos(statement, 'execute') > 0;
END
$$;

-- Called before each statement on a partitioned table: turns the row triggers on if it may be a MERGE. They are turned off by the next
-- statement that is no part of another. What they capture of a statement that began before they were on, the trigger after it finds among
-- what is captured already, see 35_order.sql. Returns whether it may be a MERGE.
CREATE OR REPLACE FUNCTION audittrail.turn_by_row(stack text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    by_row boolean := audittrail.may_be_merge(stack);
    is_on  boolean := nextval('audittrail.by_row') % 2 = 1;  -- the first number of a session is even, and the next one is what it was before
    number bigint;
BEGIN
    IF is_on <> by_row AND (by_row OR stack = '') OR NOT by_row AND stack <> '' THEN
        number := nextval('audittrail.by_row');
    END IF;
    RETURN by_row;
END
$$;

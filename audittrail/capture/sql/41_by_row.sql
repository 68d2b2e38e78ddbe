-- How the functions of a partitioned table capture row by row, in a MERGE. Of the rows that a MERGE moves between partitions, and of
-- those that it updates after it has inserted others, PostgreSQL shows statement triggers wrong images, or none (16.14, 18.4);
-- row triggers see the right ones, and cost several times as much. So a trigger before each statement finds out whether it may
-- be one, and turns the row triggers on; the trigger after it finds out the same, and leaves the rows to them.
--
-- Nothing of this may be believed of a setting, which any role can make, in the middle of a statement as well. What decides is where the
-- statement stands on the stack, and a sequence: each way to forge a setting makes the row triggers find out anew what is true, or fail.

-- Whether the row triggers are on, in each session by itself: they are if the last number that it took is odd. Nobody but its owner can
-- move it. Others can make a session forget its number (DISCARD SEQUENCES); it is then asked for in vain, or taken anew, see turn_by_row().
CREATE SEQUENCE IF NOT EXISTS audittrail.by_row CACHE 1024 CYCLE;

CREATE OR REPLACE FUNCTION audittrail.capture_by_row(tracked audittrail.tracked_table, parts jsonb, event text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_row text := audittrail.compose('(SELECT {NEW.columns})', parts);
    old_row text := audittrail.compose('(SELECT {OLD.columns})', parts);
BEGIN
    RETURN audittrail.compose_lines($template$
GET DIAGNOSTICS stack = PG_CONTEXT;
stack := substr(stack, strpos(stack || E'\n', E'\n') + 1);
IF TG_LEVEL = 'ROW' THEN
    IF NOT audittrail.may_be_merge(stack) AND NOT audittrail.may_hide_merge() THEN
        RETURN NULL;  -- the trigger after the statement captures it
    END IF;
    number := audittrail.own_revision();
    {baseline}
    {disentangle}
    {capture}
    IF FOUND THEN
        number := audittrail.enter_revision(number, currval('audittrail.clock'), false);
    END IF;
    RETURN NULL;
ELSIF TG_WHEN = 'BEFORE' THEN
    IF audittrail.turn_by_row(stack, {may_move}) AND NOT in_step THEN
        PERFORM audittrail.follow({id}, '{event}'), audittrail.complete_follow({id});
    END IF;
    RETURN NULL;
ELSIF audittrail.may_be_merge(stack) THEN
    RETURN NULL;  -- its rows have been captured one by one
END IF;
$template$, parts || jsonb_build_object(
        'may_move', (event = 'UPDATE')::text,
        'baseline', CASE WHEN tracked.key <> '{}' AND event <> 'INSERT' AND NOT tracked.baseline_complete THEN audittrail.baseline_statement(parts, old_row) END,
        'disentangle', CASE WHEN tracked.key <> '{}' THEN audittrail.disentangle(tracked, parts, event, new_row, old_row) END,
        'capture', audittrail.capture_statement(tracked, parts, event, false, new_row, old_row)));
END
$$;

-- Whether a statement is to be captured row by row, by where its triggers stand on the stack: the same before it and after it, whatever is
-- done meanwhile. It is if it may be a MERGE: if its text says so, or does not show. What EXECUTE carries out is prepared, and a function in
-- another language than PL/pgSQL shows no texts.
CREATE OR REPLACE FUNCTION audittrail.may_be_merge(stack text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    statement text := CASE WHEN stack = '' THEN current_query() WHEN starts_with(stack, 'SQL statement "') THEN stack ELSE 'merge' END;
BEGIN
    RETURN current_setting('server_version_num')::int >= 150000
           -- Asked for each row of a MERGE, and most say so at their beginning: that is faster than to read all of a long one.
           AND coalesce(strpos(lower(left(statement, 200) COLLATE "C"), 'merge') > 0 OR lower(statement COLLATE "C") ~ 'merge|execute', true);
END
$$;

-- Whether a MERGE may be carried out that no text on the stack shows: one of a rule, or of a cursor that was opened before. Until 16 neither
-- can have one.
CREATE OR REPLACE FUNCTION audittrail.may_hide_merge() RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN current_setting('server_version_num')::int >= 170000
           AND (EXISTS (SELECT FROM pg_cursor() c WHERE strpos(lower(c.statement COLLATE "C"), 'merge') > 0)
                -- CMD_MERGE is 5. PostgreSQL's own views are left out.
                OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class >= audittrail.first_user_oid() AND r.rulename <> '_RETURN' AND strpos(r.ev_action::text, ':commandType 5 ') > 0));
END
$$;

-- Called before each statement on a partitioned table, with where it stands on the stack, and whether it may move rows: turns the row triggers
-- on if it is to be captured row by row, and off if it is part of no MERGE: if all that the stack shows around it are texts of PL/pgSQL. What
-- they capture while there may be a MERGE that does not show, the trigger after the statement finds among what is captured already, see
-- 35_order.sql. Returns whether they are on.
--
-- The setting audittrail.turned says that the session has a number. Made by somebody else, it has the number asked for in vain, which is an
-- error; taken away, it has the question answered once more.
CREATE OR REPLACE FUNCTION audittrail.turn_by_row(stack text, may_move boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    by_row  boolean := audittrail.may_be_merge(stack);
    is_off  boolean;
    ignored text;
BEGIN
    IF NOT by_row THEN
        is_off := stack <> '' AND coalesce(current_setting('audittrail.turned', true), '') <> '' AND currval('audittrail.by_row') % 2 = 0;
        IF may_move OR stack <> '' AND NOT is_off THEN
            by_row := audittrail.may_hide_merge();
        END IF;
        IF is_off AND NOT by_row THEN
            RETURN false;
        ELSIF NOT by_row AND stack <> '' THEN
            by_row := lower(concat(current_query(), stack) COLLATE "C") ~ 'merge|execute|\msql function|pl/(?!pgsql)|for over|fetch|cursor';
        END IF;
    END IF;
    LOOP
        EXIT WHEN (nextval('audittrail.by_row') % 2 = 1) = by_row;
    END LOOP;
    ignored := set_config('audittrail.turned', 'yes', true);
    -- Row triggers that a former release has made ask this, until "sync" makes them anew.
    ignored := set_config('audittrail.by_row', CASE WHEN by_row THEN '1' ELSE '' END, true);
    RETURN by_row;
END
$$;

-- Asked by the row triggers where no trigger before a statement has turned them on or off in the transaction: on a new partition, which has
-- no such trigger until "sync", or after somebody has taken the setting away.
CREATE OR REPLACE FUNCTION audittrail.is_by_row() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stack text;
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    -- Below this function there may be the line that a COPY has read.
    stack := regexp_replace(substr(stack, strpos(stack || E'\n', E'\n') + 1), '^COPY [^\n]*\n?', '');
    RETURN audittrail.turn_by_row(stack, true);
END
$$;

-- Called by what a former release has generated for a table, until "sync" generates it anew: before each statement, and after it. The
-- setting audittrail.by_row counts the statements that have begun since there may be a MERGE, and not ended yet.
CREATE OR REPLACE FUNCTION audittrail.begin_by_row(stack text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running text := coalesce(current_setting('audittrail.by_row', true), '');
    ignored text;
BEGIN
    IF running = '' AND NOT audittrail.may_be_merge(stack) THEN
        RETURN false;
    END IF;
    ignored := set_config('audittrail.by_row', (coalesce(nullif(running, '')::int, 0) + 1)::text, true);
    RETURN true;
END
$$;

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

-- The order of versions where statements nest: versions of a row must count up in the order in which it changed.
--
-- A statement is captured when it ends. One that runs inside another (in a row trigger, a foreign key's action) ends
-- first, and so is captured first, though the outer statement had changed its rows before. MERGE is alike: its
-- insertions are captured before its deletions. The later capture finds out, and gives the changes that really came
-- after its own new versions.

-- Called after a statement has been captured inside or around another. The setting audittrail.nested holds the time of
-- the client's statement and, for each trigger depth, the first version captured there since an outer one was.
CREATE OR REPLACE FUNCTION audittrail.settle_order(tracked_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine    bigint := currval('audittrail.clock');
    depth   int := pg_trigger_depth();
    marks   text[] := string_to_array(coalesce(current_setting('audittrail.nested', true), ''), ' ');
    moment  text := extract(epoch FROM statement_timestamp())::text;
    oldest  bigint;
    ignored text;
BEGIN
    IF marks[1] IS DISTINCT FROM moment THEN
        marks := ARRAY[moment];
    END IF;
    SELECT min(mark::bigint) INTO oldest
      FROM unnest(marks[2:]) WITH ORDINALITY m (mark, level) WHERE mark <> '' AND level > depth;
    IF oldest IS NOT NULL THEN
        PERFORM audittrail.move_behind(tracked_id, mine, oldest);
    ELSIF current_query() ~* '\mmerge\M' THEN
        PERFORM audittrail.move_behind(tracked_id, mine, NULL);
    END IF;
    marks := marks[:depth + 1];
    IF depth > 1 AND coalesce(marks[depth + 1], '') = '' THEN
        marks[depth + 1] := mine::text;
    END IF;
    ignored := set_config('audittrail.nested',
                          CASE WHEN depth > 1 THEN array_to_string(marks, ' ', '') ELSE '' END, true);
END
$$;

-- For each row that version "mine" captured and that has changed again since: give its versions from "oldest" on (by
-- default, the last ones before mine) new numbers behind mine. A row has changed again if the table now holds something else.
CREATE OR REPLACE FUNCTION audittrail.move_behind(tracked_id int, mine bigint, oldest bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    number  bigint := current_setting('audittrail.revision');
    overtaken text;
    later   bigint;
    ignored text := set_config('audittrail.settling', 'on', true);
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    IF oldest IS NULL THEN
        EXECUTE format('SELECT max(version) FROM audittrail.%I WHERE version >= $1 AND version < $2 AND revision_id = $1',
                       tracked.history_name) INTO oldest USING number, mine;
    END IF;
    overtaken := format(
        'SELECT FROM audittrail.%1$I mine WHERE mine.version = $1 AND mine.revision_id = $2 AND %2$s'
        ' AND CASE WHEN mine.operation IN (''D'', ''T'') THEN EXISTS (SELECT FROM %3$s live WHERE %4$s)'
        ' ELSE NOT EXISTS (SELECT FROM %3$s live WHERE %4$s AND ROW(%5$s)::record *= ROW(%6$s)::record) END',
        tracked.history_name, audittrail.same_key(tracked, 'mine', true, 'later', true),
        tracked.relation::regclass, audittrail.same_key(tracked, 'live', false, 'mine', true),
        audittrail.column_list(tracked, 'live', true), audittrail.column_list(tracked, 'mine', true, true));
    FOR later IN EXECUTE format(
        'SELECT DISTINCT later.version FROM audittrail.%I later'
        ' WHERE later.revision_id = $2 AND later.version < $1 AND later.version >= $3 AND EXISTS (%s) ORDER BY 1',
        tracked.history_name, overtaken)
        USING mine, number, oldest
    LOOP
        EXECUTE format('UPDATE audittrail.%I later SET version = nextval(''audittrail.clock'') WHERE later.version = $3 AND later.revision_id = $2 AND EXISTS (%s)',
                       tracked.history_name, overtaken)
            USING mine, number, later;
    END LOOP;
    ignored := set_config('audittrail.settling', '', true);
END
$$;

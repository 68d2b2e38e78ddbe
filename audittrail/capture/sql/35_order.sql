-- The order of versions where statements nest: versions of a row must count up in the order in which it changed.
--
-- A statement is captured when it ends. One that runs inside another (in a row trigger, a foreign key's action) ends
-- first, and so is captured first, though the outer statement had changed its rows before. MERGE is alike: its
-- insertions are captured before its deletions. The later capture finds out, and gives the changes that really came
-- after its own new versions.

-- Called after a statement has been captured inside or around another. Returns the first version that was captured
-- inside it, or NULL. The setting audittrail.nested holds the time of the client's statement, the trigger depth of the last
-- capture and, for each depth, the first version captured there or deeper since an outer one began. Several captures at one depth
-- may be the tables and events of one statement; a capture inside another statement tells that the one before is over.
CREATE OR REPLACE FUNCTION audittrail.first_version_inside() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    depth   int := pg_trigger_depth();
    moment  text := extract(epoch FROM statement_timestamp())::text;
    state   text[] := string_to_array(coalesce(current_setting('audittrail.nested', true), ''), ' ');
    inside  bigint;
    ignored text;
BEGIN
    IF state[1] IS DISTINCT FROM moment THEN
        state := ARRAY[moment, ''];
    ELSIF depth > state[2]::int THEN
        state := state[:state[2]::int + 2];
    END IF;
    SELECT min(mark::bigint) INTO inside
      FROM unnest(state[3:]) WITH ORDINALITY m (mark, level) WHERE mark <> '' AND level > depth;
    state[2] := depth;
    IF depth > 1 AND coalesce(state[depth + 2], '') = '' THEN
        -- What is inside this statement is inside the outer one as well, and stays there unless this one's own rows are moved.
        state[depth + 2] := coalesce(inside, currval('audittrail.clock'));
    END IF;
    -- Deeper versions still count for further events of this statement.
    ignored := set_config('audittrail.nested', CASE WHEN cardinality(state) > 2 THEN array_to_string(state, ' ', '') ELSE '' END, true);
    RETURN inside;
END
$$;

-- The statement, but for its beginning, that puts versions in order where the transition tables are seen: for each row that
-- version {captured} captured and that has changed again since, its versions from {first} on (of those only the last if {only_last})
-- get new numbers behind it. A row has changed again if the table now holds something else, or if the last of those versions
-- left it as {captured} did: coming after that one, {captured} would have changed nothing. A row that {captured} inserted was
-- not there before, so all its versions since it was last deleted come after {captured}.
-- The three are given as SQL. The statement begins with "WITH live AS NOT MATERIALIZED (SELECT * FROM <the table>)": the table is
-- named when it is executed, since it may have been renamed.
CREATE OR REPLACE FUNCTION audittrail.ordering_statement(parts jsonb, event text, first text, captured text, only_last text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN audittrail.compose_lines($template$
, touched AS (
    $template$ || CASE event WHEN 'INSERT' THEN 'SELECT {r.key} FROM new_rows r'
                             WHEN 'DELETE' THEN 'SELECT {r.key} FROM old_rows r'
                             ELSE 'SELECT {r.key} FROM new_rows r UNION SELECT {r.key} FROM old_rows r' END || $template$
), overtaken AS MATERIALIZED (
    SELECT {mine.stored_key}, mine.revision_id,
           CASE WHEN {only_last} THEN last.version ELSE since.version END AS audittrail_lower
      FROM touched
      JOIN {history} mine ON {mine.stored_key = touched.key} AND mine.version = {captured}
     CROSS JOIN LATERAL (
        SELECT coalesce(max(l.version) + 1, CASE WHEN mine.operation = 'I' THEN 0 ELSE {first} END) AS version
          FROM {history} l
         WHERE mine.operation = 'I' AND {l.stored_key = mine.stored_key}
           AND l.version < {first} AND l.operation IN ('D', 'T')) since
     CROSS JOIN LATERAL (
        SELECT * FROM {history} l
         WHERE {l.stored_key = mine.stored_key} AND l.revision_id = mine.revision_id
           AND l.version >= since.version AND l.version < {captured}
         ORDER BY l.version DESC LIMIT 1) last
     WHERE CASE WHEN mine.operation = 'D' THEN last.operation IN ('D', 'T')
                ELSE last.operation NOT IN ('D', 'T')
                     AND ROW({last.stored_compared})::record
                      *= ROW({mine.stored_compared})::record END
        OR CASE WHEN mine.operation = 'D' THEN EXISTS (SELECT FROM live WHERE {live.key = mine.stored_key})
                ELSE NOT EXISTS (SELECT FROM live WHERE {live.key = mine.stored_key}
                                    AND ROW({live.compared})::record
                                     *= ROW({mine.stored_compared})::record) END
), later AS MATERIALIZED (
    SELECT {l.stored_key}, l.version AS audittrail_old
      FROM overtaken o
      JOIN {history} l ON {l.stored_key = o.stored_key} AND l.revision_id = o.revision_id
       AND l.version >= o.audittrail_lower AND l.version < {captured}
), renumbered AS MATERIALIZED (
    SELECT audittrail_old, nextval('audittrail.clock') AS audittrail_new
      FROM (SELECT DISTINCT audittrail_old FROM later ORDER BY audittrail_old OFFSET 0) v
)
UPDATE {history} h SET version = n.audittrail_new
  FROM later l JOIN renumbered n USING (audittrail_old)
 WHERE {h.stored_key = l.stored_key} AND h.version = l.audittrail_old;
$template$, parts || jsonb_build_object('first', first, 'captured', captured, 'only_last', only_last));
END
$$;

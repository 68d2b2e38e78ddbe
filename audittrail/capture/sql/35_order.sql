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
CREATE OR REPLACE FUNCTION audittrail.settle_order() RETURNS bigint
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

-- The statement that is executed by a capture function, where its transition tables are seen, to put versions in order:
-- for each row that version $2 captured and that has changed again since, its versions from $1 on (of those only the last
-- if $3) get new numbers behind it. A row has changed again if the table, which stands for "{live}", now holds something
-- else, or if the last of those versions left it as $2 did: coming after that one, $2 would have changed nothing. A row that
-- $2 inserted was not there before, so all its versions since it was last deleted come after $2.
CREATE OR REPLACE FUNCTION audittrail.move_statement(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys   text;
    stored text;
BEGIN
    SELECT string_agg(format('r.%I', k.name), ', ' ORDER BY k.position),
           string_agg(format('mine.%I', audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
      INTO keys, stored
      FROM unnest(tracked.key) WITH ORDINALITY k (name, position);
    RETURN format(
        'WITH overtaken AS MATERIALIZED ('
        ' SELECT %1$s, mine.revision_id, CASE WHEN $3 THEN last.version ELSE b.lower END AS lower'
        ' FROM (%2$s) r'
        ' JOIN audittrail.%3$I mine ON %4$s AND mine.version = $2'
        ' CROSS JOIN LATERAL (SELECT CASE WHEN mine.operation <> ''I'' THEN $1 ELSE coalesce((SELECT max(l.version) + 1'
        ' FROM audittrail.%3$I l WHERE %5$s AND l.version < $1 AND l.operation IN (''D'', ''T'')), 0) END AS lower) b'
        ' CROSS JOIN LATERAL (SELECT * FROM audittrail.%3$I l WHERE %5$s AND l.version >= b.lower AND l.version < $2'
        ' AND l.revision_id = mine.revision_id ORDER BY l.version DESC LIMIT 1) last'
        ' WHERE CASE WHEN mine.operation = ''D'' THEN last.operation IN (''D'', ''T'') OR EXISTS (SELECT FROM {live} live WHERE %6$s)'
        ' ELSE last.operation NOT IN (''D'', ''T'') AND ROW(%7$s)::record *= ROW(%8$s)::record'
        ' OR NOT EXISTS (SELECT FROM {live} live WHERE %6$s AND ROW(%9$s)::record *= ROW(%8$s)::record) END),'
        ' later AS MATERIALIZED (SELECT %10$s, l.version AS old_version FROM overtaken o JOIN audittrail.%3$I l'
        ' ON %11$s AND l.version >= o.lower AND l.version < $2 AND l.revision_id = o.revision_id),'
        ' renumbered AS MATERIALIZED (SELECT old_version, nextval(''audittrail.clock'') AS new_version'
        ' FROM (SELECT DISTINCT old_version FROM later ORDER BY old_version OFFSET 0) v)'
        ' UPDATE audittrail.%3$I h SET version = n.new_version FROM later l JOIN renumbered n USING (old_version)'
        ' WHERE %12$s AND h.version = l.old_version',
        stored,
        CASE event WHEN 'INSERT' THEN format('SELECT %s FROM new_rows r', keys)
                   WHEN 'DELETE' THEN format('SELECT %s FROM old_rows r', keys)
                   ELSE format('SELECT %1$s FROM new_rows r UNION SELECT %1$s FROM old_rows r', keys) END,
        tracked.history_name,
        audittrail.same_key(tracked, 'mine', true, 'r', false),
        audittrail.same_key(tracked, 'l', true, 'mine', true),
        audittrail.same_key(tracked, 'live', false, 'mine', true),
        audittrail.column_list(tracked, 'last', true, true), audittrail.column_list(tracked, 'mine', true, true),
        audittrail.column_list(tracked, 'live', true),
        replace(stored, 'mine.', 'l.'),
        audittrail.same_key(tracked, 'l', true, 'o', true),
        audittrail.same_key(tracked, 'h', true, 'l', true));
END
$$;

-- Compare a tracked table with its history, and record what passed by unrecorded.

-- A query for the last version of each row since tracking began.
CREATE OR REPLACE FUNCTION audittrail.last_versions(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT DISTINCT ON (%1$s) * FROM audittrail.%2$I WHERE version >= %3$s AND %4$s ORDER BY %1$s, version DESC',
        (SELECT string_agg(quote_ident(audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
           FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        tracked.history_name, tracked.since_version,
        -- Versions from before another primary key was chosen may have none of the present one.
        (SELECT string_agg(format('%I IS NOT NULL', audittrail.stored_name(k.name)), ' AND ') FROM unnest(tracked.key) k (name)))
$$;

-- Write a new version of each row that is not what its last version says, as after a column has been added or has
-- changed its type. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_differences(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    EXECUTE format(
        'INSERT INTO audittrail.%1$I (version, revision_id, operation, %2$s)'
        ' SELECT (SELECT audittrail.next_version()), (SELECT current_setting(''audittrail.revision'')::bigint), ''B'', %3$s'
        ' FROM %4$s b CROSS JOIN LATERAL (SELECT * FROM audittrail.%1$I h WHERE %5$s AND h.version >= %6$s ORDER BY h.version DESC LIMIT 1) l'
        ' WHERE ROW(%7$s)::record *<> ROW(%8$s)::record AND l.operation NOT IN (''D'', ''T'')',
        tracked.history_name, audittrail.column_list(tracked), audittrail.column_list(tracked, 'b'), tracked.relation::regclass,
        audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version,
        audittrail.column_list(tracked, 'b', true), audittrail.column_list(tracked, 'l', true, true));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Write a version of each row that history does not know as living. One without any version is the baseline's, while
-- that is incomplete. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_appearances(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    EXECUTE format(
        'INSERT INTO audittrail.%1$I (version, revision_id, operation, %2$s)'
        ' SELECT (SELECT audittrail.next_version()), (SELECT current_setting(''audittrail.revision'')::bigint), ''B'', %3$s'
        ' FROM %4$s b WHERE (%5$L OR EXISTS (SELECT FROM audittrail.%1$I h WHERE %6$s AND h.version >= %9$s))'
        ' AND NOT EXISTS (SELECT FROM (%7$s) l WHERE l.operation NOT IN (''D'', ''T'') AND %8$s)',
        tracked.history_name, audittrail.column_list(tracked), audittrail.column_list(tracked, 'b'), tracked.relation::regclass,
        tracked.baseline_complete, audittrail.same_key(tracked, 'h', true, 'b', false),
        audittrail.last_versions(tracked), audittrail.same_key(tracked, 'l', true, 'b', false), tracked.since_version);
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Write a deletion of each row that history knows as living and that is gone. Returns how many.
CREATE OR REPLACE FUNCTION audittrail.record_disappearances(tracked audittrail.tracked_table) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    EXECUTE format(
        'INSERT INTO audittrail.%1$I (version, revision_id, operation, %2$s)'
        ' SELECT (SELECT audittrail.next_version()), (SELECT current_setting(''audittrail.revision'')::bigint), ''D'', %3$s'
        ' FROM (%4$s) l WHERE l.operation NOT IN (''D'', ''T'') AND NOT EXISTS (SELECT FROM %5$s b WHERE %6$s)',
        tracked.history_name, audittrail.column_list(tracked), audittrail.column_list(tracked, 'l', false, true),
        audittrail.last_versions(tracked), tracked.relation::regclass, audittrail.same_key(tracked, 'b', false, 'l', true));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Record what happened to a table unrecorded, so that the last versions agree with it again. Returns how many rows it
-- concerns. Locks the table against writers meanwhile.
CREATE OR REPLACE FUNCTION audittrail.repair(tracked_id int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tracked.relation::regclass);
    IF tracked.key = '{}' THEN
        RETURN 0;
    END IF;
    RETURN audittrail.record_differences(tracked) + audittrail.record_disappearances(tracked) + audittrail.record_appearances(tracked);
END
$$;

-- Compare a table with the last versions of its rows. One row for each kind of difference that was found:
-- 'missing' (a row without a living version), 'extra' (a living version without a row), 'different' (other values).
CREATE OR REPLACE FUNCTION audittrail.verify(tracked_id int)
RETURNS TABLE (kind text, rows bigint, example text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    IF tracked.key = '{}' THEN
        RETURN;  -- nothing tells its rows apart
    END IF;
    tracked.relation := audittrail.tied_relation(tracked);
    RETURN QUERY EXECUTE format(
        'SELECT d.kind, count(*), min(d.key) FROM ('
        ' SELECT CASE WHEN l.version IS NULL THEN ''missing'' WHEN b.%1$I IS NULL THEN ''extra'' ELSE ''different'' END AS kind,'
        '        CASE WHEN b.%1$I IS NULL THEN ROW(%2$s)::text ELSE ROW(%3$s)::text END AS key'
        '   FROM (SELECT * FROM (%4$s) v WHERE v.operation NOT IN (''D'', ''T'')) l'
        '   FULL JOIN %5$s b ON %6$s'
        '  WHERE CASE WHEN l.version IS NULL THEN %7$L::boolean OR EXISTS (SELECT FROM audittrail.%8$I h WHERE %9$s AND h.version >= %10$s)'
        '        ELSE ROW(%11$s)::record *<> ROW(%12$s)::record END'
        ') d GROUP BY d.kind ORDER BY d.kind',
        tracked.key[1],
        (SELECT string_agg(format('l.%I', audittrail.stored_name(k.name)), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        (SELECT string_agg(format('b.%I', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
        audittrail.last_versions(tracked), tracked.relation::regclass, audittrail.same_key(tracked, 'l', true, 'b', false),
        tracked.baseline_complete, tracked.history_name, audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version,
        audittrail.column_list(tracked, 'b', true), audittrail.column_list(tracked, 'l', true, true));
END
$$;

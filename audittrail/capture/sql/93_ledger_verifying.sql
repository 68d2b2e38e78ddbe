-- The ledger, fourth part: what history holds against what was entered. Whoever does not trust the server's functions compares them
-- with the released ones first, as "manage.py audittrail ledger verify" does.

-- The versions of a table, within a range, that are not as they were entered: 'changed', 'removed', 'inserted', 'unlike' where only a
-- column that came or got another type since does not hold what it must, or 'unreadable' where a value can't be of the type that it was of.
-- Versions of revisions that are not entered yet don't count.
CREATE OR REPLACE FUNCTION audittrail.ledger_differences(of_table int, first_version bigint, last_version bigint)
RETURNS TABLE (kind text, version bigint, key text, revision bigint, "position" bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' SET enable_nestloop = off AS $$
DECLARE
    source  regclass := audittrail.ledger_source(of_table);
    head    audittrail.ledger;
    facts   jsonb := (SELECT l.facts FROM audittrail.ledger_layout l WHERE l.table_id = of_table ORDER BY l.number DESC LIMIT 1);
    named   text;
    digests text;
    agrees  text;
    forms   text;
    found   jsonb;
    is_held boolean;
    middle  bigint := floor((first_version::numeric + last_version) / 2);
BEGIN
    SELECT * INTO head FROM audittrail.ledger;
    IF source IS NULL THEN
        RETURN QUERY SELECT 'removed', e.version, e.key, NULL::bigint, e.position FROM audittrail.ledger_entry e
                      WHERE e.table_id = of_table AND e.version BETWEEN first_version AND last_version AND e.salt IS NOT NULL;
        RETURN;
    END IF;
    WITH forms AS (
        SELECT l.form, array_agg(l.number) AS numbers, audittrail.ledger_key(source, l.form, 'h') AS key, audittrail.ledger_agrees(of_table, source, l.form, 'h') AS agrees
          FROM audittrail.ledger_layout l WHERE l.table_id = of_table GROUP BY l.form
    ), keys AS (
        SELECT f.key, array_agg(n ORDER BY n) AS numbers FROM forms f, unnest(f.numbers) n GROUP BY f.key
    )
    SELECT (SELECT string_agg(format('SELECT h.*, %s AS audittrail_name, %s AS audittrail_key FROM held h', k.numbers[1], k.key), ' UNION ALL ') FROM keys k),
           (SELECT string_agg(format('WHEN e.layout = ANY (%L) THEN %s', k.numbers, k.numbers[1]), ' ') FROM keys k),
           (SELECT string_agg(format('WHEN e.layout = ANY (%L) THEN %s', f.numbers, f.agrees), ' ') FROM forms f),
           (SELECT string_agg(format('WHEN e.layout = %s THEN %s', l.number,
                       audittrail.ledger_digest(of_table, l.number, audittrail.ledger_content(source, l.form, 'h'), 'h', 'e.salt')), ' ')
              FROM audittrail.ledger_layout l WHERE l.table_id = of_table)
      INTO named, forms, agrees, digests;
    IF named IS NULL THEN
        -- No version of the table is entered yet, so none may belong to a revision that is.
        named := 'SELECT h.*, 0 AS audittrail_name, NULL::text AS audittrail_key FROM held h';
        forms := 'WHEN true THEN 0';
        agrees := 'WHEN true THEN true';
        digests := 'WHEN true THEN NULL::bytea';
    END IF;
    BEGIN
        EXECUTE audittrail.compose($template$
WITH held AS MATERIALIZED (
    SELECT h.*, row_number() OVER () AS audittrail_row FROM {rows} h WHERE h.version BETWEEN $1 AND $2
), named AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.version, n.audittrail_name, n.audittrail_key) AS audittrail_place FROM ({named}) n
), entries AS (
    SELECT e.*, CASE {forms} END AS name, row_number() OVER (PARTITION BY e.version, CASE {forms} END, e.key) AS place
      FROM audittrail.ledger_entry e
     WHERE e.version BETWEEN $1 AND $2 AND e.table_id = {table} AND e.key IS NOT NULL
), joined AS MATERIALIZED (
    SELECT e.version IS NOT NULL AS entered, h.audittrail_row, coalesce(e.version, h.version) AS version, coalesce(e.key, h.audittrail_key) AS key,
           h.revision_id, h.operation, e.position,
           CASE WHEN e.version IS NULL OR h.version IS NULL OR e.position IS NULL THEN NULL
                WHEN (CASE {digests} END) IS DISTINCT FROM e.digest THEN 'changed'
                -- A version is in the leaf of its revision, but for a baseline that was completed later.
                WHEN e.kind = 'V' AND NOT EXISTS (SELECT FROM audittrail.ledger_entry r WHERE r.version = h.revision_id AND r.kind = 'R' AND r.position = e.position)
                     AND NOT (h.operation = 'B' AND EXISTS (
                         SELECT FROM audittrail.ledger_layout l JOIN audittrail.ledger_layout f ON f.table_id = l.table_id AND f.number = l.number - 1
                          WHERE l.table_id = {table} AND l.position = e.position AND f.facts::jsonb ->> 'baseline_complete' = 'false'
                            AND f.facts::jsonb ->> 'since_version' = e.version::text))
                     -- What was imported is in that of the revision that did it.
                     AND NOT (e.version < 0 AND EXISTS (
                         SELECT FROM audittrail.revision i JOIN audittrail.ledger_entry r ON r.version = audittrail.imported_by(i.context) AND r.kind = 'R'
                          WHERE i.id = h.revision_id AND i.id < 0 AND r.position = e.position)) THEN 'changed'
                WHEN (CASE {agrees} END) IS NOT TRUE THEN 'unlike' END AS problem
      FROM entries e
      FULL JOIN named h ON h.version = e.version AND h.audittrail_name = e.name AND h.audittrail_key = e.key AND h.audittrail_place = e.place
)
SELECT jsonb_agg(jsonb_build_array(d.kind, d.version, d.key, d.revision_id, d.position)) FROM (
    SELECT CASE WHEN j.audittrail_row IS NULL THEN 'removed' ELSE j.problem END AS kind, j.*
      FROM joined j WHERE j.entered AND (j.audittrail_row IS NULL OR j.problem IS NOT NULL)
    UNION ALL
    SELECT DISTINCT ON (j.audittrail_row) 'inserted', j.*
      FROM joined j LEFT JOIN audittrail.revision r ON r.id = j.revision_id
     WHERE NOT j.entered AND j.audittrail_row NOT IN (SELECT m.audittrail_row FROM joined m WHERE m.entered AND m.audittrail_row IS NOT NULL)
       -- Nothing is written before its revision begins, nor after that is committed, though that is still to be entered.
       AND (r.id IS NULL OR coalesce((SELECT m.committed FROM audittrail.revision m WHERE r.id < 0 AND m.id = audittrail.imported_by(r.context)), r.committed) <= {committed} OR j.version < r.id OR j.version > r.committed){but_baseline}) d
$template$, jsonb_build_object(
            'rows', audittrail.ledger_rows(of_table), 'named', named, 'forms', forms, 'table', of_table, 'digests', digests, 'agrees', agrees,
            'committed', head.committed, 'but_baseline', CASE WHEN facts ->> 'baseline_complete' = 'false'
                THEN format(' AND NOT (j.operation = ''B'' AND j.version = %s)', facts ->> 'since_version') ELSE '' END))
           INTO found USING first_version, last_version;
    EXCEPTION WHEN data_exception OR cannot_coerce OR datatype_mismatch OR undefined_function OR undefined_object THEN
        -- Some value can't have been of its column's former type. Which one is found by halves, down to those that hold anything: what is in
        -- the place of the table may be such that each half fails.
        EXECUTE format('SELECT EXISTS (SELECT FROM %s h WHERE h.version BETWEEN $1 AND $2)', audittrail.ledger_rows(of_table)) INTO is_held USING first_version, last_version;
        IF NOT is_held AND NOT EXISTS (SELECT FROM audittrail.ledger_entry e WHERE e.table_id = of_table AND e.version BETWEEN first_version AND last_version) THEN
            NULL;
        ELSIF first_version < last_version THEN
            RETURN QUERY SELECT * FROM audittrail.ledger_differences(of_table, first_version, middle);
            RETURN QUERY SELECT * FROM audittrail.ledger_differences(of_table, middle + 1, last_version);
        ELSE
            RETURN QUERY SELECT 'unreadable', e.version, e.key, NULL::bigint, e.position FROM audittrail.ledger_entry e
                          WHERE e.table_id = of_table AND e.version = first_version AND e.salt IS NOT NULL;
        END IF;
        RETURN;
    END;
    RETURN QUERY SELECT d ->> 0, (d ->> 1)::bigint, d ->> 2, (d ->> 3)::bigint, (d ->> 4)::bigint FROM jsonb_array_elements(found) d;
END
$$;

-- The versions of a table whose "superseded", by which the past is read, is not what the later versions of their rows say.
CREATE OR REPLACE FUNCTION audittrail.ledger_misclosed(of_table int) RETURNS TABLE (version bigint, key text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table t WHERE t.id = of_table;
    IF tracked.key = '{}' OR NOT EXISTS (SELECT FROM pg_class WHERE oid = audittrail.ledger_source(of_table) AND relkind = 'r') THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE audittrail.compose(concat($template$
SELECT h.version, ROW({h.stored_key})::text
  FROM {history} h
  LEFT JOIN ($template$, audittrail.chain_template('SELECT DISTINCT {stored_key}, audittrail.lowest_tick() AS audittrail_first FROM {history}'), $template$) chain
       ON chain.place = h.ctid
 WHERE h.version >= {since_version} AND h.superseded IS DISTINCT FROM chain.closing
$template$), audittrail.parts_of(tracked) || jsonb_build_object('through', tracked.closed_through));
END
$$;

-- Entries that stand in the ledger in a way in which nothing enters them. No digest shows that: leaves are made of what has its place in the
-- tree, and marks have none until the revision that made them is entered.
CREATE OR REPLACE FUNCTION audittrail.ledger_irregularities() RETURNS TABLE (table_id int, version bigint, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.table_id, e.version, 'is marked as erased, by nobody' FROM audittrail.ledger_entry e WHERE (e.key IS NULL) <> (e.erased_by IS NOT NULL)
    UNION ALL
    SELECT e.table_id, e.version, 'has no place in the tree' FROM audittrail.ledger_entry e, audittrail.ledger h
     WHERE CASE e.kind WHEN 'C' THEN e.made_by IS NULL OR e.position IS NULL AND e.erased_by IS NOT NULL
                       WHEN 'R' THEN e.position IS NULL OR e.table_id <> 0 ELSE e.position IS NULL OR e.table_id = 0 AND e.version > 0 OR e.kind <> 'V' END
        OR e.position NOT BETWEEN 0 AND h.size - 1 OR e.erased_in NOT BETWEEN e.position + 1 AND h.size - 1
    UNION ALL
    SELECT l.table_id, NULL, 'has a layout that has no place in the tree' FROM audittrail.ledger_layout l, audittrail.ledger h WHERE l.position NOT BETWEEN 0 AND h.size - 1
    UNION ALL
    SELECT c.table_id, c.version, 'is entered as changed more often than it was'
      FROM (SELECT e.table_id, e.version, count(*) AS times FROM audittrail.ledger_entry e WHERE e.kind = 'C' GROUP BY e.table_id, e.version) c
     WHERE c.times > (SELECT count(*) FROM audittrail.ledger_entry e WHERE e.version = c.version AND e.table_id = c.table_id AND e.erased_by IS NOT NULL)
    UNION ALL
    SELECT 0, o.version, 'is entered out of the order of commits'
      FROM (SELECT r.version, n.committed, max(n.committed) OVER (ORDER BY r.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
              FROM audittrail.ledger_entry r JOIN audittrail.revision n ON n.id = r.version WHERE r.kind = 'R') o
     WHERE o.committed <= o.before
    UNION ALL
    SELECT 0, r.version, format('is entered, and the ledger says that it has come through tick %s only', h.committed)
      FROM audittrail.ledger h CROSS JOIN audittrail.ledger_entry r LEFT JOIN audittrail.revision n ON n.id = r.version
     WHERE r.kind = 'R' AND coalesce(n.committed, r.version + 1) > h.committed
    UNION ALL
    SELECT 0, r.id, 'was never committed' FROM audittrail.revision r WHERE r.committed IS NULL AND r.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()
$$;

-- The texts of what a leaf has entered of a table, with their salts: what a proof shows. What was erased has none.
CREATE OR REPLACE FUNCTION audittrail.ledger_contents(of_table int, of_position bigint)
RETURNS TABLE (kind text, version bigint, digest bytea, salt uuid, content text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' AS $$
DECLARE
    source regclass := audittrail.ledger_source(of_table);
    noted  audittrail.ledger_layout;
BEGIN
    FOR noted IN SELECT * FROM audittrail.ledger_layout l WHERE l.table_id = of_table AND source IS NOT NULL ORDER BY l.number LOOP
        RETURN QUERY EXECUTE format(
            'SELECT e.kind::text, e.version, e.digest, e.salt, %s FROM audittrail.ledger_entry e JOIN %s h ON h.version = e.version AND %s = e.key'
            ' WHERE e.table_id = %s AND e.position = %s AND e.layout = %s',
            audittrail.ledger_text(of_table, noted.number, audittrail.ledger_content(source, noted.form, 'h'), 'h'), audittrail.ledger_rows(of_table),
            audittrail.ledger_key(source, noted.form, 'h'), of_table, of_position, noted.number);
    END LOOP;
END
$$;

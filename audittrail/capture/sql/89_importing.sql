-- Importing: the history that another package kept of a table before its tracking began becomes part of this one.
--
-- What is imported lies before the first own tick. Its ticks are negative, and follow from times alone (see imported_tick()): so whatever is
-- imported later finds its place in between, and nothing is numbered anew. A revision takes two of them: its number, which is the version
-- of all its rows as well, since each row is in it at most once, and that of its commit.
-- What is imported is closed from the beginning: every such tick is below closed_through, and "superseded" is written with the versions.
--
-- A client fills a temporary table for each tracked table (create_import()), and calls import_history(), in one transaction.

-- The first tick of a microsecond in the imported past; there are 128 to each. They end at zero with the year 2100.
CREATE OR REPLACE FUNCTION audittrail.imported_tick(at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (floor((extract(epoch FROM at) - 4102444800) * 1000000) * 128)::bigint
$$;

-- Why nothing can be imported into the history of a table; NULL if it can.
CREATE OR REPLACE FUNCTION audittrail.import_obstacle(tracked audittrail.tracked_table) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former bigint;
BEGIN
    IF tracked.until_version IS NOT NULL THEN
        RETURN 'it is not tracked any more';
    ELSIF tracked.key = '{}' THEN
        RETURN 'it has no primary key';
    ELSIF NOT tracked.baseline_complete THEN
        RETURN 'its baseline is not complete: run manage.py audittrail backfill';
    ELSIF tracked.kept_from > tracked.since_version THEN
        RETURN 'its history has been pruned';
    ELSIF audittrail.tied_relation(tracked) <> tracked.relation
          OR audittrail.fingerprint(tracked.relation, tracked.history_name) <> tracked.fingerprint THEN
        RETURN 'history has not followed its columns yet: run manage.py audittrail sync';
    END IF;
    EXECUTE format('SELECT min(version) FROM audittrail.%I WHERE version < $1', tracked.history_name) INTO former USING tracked.since_version;
    RETURN CASE WHEN tracked.since_version < 0 OR former < 0 THEN 'it has imported history already'
                WHEN former IS NOT NULL THEN 'it was tracked before, and not all the time since' END;
END
$$;

-- When history began that was not imported: what is imported has to lie before.
CREATE OR REPLACE FUNCTION audittrail.first_own_commit() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT least((SELECT min(r.committed_at) FROM audittrail.revision r WHERE r.id > 0),
                 (SELECT min(t.since_at) FROM audittrail.tracked_table t WHERE t.since_version > 0))
$$;

-- Make the temporary table for what is to be imported into the history of a table, and return its name; it goes at the end of the
-- transaction. Until then closing, pruning and correcting that history wait. Its columns are those that history stores, and
--   audittrail_record     what was recorded as one, here and for other tables
--   audittrail_at         when
--   audittrail_place      the order of what was recorded at one time
--   audittrail_author, audittrail_reason, audittrail_details   who, as a key of the user model, why, and what else a context is to say
--   audittrail_operation  'I', 'U', or 'D' with the last image
CREATE OR REPLACE FUNCTION audittrail.create_import(tracked_id int) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked  audittrail.tracked_table;
    obstacle text;
    name     text := 'audittrail_import_' || tracked_id;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table t WHERE t.id = tracked_id FOR UPDATE;
    obstacle := audittrail.import_obstacle(tracked);
    IF obstacle IS NOT NULL THEN
        RAISE EXCEPTION 'audittrail: nothing can be imported into the history of %: %', tracked.relation::regclass, obstacle
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE audittrail.compose($template$
CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS
SELECT NULL::text AS audittrail_record, NULL::timestamptz AS audittrail_at, NULL::bigint AS audittrail_place, NULL::text AS audittrail_author,
       NULL::text AS audittrail_reason, NULL::jsonb AS audittrail_details, NULL::"char" AS audittrail_operation, {stored_columns}
  FROM {history} WITH NO DATA
$template$, audittrail.parts_of(tracked) || jsonb_build_object('name', name));
    RETURN name;
END
$$;

-- Put the records of those tables in order, each with the last one before it that concerns a row of its own.
CREATE OR REPLACE FUNCTION audittrail.order_import(tracked_ids int[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The keys of several tables have columns of several types: here they are texts.
    rows text := (
        SELECT string_agg(audittrail.compose(
                   'SELECT {id} AS tracked, ROW({s.stored_key})::text AS key, s.audittrail_record AS record, s.audittrail_at AS at, s.audittrail_place AS nth,'
                   ' s.audittrail_author AS author, s.audittrail_reason AS reason, s.audittrail_details AS details FROM pg_temp.audittrail_import_{id} s',
                   audittrail.parts_of(t)), ' UNION ALL ')
          FROM audittrail.tracked_table t WHERE t.id = ANY (tracked_ids));
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE audittrail_import_record ON COMMIT DROP AS'
                   ' WITH rows AS MATERIALIZED (%s),'
                   ' records AS MATERIALIZED ('
                   ' SELECT q.*, row_number() OVER (ORDER BY q.at, q.nth, q.record) AS place'
                   ' FROM (SELECT DISTINCT ON (record) record, at, nth, author, reason, details FROM rows ORDER BY record) q),'
                   ' touched AS ('
                   ' SELECT c.place, lag(c.place) OVER (PARTITION BY r.tracked, r.key ORDER BY c.place) AS former FROM rows r JOIN records c USING (record))'
                   ' SELECT c.record, c.at, c.author, coalesce(c.reason, '''') AS reason, c.details, c.place, t.former'
                   ' FROM records c JOIN (SELECT place, max(former) AS former FROM touched GROUP BY place) t USING (place)', rows);
END
$$;

-- Which records make one revision: those that follow each other, have the same author, reason and details, are on the whole not further apart
-- than "within", and concern no row twice. So no state of a row is lost between two moments. Gives, for the place of each record, that of
-- the first one of its revision.
CREATE OR REPLACE FUNCTION audittrail.import_groups(within interval) RETURNS TABLE (place bigint, first bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry   record;
    began   timestamptz;
    author  text;
    reason  text;
    details jsonb;
BEGIN
    FOR entry IN SELECT * FROM pg_temp.audittrail_import_record r ORDER BY r.place LOOP
        IF first IS NULL OR entry.at > began + within OR entry.former >= first OR entry.author IS DISTINCT FROM author
           OR entry.reason <> reason OR entry.details IS DISTINCT FROM details THEN
            first := entry.place;
            began := entry.at;
            author := entry.author;
            reason := entry.reason;
            details := entry.details;
        END IF;
        place := entry.place;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Give the revisions their numbers: those of the times at which they ended, or the next ones, where there are several or some have been
-- imported before.
CREATE OR REPLACE FUNCTION audittrail.number_import(within interval) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CREATE TEMPORARY TABLE audittrail_import_group ON COMMIT DROP AS
    SELECT g.place, g.first FROM audittrail.import_groups(within) g;
    CREATE TEMPORARY TABLE audittrail_import_revision ON COMMIT DROP AS
    SELECT n.first, 2 * n.nth + max(n.lowest - 2 * n.nth) OVER (ORDER BY n.nth) AS id, n.at, r.author, r.reason, r.details
      FROM (SELECT m.first, m.at, row_number() OVER (ORDER BY m.first) AS nth,
                   greatest(audittrail.imported_tick(m.at), (SELECT max(o.id) + 2 FROM audittrail.revision o
                       WHERE o.id >= audittrail.imported_tick(m.at) AND o.id < audittrail.imported_tick(m.at) + 128)) AS lowest
              FROM (SELECT g.first, max(c.at) AS at
                      FROM pg_temp.audittrail_import_group g JOIN pg_temp.audittrail_import_record c USING (place) GROUP BY g.first) m) n
      JOIN pg_temp.audittrail_import_record r ON r.place = n.first;
    CREATE TEMPORARY TABLE audittrail_import_place ON COMMIT DROP AS
    SELECT c.record, n.id
      FROM pg_temp.audittrail_import_record c
      JOIN pg_temp.audittrail_import_group g USING (place)
      JOIN pg_temp.audittrail_import_revision n USING (first);
    ANALYZE pg_temp.audittrail_import_place;
END
$$;

-- Write the imported revisions: "about" is what the context of each says of that. An author who is no key of the user model is kept there, too.
CREATE OR REPLACE FUNCTION audittrail.write_imported_revisions(about jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format($query$
WITH authors AS MATERIALIZED (
    SELECT a.author, audittrail.context_user(jsonb_build_object('user', a.author)) AS key FROM (SELECT DISTINCT author FROM pg_temp.audittrail_import_revision) a
)
INSERT INTO audittrail.revision (id, committed, committed_at, committed_by, client_addr, db_user, application_name, reason, context)
SELECT n.id, n.id + 1, n.at, a.key::%s, NULL, '', '', n.reason,
       audittrail.context_details(coalesce(n.details, '{}') || jsonb_build_object('user', n.author), a.key) || $1
  FROM pg_temp.audittrail_import_revision n JOIN authors a ON a.author IS NOT DISTINCT FROM n.author
$query$, (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'audittrail.revision'::regclass AND attname = 'committed_by'))
      USING about;
END
$$;

-- Import what the temporary tables hold, from a source of that name, and record in the revision of this transaction that this was done. "empty" are
-- the columns of history whose values nobody has recorded, by the number of the table. Returns for each table how many versions that were; how
-- many rows were otherwise when tracking began than was recorded last, and how many were gone, which get a version that says so; of how many
-- the source has recorded changes and no beginning; and of how many that were there it has recorded nothing.
CREATE OR REPLACE FUNCTION audittrail.import_history(tracked_ids int[], source text, within interval, empty jsonb DEFAULT '{}')
RETURNS TABLE (number int, versions bigint, differing bigint, gone bigint, begun bigint, unknown bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    opened  bigint := audittrail.next_version();
    own     bigint := current_setting('audittrail.revision')::bigint;
    about   jsonb := jsonb_build_object('imported_from', jsonb_build_object('source', source, 'revision', own));
    began   timestamptz := audittrail.first_own_commit();
    counts  jsonb := '{}';
    unseen  bigint := 0;
    last    bigint;
BEGIN
    PERFORM audittrail.order_import(tracked_ids);
    IF EXISTS (SELECT FROM pg_temp.audittrail_import_record r WHERE r.at >= began) THEN
        RAISE EXCEPTION 'audittrail: what was recorded from % on can''t be imported: history of this database had begun', began
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM audittrail.number_import(within);
    PERFORM audittrail.write_imported_revisions(about);
    last := greatest(audittrail.imported_tick(began), (SELECT max(r.id) + 2 FROM audittrail.revision r WHERE r.id < 0));
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE t.id = ANY (tracked_ids) ORDER BY t.id LOOP
        number := tracked.id;
        EXECUTE audittrail.compose($template$
INSERT INTO {history} (version, revision_id, superseded, operation, {stored_columns})
SELECT n.id, n.id, lead(n.id) OVER (PARTITION BY {s.stored_key} ORDER BY n.id) + 1, s.audittrail_operation, {s.stored_columns}
  FROM pg_temp.audittrail_import_{id} s JOIN pg_temp.audittrail_import_place n ON n.record = s.audittrail_record
$template$, audittrail.parts_of(tracked));
        GET DIAGNOSTICS versions = ROW_COUNT;
        SELECT u.differing, u.gone, u.begun, u.unknown INTO differing, gone, begun, unknown
          FROM audittrail.import_unrecorded(tracked, last, ARRAY(SELECT jsonb_array_elements_text(empty -> tracked.id::text))) u;
        unseen := unseen + differing + gone;
        counts := counts || jsonb_build_object(tracked.table_name, versions);
        RETURN NEXT;
    END LOOP;
    IF unseen > 0 THEN
        INSERT INTO audittrail.revision (id, committed, committed_at, client_addr, db_user, application_name, context)
        VALUES (last, last + 1, began - interval '1 microsecond', NULL, '', '', jsonb_set(about, '{imported_from,unrecorded}', 'true'));
    END IF;
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE t.id = ANY (tracked_ids) ORDER BY t.id LOOP
        PERFORM audittrail.begin_earlier(tracked);
    END LOOP;
    UPDATE audittrail.revision r
       SET context = r.context || jsonb_build_object('imported', jsonb_build_object(
               'source', source, 'revisions', (SELECT count(*) FROM pg_temp.audittrail_import_revision), 'versions', counts))
     WHERE r.id = own;
END
$$;

-- Write what happened to rows between the last that was recorded of them and the beginning of tracking: nobody knows who did it, and when. That
-- becomes a last imported revision of that number. So a baseline is what its row was before, and no change.
CREATE OR REPLACE FUNCTION audittrail.import_unrecorded(tracked audittrail.tracked_table, number bigint, empty text[],
                                                         OUT differing bigint, OUT gone bigint, OUT begun bigint, OUT unknown bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts jsonb := audittrail.parts_of(tracked) || jsonb_build_object('number', number);
    -- The first version of a row that was there when tracking began is a baseline.
    rows  text := $template$
  FROM {history} h
  LEFT JOIN LATERAL (SELECT * FROM {history} o WHERE {o.stored_key = h.stored_key} AND o.version >= {since_version} ORDER BY o.version LIMIT 1) b ON b.operation = 'B'
 WHERE h.version < {number} AND h.superseded IS NULL AND $template$;
BEGIN
    parts := parts || jsonb_build_object('known', (
        SELECT jsonb_agg(c) FROM jsonb_array_elements(parts -> 'stored_compared') c WHERE c #>> '{}' <> ALL (ARRAY(SELECT quote_ident(e) FROM unnest(empty) e))));
    EXECUTE audittrail.compose(concat(
        'INSERT INTO {history} (version, revision_id, operation, {stored_columns})'
        ' SELECT {number}, {number}, CASE h.operation WHEN ''D'' THEN ''I'' ELSE ''U'' END::"char", {b.stored_columns}', rows,
        'b.version IS NOT NULL AND (h.operation = ''D'' OR ROW({b.known})::record *<> ROW({h.known})::record)'), parts);
    GET DIAGNOSTICS differing = ROW_COUNT;
    EXECUTE audittrail.compose(concat(
        'INSERT INTO {history} (version, revision_id, operation, {stored_columns}) SELECT {number}, {number}, ''D'', {h.stored_columns}', rows,
        'b.version IS NULL AND h.operation <> ''D'''), parts);
    GET DIAGNOSTICS gone = ROW_COUNT;
    EXECUTE audittrail.compose($template$
SELECT count(*) FILTER (WHERE f.version < 0 AND f.operation <> 'I'), count(*) FILTER (WHERE f.operation = 'B')
  FROM (SELECT DISTINCT ON ({h.stored_key}) h.version, h.operation FROM {history} h ORDER BY {h.stored_key}, h.version) f
$template$, parts) INTO begun, unknown;
END
$$;

-- The revision that has imported another one.
CREATE OR REPLACE FUNCTION audittrail.imported_by(context jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN context #>> '{imported_from,revision}' ~ '^[0-9]{1,18}$' THEN (context #>> '{imported_from,revision}')::bigint END
$$;

-- Let the history of a table begin with what was imported, and close that.
CREATE OR REPLACE FUNCTION audittrail.begin_earlier(tracked audittrail.tracked_table) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text[];
    first  bigint;
BEGIN
    EXECUTE format('SELECT min(version) FROM audittrail.%I WHERE version < 0', tracked.history_name) INTO first;
    IF first IS NULL THEN
        RETURN;
    END IF;
    PERFORM audittrail.record_correction(tracked.history_name);
    former := audittrail.unguard(closing => 'on');
    EXECUTE audittrail.compose($template$
UPDATE {history} h SET superseded = c.closing
  FROM (SELECT e.ctid AS place, (
               SELECT min(r.committed) FROM {history} l JOIN audittrail.revision r ON r.id = l.revision_id
                WHERE {l.stored_key = e.stored_key} AND l.version > e.version AND r.committed <= {through}) AS closing
          FROM {history} e WHERE e.version < 0 AND e.superseded IS NULL) c
 WHERE h.ctid = c.place AND c.closing IS NOT NULL
$template$, audittrail.parts_of(tracked) || jsonb_build_object('through', tracked.closed_through));
    PERFORM audittrail.guard_as(former);
    UPDATE audittrail.tracked_table t
       SET since_version = first, since_revision = first, kept_from = first, since_at = r.committed_at
      FROM audittrail.revision r WHERE t.id = tracked.id AND r.id = first RETURNING t.* INTO tracked;
    PERFORM audittrail.create_functions(tracked);
    -- As in begin_pruning(): what PostgreSQL has planned for the table is planned again.
    EXECUTE format('REVOKE ALL ON TABLE audittrail.%I FROM PUBLIC', tracked.history_name);
END
$$;

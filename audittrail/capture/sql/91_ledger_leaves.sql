-- The ledger, second part: entering settled revisions, each as one leaf of the tree.
--
-- A leaf is a text: the number of the revision, the digest of its row, how many lines there are beside it, and their digest. A line
-- says that a version was entered (V), that one was erased or changed on purpose (E), or what a table looks like (L). All of it is
-- made after the commits, so capture does not know of it. Entering and erasing take turns by the row of audittrail.ledger.

-- Begin the ledger, unless it is begun. From then on, what is erased on purpose is noted (see 92_ledger_erasing.sql).
CREATE OR REPLACE FUNCTION audittrail.begin_ledger() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO audittrail.ledger DEFAULT VALUES ON CONFLICT DO NOTHING;
    PERFORM audittrail.create_ledger_triggers('audittrail.revision');
END
$$;

-- Note what a table looks like by now, if that has changed. Returns the number of the layout; NULL if there is nothing to note.
CREATE OR REPLACE FUNCTION audittrail.note_layout(of_table int, at_position bigint) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    source  regclass := audittrail.ledger_source(of_table);
    tracked audittrail.tracked_table;
    last    audittrail.ledger_layout;
    form    text;
    facts   text;
    fills   jsonb;
BEGIN
    IF source IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO tracked FROM audittrail.tracked_table t WHERE t.id = of_table;
    form := audittrail.ledger_form(source, CASE WHEN of_table = 0 THEN '{}' ELSE tracked.key END);
    facts := CASE WHEN of_table = 0 THEN '{}' ELSE audittrail.ledger_facts(tracked) END;
    SELECT * INTO last FROM audittrail.ledger_layout l WHERE l.table_id = of_table ORDER BY l.number DESC LIMIT 1;
    IF last.form = form AND last.facts = facts THEN
        RETURN last.number;
    END IF;
    fills := coalesce(audittrail.ledger_fills(of_table, source), '{}');
    IF last.number IS NULL THEN
        PERFORM audittrail.create_ledger_triggers(source);
    END IF;
    INSERT INTO audittrail.ledger_layout (table_id, number, position, form, facts, fills)
    VALUES (of_table, coalesce(last.number, 0) + 1, at_position, form, facts, fills);
    IF (last.facts::jsonb ->> 'baseline_complete') = 'false'
       AND (tracked.baseline_complete OR tracked.since_version::text <> last.facts::jsonb ->> 'since_version') THEN
        PERFORM audittrail.enter_baseline(of_table, coalesce(last.number, 0) + 1, (last.facts::jsonb ->> 'since_version')::bigint, at_position);
    END IF;
    RETURN coalesce(last.number, 0) + 1;
END
$$;

-- Enter the versions of a baseline that were written since the revision that began it was entered.
CREATE OR REPLACE FUNCTION audittrail.enter_baseline(of_table int, layout int, since bigint, at_position bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM audittrail.enter_versions(of_table, layout, format('%s', at_position),
        format('h.version = %1$s AND h.operation = ''B'' AND NOT EXISTS (SELECT FROM audittrail.ledger_entry e WHERE e.table_id = %2$s AND e.version = %1$s)', since, of_table), '');
END
$$;

-- Enter the versions h of a table for which a condition holds, with an expression for the position of their leaf.
CREATE OR REPLACE FUNCTION audittrail.enter_versions(of_table int, layout int, place text, condition text, joined text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' SET enable_nestloop = off AS $$
DECLARE
    source regclass := audittrail.ledger_source(of_table);
    form   text := (SELECT l.form FROM audittrail.ledger_layout l WHERE l.table_id = of_table AND l.number = layout);
BEGIN
    EXECUTE audittrail.compose($template$
INSERT INTO audittrail.ledger_entry (version, position, table_id, layout, kind, salt, digest, key)
SELECT n.version, n.audittrail_position, {table}, {layout}, {kind}, n.audittrail_salt, {digest}, {key}
  FROM (SELECT h.*, {place} AS audittrail_position, gen_random_uuid() AS audittrail_salt
          FROM {rows} h{joined} WHERE {condition} OFFSET 0) n
$template$, jsonb_build_object(
        'table', of_table, 'layout', layout, 'kind', CASE WHEN of_table = 0 THEN 'CASE WHEN n.version > 0 THEN ''R'' ELSE ''V'' END::"char"' ELSE '''V''' END,
        'digest', audittrail.ledger_digest(of_table, layout, audittrail.ledger_content(source, form, 'n'), 'n', 'n.audittrail_salt'),
        'key', audittrail.ledger_key(source, form, 'n'), 'place', place, 'rows', audittrail.ledger_rows(of_table), 'joined', joined, 'condition', condition));
END
$$;

-- Enter what a revision has imported: its leaf says what there is of versions, and of revisions that have none of their own.
CREATE OR REPLACE FUNCTION audittrail.enter_imported(importing bigint, at_position bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_table int;
    layout   int;
BEGIN
    PERFORM audittrail.enter_versions(0, audittrail.note_layout(0, at_position), at_position::text,
                                      format('h.id < 0 AND %s', audittrail.is_imported_by('h', importing)), '');
    FOR of_table IN SELECT t.id FROM audittrail.tracked_table t ORDER BY t.id LOOP
        layout := audittrail.note_layout(of_table, at_position);
        CONTINUE WHEN layout IS NULL;
        PERFORM audittrail.enter_versions(of_table, layout, at_position::text, 'h.version < 0', format(
            ' JOIN audittrail.revision i ON i.id = h.revision_id AND i.id < 0 AND %s', audittrail.is_imported_by('i', importing)));
    END LOOP;
END
$$;

-- The condition that an imported revision came with that one.
CREATE OR REPLACE FUNCTION audittrail.is_imported_by(alias text, importing bigint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%s.context #>> ''{imported_from,revision}'' = %L', alias, importing)
$$;

-- Enter what versions of a table hold that were changed on purpose since they were entered first.
CREATE OR REPLACE FUNCTION audittrail.enter_changed(of_table int, layout int, first_position bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' AS $$
DECLARE
    source regclass := audittrail.ledger_source(of_table);
    noted  record;
    form   text := (SELECT l.form FROM audittrail.ledger_layout l WHERE l.table_id = of_table AND l.number = layout);
BEGIN
    FOR noted IN SELECT l.form, array_agg(l.number) AS numbers FROM audittrail.ledger_layout l WHERE l.table_id = of_table GROUP BY l.form LOOP
        EXECUTE audittrail.compose($template$
UPDATE audittrail.ledger_entry e
   SET layout = {layout}, salt = n.audittrail_salt, digest = n.audittrail_digest, key = n.audittrail_key, position = coalesce((
           SELECT r.position FROM audittrail.ledger_entry r WHERE r.version = e.made_by AND r.kind = 'R' AND r.position >= {first}), {first})
  FROM (SELECT n.audittrail_entry, n.audittrail_salt, {digest} AS audittrail_digest, {key} AS audittrail_key
          FROM (SELECT p.ctid AS audittrail_entry, gen_random_uuid() AS audittrail_salt, h.*
                  FROM audittrail.ledger_entry p JOIN {rows} h ON h.version = p.version AND {former_key} = p.key
                 WHERE p.table_id = {table} AND p.position IS NULL AND p.layout = ANY ({former_layouts}) OFFSET 0) n) n
 WHERE e.ctid = n.audittrail_entry
$template$, jsonb_build_object(
            'table', of_table, 'layout', layout, 'first', first_position, 'rows', audittrail.ledger_rows(of_table),
            'digest', audittrail.ledger_digest(of_table, layout, audittrail.ledger_content(source, form, 'n'), 'n', 'n.audittrail_salt'),
            'key', audittrail.ledger_key(source, form, 'n'), 'former_key', audittrail.ledger_key(source, noted.form, 'h'),
            'former_layouts', quote_literal(noted.numbers)));
    END LOOP;
END
$$;

-- Enter the revisions that were committed within the next so many ticks, but none after "settled", the tick before which nothing can
-- appear any more. Returns their leaves in order, by position; "committed" in audittrail.ledger tells how far it has come.
CREATE OR REPLACE FUNCTION audittrail.enter_revisions(settled bigint, ticks bigint) RETURNS TABLE ("position" bigint, hash bytea)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head    audittrail.ledger;
    upto    bigint;
    entered bigint;
    lowest  bigint;
    layout  int;
    tracked audittrail.tracked_table;
    importing record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'audittrail: enter_revisions() does not run at isolation level %', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'It must see what others erase meanwhile: use READ COMMITTED.';
    END IF;
    SELECT * INTO STRICT head FROM audittrail.ledger FOR UPDATE;
    SELECT least(settled, greatest(head.committed, min(r.id)) + ticks) INTO upto FROM (
        (SELECT r.id FROM audittrail.revision r WHERE r.id > head.committed - audittrail.short_revision() AND r.committed > head.committed ORDER BY r.id LIMIT 1)
        UNION ALL SELECT head.committed FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> head.committed) r;
    IF coalesce(upto, settled) <= head.committed THEN
        RETURN;
    END IF;
    upto := coalesce(upto, settled);
    -- A revision that is committed after a tick began at most short_revision() ticks before it, or is listed in long_revision.
    SELECT count(*), min(r.id) INTO entered, lowest FROM audittrail.revision r
     WHERE r.committed > head.committed AND r.committed <= upto AND (r.id > head.committed - audittrail.short_revision() AND r.id < upto
           OR r.id IN (SELECT l.id FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> head.committed));
    IF entered > 0 THEN
        layout := audittrail.note_layout(0, head.size);
        PERFORM audittrail.enter_versions(0, layout, format('%s + row_number() OVER (ORDER BY h.committed)', head.size - 1), format(
            'h.committed > %1$s AND h.committed <= %2$s AND (h.id > %1$s - audittrail.short_revision() AND h.id < %2$s OR h.id IN (SELECT l.id FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> %1$s::bigint))',
            head.committed, upto), '');
        FOR tracked IN SELECT * FROM audittrail.tracked_table t ORDER BY t.id LOOP
            layout := audittrail.note_layout(tracked.id, head.size);
            CONTINUE WHEN layout IS NULL;
            PERFORM audittrail.enter_versions(tracked.id, layout, 'r.position', format(
                'h.version >= %s AND h.version <= %s%s', lowest, upto,
                -- Of an incomplete baseline more versions are to come.
                CASE WHEN tracked.baseline_complete THEN '' ELSE format(' AND NOT (h.operation = ''B'' AND h.version = %s)', tracked.since_version) END),
                format(' JOIN audittrail.ledger_entry r ON r.version = h.revision_id AND r.kind = ''R'' AND r.position >= %s', head.size));
        END LOOP;
        FOR importing IN SELECT e.version, e.position FROM audittrail.ledger_entry e JOIN audittrail.revision r ON r.id = e.version
                          WHERE e.position >= head.size AND e.kind = 'R' AND r.context ? 'imported' LOOP
            PERFORM audittrail.enter_imported(importing.version, importing.position);
        END LOOP;
        -- What was erased and changed on purpose is said by the leaf of the revision that did it, or, if that is entered already, by the next.
        FOR tracked IN SELECT t.* FROM audittrail.tracked_table t UNION ALL SELECT (NULL::audittrail.tracked_table).* LOOP
            IF EXISTS (SELECT FROM audittrail.ledger_entry e WHERE e.table_id = coalesce(tracked.id, 0) AND e.position IS NULL)
               AND audittrail.ledger_source(coalesce(tracked.id, 0)) IS NOT NULL THEN
                PERFORM audittrail.enter_changed(coalesce(tracked.id, 0), audittrail.note_layout(coalesce(tracked.id, 0), head.size), head.size);
            END IF;
            UPDATE audittrail.ledger_entry e SET erased_in = coalesce((
                       SELECT r.position FROM audittrail.ledger_entry r WHERE r.version = e.erased_by AND r.kind = 'R' AND r.position >= head.size), head.size)
             WHERE e.table_id = coalesce(tracked.id, 0) AND e.erased_by IS NOT NULL AND e.erased_in IS NULL;
        END LOOP;
    END IF;
    UPDATE audittrail.ledger SET committed = upto, size = head.size + entered;
    RETURN QUERY SELECT l.position, sha256('\x00'::bytea || convert_to(l.leaf, 'UTF8')) FROM audittrail.ledger_leaves(head.size, head.size + entered) l ORDER BY l.position;
END
$$;

-- The lines of leaves beside those of their own revisions.
CREATE OR REPLACE FUNCTION audittrail.ledger_lines(first_position bigint, before_position bigint) RETURNS TABLE ("position" bigint, line text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.position, concat_ws(' ', 'V', e.table_id, e.version, e.layout, encode(e.digest, 'hex'))
      FROM audittrail.ledger_entry e WHERE e.position >= first_position AND e.position < before_position AND e.kind <> 'R'
    UNION ALL
    SELECT e.erased_in, concat_ws(' ', 'E', e.table_id, e.version, e.layout, encode(e.digest, 'hex'), e.erased_by)
      FROM audittrail.ledger_entry e WHERE e.erased_in >= first_position AND e.erased_in < before_position
    UNION ALL
    SELECT l.position, concat_ws(' ', 'L', l.table_id, l.number, encode(sha256(convert_to(concat_ws(E'\n', l.form, l.facts, l.fills), 'UTF8')), 'hex'))
      FROM audittrail.ledger_layout l WHERE l.position >= first_position AND l.position < before_position
$$;

-- Leaves as they follow from what is entered. The digest of the lines is that of the digests of a thousand lines each, in the
-- order of their texts: so a leaf is made in little memory, whatever a transaction has changed.
CREATE OR REPLACE FUNCTION audittrail.ledger_leaves(first_position bigint, before_position bigint) RETURNS TABLE ("position" bigint, revision bigint, leaf text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
    SELECT r.position, r.version, format(E'audittrail leaf 1\nrevision %s %s %s\nlines %s %s\n', r.version, r.layout, encode(r.digest, 'hex'),
                                         coalesce(d.lines, 0), encode(sha256(coalesce(d.digests, '')), 'hex'))
      FROM audittrail.ledger_entry r
      LEFT JOIN (SELECT c.position, sum(c.lines) AS lines, string_agg(c.digest, '' ORDER BY c.number) AS digests
                   FROM (SELECT n.position, n.number / 1000 AS number, count(*) AS lines, sha256(convert_to(string_agg(n.line || E'\n', '' ORDER BY n.number), 'UTF8')) AS digest
                           FROM (SELECT l.position, l.line, row_number() OVER (PARTITION BY l.position ORDER BY l.line COLLATE "C") - 1 AS number
                                   FROM audittrail.ledger_lines(first_position, before_position) l) n
                          GROUP BY n.position, n.number / 1000) c
                  GROUP BY c.position) d ON d.position = r.position
     WHERE r.position >= first_position AND r.position < before_position AND r.kind = 'R'
$$;

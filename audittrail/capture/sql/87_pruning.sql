-- Pruning: versions go that no moment from a cutoff on needs. The cutoff is the commit tick of a revision, and the moment that it
-- left is the first that can still be read.
--
-- A version goes if a later one of its row was committed by the cutoff, or if it is itself a deletion committed by then. Two
-- kinds stay all the same: those of the revision at the cutoff, so that it can be told what that one changed, and the last so
-- many of each row, if that is wanted. A table without a primary key keeps all of its versions.
--
-- Moments before the cutoff are refused first (begin_pruning), then versions are deleted (prune_batch), then the revisions
-- that have none left (prune_revisions). Each can be stopped and called again at any time.

-- What the conditions of a pruning are filled with. They name audittrail_open, a query for open_at({cutoff}).
CREATE OR REPLACE FUNCTION audittrail.pruning_parts(tracked audittrail.tracked_table, cutoff bigint, cutoff_revision bigint, keep_last int) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.parts_of(tracked)
        || jsonb_build_object('cutoff', cutoff, 'cutoff_revision', cutoff_revision, 'keep_last', keep_last, 'tail', tracked.tail_from)
$$;

-- The condition that version h can go because a later one of its row was committed by the cutoff. A table that is closed
-- through the cutoff knows that of each version.
CREATE OR REPLACE FUNCTION audittrail.followed(is_closed boolean) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN is_closed THEN '(h.superseded <= {cutoff})' ELSE
        '(h.superseded <= {cutoff} OR h.superseded IS NULL AND h.version < {cutoff} AND EXISTS (SELECT FROM {history} l WHERE {l.stored_key = h.stored_key}'
        ' AND l.version > h.version AND l.version >= {tail} AND l.version <= {cutoff} AND ' || audittrail.was_committed('l') || '))' END
$$;

-- The condition that version h is a deletion by which the row was gone at the cutoff.
CREATE OR REPLACE FUNCTION audittrail.gone_by() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '(h.operation IN (''D'', ''T'') AND h.version <= {cutoff} AND ROW({h.stored_key}) IS NOT NULL AND ' || audittrail.was_committed('h') || ')'
$$;

-- The condition that version h is neither one of the last so many of its row nor one of the revision at the cutoff.
CREATE OR REPLACE FUNCTION audittrail.not_kept(keep_last int) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'h.revision_id <> {cutoff_revision}' || CASE WHEN keep_last > 0 THEN
        ' AND (SELECT count(*) FROM (SELECT FROM {history} k WHERE {k.stored_key = h.stored_key} AND k.version > h.version LIMIT {keep_last}) newer) = {keep_last}'
        ELSE '' END
$$;

-- The condition that version h can go.
CREATE OR REPLACE FUNCTION audittrail.may_be_pruned(is_closed boolean, keep_last int) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat('(', audittrail.followed(is_closed), ' OR ', audittrail.gone_by(), ') AND ', audittrail.not_kept(keep_last))
$$;

-- Why nothing of a table can be pruned; NULL if it can.
CREATE OR REPLACE FUNCTION audittrail.unprunable(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN to_regclass(format('audittrail.%I', tracked.history_name)) IS NULL THEN 'its history table is gone'
                WHEN tracked.key = '{}' THEN 'it has no primary key, so nothing tells the versions of one row from another''s' END
$$;

-- How many versions of a table would go.
CREATE OR REPLACE FUNCTION audittrail.count_prunable(tracked_id int, cutoff bigint, cutoff_revision bigint, keep_last int) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    found   bigint;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    IF audittrail.unprunable(tracked) IS NOT NULL THEN
        RETURN 0;
    END IF;
    EXECUTE audittrail.compose(concat('WITH audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at({cutoff}) o)'
                                      ' SELECT count(*) FROM {history} h WHERE ', audittrail.may_be_pruned(tracked.closed_through >= cutoff, keep_last)),
                               audittrail.pruning_parts(tracked, cutoff, cutoff_revision, keep_last)) INTO found;
    RETURN found;
END
$$;

-- The condition that revision r may go once it has no versions: it is neither what tracking began with nor the record of a
-- correction or a rollback. The revision at the cutoff stays, so that the database can be read as it left it.
CREATE OR REPLACE FUNCTION audittrail.may_go(cutoff bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('(r.committed < %s AND NOT r.context ? ''corrected'' AND r.context #>> ''{restored,kind}'' IS DISTINCT FROM ''rollback'''
                  ' AND r.id NOT IN (SELECT t.since_revision FROM audittrail.tracked_table t WHERE t.since_revision IS NOT NULL))', cutoff)
$$;

-- How many revisions would have no versions left, and go, if those tables were pruned.
CREATE OR REPLACE FUNCTION audittrail.count_prunable_revisions(tracked_ids int[], cutoff bigint, cutoff_revision bigint, keep_last int) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    kept    text := 'SELECT NULL::bigint WHERE false';
    found   bigint;
BEGIN
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL LOOP
        kept := kept || format(' UNION ALL SELECT h.revision_id FROM audittrail.%I h WHERE h.version < %s', tracked.history_name, cutoff)
            || CASE WHEN tracked.id = ANY (tracked_ids) AND audittrail.unprunable(tracked) IS NULL THEN audittrail.compose(
               concat(' AND (', audittrail.may_be_pruned(tracked.closed_through >= cutoff, keep_last), ') IS NOT TRUE'),
               audittrail.pruning_parts(tracked, cutoff, cutoff_revision, keep_last)) ELSE '' END;
    END LOOP;
    EXECUTE format('WITH audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at(%1$s) o)'
                   ' SELECT count(*) FROM audittrail.revision r WHERE %2$s'
                   ' AND NOT EXISTS (SELECT FROM (%3$s) kept (revision_id) WHERE kept.revision_id = r.id)',
                   cutoff, audittrail.may_go(cutoff), kept) INTO found;
    RETURN found;
END
$$;

-- Add to what the revision that records a pruning says: so many versions of a history table more, or so many revisions.
-- Without a revision yet, that of this transaction becomes it. Returns its number.
CREATE OR REPLACE FUNCTION audittrail.record_pruning(recorded bigint, about jsonb, pruned_table text, counted_as text, added bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    former  text[];
BEGIN
    IF recorded IS NULL THEN
        PERFORM audittrail.next_version();
        recorded := current_setting('audittrail.revision')::bigint;
    END IF;
    former := audittrail.unguard(erasing => coalesce(recorded::text, ''));
    UPDATE audittrail.revision r
       SET context = r.context || jsonb_build_object(
           'corrected', (SELECT jsonb_agg(DISTINCT c) FROM jsonb_array_elements(coalesce(r.context -> 'corrected', '[]') || to_jsonb(pruned_table)) c),
           'pruned', about || coalesce(r.context -> 'pruned', '{}') || CASE WHEN counted_as IS NULL
               THEN jsonb_build_object('revisions', coalesce((r.context #>> '{pruned,revisions}')::bigint, 0) + added)
               ELSE jsonb_build_object('versions', coalesce(r.context #> '{pruned,versions}', '{}')
                    || jsonb_build_object(counted_as, coalesce((r.context #>> ARRAY['pruned', 'versions', counted_as])::bigint, 0) + added)) END)
     WHERE r.id = recorded;
    PERFORM audittrail.guard_as(former);
    RETURN recorded;
END
$$;

-- Refuse the moments before the cutoff from the commit of this transaction on. "about" is what the revision that records it
-- says beside the counts. Returns that revision's number; NULL if all those moments were refused already: then the first
-- batch that deletes something makes one.
CREATE OR REPLACE FUNCTION audittrail.begin_pruning(tracked_ids int[], cutoff bigint, cutoff_revision bigint, about jsonb) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked  audittrail.tracked_table;
    since    timestamptz := (SELECT committed_at FROM audittrail.revision WHERE id = cutoff_revision AND committed = cutoff);
    recorded bigint;
BEGIN
    IF since IS NULL THEN
        RAISE EXCEPTION 'audittrail: no revision % was committed at tick %', cutoff_revision, cutoff
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give "id" and "committed" of one row of audittrail.revision.';
    END IF;
    FOR tracked IN SELECT * FROM audittrail.tracked_table t WHERE t.id = ANY (tracked_ids) AND t.kept_from < cutoff ORDER BY t.id FOR UPDATE LOOP
        CONTINUE WHEN audittrail.unprunable(tracked) IS NOT NULL;
        UPDATE audittrail.tracked_table SET kept_from = cutoff, kept_since = since, pruned_at = clock_timestamp() WHERE id = tracked.id;
        -- PUBLIC has no rights to lose. But after this PostgreSQL plans statements on the table anew, and so asks reads_as_before() again.
        -- Nobody is locked out by it.
        EXECUTE format('REVOKE ALL ON TABLE audittrail.%I FROM PUBLIC', tracked.history_name);
        recorded := audittrail.record_pruning(recorded, about, tracked.history_name, tracked.table_name, 0);
    END LOOP;
    RETURN recorded;
END
$$;

-- Delete what can go from so many pages of a history table: versions that are followed, or, after those of all pages, deletions.
-- In between every moment is read rightly, since a row's last version goes only when it has no other. Returns how many went, and the
-- number of the revision that records it. Call it with a short lock_timeout: what stands in its way is a migration or a correction.
CREATE OR REPLACE FUNCTION audittrail.prune_batch(tracked_id int, cutoff bigint, cutoff_revision bigint, keep_last int, deletions boolean,
                                                  first_page bigint, pages bigint, about jsonb, recorded bigint, OUT pruned bigint, OUT record bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    former  text[];
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id FOR UPDATE;
    IF tracked.kept_from < cutoff OR tracked.closed_through < cutoff OR audittrail.unprunable(tracked) IS NOT NULL THEN
        RAISE EXCEPTION 'audittrail: audittrail.% can''t be pruned through tick %', quote_ident(tracked.history_name), cutoff
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call close_versions() and begin_pruning() first.';
    END IF;
    record := recorded;
    former := audittrail.unguard(erasing => coalesce(recorded::text, ''));
    EXECUTE audittrail.compose(concat(
        'WITH audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at({cutoff}) o)'
        ' DELETE FROM {history} h WHERE h.ctid >= ''({first_page},0)'' AND h.ctid < ''({end_page},0)'' AND ',
        CASE WHEN deletions THEN audittrail.gone_by()
                 || ' AND NOT EXISTS (SELECT FROM {history} e WHERE {e.stored_key = h.stored_key} AND e.version < h.version)'
             ELSE audittrail.followed(true) END,
        ' AND ', audittrail.not_kept(keep_last)),
        audittrail.pruning_parts(tracked, cutoff, cutoff_revision, keep_last)
            || jsonb_build_object('first_page', first_page, 'end_page', first_page + pages));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    PERFORM audittrail.guard_as(former);
    IF pruned > 0 THEN
        record := audittrail.record_pruning(recorded, about, tracked.history_name, tracked.table_name, pruned);
    END IF;
END
$$;

-- Of the next so many revisions after a number, delete those from before the cutoff that have no versions left. Returns how
-- many went, the number that was reached (NULL at the end), and the number of the revision that records it.
CREATE OR REPLACE FUNCTION audittrail.prune_revisions(cutoff bigint, after bigint, batch_size int, about jsonb, recorded bigint,
                                                      OUT pruned bigint, OUT reached bigint, OUT record bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    empty   bigint[];
    last    bigint;
    history text;
    former  text[];
BEGIN
    record := recorded;
    EXECUTE format('SELECT coalesce(array_agg(r.id) FILTER (WHERE %s), ''{}''), max(r.id), max(r.committed)'
                   ' FROM (SELECT * FROM audittrail.revision r WHERE r.id > $1 AND r.id < $2 AND r.committed < $2 ORDER BY r.id LIMIT $3) r',
                   audittrail.may_go(cutoff)) INTO empty, reached, last USING after, cutoff, batch_size;
    FOR history IN SELECT t.history_name FROM audittrail.tracked_table t WHERE to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL LOOP
        EXIT WHEN cardinality(empty) = 0;
        -- The versions of a revision have ticks from its first to its commit's.
        EXECUTE format('SELECT ARRAY(SELECT e FROM unnest($1) e EXCEPT SELECT h.revision_id FROM audittrail.%I h WHERE h.version > $2 AND h.version <= $3)', history)
           INTO empty USING empty, after, last;
    END LOOP;
    former := audittrail.unguard(erasing => coalesce(recorded::text, ''));
    DELETE FROM audittrail.revision r WHERE r.id = ANY (empty);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    PERFORM audittrail.guard_as(former);
    IF pruned > 0 THEN
        record := audittrail.record_pruning(recorded, about, 'revision', NULL, pruned);
    END IF;
END
$$;

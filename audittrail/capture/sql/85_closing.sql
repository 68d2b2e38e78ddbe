-- Closing versions: a maintenance pass notes in "superseded" the tick from which on a version is not the last of its row
-- any more, so that reading the past is a plain range filter. Capture leaves it NULL, and pays nothing.
--
-- superseded is the least commit tick of the row's later versions: the state as of tick c holds a version from the tick of
-- its own revision on, and as long as c < superseded. What is noted stays true, since a later commit has a later tick.
-- SELECT audittrail.close_versions(id, 1000) FROM audittrail.tracked_table;  closes the next 1000 ticks of every table.

-- The newest tick before which nothing can appear any more.
CREATE OR REPLACE FUNCTION audittrail.settled_tick(patience interval DEFAULT '5 seconds') RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tick bigint := audittrail.newest_tick();
BEGIN
    PERFORM audittrail.wait_for_commits(patience);
    RETURN tick;
END
$$;

-- Whether every transaction that had begun to write before the given one did has ended. After a restore into another
-- cluster the number may be one that is still to come: of such transactions none is running.
CREATE OR REPLACE FUNCTION audittrail.have_ended(before xid8) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN before > pg_current_xact_id()
           OR NOT EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot()) running WHERE running < before);
END
$$;

-- Move the mark of a table: the last tick of which it is certain that every transaction with a tick up to it has ended; it is noted in the
-- registry. A transaction gets its number before its first tick. The clock stood at "now_tick" when this transaction had no number yet: so
-- every transaction with a tick up to that has a lower number than this one. While such ones run, the mark stays.
CREATE OR REPLACE FUNCTION audittrail.move_mark(tracked audittrail.tracked_table, now_tick bigint) RETURNS audittrail.tracked_table
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tracked.mark_xid IS NOT NULL AND audittrail.have_ended(tracked.mark_xid) THEN
        tracked.mark_xid := NULL;
    END IF;
    IF now_tick > tracked.mark_tick AND audittrail.have_ended(pg_current_xact_id()) THEN
        tracked.mark_tick := now_tick;
        tracked.mark_xid := NULL;
    ELSIF tracked.mark_xid IS NULL AND tracked.mark_tick <= tracked.closed_through AND now_tick > tracked.mark_tick THEN
        tracked.mark_tick := now_tick;
        tracked.mark_xid := pg_current_xact_id();
    END IF;
    RETURN tracked;
END
$$;

-- The template of the query for the versions of some rows with the ticks that belong into their superseded. "rows" is the template of
-- a query for the keys of the rows and, as "audittrail_first", a version of each: that one, the one before it and all later ones are
-- given. Only revisions committed up to {through} count. For a version whose revision has been erased, its own tick counts as the commit.
CREATE OR REPLACE FUNCTION audittrail.chain_template(rows text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $template$
SELECT v.ctid AS place,
       min(CASE WHEN r.id IS NULL THEN v.version ELSE r.committed END) OVER (
           PARTITION BY {v.stored_key} ORDER BY v.version ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS closing
  FROM ($template$ || rows || $template$) c
  LEFT JOIN LATERAL (
    SELECT v.version
      FROM {history} v
      LEFT JOIN audittrail.revision r ON r.id = v.revision_id
     WHERE {v.stored_key = c.stored_key} AND v.version < c.audittrail_first
       AND CASE WHEN r.id IS NULL THEN v.version ELSE r.committed END <= {through}
     ORDER BY v.version DESC LIMIT 1) p ON true
  JOIN {history} v ON {v.stored_key = c.stored_key} AND v.version >= coalesce(p.version, c.audittrail_first)
  LEFT JOIN audittrail.revision r ON r.id = v.revision_id
 WHERE CASE WHEN r.id IS NULL THEN v.version ELSE r.committed END <= {through}$template$
$$;

-- The lowest number of the revisions committed after a tick that had begun by then; NULL if there are none.
CREATE OR REPLACE FUNCTION audittrail.first_open(tick bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT min(id) FROM (SELECT r.id FROM audittrail.revision r WHERE r.id BETWEEN tick - audittrail.short_revision() AND tick AND r.committed > tick
                                 UNION ALL
                                 SELECT l.id FROM audittrail.long_revision l WHERE int8range(l.id, l.committed) @> tick) begun);
END
$$;

-- Close the versions of a table, taking into account the revisions committed within the next so many ticks (NULL: all).
-- Gives how many of their versions there are, the tick up to which the table is closed now, and up to which it could be.
-- Safe beside writers, who never wait for it but to change the table's columns; can be stopped and called again at any time. It
-- belongs into a transaction of its own, with a short lock_timeout: what stands in its way is a migration or a correction.
CREATE OR REPLACE FUNCTION audittrail.close_versions(tracked_id int, ticks bigint DEFAULT NULL,
                                                     OUT looked bigint, OUT through bigint, OUT settled bigint, OUT tail bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_tick bigint;
    tracked  audittrail.tracked_table;
    lowest   bigint;
    former   text[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'audittrail: close_versions() does not run at isolation level %', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'It must see what others commit meanwhile: use READ COMMITTED.';
    END IF;
    IF pg_current_xact_id_if_assigned() IS NULL THEN
        now_tick := (SELECT last_value FROM audittrail.clock);
    END IF;
    settled := audittrail.settled_tick();
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id FOR UPDATE;
    IF tracked.key = '{}' OR to_regclass(format('audittrail.%I', tracked.history_name)) IS NULL THEN
        RETURN;  -- nothing tells its rows apart, or nothing is left of them
    END IF;
    IF now_tick IS NOT NULL THEN
        tracked := audittrail.move_mark(tracked, now_tick);
    END IF;
    settled := greatest(settled, tracked.closed_through);
    through := least(tracked.closed_through + ticks, settled);
    looked := 0;
    lowest := least(audittrail.first_open(tracked.closed_through), tracked.closed_through + 1);
    IF through > tracked.closed_through THEN
        former := audittrail.unguard(closing => 'on');
        EXECUTE audittrail.compose(concat($template$
WITH closers AS MATERIALIZED (
    SELECT {v.stored_key}, min(v.version) AS audittrail_first, count(*) AS audittrail_versions
      FROM {history} v
      LEFT JOIN audittrail.revision r ON r.id = v.revision_id
     WHERE v.version >= {lowest} AND v.version <= {through}
       AND CASE WHEN r.id IS NULL THEN v.version ELSE r.committed END > {closed_through}
       AND CASE WHEN r.id IS NULL THEN v.version ELSE r.committed END <= {through}
     GROUP BY {v.stored_key}
), closed AS (
    UPDATE {history} h SET superseded = chain.closing
      FROM ($template$, audittrail.chain_template('SELECT * FROM closers'), $template$) chain
     WHERE h.ctid = chain.place AND h.superseded IS NULL AND chain.closing IS NOT NULL
)
SELECT coalesce(sum(audittrail_versions), 0) FROM closers
$template$), audittrail.parts_of(tracked) || jsonb_build_object('lowest', lowest, 'closed_through', tracked.closed_through, 'through', through)) INTO looked;
        PERFORM audittrail.guard_as(former);
    END IF;
    -- The tail begins with the first revision that was open at "through": its versions are not taken into account yet. While
    -- transactions from before the mark may be running, which may have versions as old, the tail stays where it was.
    tail := greatest(tracked.tail_from, least(audittrail.first_open(through), through + 1,
                                              CASE WHEN tracked.mark_xid IS NULL THEN tracked.mark_tick + 1 ELSE 0 END));
    UPDATE audittrail.tracked_table t
       SET closed_through = through, tail_from = tail, mark_tick = tracked.mark_tick, mark_xid = tracked.mark_xid
     WHERE t.id = tracked_id;
END
$$;

-- Trigger on a history table: after a correction (see guard()), close again the versions of the rows that it touched, as far as
-- the table is closed. So the past stays what its versions say, whichever of them are changed or deleted.
CREATE OR REPLACE FUNCTION audittrail.reclose() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    former  text[];
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE history_name = TG_TABLE_NAME;
    IF tracked.key = '{}' OR coalesce(tracked.closed_through, 0) = 0 AND tracked.since_version > 0 THEN
        RETURN NULL;
    END IF;
    former := audittrail.unguard(closing => 'on');
    EXECUTE audittrail.compose(concat($template$
UPDATE {history} h SET superseded = chain.closing
  FROM ($template$, audittrail.chain_template(concat(
        'SELECT DISTINCT {stored_key}, audittrail.lowest_tick() AS audittrail_first FROM (SELECT {stored_key} FROM old_rows',
        CASE TG_OP WHEN 'UPDATE' THEN ' UNION ALL SELECT {stored_key} FROM new_rows' END, ') touched')), $template$) chain
 WHERE h.ctid = chain.place AND h.superseded IS DISTINCT FROM chain.closing
$template$), audittrail.parts_of(tracked) || jsonb_build_object('through', tracked.closed_through));
    PERFORM audittrail.guard_as(former);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION audittrail.create_reclosing(history regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER reclose_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT '
                   'WHEN (current_setting(''audittrail.unguarded'', true) IS DISTINCT FROM ''on'') EXECUTE FUNCTION audittrail.reclose()', history);
    EXECUTE format('CREATE TRIGGER reclose_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT '
                   'WHEN (current_setting(''audittrail.unguarded'', true) IS DISTINCT FROM ''on'') EXECUTE FUNCTION audittrail.reclose()', history);
END
$$;

-- The capture functions of one table: what its triggers run. They are generated for each table, because only then
-- PostgreSQL keeps their plans.
--
-- Each statement that changes a row makes one INSERT into the history table. The version is taken inside it, in an
-- uncorrelated subquery: after the statement has locked its rows, once, and not at all if no row has changed.

-- The INSERT that captures one kind of event, from the transition tables new_rows and old_rows.
CREATE OR REPLACE FUNCTION audittrail.capture_statement(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target text := format('INSERT INTO audittrail.%I (version, revision_id, operation, %s) SELECT (SELECT audittrail.next_version()), '
                          '(SELECT current_setting(''audittrail.revision'')::bigint), ',
                          tracked.history_name, audittrail.column_list(tracked));
BEGIN
    CASE event
    WHEN 'INSERT' THEN
        RETURN target || format('''I'', %s FROM new_rows n', audittrail.column_list(tracked, 'n'));
    WHEN 'DELETE' THEN
        RETURN target || format('''D'', %s FROM old_rows o', audittrail.column_list(tracked, 'o'));
    WHEN 'UPDATE' THEN
        -- Rows are paired by key. A row whose key changed is one deleted and one inserted.
        RETURN target || format(
            'c.* FROM ('
            'SELECT CASE WHEN o.%1$I IS NULL THEN ''I''::"char" ELSE ''U''::"char" END, %2$s'
            ' FROM new_rows n LEFT JOIN old_rows o ON %4$s'
            ' WHERE ROW(%5$s)::record *<> ROW(%6$s)::record'
            ' UNION ALL SELECT ''D''::"char", %3$s FROM old_rows o WHERE NOT EXISTS (SELECT FROM new_rows n WHERE %4$s)) c',
            tracked.key[1],
            audittrail.column_list(tracked, 'n'), audittrail.column_list(tracked, 'o'),
            audittrail.same_key(tracked, 'o', false, 'n', false),
            audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true));
    WHEN 'REPEATED UPDATE' THEN
        -- One pair of images at a time, the number "few", in the order in which they came about.
        RETURN target || format(
            'c.* FROM (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o'
            ' JOIN (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n'
            ' ON n.audittrail_row = few AND o.audittrail_row = few AND ROW(%1$s)::record *<> ROW(%2$s)::record'
            ' CROSS JOIN LATERAL (SELECT ''D''::"char", %4$s WHERE NOT (%5$s)'
            ' UNION ALL SELECT CASE WHEN %5$s THEN ''U''::"char" ELSE ''I''::"char" END, %3$s) c',
            audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true),
            audittrail.column_list(tracked, 'n'), audittrail.column_list(tracked, 'o'),
            audittrail.same_key(tracked, 'o', false, 'n', false));
    WHEN 'TRUNCATE' THEN
        -- The table is the one that is truncated, which may be a partition: its name is put in for "truncated".
        RETURN target || format('''T'', %s FROM ONLY truncated t', audittrail.column_list(tracked, 't'));
    END CASE;
END
$$;

-- The INSERT that writes the baseline of rows that have no version yet, from old_rows or another source of live rows.
CREATE OR REPLACE FUNCTION audittrail.baseline_statement(tracked audittrail.tracked_table, source text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'INSERT INTO audittrail.%1$I (version, revision_id, operation, %2$s) SELECT %3$s, %4$s, ''B'', %5$s FROM %6$s b '
        'WHERE NOT EXISTS (SELECT FROM audittrail.%1$I h WHERE %7$s AND h.version >= %3$s) ON CONFLICT DO NOTHING',
        tracked.history_name, audittrail.column_list(tracked), tracked.since_version, tracked.since_revision,
        audittrail.column_list(tracked, 'b'), source, audittrail.same_key(tracked, 'h', true, 'b', false))
$$;

-- The body of the trigger function for one kind of event. It first asks whether the table and its history table (named
-- there so that a change of it counts) are as they were.
CREATE OR REPLACE FUNCTION audittrail.capture_function(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    capture  text := audittrail.capture_statement(tracked, event);
    baseline text := '';
    repeated text := '';
    revived  text := '';
    settle   text := format(
$body$    IF FOUND AND (pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> ''%s) THEN
        PERFORM audittrail.settle_order(%s);
    END IF;
    RETURN NULL;
END
$body$,  CASE event WHEN 'DELETE' THEN $body$ OR current_query() ~* '\mmerge\M'$body$ ELSE '' END, tracked.id);
BEGIN
    IF event = 'TRUNCATE' THEN
        RETURN format(
$body$
BEGIN
    PERFORM audittrail.capture_truncate(%s, TG_RELID);
    RETURN NULL;
END
$body$,     tracked.id);
    END IF;
    IF NOT tracked.baseline_complete AND event IN ('UPDATE', 'DELETE') THEN
        baseline := format($body$    %s;
$body$, audittrail.baseline_statement(tracked, 'old_rows'));
    END IF;
    IF event = 'UPDATE' AND audittrail.has_referential_actions(tracked.relation) THEN
        -- What several actions of one statement do to a table is in the same transition tables: then a row may be
        -- there more than once, and may be gone by now.
        repeated := format(
$body$    IF few > 1 AND (SELECT count(*) <> count(DISTINCT ROW(%1$s)) FROM new_rows n) THEN
        FOR few IN 1 .. (SELECT count(*) FROM new_rows) LOOP
            %2$s;
        END LOOP;
        RETURN NULL;
    END IF;
$body$,     (SELECT string_agg(format('n.%I', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
            audittrail.capture_statement(tracked, 'REPEATED UPDATE'));
        revived := format(
$body$    IF few > 0 AND EXISTS (SELECT FROM new_rows n WHERE NOT EXISTS (SELECT FROM %s b WHERE %s)) THEN
        PERFORM audittrail.move_behind(%s, currval('audittrail.clock'), NULL);
    END IF;
$body$,     tracked.relation::regclass, audittrail.same_key(tracked, 'b', false, 'n', false), tracked.id);
    END IF;
    IF event = 'UPDATE' THEN
        -- The plan of a join of transition tables is chosen by the size of the first ones and kept: a nested loop made
        -- for one row would take hours over many. So a larger statement is planned for itself.
        RETURN format(
$body$
DECLARE
    few int;
BEGIN
    SELECT CASE WHEN audittrail.in_step(%1$s, %10$L, %2$L) THEN count(*)
                WHEN EXISTS (SELECT FROM audittrail.%10$I) THEN -1 ELSE -1 END INTO few
      FROM (SELECT FROM new_rows LIMIT 9) sample;
    IF few = 0 THEN
        RETURN NULL;
    ELSIF few = -1 THEN
        EXECUTE audittrail.follow(%3$s, %4$L);
        PERFORM audittrail.finish_follow(%3$s);
        RETURN NULL;
    END IF;
%5$s%8$s    IF few < 9 THEN
        %6$s;
    ELSE
        EXECUTE %6$L;
    END IF;
    GET DIAGNOSTICS few = ROW_COUNT;
%9$s%7$s$body$, tracked.relation, tracked.fingerprint, tracked.id, event, baseline, capture,
            replace(settle, 'FOUND', 'few > 0'), repeated, revived, tracked.history_name);
    END IF;
    RETURN format(
$body$
BEGIN
    IF EXISTS (SELECT FROM %1$s WHERE NOT audittrail.in_step(%2$s, %9$L, %3$L)
                   AND (EXISTS (SELECT FROM audittrail.%9$I) OR true)) THEN
        EXECUTE audittrail.follow(%4$s, %5$L);
        PERFORM audittrail.finish_follow(%4$s);
        RETURN NULL;
    END IF;
%6$s    %7$s;
%8$s$body$,
        CASE event WHEN 'DELETE' THEN 'old_rows' ELSE 'new_rows' END,
        tracked.relation, tracked.fingerprint, tracked.id, event, baseline, capture, settle, tracked.history_name);
END
$$;

-- Capture a TRUNCATE: every row's last image. A snapshot that is older than the lock may miss rows that others have
-- committed since and that are truncated all the same; rather than lose them, the statement is refused.
CREATE OR REPLACE FUNCTION audittrail.capture_truncate(tracked_id int, truncated oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation text := truncated::regclass;
    filled   boolean;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
       AND (pg_snapshot_xmin(pg_current_snapshot()) <> pg_snapshot_xmax(pg_current_snapshot())
            OR pg_snapshot_xmax(pg_current_snapshot()) <> pg_current_xact_id()) THEN
        RAISE EXCEPTION 'audittrail: TRUNCATE of % at isolation level % could remove rows that this transaction cannot see and record',
                        relation, current_setting('transaction_isolation')
            USING ERRCODE = 'serialization_failure',
                  HINT = 'Truncate at READ COMMITTED, use DELETE, or try again while no other transaction is running.';
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation) INTO filled;
    IF filled THEN
        EXECUTE replace(audittrail.follow(tracked_id, 'TRUNCATE'), 'FROM ONLY truncated t', format('FROM ONLY %s t', relation));
        PERFORM audittrail.finish_follow(tracked_id);
        IF pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
            PERFORM audittrail.settle_order(tracked_id);
        END IF;
    END IF;
END
$$;

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
        IF tracked.key = '{}' THEN
            -- A migration has dropped the key: rows are paired by their order, which is the same in both tables.
            RETURN target || format(
                '''U'', %1$s FROM (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n'
                ' FULL JOIN (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o'
                ' ON n.audittrail_row = o.audittrail_row WHERE ROW(%2$s)::record *<> ROW(%3$s)::record',
                audittrail.column_list(tracked, 'n'), audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true));
        END IF;
        -- Rows are paired by key. A row whose key changed is one deleted and one inserted. A full join is never a nested
        -- loop: one that is planned for a single row, and kept, would take hours over many.
        RETURN target || format(
            'CASE WHEN o.%1$I IS NULL THEN ''I''::"char" WHEN n.%1$I IS NULL THEN ''D''::"char" ELSE ''U''::"char" END, %2$s'
            ' FROM new_rows n FULL JOIN old_rows o ON %3$s WHERE ROW(%4$s)::record *<> ROW(%5$s)::record',
            tracked.key[1],
            (SELECT string_agg(format('CASE WHEN n.%1$I IS NULL THEN o.%2$I ELSE n.%2$I END', tracked.key[1], c.name), ', ' ORDER BY c.attnum)
               FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, history text) WHERE c.history IS NOT NULL),
            audittrail.same_key(tracked, 'o', false, 'n', false),
            audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true));
    WHEN 'REPEATED UPDATE' THEN
        -- One pair of images at a time, of the number audittrail_pair, in the order in which they came about.
        RETURN target || format(
            'c.* FROM (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o'
            ' JOIN (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n'
            ' ON n.audittrail_row = audittrail_pair AND o.audittrail_row = audittrail_pair AND ROW(%1$s)::record *<> ROW(%2$s)::record'
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

-- The statements that put the baseline right after one kind of event inside or around others. The others were captured
-- first, and took a row that this statement had changed already for one that nobody had changed yet. Rows whose first
-- change has the version in the setting audittrail.captured were before as old_rows says, or were not there.
CREATE OR REPLACE FUNCTION audittrail.nested_baseline(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat(
        CASE WHEN event <> 'INSERT' THEN format(
            'INSERT INTO audittrail.%1$I AS earliest (version, revision_id, operation, %2$s) SELECT %3$s, %4$s, ''B'', %5$s FROM old_rows b'
            ' WHERE NOT EXISTS (SELECT FROM audittrail.%1$I h WHERE %6$s AND h.version > %3$s'
            ' AND h.version < current_setting(''audittrail.captured'')::bigint)'
            ' ON CONFLICT (%7$s, version) DO UPDATE SET (revision_id, %2$s) = ROW(%4$s, %8$s) WHERE ROW(%9$s)::record *<> ROW(%8$s)::record;',
            tracked.history_name, audittrail.column_list(tracked), tracked.since_version, tracked.since_revision,
            audittrail.column_list(tracked, 'b'), audittrail.same_key(tracked, 'h', true, 'b', false),
            (SELECT string_agg(quote_ident(audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
               FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
            audittrail.column_list(tracked, 'excluded', false, true), audittrail.column_list(tracked, 'earliest', false, true)) END,
        CASE WHEN event <> 'DELETE' THEN format(
            'DELETE FROM audittrail.%1$I earliest USING audittrail.%1$I mine WHERE earliest.version = %2$s AND earliest.operation = ''B'' AND %3$s'
            ' AND mine.version = current_setting(''audittrail.captured'')::bigint AND mine.operation = ''I'''
            ' AND NOT EXISTS (SELECT FROM audittrail.%1$I h WHERE %4$s AND h.version > %2$s AND h.version < mine.version);',
            tracked.history_name, tracked.since_version, audittrail.same_key(tracked, 'earliest', true, 'mine', true),
            audittrail.same_key(tracked, 'h', true, 'mine', true)) END)
$$;

-- What a capture function does after a statement inside or around others: put the versions in order, and the baseline
-- while that is incomplete.
CREATE OR REPLACE FUNCTION audittrail.order_block(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN tracked.key = '{}' THEN
$body$        PERFORM audittrail.settle_order();
$body$
    ELSE format(
$body$        captured := currval('audittrail.clock');
        inside := audittrail.settle_order();
        ignored := set_config('audittrail.settling', 'on', true);
        IF again OR inside IS NOT NULL THEN
            EXECUTE replace(%1$L, '{live}', %2$s::regclass::text)
              USING coalesce(inside, current_setting('audittrail.revision')::bigint), captured, inside IS NULL;
        END IF;
%3$s        ignored := set_config('audittrail.settling', '', true);
$body$, audittrail.move_statement(tracked, event), tracked.relation,
        CASE WHEN tracked.baseline_complete THEN '' ELSE format(
$body$        ignored := set_config('audittrail.captured', captured::text, true);
        %s
$body$, audittrail.nested_baseline(tracked, event)) END) END
$$;

-- The body of the trigger function for one kind of event.
CREATE OR REPLACE FUNCTION audittrail.capture_function(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    capture  text;
    baseline text := '';
    again    text := 'false';
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
    IF NOT tracked.baseline_complete AND tracked.key <> '{}' AND event <> 'INSERT' THEN
        baseline := format($body$    %s;
$body$,     audittrail.baseline_statement(tracked, 'old_rows'));
    END IF;
    capture := format(
$body$    %s;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
$body$, audittrail.capture_statement(tracked, event));
    IF event = 'DELETE' THEN
        again := 'strpos(lower(current_query()), ''merge'') > 0';
    ELSIF event = 'UPDATE' AND tracked.key <> '{}' AND audittrail.has_referential_actions(tracked.relation) THEN
        -- What several actions of one statement do to a table is in the same transition tables: then a row may be
        -- there more than once, and may be gone by now.
        capture := format(
$body$    IF (SELECT count(*) <> count(DISTINCT ROW(%1$s)) FROM new_rows n) THEN
        FOR audittrail_pair IN 1 .. (SELECT count(*) FROM new_rows) LOOP
            %2$s;
        END LOOP;
        RETURN NULL;
    END IF;
$body$,     (SELECT string_agg(format('n.%I', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
            audittrail.capture_statement(tracked, 'REPEATED UPDATE')) || capture;
        again := format('EXISTS (SELECT FROM new_rows n WHERE NOT EXISTS (SELECT FROM %s b WHERE %s))',
                        tracked.relation::regclass, audittrail.same_key(tracked, 'b', false, 'n', false));
    END IF;
    -- The comparisons with TG_RELID make the expression depend on both tables, so that PostgreSQL works out in_step() again
    -- when one of them changes, and only then. Only the first can be false: after a restore from a dump. (The triggers of a
    -- partitioned table are on its partitions too.)
    RETURN format(
$body$
DECLARE
    rows     bigint;
    captured bigint;
    inside   bigint;
    again    boolean;
    ignored  text;
BEGIN
    IF NOT (audittrail.in_step(%1$s, %2$L, %3$L) AND %11$s AND (TG_RELID = %4$s) IS NOT NULL) THEN
        EXECUTE audittrail.follow(%5$s, %6$L);
        GET DIAGNOSTICS rows = ROW_COUNT;
        EXECUTE audittrail.finish_follow(%5$s, %6$L, rows > 0);
        RETURN NULL;
    END IF;
%7$s%8$s    again := %9$s;
    IF again OR pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
%10$s    END IF;
    RETURN NULL;
END
$body$,
        tracked.relation, tracked.history_name, tracked.fingerprint,
        coalesce(to_regclass(format('audittrail.%I', tracked.history_name))::oid, 0), tracked.id, event,
        baseline, capture, again, audittrail.order_block(tracked, event),
        CASE WHEN (SELECT relkind FROM pg_class WHERE oid = tracked.relation) = 'p' THEN format('(TG_RELID = %s) IS NOT NULL', tracked.relation)
             ELSE format('TG_RELID = %s', tracked.relation) END);
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
    IF pg_relation_size(truncated) = 0 THEN
        RETURN;  -- not a page, so not a row: a test suite truncates all of its tables after each test
    END IF;
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
        EXECUTE replace(audittrail.follow(tracked_id, 'TRUNCATE'), 'FROM ONLY truncated ', format('FROM ONLY %s ', relation));
        EXECUTE audittrail.finish_follow(tracked_id, 'TRUNCATE', true);
    END IF;
END
$$;

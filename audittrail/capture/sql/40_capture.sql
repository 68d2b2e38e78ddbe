-- The capture functions of one table: what its triggers run. They are generated for each table, because only then
-- PostgreSQL keeps their plans.
--
-- Each statement that changes a row makes one INSERT into the history table. The version is taken inside it, in an
-- uncorrelated subquery: after the statement has locked its rows, once, and not at all if no row has changed.

-- The beginning of an INSERT into the history table: its columns in its own order, and what to select for them. "image" is the
-- expression for a stored column, with %1$I for the name of the live one. In this order, and with no column left out,
-- PostgreSQL has nothing to arrange anew. Columns that somebody has added have their defaults.
CREATE OR REPLACE FUNCTION audittrail.insert_image(tracked audittrail.tracked_table, version text, revision text, operation text, image text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('INSERT INTO audittrail.%I (%s) SELECT %s', tracked.history_name,
        string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
        string_agg(CASE WHEN c.name IS NOT NULL THEN format(image, c.name) WHEN a.attname = 'version' THEN version
                        WHEN a.attname = 'revision_id' THEN revision WHEN a.attname = 'operation' THEN operation
                        ELSE 'NULL::' || format_type(a.atttypid, a.atttypmod) END, ', ' ORDER BY a.attnum))
      FROM pg_attribute a
      LEFT JOIN jsonb_to_recordset(tracked.columns) c (name text, history text) ON c.history = a.attname
     WHERE a.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND a.attnum > 0 AND NOT a.attisdropped
       AND (c.name IS NOT NULL OR a.attname IN ('version', 'revision_id', 'operation', 'superseded') OR NOT a.atthasdef)
$$;

-- The condition that a row o became another row n with the same key. Most updates change a time: to look at times first spares
-- most comparisons of whole rows.
CREATE OR REPLACE FUNCTION audittrail.changed_row(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('CASE WHEN %s THEN %s%s END', audittrail.same_key(tracked, 'o', false, 'n', false),
        (SELECT string_agg(format('n.%1$I IS DISTINCT FROM o.%1$I OR ', t.name), '' ORDER BY t.attnum)
           FROM (SELECT c.attnum, c.name FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text, ignored boolean)
                  WHERE c.type ~ '^timestamp(\(\d\))? with(out)? time zone$' AND c.history IS NOT NULL AND NOT c.ignored
                  ORDER BY c.attnum DESC LIMIT 2) t),
        CASE WHEN EXISTS (SELECT FROM jsonb_to_recordset(tracked.columns) c (history text, ignored boolean) WHERE c.history IS NULL OR c.ignored)
             THEN format('ROW(%s)::record *<> ROW(%s)::record', audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true))
             ELSE 'n.* *<> o.*' END)
$$;

-- The INSERT that captures one kind of event, from the transition tables new_rows and old_rows. In a capture function
-- ("static") its version is entered into the revision afterwards, elsewhere by the statement itself.
CREATE OR REPLACE FUNCTION audittrail.capture_statement(tracked audittrail.tracked_table, event text, static boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    version  text := CASE WHEN static THEN '(SELECT nextval(''audittrail.clock''))' ELSE '(SELECT audittrail.next_version())' END;
    revision text := CASE WHEN static THEN 'coalesce(audittrail_number, currval(''audittrail.clock''))'
                          ELSE '(SELECT current_setting(''audittrail.revision'')::bigint)' END;
BEGIN
    CASE event
    WHEN 'INSERT' THEN
        RETURN audittrail.insert_image(tracked, version, revision, '''I''::"char"', 'n.%1$I') || ' FROM new_rows n';
    WHEN 'DELETE' THEN
        RETURN audittrail.insert_image(tracked, version, revision, '''D''::"char"', 'o.%1$I') || ' FROM old_rows o';
    WHEN 'UPDATE' THEN
        IF tracked.key = '{}' THEN
            -- A migration has dropped the key: rows are paired by their order, which is the same in both tables.
            RETURN audittrail.insert_image(tracked, version, revision, '''U''::"char"', 'n.%1$I') || format(
                ' FROM (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n'
                ' FULL JOIN (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o'
                ' ON n.audittrail_row = o.audittrail_row WHERE ROW(%s)::record *<> ROW(%s)::record',
                audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true));
        END IF;
        -- Rows are paired by key. A row whose key changed is one deleted and one inserted. A full join is never a nested
        -- loop: one that is planned for a single row, and kept, would take hours over many.
        RETURN audittrail.insert_image(tracked, version, revision,
                format('CASE WHEN o.%1$I IS NULL THEN ''I''::"char" WHEN n.%1$I IS NULL THEN ''D''::"char" ELSE ''U''::"char" END', tracked.key[1]),
                format('CASE WHEN n.%s IS NULL THEN o.%%1$I ELSE n.%%1$I END', replace(quote_ident(tracked.key[1]), '%', '%%')))
            || format(' FROM new_rows n FULL JOIN old_rows o ON %s WHERE ROW(%s)::record *<> ROW(%s)::record',
                audittrail.same_key(tracked, 'o', false, 'n', false),
                audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true));
    WHEN 'SINGLE UPDATE' THEN
        -- For one row that is known to be alone; so written that it is joined by a nested loop.
        RETURN audittrail.insert_image(tracked, 'nextval(''audittrail.clock'')', revision, '''U''::"char"', 'n.%1$I')
            || ' FROM new_rows n, old_rows o WHERE ' || audittrail.changed_row(tracked);
    WHEN 'REPEATED UPDATE' THEN
        -- One pair of images at a time, of the number audittrail_pair, in the order in which they came about.
        RETURN audittrail.insert_image(tracked, version, revision, 'c.audittrail_operation', 'c.%1$I') || format(
            ' FROM (SELECT o.*, row_number() OVER () AS audittrail_row FROM old_rows o) o'
            ' JOIN (SELECT n.*, row_number() OVER () AS audittrail_row FROM new_rows n) n'
            ' ON n.audittrail_row = audittrail_pair AND o.audittrail_row = audittrail_pair AND ROW(%1$s)::record *<> ROW(%2$s)::record'
            ' CROSS JOIN LATERAL (SELECT ''D''::"char" AS audittrail_operation, %4$s WHERE NOT (%5$s)'
            ' UNION ALL SELECT CASE WHEN %5$s THEN ''U''::"char" ELSE ''I''::"char" END, %3$s) c',
            audittrail.column_list(tracked, 'n', true), audittrail.column_list(tracked, 'o', true),
            audittrail.column_list(tracked, 'n'), audittrail.column_list(tracked, 'o'),
            audittrail.same_key(tracked, 'o', false, 'n', false));
    WHEN 'TRUNCATE' THEN
        -- The table is the one that is truncated, which may be a partition: its name is put in for "truncated".
        RETURN audittrail.insert_image(tracked, version, revision, '''T''::"char"', 't.%1$I') || ' FROM ONLY truncated t';
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
$body$        inside := audittrail.settle_order();
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

-- Whether the only new row of an UPDATE is the only old one. With a partitioned table it need not be: a trigger may keep a row from
-- arriving in another partition.
CREATE OR REPLACE FUNCTION audittrail.pairs_single_rows(tracked audittrail.tracked_table) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT tracked.key <> '{}' AND (SELECT relkind FROM pg_class WHERE oid = tracked.relation) IS DISTINCT FROM 'p'
$$;

-- The statements of a capture function that write the versions of an UPDATE, one row apart from several. Not with a partitioned
-- table, where a trigger may keep a row from arriving in another partition, so that there are fewer new rows than old ones.
CREATE OR REPLACE FUNCTION audittrail.capture_update(tracked audittrail.tracked_table) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    several  text := format(E'        %s;\n', audittrail.capture_statement(tracked, 'UPDATE', true));
    same_key text := audittrail.same_key(tracked, 'o', false, 'n', false);
    unpaired text;
BEGIN
    IF tracked.key <> '{}' AND audittrail.has_referential_actions(tracked.relation) THEN
        -- What several actions of one statement do to a table is in the same transition tables: then a row may be
        -- there more than once, and may be gone by now.
        several := format(
$body$        IF (SELECT count(*) <> count(DISTINCT ROW(%1$s)) FROM new_rows n) THEN
            FOR audittrail_pair IN 1 .. (SELECT count(*) FROM new_rows) LOOP
                %2$s;
            END LOOP;
            RETURN NULL;
        END IF;
$body$,     (SELECT string_agg(format('n.%I', k.name), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)),
            audittrail.capture_statement(tracked, 'REPEATED UPDATE')) || several;
    END IF;
    IF tracked.key <> '{}' AND NOT audittrail.pairs_single_rows(tracked) THEN
        -- PostgreSQL gives the triggers of a partitioned table the wrong new image of a row that a MERGE updates after it has
        -- inserted another: that of the inserted row. The table has the right one, unless the key has changed.
        unpaired := 'EXISTS (SELECT FROM old_rows o WHERE NOT EXISTS (SELECT FROM new_rows n WHERE %1$s) AND %3$s EXISTS (SELECT FROM %2$s n WHERE %1$s))';
        RETURN format(
$body$        IF %1$s THEN
            ignored := set_config('audittrail.moved', 'on', true);  -- for capture_insert()
        END IF;
        IF %2$s THEN
            %3$s;
        ELSE
%4$s        END IF;
$body$,     format(unpaired, same_key, tracked.relation::regclass, 'NOT'), format(unpaired, same_key, tracked.relation::regclass, ''),
            replace(audittrail.capture_statement(tracked, 'UPDATE', true), ' FROM new_rows n ',
                    format(' FROM (SELECT n.* FROM %s n WHERE EXISTS (SELECT FROM old_rows o WHERE %s)) n ', tracked.relation::regclass, same_key)),
            several);
    ELSIF tracked.key = '{}' THEN
        RETURN several;
    END IF;
    RETURN format(
$body$    PERFORM FROM new_rows OFFSET 1;
    IF FOUND THEN
%s    ELSE
        %s;
    END IF;
$body$, several, audittrail.capture_statement(tracked, 'SINGLE UPDATE', true));
END
$$;

-- The statements of a capture function that write the versions of an INSERT. A partitioned table's rows that are there already, as
-- the UPDATE of the same MERGE has told, were told instead of others whose keys have changed (see capture_update()).
CREATE OR REPLACE FUNCTION audittrail.capture_insert(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN tracked.key <> '{}' AND NOT audittrail.pairs_single_rows(tracked) THEN format(
$body$    IF current_setting('audittrail.moved', true) <> '' THEN
        IF EXISTS (SELECT FROM new_rows n WHERE (SELECT h.operation NOT IN ('D', 'T') AND h.revision_id = audittrail_number
                                                   FROM audittrail.%I h WHERE %s ORDER BY h.version DESC LIMIT 1)) THEN
            RAISE EXCEPTION 'audittrail: this MERGE inserts rows into %% and changes keys of others: PostgreSQL does not tell the triggers of a partitioned table which', %L
                USING ERRCODE = 'feature_not_supported', HINT = 'Insert and update in statements of their own, or use INSERT ... ON CONFLICT.';
        END IF;
    END IF;
$body$, tracked.history_name, audittrail.same_key(tracked, 'h', true, 'n', false), tracked.relation::regclass) ELSE '' END
        || format(E'    %s;\n', audittrail.capture_statement(tracked, 'INSERT', true))
$$;

-- What a capture function does about an UPDATE of which it has written nothing: the key of a single row may have changed.
CREATE OR REPLACE FUNCTION audittrail.capture_changed_key(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN audittrail.pairs_single_rows(tracked) THEN format(
$body$    IF NOT FOUND THEN
        PERFORM FROM new_rows n, old_rows o WHERE NOT EXISTS (SELECT FROM new_rows OFFSET 1) AND NOT (%s);
        IF FOUND THEN
            %s;
        END IF;
    END IF;
$body$, audittrail.same_key(tracked, 'o', false, 'n', false), audittrail.capture_statement(tracked, 'UPDATE', true)) ELSE '' END
$$;

-- The body of the trigger function for one kind of event.
CREATE OR REPLACE FUNCTION audittrail.capture_function(tracked audittrail.tracked_table, event text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    in_step text;
    capture text;
    again   text := 'false';
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
    -- The comparisons with TG_RELID make the expression depend on both tables, so that PostgreSQL works out in_step() again
    -- when one of them changes, and only then. Only the first can be false: after a restore from a dump. (The triggers of a
    -- partitioned table are on its partitions too.)
    in_step := format('audittrail.in_step(%s, %L, %L) AND %s AND (TG_RELID = %s) IS NOT NULL', tracked.relation, tracked.history_name, tracked.fingerprint,
        CASE WHEN (SELECT relkind FROM pg_class WHERE oid = tracked.relation) = 'p' THEN format('(TG_RELID = %s) IS NOT NULL', tracked.relation)
             ELSE format('TG_RELID = %s', tracked.relation) END,
        coalesce(to_regclass(format('audittrail.%I', tracked.history_name))::oid, 0));
    capture := CASE event WHEN 'UPDATE' THEN audittrail.capture_update(tracked)
                          WHEN 'INSERT' THEN audittrail.capture_insert(tracked)
                          ELSE format(E'    %s;\n', audittrail.capture_statement(tracked, event, true)) END;
    IF NOT tracked.baseline_complete AND tracked.key <> '{}' AND event <> 'INSERT' THEN
        capture := format(E'    %s;\n', audittrail.baseline_statement(tracked, 'old_rows')) || capture;
    END IF;
    IF event = 'DELETE' THEN
        again := 'strpos(lower(current_query()), ''merge'') > 0';
        IF tracked.key <> '{}' AND audittrail.has_referential_actions(tracked.relation) THEN
            -- A cascade within the table puts off the trigger of the whole DELETE, until after that of an INSERT in the same
            -- statement that has put a row in the place of a deleted one.
            again := again || format(' OR EXISTS (SELECT FROM old_rows o JOIN %s b ON %s)',
                                     tracked.relation::regclass, audittrail.same_key(tracked, 'b', false, 'o', false));
        END IF;
    ELSIF event = 'UPDATE' AND tracked.key <> '{}' AND audittrail.has_referential_actions(tracked.relation) THEN
        again := format('EXISTS (SELECT FROM new_rows n WHERE NOT EXISTS (SELECT FROM %s b WHERE %s))',
                        tracked.relation::regclass, audittrail.same_key(tracked, 'b', false, 'n', false));
    END IF;
    -- "alone" is the first change of a transaction, outside of triggers: nothing has been captured before it, or inside it.
    RETURN format(
$body$
#variable_conflict use_column
DECLARE
    audittrail_number bigint;  -- unlike any column
    alone    boolean := true;
    rows     bigint;
    captured bigint;
    inside   bigint;
    again    boolean;
    ignored  text;
BEGIN
    IF NOT (%1$s AND pg_trigger_depth() = 1 AND coalesce(current_setting('audittrail.revision', true), '') = '') THEN
        IF NOT (%1$s) THEN
            EXECUTE audittrail.follow(%2$s, %3$L);
            GET DIAGNOSTICS rows = ROW_COUNT;
            EXECUTE audittrail.finish_follow(%2$s, %3$L, rows > 0);
            RETURN NULL;
        END IF;
        alone := false;
        audittrail_number := audittrail.own_revision();
    END IF;
%4$s    IF FOUND AND alone AND NOT starts_with(current_query(), '/*audittrail:') AND coalesce(current_setting('audittrail.context', true), '') = '' THEN
        -- As in enter_revision(), in place: a call costs.
        INSERT INTO audittrail.revision (id, committed, committed_at)
        VALUES (set_config('audittrail.revision', currval('audittrail.clock')::text, true)::bigint,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN nextval('audittrail.clock') END,
                CASE WHEN statement_timestamp() = transaction_timestamp() THEN clock_timestamp() END);
        RETURN NULL;
    END IF;
%5$s    IF FOUND THEN
        captured := currval('audittrail.clock');
        audittrail_number := audittrail.enter_revision(audittrail_number, captured, alone);
        IF NOT alone THEN
            again := %6$s;
            IF again OR pg_trigger_depth() > 1 OR current_setting('audittrail.nested', true) <> '' THEN
%7$s            END IF;
        END IF;
    END IF;
    RETURN NULL;
END
$body$, in_step, tracked.id, event, capture, CASE event WHEN 'UPDATE' THEN audittrail.capture_changed_key(tracked) ELSE '' END,
        again, audittrail.order_block(tracked, event));
END
$$;

-- Whether nobody can have committed anything that the snapshot of this transaction, which it keeps, does not show: nobody was
-- running when it was taken, this transaction was the next to get a number, and a subtransaction gets the one after that, or
-- after those of earlier questions. Wrong only on the safe side.
CREATE OR REPLACE FUNCTION audittrail.is_alone() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own     bigint := pg_current_xact_id()::xid::text;
    asked   bigint := coalesce(nullif(current_setting('audittrail.asked', true), ''), '0');
    given   bigint;
    ignored text;
BEGIN
    BEGIN
        INSERT INTO audittrail.long_revision (id, committed) VALUES (0, 0) RETURNING xmin::text INTO given;
        RAISE EXCEPTION USING ERRCODE = 'AT000';  -- undoes the row, keeps the variable
    EXCEPTION WHEN SQLSTATE 'AT000' THEN
        ignored := set_config('audittrail.asked', (asked + 1)::text, true);
    END;
    RETURN pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot())
           AND pg_snapshot_xmax(pg_current_snapshot()) = pg_current_xact_id() AND given = own + 1 + asked;
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
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') AND NOT audittrail.is_alone() THEN
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

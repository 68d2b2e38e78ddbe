-- The triggers of a tracked table and the functions that they run: what they should be, and making them so.

-- The tables whose rows are a table's rows as well: its partitions, and tables that inherit from it, at any depth.
CREATE OR REPLACE FUNCTION audittrail.descendants(live oid) RETURNS SETOF oid
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE below AS (
        SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = live
        UNION
        SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.inhrelid
    )
    SELECT inhrelid FROM below
$$;

-- Whether some rows of a table are stored in others.
CREATE OR REPLACE FUNCTION audittrail.is_divided(live oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = live)
           OR EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = live AND relkind = 'p')
$$;

-- The table that has the name of a tracked one; NULL if there is none. Not by to_regclass(), which fails for roles without
-- rights on the schema. Asked with each statement that reads the past, so in PL/pgSQL, which keeps the plan.
CREATE OR REPLACE FUNCTION audittrail.named_relation(tracked audittrail.tracked_table) RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE c.relname OPERATOR(pg_catalog.=) tracked.table_name AND n.nspname OPERATOR(pg_catalog.=) tracked.schema_name AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::"char"[]));
END
$$;

-- The table that a tracked table's triggers are on, whatever the registry says: after a restore from a dump the table has
-- another oid, and its old one may be another table's. Tables that inherit from it have the same triggers. NULL if there are none.
-- Looked up in pg_depend, which has an index by which the triggers of a function are found; pg_trigger has none.
CREATE OR REPLACE FUNCTION audittrail.triggered_relation(tracked audittrail.tracked_table) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.tgrelid
      FROM pg_depend d
      JOIN pg_trigger g ON g.oid = d.objid AND g.tgname = 'audittrail_insert'
      JOIN pg_class c ON c.oid = g.tgrelid AND NOT c.relispartition
     WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = to_regproc(format('audittrail.%I', tracked.history_name || '_insert'))
       AND d.classid = 'pg_trigger'::regclass
       AND g.tgrelid NOT IN (SELECT audittrail.descendants(tracked.relation))
     ORDER BY g.tgrelid <> tracked.relation, EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = g.tgrelid)
     LIMIT 1
$$;

-- That table; without triggers, the one that the registry names by its oid.
CREATE OR REPLACE FUNCTION audittrail.tied_relation(tracked audittrail.tracked_table) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(audittrail.triggered_relation(tracked), tracked.relation)
$$;

-- A tracked table with the oid that its table has now.
CREATE OR REPLACE FUNCTION audittrail.tied(tracked audittrail.tracked_table) RETURNS audittrail.tracked_table
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    tracked.relation := audittrail.tied_relation(tracked);
    RETURN tracked;
END
$$;

-- Note the oid that a tracked table has got in a restore from a dump, where its columns have other numbers too; returns its
-- registry row as it is then.
CREATE OR REPLACE FUNCTION audittrail.tie(tracked_id int) RETURNS audittrail.tracked_table
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
BEGIN
    SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    IF audittrail.tied_relation(tracked) <> tracked.relation THEN
        UPDATE audittrail.tracked_table t SET relation = audittrail.tied_relation(tracked), fingerprint = ''
         WHERE t.id = tracked_id RETURNING * INTO tracked;
    END IF;
    RETURN tracked;
END
$$;

-- Whether another table has the name of a tracked one: tools that rebuild a table beside it swap the names in the end. History
-- is that of the tracked table, whatever its name is by now, until sync looks.
CREATE OR REPLACE FUNCTION audittrail.is_replaced(tracked audittrail.tracked_table) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named oid := audittrail.named_relation(tracked);
BEGIN
    RETURN tracked.until_version IS NULL AND named <> tracked.relation AND named <> audittrail.tied_relation(tracked);
END
$$;

-- The triggers that a tracked table has to have: on itself, its partitions, and tables that inherit from it, to which a statement may
-- be aimed directly. TRUNCATE fires on each partition by itself, so a partitioned table is left out there. Those for each row
-- are on the partitioned table alone: PostgreSQL puts them on its partitions. Each definition is spelled as pg_get_triggerdef() does.
CREATE OR REPLACE FUNCTION audittrail.wanted_triggers(live oid)
RETURNS TABLE (event text, name text, target oid, definition text)
LANGUAGE sql STABLE ROWS 4 SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.event, 'audittrail_' || lower(e.event) || k.suffix, t.target, k.definition
      FROM (VALUES ('INSERT', 'NEW TABLE AS new_rows'), ('UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                   ('DELETE', 'OLD TABLE AS old_rows'), ('TRUNCATE', '')) e (event, transition)
     CROSS JOIN (SELECT audittrail.descendants(live) UNION SELECT live) t (target)
     CROSS JOIN LATERAL (
        SELECT c.relkind = 'p' AS is_partitioned,
               format('%I.%I', CASE WHEN n.oid = pg_my_temp_schema() AND current_setting('server_version_num')::int >= 150000 THEN 'pg_temp' ELSE n.nspname END,
                      c.relname) AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = t.target AND c.relkind IN ('r', 'p')) c
     CROSS JOIN (SELECT c.relkind = 'p' AS by_row FROM pg_class c WHERE c.oid = live) l
     CROSS JOIN LATERAL (VALUES
        ('', e.event <> 'TRUNCATE', format('AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT', e.event, c.name, e.transition)),
        ('', e.event = 'TRUNCATE' AND NOT c.is_partitioned, format('BEFORE TRUNCATE ON %s FOR EACH STATEMENT', c.name)),
        ('_begin', e.event <> 'TRUNCATE' AND l.by_row, format('BEFORE %s ON %s FOR EACH STATEMENT', e.event, c.name)),
        ('_row', e.event <> 'TRUNCATE' AND l.by_row AND t.target = live,
         format('AFTER %s ON %s FOR EACH ROW WHEN ((((COALESCE(current_setting(''audittrail.turned''::text, true), ''''::text) = ''''::text) '
                'AND audittrail.is_by_row()) OR ((currval(''audittrail.by_row''::regclass) %% (2)::bigint) = 1)))',
                e.event, c.name))) k (suffix, applies, definition)
     WHERE k.applies
$$;

-- Triggers that a tracked table or a partition of it lacks, that are not enabled, that are defined otherwise, or that are left on a
-- former partition or on a table that does not inherit from it any more: one row each.
CREATE OR REPLACE FUNCTION audittrail.faulty_triggers(tracked audittrail.tracked_table)
RETURNS TABLE (event text, name text, target oid, fault text, definition text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
BEGIN
    RETURN QUERY
    SELECT w.event, w.name, w.target, CASE WHEN t.oid IS NULL THEN 'missing' WHEN t.tgenabled NOT IN ('O', 'A') THEN 'disabled' ELSE 'altered' END, w.definition
      FROM audittrail.wanted_triggers(tracked.relation) w
     CROSS JOIN LATERAL (SELECT tracked.history_name || '_' || lower(w.event)) f (name)
      LEFT JOIN pg_trigger t ON t.tgrelid = w.target AND t.tgname = w.name AND t.tgfoid = to_regproc(format('audittrail.%I', f.name))
     WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
        OR pg_get_triggerdef(t.oid) <> format('CREATE TRIGGER %I %s EXECUTE FUNCTION audittrail.%I()', w.name, w.definition, f.name)
    UNION ALL
    -- What PostgreSQL has put on partitions is there as long as the trigger of the partitioned table.
    SELECT w.event, w.name, t.tgrelid, 'disabled', w.definition
      FROM audittrail.wanted_triggers(tracked.relation) w
      JOIN pg_trigger t ON t.tgparentid <> 0 AND t.tgname = w.name AND t.tgrelid IN (SELECT audittrail.descendants(tracked.relation))
     WHERE w.target = tracked.relation AND t.tgenabled NOT IN ('O', 'A')
    UNION ALL
    SELECT e.event, t.tgname::text, t.tgrelid, 'orphaned', NULL
      FROM unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) e (event)
      JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.classid = 'pg_trigger'::regclass
           AND d.refobjid = to_regproc(format('audittrail.%I', tracked.history_name || '_' || lower(e.event)))
      JOIN pg_trigger t ON t.oid = d.objid AND t.tgparentid = 0
     WHERE tracked.relation = audittrail.tied_relation(tracked)
       AND NOT EXISTS (SELECT FROM audittrail.wanted_triggers(tracked.relation) w WHERE w.target = t.tgrelid AND w.name = t.tgname);
END
$$;

-- A digest of a table's capture functions as they are, and of the release that has made them.
CREATE OR REPLACE FUNCTION audittrail.functions_digest(history_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT md5(string_agg(coalesce(p.prosrc, ''), ' ' ORDER BY f.name) || coalesce(obj_description('audittrail.next_version'::regproc, 'pg_proc'), ''))
          FROM unnest(audittrail.capture_functions()) f (name)
          LEFT JOIN pg_proc p ON p.oid = to_regproc(format('audittrail.%I', history_name || '_' || f.name)));
END
$$;

-- Whether one of a tracked table's capture functions is not the one that would be generated today. To generate them takes
-- some milliseconds, so that is done only if they are not as this release has made them.
CREATE OR REPLACE FUNCTION audittrail.has_stale_functions(tracked audittrail.tracked_table) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN tracked.functions IS DISTINCT FROM audittrail.functions_digest(tracked.history_name) AND EXISTS (
        SELECT FROM unnest(audittrail.capture_functions()) f (name)
          LEFT JOIN pg_proc p ON p.oid = to_regproc(format('audittrail.%I', tracked.history_name || '_' || f.name))
         WHERE p.prosrc IS DISTINCT FROM audittrail.capture_function(tracked, f.name));
END
$$;

-- Make the capture functions of a tracked table anew.
CREATE OR REPLACE FUNCTION audittrail.create_functions(tracked audittrail.tracked_table) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY audittrail.capture_functions() LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION audittrail.%I%s LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS %L',
                       tracked.history_name || '_' || name,
                       CASE WHEN name = 'weave' THEN '(event text, by_row boolean) RETURNS text IMMUTABLE' ELSE '() RETURNS trigger SECURITY DEFINER' END,
                       audittrail.capture_function(tracked, name));
        EXECUTE format('REVOKE ALL ON FUNCTION audittrail.%I FROM PUBLIC', tracked.history_name || '_' || name);
    END LOOP;
    UPDATE audittrail.tracked_table SET functions = audittrail.functions_digest(tracked.history_name) WHERE id = tracked.id;
END
$$;

-- Create the triggers that are missing, enable those that are disabled, drop those of former partitions.
CREATE OR REPLACE FUNCTION audittrail.create_triggers(tracked audittrail.tracked_table) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    faulty record;
BEGIN
    FOR faulty IN SELECT * FROM audittrail.faulty_triggers(tracked) LOOP
        IF faulty.fault = 'disabled' THEN
            EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', faulty.target::regclass, faulty.name);
            CONTINUE;
        END IF;
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', faulty.name, faulty.target::regclass);
        CONTINUE WHEN faulty.fault = 'orphaned';
        EXECUTE format('CREATE TRIGGER %I %s EXECUTE FUNCTION audittrail.%I()', faulty.name, faulty.definition,
                       tracked.history_name || '_' || lower(faulty.event));
    END LOOP;
END
$$;

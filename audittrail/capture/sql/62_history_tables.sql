-- History tables: their making, their names, the index of their keys. Nothing that they hold is thrown away: a table whose name is
-- needed for a new one gets another name.

-- A name cut to so many bytes, never within a character.
CREATE OR REPLACE FUNCTION audittrail.shortened(name text, bytes int) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WHILE octet_length(name) > bytes LOOP
        name := left(name, -1);
    END LOOP;
    RETURN name;
END
$$;

-- The name of a table's history table, unless another is wanted. One that would be too long is made unique by a digest.
CREATE OR REPLACE FUNCTION audittrail.history_name(table_name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length(table_name || '_history') <= audittrail.history_name_bytes() THEN table_name || '_history'
                ELSE audittrail.shortened(table_name, audittrail.history_name_bytes() - octet_length(suffix)) || suffix END
      FROM (VALUES ('_' || left(md5(table_name), 8) || '_history')) s (suffix)
$$;

-- The name of the history table of a table of which others of the same name are tracked in other schemas: it begins with its own.
CREATE OR REPLACE FUNCTION audittrail.qualified_history_name(schema_name text, table_name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.history_name(schema_name || '.' || table_name)
$$;

-- The name of the history table of a table for which a name is wanted: that name, unless a table of another schema that is called the
-- same is tracked. "tracked" is its row in the registry, or an empty one: the name that it has stays.
CREATE OR REPLACE FUNCTION audittrail.history_name_of(live oid, tracked audittrail.tracked_table, wanted text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN tracked.history_name = q.name THEN q.name
                WHEN tracked.id IS NULL AND EXISTS (
                     SELECT FROM audittrail.tracked_table o
                       JOIN pg_namespace on_ ON on_.nspname = o.schema_name
                       JOIN pg_class oc ON oc.relnamespace = on_.oid AND oc.relname = o.table_name
                      WHERE o.table_name = c.relname AND o.schema_name <> n.nspname AND o.until_version IS NULL
                        AND o.history_name IN (wanted, audittrail.qualified_history_name(o.schema_name, o.table_name))) THEN q.name
                ELSE wanted END
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL audittrail.qualified_history_name(n.nspname, c.relname) q (name)
     WHERE c.oid = live
$$;

-- Create an empty history table, and return the columns of the live one as the registry has them.
CREATE OR REPLACE FUNCTION audittrail.create_history(history_name text, live regclass, excluded_columns text[]) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    definitions text;
    columns     jsonb;
BEGIN
    SELECT string_agg(format(', %I %s%s', audittrail.stored_name(c.name), c.type, ' COLLATE ' || c.collation_name), '' ORDER BY c.attnum)
               FILTER (WHERE c.name <> ALL (excluded_columns)),
           jsonb_agg(jsonb_build_object('attnum', c.attnum, 'name', c.name, 'type', c.type, 'ignored', false,
               'history', CASE WHEN c.name <> ALL (excluded_columns) THEN audittrail.stored_name(c.name) END)
               || jsonb_strip_nulls(jsonb_build_object('composite', c.composite)) ORDER BY c.attnum)
      INTO definitions, columns
      FROM audittrail.live_columns(live) c;
    EXECUTE format('CREATE TABLE audittrail.%I (version bigint NOT NULL, revision_id bigint NOT NULL, superseded bigint, operation "char" NOT NULL%s)', history_name, definitions);
    EXECUTE format('COMMENT ON TABLE audittrail.%I IS %L', history_name, 'Versions of the rows of ' || live || ', kept by audittrail.');
    -- VACUUM sums up new pages. With autosummarize, a statement that fills more than a few hundred ranges floods the server's
    -- log: a line with the whole statement for each request that autovacuum's queue has no place for.
    EXECUTE format('CREATE INDEX %I ON audittrail.%I USING brin (version int8_minmax_multi_ops) WITH (pages_per_range = 16)',
                   history_name || '_version', history_name);
    IF cardinality(audittrail.key_columns(live)) > 0 THEN
        PERFORM audittrail.create_key_index(format('audittrail.%I', history_name)::regclass, audittrail.key_columns(live));
    END IF;
    PERFORM audittrail.identify_rows(format('audittrail.%I', history_name)::regclass);
    PERFORM audittrail.pass_over_ranges(format('audittrail.%I', history_name)::regclass);
    PERFORM audittrail.create_guard(format('audittrail.%I', history_name)::regclass);
    PERFORM audittrail.create_reclosing(format('audittrail.%I', history_name)::regclass);
    RETURN columns;
END
$$;

-- Let a table of ours be published: PostgreSQL refuses to update or delete rows of a published table that it could not tell apart
-- elsewhere. No index tells all of them apart for ever, since keys change; the whole row does. An INSERT pays nothing for that, an
-- UPDATE and a DELETE of ours write the old row to the WAL, where wal_level is logical.
CREATE OR REPLACE FUNCTION audittrail.identify_rows(of_table regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT relreplident FROM pg_class WHERE oid = of_table) <> 'f' THEN
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', of_table);
    END IF;
END
$$;

SELECT audittrail.identify_rows(c.oid::regclass) FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'audittrail'::regnamespace AND c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);

-- Rename a history table with its indexes and capture functions. What has the name already makes room.
CREATE OR REPLACE FUNCTION audittrail.rename_history(tracked_id int, new_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_name text := (SELECT history_name FROM audittrail.tracked_table WHERE id = tracked_id);
    suffix   text;
BEGIN
    PERFORM audittrail.make_room(new_name);
    EXECUTE format('ALTER TABLE IF EXISTS audittrail.%I RENAME TO %I', old_name, new_name);
    FOREACH suffix IN ARRAY '{_version,_key}'::text[] LOOP
        EXECUTE format('ALTER INDEX IF EXISTS audittrail.%I RENAME TO %I', old_name || suffix, new_name || suffix);
    END LOOP;
    FOREACH suffix IN ARRAY audittrail.capture_functions() LOOP
        IF to_regproc(format('audittrail.%I', old_name || '_' || suffix)) IS NOT NULL THEN
            EXECUTE format('ALTER FUNCTION audittrail.%I RENAME TO %I', old_name || '_' || suffix, new_name || '_' || suffix);
        END IF;
    END LOOP;
    UPDATE audittrail.tracked_table SET history_name = new_name WHERE id = tracked_id;
END
$$;

-- Give the history table of a name, if it belongs to a table of another schema, the name that tells both apart. Who knows it by the
-- old name then gets an error, and not the rows of the other.
CREATE OR REPLACE FUNCTION audittrail.tell_apart(live oid, name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other audittrail.tracked_table;
BEGIN
    SELECT t.* INTO other
      FROM audittrail.tracked_table t
      JOIN pg_class c ON c.oid = t.relation
      JOIN pg_class l ON l.oid = live AND l.relname = c.relname AND l.relnamespace <> c.relnamespace
     WHERE t.history_name = name AND t.until_version IS NULL;
    IF other.id IS NOT NULL THEN
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', other.relation::regclass);
        PERFORM audittrail.rename_history(other.id, audittrail.qualified_history_name(other.schema_name, other.table_name));
        SELECT * INTO other FROM audittrail.tracked_table WHERE id = other.id;
        PERFORM audittrail.create_functions(other);
    END IF;
END
$$;

-- Free the name of a history table for another: tables have swapped names, or one has taken that of a dropped one.
CREATE OR REPLACE FUNCTION audittrail.make_room(wanted text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other  audittrail.tracked_table;
    number int := 1;
    free   text;
BEGIN
    SELECT * INTO other FROM audittrail.tracked_table WHERE history_name = wanted FOR UPDATE;
    IF other.id IS NULL THEN
        RETURN;
    END IF;
    IF other.until_version IS NULL THEN
        IF EXISTS (SELECT FROM pg_class WHERE oid = other.relation) THEN
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', other.relation::regclass);
        ELSE
            PERFORM audittrail.untrack(other.id);
            other.until_version := 0;
        END IF;
    END IF;
    LOOP
        free := audittrail.shortened(wanted, audittrail.history_name_bytes() - octet_length('_until_' || number)) || '_until_' || number;
        EXIT WHEN to_regclass(format('audittrail.%I', free)) IS NULL
              AND NOT EXISTS (SELECT FROM audittrail.tracked_table WHERE history_name = free);
        number := number + 1;
    END LOOP;
    PERFORM audittrail.rename_history(other.id, free);
    IF other.until_version IS NULL THEN
        other.history_name := free;
        PERFORM audittrail.create_functions(other);
    END IF;
END
$$;

-- Whether a history table has the index by which versions are found, for this key.
CREATE OR REPLACE FUNCTION audittrail.has_key_index(history regclass, key text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (SELECT array_agg(a.attname::text ORDER BY k.position)
              FROM pg_class c
              JOIN pg_index i ON i.indrelid = c.oid AND i.indexrelid = to_regclass(format('audittrail.%I', c.relname || '_key'))
             CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE c.oid = history)
           IS NOT DISTINCT FROM
           (SELECT array_agg(audittrail.stored_name(k.name) ORDER BY k.position) FROM unnest(key) WITH ORDINALITY k (name, position)) || 'version'::text
$$;

-- The index by which versions are found. It is unique for each row and version, unless the key is a column that did
-- not tell rows apart before it became the key.
CREATE OR REPLACE FUNCTION audittrail.create_key_index(history regclass, key text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name    text := (SELECT relname FROM pg_class WHERE oid = history) || '_key';
    columns text := (SELECT string_agg(quote_ident(audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
                       FROM unnest(key) WITH ORDINALITY k (name, position));
BEGIN
    EXECUTE format('DROP INDEX IF EXISTS audittrail.%I', name);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %s (%s, version)', name, history, columns);
EXCEPTION WHEN unique_violation THEN
    EXECUTE format('DROP INDEX IF EXISTS audittrail.%I', name);
    EXECUTE format('CREATE INDEX %I ON %s (%s, version)', name, history, columns);
END
$$;

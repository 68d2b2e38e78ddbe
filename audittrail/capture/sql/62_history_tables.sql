-- History tables: their making, their names, their columns. Nothing that they hold is thrown away: a table or
-- a column whose name is needed for a new one gets another name.

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

-- The name of a table's history table, unless another is wanted. It leaves room for the suffixes of functions and
-- indexes within PostgreSQL's 63 bytes; one that would be too long is made unique by a digest.
CREATE OR REPLACE FUNCTION audittrail.history_name(table_name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length(table_name) <= 46 THEN table_name || '_history'
                ELSE audittrail.shortened(table_name, 37) || '_' || left(md5(table_name), 8) || '_history' END
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
        free := audittrail.shortened(wanted, 44) || '_until_' || number;
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

-- Whether a history table has a column; NULL for no name.
CREATE OR REPLACE FUNCTION audittrail.has_column(history oid, column_name text) RETURNS boolean
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = history AND attname = column_name AND attnum > 0 AND NOT attisdropped)
$$;

-- A name in a history table that no column has yet, for a column that makes room for another.
CREATE OR REPLACE FUNCTION audittrail.retired_name(history oid, column_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number  int := 1;
    retired text;
BEGIN
    LOOP
        retired := audittrail.shortened(column_name, 50) || '_until_' || number;
        EXIT WHEN NOT audittrail.has_column(history, retired);
        number := number + 1;
    END LOOP;
    RETURN retired;
END
$$;

-- The columns of a history table that made room for a later one of a name, or for other values of it, the oldest first.
CREATE OR REPLACE FUNCTION audittrail.retired_columns(history oid, column_name text) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text
      FROM pg_attribute a
     CROSS JOIN LATERAL (SELECT audittrail.shortened(column_name, 50) || '_until_' AS beginning) b
     WHERE a.attrelid = history AND a.attnum > 0 AND NOT a.attisdropped
       AND starts_with(a.attname, b.beginning) AND substr(a.attname, length(b.beginning) + 1) ~ '^[0-9]+$'
     ORDER BY length(a.attname), a.attname
$$;

-- Note, as the comment of a history table's column, what the versions hold in it that were there before it came: {value: text} for
-- all of them, or {converted: number} of the column whose values were converted, with the type and the settings of that moment. By it
-- the ledger verifies what is in it.
CREATE OR REPLACE FUNCTION audittrail.note_origin(history regclass, name text, origin jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', history, name, origin || jsonb_build_object('settings', (
        SELECT jsonb_object_agg(n, current_setting(n))
          FROM unnest('{timezone,datestyle,intervalstyle,extra_float_digits,bytea_output,lc_monetary,xmloption,xmlbinary}'::text[]) n)));
END
$$;

-- Add a column to a history table. What stands under its name already belonged to a column that is gone: it stays,
-- under another name. Rows that lived when PostgreSQL added the column without rewriting the table hold its missing value, unless
-- another role's code would run to make it of its text.
CREATE OR REPLACE FUNCTION audittrail.add_column(history regclass, name text, type text, collation_name text, missing_value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF audittrail.has_column(history, name) THEN
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, audittrail.retired_name(history, name));
    END IF;
    IF audittrail.foreign_code(0, to_regtype(type)) IS NOT NULL THEN
        missing_value := NULL;
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s%s%s', history, name, type, ' COLLATE ' || collation_name,
                   CASE WHEN missing_value IS NOT NULL THEN format(' DEFAULT %L::%s', missing_value, type) ELSE '' END);
    IF missing_value IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', history, name);
        PERFORM audittrail.note_origin(history, name, jsonb_build_object('value', missing_value, 'type', type));
    END IF;
    PERFORM audittrail.pass_over_ranges(history);
END
$$;

-- Whether a conversion between two types depends on settings of the session: on its time zone or its styles, with which a value can't
-- be converted back later. What is in arrays, ranges and records counts. Dates without a zone, and numbers, are converted among
-- their like without settings.
CREATE OR REPLACE FUNCTION audittrail.depends_on_settings(old_type text, new_type text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH part AS (
        SELECT t.oid, t.typcategory AS category, s.old
          FROM (VALUES (old_type, true), (new_type, false)) s (name, old) JOIN pg_type t ON t.oid IN (SELECT audittrail.types_within(to_regtype(s.name)))
         WHERE t.typcategory NOT IN ('A', 'R', 'C')
    ), sides AS (
        SELECT array_agg(DISTINCT p.oid ORDER BY p.oid) FILTER (WHERE p.old) AS old, array_agg(DISTINCT p.oid ORDER BY p.oid) FILTER (WHERE NOT p.old) AS new,
               bool_and(p.category IN ('D', 'T')) AS only_times, bool_and(p.category = 'N') AS only_numbers,
               bool_or(p.oid = ANY ('{timestamptz,timetz,money}'::regtype[])) AS always,
               bool_or(p.category IN ('D', 'T') OR p.oid = ANY ('{real,float8,bytea,xml}'::regtype[])) AS as_text
          FROM part p
    )
    SELECT coalesce(s.old IS DISTINCT FROM s.new AND (s.always OR s.as_text AND NOT s.only_times AND NOT s.only_numbers), false) FROM sides s
$$;

-- Give a history column another type. If the new type can't hold all of its values as they are, or the conversion depends on
-- settings, the old column stays, under another name, beside a new one with what can be converted. So it does if another role's code
-- would run to convert them.
CREATE OR REPLACE FUNCTION audittrail.change_type(history regclass, name text, type text, collation_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number   int := (SELECT attnum FROM pg_attribute WHERE attrelid = history AND attname = name);
    old      oid := (SELECT atttypid FROM pg_attribute WHERE attrelid = history AND attname = name);
    old_type text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = history AND attname = name);
    code     text := coalesce(audittrail.foreign_code(old, to_regtype(type)), audittrail.foreign_code(to_regtype(type), old));
    lossless boolean;
    source   text := name;
BEGIN
    IF code IS NOT NULL THEN
        RAISE WARNING 'audittrail: what % holds in column % is not converted to %: that would run %', history, quote_ident(name), type, code
            USING HINT = format('It stays in column %I.', audittrail.retired_name(history, name));
    ELSE
        BEGIN
            -- Every value is tried, since one alone can make the conversion fail. Images are compared: texts depend on settings, and a
            -- cast to text may be a function of anybody's.
            EXECUTE format('SELECT coalesce(bool_and(ROW(%2$I::%3$s::%4$s)::record *= ROW(%2$I)::record), true) FROM %1$s',
                           history, name, type, old_type) INTO lossless;
        -- Types say in many ways that they can't read a value: a word may be a syntax error to them, or a table that is not there.
        EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation OR integrity_constraint_violation OR feature_not_supported OR internal_error THEN
            NULL;  -- not every value can be converted
        END;
    END IF;
    IF lossless IS NOT TRUE OR audittrail.depends_on_settings(old_type, type) THEN
        source := audittrail.retired_name(history, name);
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, source);
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s%s', history, name, type, ' COLLATE ' || collation_name);
        IF lossless IS NOT NULL THEN
            PERFORM audittrail.note_origin(history, name, jsonb_build_object('converted', number, 'type', type));
        END IF;
    END IF;
    IF lossless IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s%s USING %I::%s', history, name, type, ' COLLATE ' || collation_name, source, type);
    END IF;
    PERFORM audittrail.pass_over_ranges(history);
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

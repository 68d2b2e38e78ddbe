-- Redacting: what history holds of some columns is replaced, in every version of some rows or of all.
--
-- "columns" are names of the table's columns; one that was dropped, or is excluded from history by now, has the name that its
-- column of the history table has. "replacements" are their new values as text, in the same order. "keys" are the rows: an
-- array for each column of the primary key, of as many values as there are rows; NULL means all rows. As in psql:
--   SELECT r.* FROM audittrail.tracked_table t, audittrail.redact_versions(t.id, '{email,phone}', '{NULL,NULL}', '{{17,18}}') r
--    WHERE t.table_name = 'shop_customer';
--
-- Copies go too: columns that made room when the column got another type (see retired_name()), and generated columns that are
-- computed from it. The last version of a row must agree with the live row. So the live rows are overwritten first, by overwrite_live()
-- or by the application; live_holders() finds those that were not.

-- What is done to the columns of a history table: its column, that of the live table if versions are compared by it, the new
-- value as SQL to assign and to compare with, and whether it is computed from others.
CREATE OR REPLACE FUNCTION audittrail.redaction(tracked audittrail.tracked_table, columns text[], replacements text[])
RETURNS TABLE (stored text, live text, assigned text, compared text, computed boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH held AS (
        SELECT a.attname::text AS name, format_type(a.atttypid, -1) AS base, format_type(a.atttypid, a.atttypmod) AS type
          FROM pg_attribute a
         WHERE a.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND a.attnum > 0 AND NOT a.attisdropped
    ), known AS (
        SELECT * FROM jsonb_to_recordset(tracked.columns) c (name text, history text, ignored boolean, composite jsonb) WHERE c.history IS NOT NULL
    ), wanted AS (
        SELECT w.name, audittrail.stored_name(w.name) AS stored, w.replacement FROM unnest(columns, replacements) w (name, replacement)
    )
    SELECT h.name, k.name, coalesce(c.written, format('%L::%s', w.replacement, h.base)), coalesce(c.written, format('%L::%s::%s', w.replacement, h.base, h.type)), false
      FROM wanted w JOIN held h ON h.name = w.stored LEFT JOIN known k ON k.history = h.name AND NOT k.ignored
     CROSS JOIN LATERAL (SELECT audittrail.as_stored(audittrail.own_conversion(format('%L', w.replacement), 0, k.composite ->> 'type'), k.composite) AS written WHERE k.composite IS NOT NULL
                         UNION ALL SELECT NULL WHERE k.composite IS NULL) c
    UNION ALL
    SELECT h.name, NULL, format('NULL::%s', h.base), format('NULL::%s', h.base), false
      FROM wanted w
     CROSS JOIN audittrail.retired_columns(to_regclass(format('audittrail.%I', tracked.history_name)), w.stored) r (name)
      JOIN held h ON h.name = r.name
     WHERE h.name NOT IN (SELECT k.history FROM known k) AND h.name NOT IN (SELECT v.stored FROM wanted v)
    UNION ALL
    SELECT h.name, k.name, format('NULL::%s', h.base), format('NULL::%s', h.base), true
      FROM pg_attribute a
      JOIN known k ON k.name = a.attname
      JOIN held h ON h.name = k.history
      JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = tracked.relation AND a.attgenerated = 's'
       -- PostgreSQL 15 and later note it at the expression, earlier ones at the column.
       AND EXISTS (SELECT FROM pg_depend p JOIN pg_attribute b ON b.attrelid = a.attrelid AND b.attnum = p.refobjsubid JOIN wanted w ON w.name = b.attname
                    WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid
                      AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid OR p.classid = 'pg_class'::regclass AND p.objid = a.attrelid AND p.objsubid = a.attnum))
$$;

-- The registry row of a table, with the oid that the table has by now. Fails, and says why, if the columns can't be redacted.
CREATE OR REPLACE FUNCTION audittrail.redactable(tracked_id int, columns text[], keys text[]) RETURNS audittrail.tracked_table
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    name    text;
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    tracked.relation := audittrail.tied_relation(tracked);
    IF keys IS NOT NULL AND (tracked.key = '{}' OR array_length(keys, 1) <> cardinality(tracked.key)) THEN
        RAISE EXCEPTION 'audittrail: rows of % are told apart by (%), and keys of % columns are given',
                        quote_ident(tracked.table_name), array_to_string(tracked.key, ', '), array_length(keys, 1)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give an array of values for each column of the primary key, or NULL for all rows.';
    END IF;
    FOREACH name IN ARRAY columns LOOP
        IF name = ANY (tracked.key) THEN
            RAISE EXCEPTION 'audittrail: % is part of the primary key of %, by which versions are found', quote_ident(name), quote_ident(tracked.table_name)
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Redact other columns, or delete the versions inside history.editing().';
        ELSIF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tracked.relation AND attname = name AND attgenerated <> '') THEN
            RAISE EXCEPTION 'audittrail: % is computed from other columns of %', quote_ident(name), quote_ident(tracked.table_name)
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Redact those, and it goes with them.';
        ELSIF audittrail.has_column(to_regclass(format('audittrail.%I', tracked.history_name)), audittrail.stored_name(name)) IS NOT TRUE THEN
            RAISE EXCEPTION 'audittrail: history holds nothing of column % of %', quote_ident(name), quote_ident(tracked.table_name)
                USING ERRCODE = 'undefined_column', HINT = 'Give names of columns of the table, or of its history table.';
        END IF;
    END LOOP;
    -- Replacements come as literals, keys as parameters of type text.
    PERFORM audittrail.refuse_foreign_code(CASE WHEN g.is_key THEN 'text'::regtype::oid ELSE 0 END, a.atttypid,
                                           format('make a value of column %I of %I', a.attname, tracked.table_name))
       FROM (SELECT audittrail.stored_name(c) AS name, false AS is_key FROM unnest(columns) c
              UNION ALL SELECT audittrail.stored_name(k), true FROM unnest(tracked.key) k WHERE keys IS NOT NULL) g
       JOIN pg_attribute a ON a.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND a.attname = g.name;
    RETURN tracked;
END
$$;

-- What the templates of a redaction are filled with, beside parts_of():
--   redacted, replacements                        columns of history that are compared with their new values, and those values
--   assigned                                      assignments of all columns
--   live_redacted, live_stored, live_replacements the same where the live table has the column: there, in history, and the new value
--   given, given_values, given_names              the keys in the parameter $1, named as history has them
CREATE OR REPLACE FUNCTION audittrail.redaction_parts(tracked audittrail.tracked_table, columns text[], replacements text[]) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.parts_of(tracked) || (
        SELECT jsonb_build_object(
                   'redacted', array_agg(quote_ident(r.stored) ORDER BY r.stored) FILTER (WHERE NOT r.computed),
                   'replacements', array_agg(r.compared ORDER BY r.stored) FILTER (WHERE NOT r.computed),
                   'assigned', array_agg(format('%I = %s', r.stored, r.assigned) ORDER BY r.stored),
                   'live_redacted', jsonb_agg(CASE WHEN t.composite IS NULL THEN to_jsonb(format('%I::%s', t.name, t.type))
                                                   ELSE jsonb_build_array('audittrail.as_text(', quote_ident(t.name), ')') END ORDER BY r.stored) FILTER (WHERE NOT r.computed AND t.name IS NOT NULL),
                   'live_stored', array_agg(quote_ident(r.stored) ORDER BY r.stored) FILTER (WHERE NOT r.computed AND t.name IS NOT NULL),
                   'live_replacements', array_agg(r.compared ORDER BY r.stored) FILTER (WHERE NOT r.computed AND t.name IS NOT NULL))
          FROM audittrail.redaction(tracked, columns, replacements) r
          LEFT JOIN jsonb_to_recordset(tracked.columns) t (name text, type text, composite jsonb) ON t.name = r.live
        ) || (
        SELECT jsonb_build_object(
                   'given', array_agg(format('k%s::%s AS %I', k.position, c.type, audittrail.stored_name(k.name)) ORDER BY k.position),
                   'given_values', array_agg(format('$1[%1$s:%1$s]', k.position) ORDER BY k.position),
                   'given_names', array_agg('k' || k.position ORDER BY k.position))
          FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
          JOIN jsonb_to_recordset(tracked.columns) c (name text, type text) ON c.name = k.name)
$$;

-- The condition that a version h, or a live row b, is one of those in the parameter $1, followed by AND; empty if all rows are meant.
CREATE OR REPLACE FUNCTION audittrail.is_given(key text, keys text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN keys IS NULL THEN '' ELSE
        'EXISTS (SELECT FROM (SELECT {given} FROM unnest({given_values}) k ({given_names})) k WHERE {k.stored_key = ' || key || '}) AND ' END
$$;

-- The condition that h is a version of one of the rows and holds something else than the replacements.
CREATE OR REPLACE FUNCTION audittrail.is_to_be_redacted(keys text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.is_given('h.stored_key', keys) || 'ROW({h.redacted})::record OPERATOR(pg_catalog.*<>) ROW({replacements})::record'
$$;

-- Whether history holds any version of the rows.
CREATE OR REPLACE FUNCTION audittrail.holds_versions(tracked_id int, keys text[]) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table := audittrail.redactable(tracked_id, '{}', keys);
    found   boolean;
BEGIN
    EXECUTE audittrail.compose(concat('SELECT EXISTS (SELECT FROM {history} h WHERE ', audittrail.is_given('h.stored_key', keys), 'true)'),
                               audittrail.redaction_parts(tracked, '{}', '{}')) INTO found USING keys;
    RETURN found;
END
$$;

-- How many live rows hold something else than the replacements and, if "disagreeing", than the last of their versions too; with
-- the key of one of them.
CREATE OR REPLACE FUNCTION audittrail.live_holders(tracked_id int, columns text[], replacements text[], keys text[], disagreeing boolean,
                                                   OUT rows bigint, OUT example text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table := audittrail.redactable(tracked_id, columns, keys);
    parts   jsonb := audittrail.redaction_parts(tracked, columns, replacements);
BEGIN
    rows := 0;
    IF tracked.until_version IS NOT NULL OR NOT EXISTS (SELECT FROM pg_class WHERE oid = tracked.relation)
       OR tracked.key = '{}' AND disagreeing OR parts -> 'live_redacted' = 'null' THEN
        RETURN;
    END IF;
    PERFORM audittrail.require_all_rows(tracked.relation);
    EXECUTE audittrail.compose(concat('SELECT count(*), min(ROW({b.key})::text) FROM {live} b',
        CASE WHEN disagreeing THEN ' LEFT JOIN LATERAL (SELECT * FROM {history} h WHERE {h.stored_key = b.key} AND h.version >= {since_version}'
                                   ' ORDER BY h.version DESC LIMIT 1) l ON true' END,
        ' WHERE ', audittrail.is_given('b.key', keys), 'ROW({b.live_redacted})::record *<> ROW({live_replacements})::record',
        CASE WHEN disagreeing THEN ' AND (l.version IS NULL OR ROW({b.live_redacted})::record *<> ROW({l.live_stored})::record)' END), parts)
       INTO rows, example USING keys;
END
$$;

-- A column of a version h as JSON is made of it: as its type writes it, where a cast to JSON that another role has defined would run.
CREATE OR REPLACE FUNCTION audittrail.shown_column(history_name text, column_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(CASE WHEN audittrail.foreign_code(a.atttypid, 'json'::regtype) IS NULL THEN 'h.%1$I'
                       ELSE 'CASE WHEN num_nulls(h.%1$I) = 0 THEN format(''%%s'', h.%1$I) END' END, a.attname)
      FROM pg_attribute a WHERE a.attrelid = to_regclass(format('audittrail.%I', history_name)) AND a.attname = column_name
$$;

-- How many rows and versions hold something else than the replacements, with the values of some.
CREATE OR REPLACE FUNCTION audittrail.preview_redaction(tracked_id int, columns text[], replacements text[], keys text[], sample_size int,
                                                        OUT rows bigint, OUT versions bigint, OUT samples jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table := audittrail.redactable(tracked_id, columns, keys);
    parts   jsonb := audittrail.redaction_parts(tracked, columns, replacements) || jsonb_build_object(
        'sample_size', sample_size,
        'shown', ARRAY(SELECT format('%s AS %I', audittrail.shown_column(tracked.history_name, r.stored), r.stored)
                         FROM audittrail.redaction(tracked, columns, replacements) r WHERE NOT r.computed ORDER BY r.stored),
        'shown_key', ARRAY(SELECT audittrail.shown_column(tracked.history_name, audittrail.stored_name(k.name))
                             FROM unnest(tracked.key) WITH ORDINALITY k (name, position) ORDER BY k.position));
    source  text := '{history} h WHERE ' || audittrail.is_to_be_redacted(keys);
    row_key text := CASE WHEN tracked.key = '{}' THEN 'h.version' ELSE '{h.stored_key}' END;  -- without a key each version counts for itself
BEGIN
    EXECUTE audittrail.compose(concat('SELECT count(*), count(DISTINCT ROW(', row_key, ')) FROM ', source), parts) INTO versions, rows USING keys;
    EXECUTE audittrail.compose(concat(
        'SELECT coalesce(jsonb_agg(to_jsonb(s.*) ORDER BY s.version), ''[]'') FROM (SELECT h.version, jsonb_build_array(',
        CASE WHEN tracked.key = '{}' THEN 'h.version' ELSE '{shown_key}' END, ') AS key, h.operation,'
        ' h.revision_id AS revision, (SELECT to_jsonb(v.*) FROM (SELECT {shown}) v) AS values FROM ', source, ' ORDER BY h.version LIMIT {sample_size}) s'), parts)
       INTO samples USING keys;
END
$$;

-- Give the live rows the replacements, as any other statement would: recorded, and with the triggers of the application, which
-- is why this function has no search_path of its own. Returns how many rows it changed.
CREATE OR REPLACE FUNCTION audittrail.overwrite_live(tracked_id int, columns text[], replacements text[], keys text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    query   text := audittrail.overwriting(tracked_id, columns, replacements, keys);
    written bigint := 0;
BEGIN
    IF query IS NOT NULL THEN
        EXECUTE query USING keys;
        GET DIAGNOSTICS written = ROW_COUNT;
    END IF;
    RETURN written;
END
$$;

-- The statement for that; NULL if the table is gone, or has none of the columns any more.
CREATE OR REPLACE FUNCTION audittrail.overwriting(tracked_id int, columns text[], replacements text[], keys text[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table := audittrail.redactable(tracked_id, columns, keys);
BEGIN
    PERFORM audittrail.require_all_rows(tracked.relation);
    RETURN (
        SELECT audittrail.compose(
                   concat('UPDATE {live} b SET {overwritten} WHERE ', audittrail.is_given('b.key', keys),
                          'ROW({b.overwritten_columns})::record OPERATOR(pg_catalog.*<>) ROW({overwriting})::record'),
                   audittrail.redaction_parts(tracked, columns, replacements) || jsonb_build_object(
                       'overwritten', array_agg(format('%I = %L::%s', a.attname, w.replacement, format_type(a.atttypid, -1)) ORDER BY a.attnum),
                       'overwritten_columns', array_agg(quote_ident(a.attname) ORDER BY a.attnum),
                       'overwriting', array_agg(format('%L::%s::%s', w.replacement, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)))
          FROM unnest(columns, replacements) w (name, replacement)
          JOIN pg_attribute a ON a.attrelid = tracked.relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
        HAVING count(*) > 0);
END
$$;

-- Replace what the versions of the rows hold. Returns how many rows and versions that concerned; records it if any.
CREATE OR REPLACE FUNCTION audittrail.redact_versions(tracked_id int, columns text[], replacements text[], keys text[], OUT rows bigint, OUT versions bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    changed jsonb;
    former  text[];
BEGIN
    -- One after the other: a correction, and the closing of versions.
    PERFORM FROM audittrail.tracked_table t WHERE t.id = tracked_id FOR UPDATE;
    tracked := audittrail.redactable(tracked_id, columns, keys);
    former := audittrail.unguard();
    EXECUTE audittrail.compose(concat(
        'WITH done AS (UPDATE {history} h SET {assigned} WHERE ', audittrail.is_to_be_redacted(keys),
        ' RETURNING ARRAY[', CASE WHEN tracked.key = '{}' THEN 'h.version::text' ELSE '{key_texts}' END, '] AS key),'
        ' of_rows AS (SELECT key, count(*) AS versions FROM done GROUP BY key)'
        ' SELECT coalesce(sum(versions), 0), count(*), CASE WHEN count(*) <= 100 THEN jsonb_agg(key) END FROM of_rows'),
        audittrail.redaction_parts(tracked, columns, replacements)
            || jsonb_build_object('key_texts', ARRAY(SELECT format('format(''%%s'', h.%I)', audittrail.stored_name(name)) FROM unnest(tracked.key) name)))
       INTO versions, rows, changed USING keys;
    PERFORM audittrail.guard_as(former);
    IF versions > 0 THEN
        PERFORM audittrail.record_redaction(tracked.history_name, jsonb_strip_nulls(jsonb_build_object(
            'table', tracked.table_name, 'columns', to_jsonb(columns), 'rows', rows, 'versions', versions,
            'keys', CASE WHEN tracked.key <> '{}' THEN changed END)));
    END IF;
END
$$;

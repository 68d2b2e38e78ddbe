-- The ledger, first part: how a version is written down, so that the same text comes out for ever.
--
-- What is entered is the output of the types, under the settings that each function here pins: it does not depend on those of a
-- session. Columns are known by their numbers in the history table, which a renaming leaves as they are, and so does a dump. A
-- column that got another type without a loss is read in its former type again; otherwise history keeps the former column.
-- Of types that name objects (regclass and the like) nothing is entered: their output changes with those objects.

-- The columns of a table of ours, by which its versions are entered, and the key that tells the rows of one statement apart, if one does.
CREATE OR REPLACE FUNCTION audittrail.ledger_form(history oid, key text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'columns', coalesce((SELECT jsonb_agg(jsonb_build_array(a.attnum, a.attname, format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
                      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                     WHERE a.attrelid = history AND a.attnum > 0 AND NOT a.attisdropped AND NOT (t.typnamespace = 'pg_catalog'::regnamespace AND t.typname ~ '^_?reg[a-z]+$')
                       AND NOT (history <> 'audittrail.revision'::regclass AND a.attname IN ('version', 'revision_id', 'superseded', 'operation'))), '[]'),
        'key', coalesce((SELECT jsonb_agg(a.attnum ORDER BY k.position)
                      FROM unnest(key) WITH ORDINALITY k (name, position) JOIN pg_attribute a ON a.attrelid = history AND a.attname = audittrail.stored_name(k.name)
                     WHERE EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                                    WHERE i.indrelid = history AND i.indisunique AND i.indexrelid = to_regclass(format('audittrail.%I', c.relname || '_key')))), '[]'))::text
$$;

-- What the registry says of a table and readers rely on.
CREATE OR REPLACE FUNCTION audittrail.ledger_facts(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'schema', tracked.schema_name, 'table', tracked.table_name, 'history', tracked.history_name, 'key', to_jsonb(tracked.key),
        'columns', (SELECT jsonb_object_agg(c ->> 'name', c -> 'history') FROM jsonb_array_elements(tracked.columns) c),
        'since_version', tracked.since_version, 'since_revision', tracked.since_revision, 'kept_from', tracked.kept_from,
        'until_version', tracked.until_version, 'baseline_complete', tracked.baseline_complete)::text
$$;

-- The table that holds the versions of a table of the registry; that of revisions for 0. NULL if it is gone.
CREATE OR REPLACE FUNCTION audittrail.ledger_source(number int) RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN number = 0 THEN to_regclass('audittrail.revision')
                ELSE (SELECT to_regclass(format('audittrail.%I', t.history_name)) FROM audittrail.tracked_table t WHERE t.id = number) END
$$;

-- Versions as a table for SQL; of revisions too, each of which is its own version.
CREATE OR REPLACE FUNCTION audittrail.ledger_rows(number int) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN number = 0 THEN '(SELECT r.*, r.id AS version, r.id AS revision_id, ''R''::"char" AS operation FROM audittrail.revision r WHERE r.committed IS NOT NULL)'
                ELSE audittrail.ledger_source(number)::text END
$$;

-- The columns of a form as the history table has them by now: an expression with "alias" that gives what it held then, and, where
-- the type is another by now, one that gives what it would have to hold now. Of a composite type the text is what was entered: an
-- earlier release stored such columns in their own type (see 25_composites.sql).
CREATE OR REPLACE FUNCTION audittrail.ledger_columns(history oid, form text, alias text)
RETURNS TABLE (number int, name text, type text, expression text, return_trip text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.number, a.attname::text, f.type,
           CASE WHEN a.attname IS NULL THEN 'NULL'
                WHEN s.as_it_is THEN format('%s.%I', alias, a.attname)
                ELSE audittrail.own_conversion(format('%s.%I', alias, a.attname), a.atttypid, f.type) END,
           CASE WHEN NOT s.as_it_is
                THEN format('ROW(%s)::text = ROW(%s.%I)::text', audittrail.own_conversion(
                         audittrail.own_conversion(format('%s.%I', alias, a.attname), a.atttypid, f.type), to_regtype(f.type), t.present), alias, a.attname) END
      FROM (SELECT (c ->> 0)::int AS number, c ->> 2 AS type FROM jsonb_array_elements(form::jsonb -> 'columns') c) f
      LEFT JOIN pg_attribute a ON a.attrelid = history AND a.attnum = f.number AND NOT a.attisdropped
      CROSS JOIN LATERAL (SELECT format_type(a.atttypid, a.atttypmod) AS present) t
      CROSS JOIN LATERAL (SELECT f.type = t.present OR to_regtype(f.type) IS NULL
                                 OR t.present = 'text' AND audittrail.layout_of(to_regtype(f.type)) IS NOT NULL AS as_it_is) s
     ORDER BY f.number
$$;

-- Whether a column got another type between two forms by a conversion that depends on settings: of dates and times, or of money.
CREATE OR REPLACE FUNCTION audittrail.ledger_depends_on_settings(former text, present text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM jsonb_array_elements(former::jsonb -> 'columns') f JOIN jsonb_array_elements(present::jsonb -> 'columns') p ON p ->> 0 = f ->> 0
          CROSS JOIN LATERAL unnest(ARRAY[to_regtype(f ->> 2), to_regtype(p ->> 2)]) n (type)
          JOIN pg_type t ON t.oid = n.type LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
         WHERE f ->> 2 <> p ->> 2 AND (coalesce(e.typcategory, t.typcategory) = 'D' OR coalesce(e.oid, t.oid) = 'money'::regtype))
$$;

-- The text of what a version held.
CREATE OR REPLACE FUNCTION audittrail.ledger_content(history oid, form text, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('ROW(%s)::text', string_agg(c.expression, ', ' ORDER BY c.number)) FROM audittrail.ledger_columns(history, form, alias) c
$$;

-- By what the versions of one statement are told apart: the key, or, without one, the digest of all that they hold.
CREATE OR REPLACE FUNCTION audittrail.ledger_key(history oid, form text, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN history = 'audittrail.revision'::regclass THEN ''''''
                ELSE format('CASE WHEN %s THEN ROW(%s)::text ELSE ''#'' || encode(sha256(convert_to(%s, ''UTF8'')), ''hex'') END',
                            coalesce(string_agg(format('%s IS NOT NULL', c.expression), ' AND ' ORDER BY k.position), 'false'),
                            string_agg(c.expression, ', ' ORDER BY k.position), audittrail.ledger_content(history, form, alias)) END
      FROM jsonb_array_elements(form::jsonb -> 'key') WITH ORDINALITY k (number, position)
      JOIN audittrail.ledger_columns(history, form, alias) c ON c.number = k.number::int
$$;

-- The text that a digest is of, after the salt: "operation" and the numbers are columns of "alias".
CREATE OR REPLACE FUNCTION audittrail.ledger_text(table_id int, layout int, content text, alias text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('concat_ws('' '', ''%1$s'', ''%2$s'', %4$s.version, %4$s.revision_id, %4$s.operation, %3$s)', table_id, layout, content, alias)
$$;

-- The digest of a version with its salt.
CREATE OR REPLACE FUNCTION audittrail.ledger_digest(table_id int, layout int, content text, alias text, salt text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('sha256(uuid_send(%s) || convert_to(%s, ''UTF8''))', salt, audittrail.ledger_text(table_id, layout, content, alias))
$$;

-- The condition that what a version holds in columns that came or changed their type since its layout is what they must hold.
CREATE OR REPLACE FUNCTION audittrail.ledger_agrees(number int, history oid, form text, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg('(' || w.condition || ')', ' AND '), 'true') FROM (
        SELECT c.return_trip AS condition FROM audittrail.ledger_columns(history, form, alias) c WHERE c.return_trip IS NOT NULL
        UNION ALL
        SELECT format('ROW(%s)::text = %s', c.expression, CASE WHEN f.value ? 'is' THEN format('%L', f.value ->> 'is') ELSE (
                   SELECT format('ROW(%s)::text', audittrail.own_conversion(s.expression, to_regtype(s.type), f.value ->> 'type'))
                     FROM audittrail.ledger_columns(history, l.form, alias) s WHERE s.number = (f.value ->> 'from')::int) END)
          FROM (SELECT * FROM audittrail.ledger_layout n WHERE n.table_id = ledger_agrees.number ORDER BY n.number DESC LIMIT 1) l
          CROSS JOIN LATERAL jsonb_each(l.fills::jsonb) f
          -- The column has its number still; what it holds is compared in the type that it had when it came.
          JOIN LATERAL audittrail.ledger_columns(history, jsonb_build_object('columns', jsonb_build_array(jsonb_build_array(f.key::int, '', f.value ->> 'type')))::text, alias) c ON true
         WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(ledger_agrees.form::jsonb -> 'columns') o WHERE (o ->> 0)::int = f.key::int)) w
$$;

-- What the versions of a table that are entered hold in a column that has come since: {is: text}, or {from: number} of the column
-- that it took the place of, converted. Where neither is so of all of them, enter_converted() notes those that differ.
CREATE OR REPLACE FUNCTION audittrail.ledger_fill(of_table int, history regclass, former text, column_number int) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' AS $$
DECLARE
    added   record;
    source  record;
    entered text := format('FROM %s h WHERE EXISTS (SELECT FROM audittrail.ledger_entry e WHERE e.version = h.version AND e.table_id = %s AND e.salt IS NOT NULL)', history, of_table);
    least   text;
    most    text;
    same    boolean;
    prefix  text;
BEGIN
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type INTO added FROM pg_attribute WHERE attrelid = history AND attnum = column_number;
    EXECUTE format('SELECT min(t COLLATE "C"), max(t COLLATE "C") FROM (SELECT ROW(h.%I)::text AS t %s) held', added.name, entered) INTO least, most;
    -- What was converted is of people, and stays in no layout, even where all have the same; what came with a column is its default.
    prefix := audittrail.shortened(added.name, 50) || '_until_';
    IF least IS NOT DISTINCT FROM most AND (coalesce(least, '()') = '()' OR NOT EXISTS (
           SELECT FROM audittrail.ledger_columns(history, former, 'h') c WHERE starts_with(c.name, prefix))) THEN
        RETURN jsonb_build_object('type', added.type, 'is', coalesce(least, '()'));
    END IF;
    FOR source IN SELECT * FROM audittrail.ledger_columns(history, former, 'h') c WHERE starts_with(c.name, prefix) ORDER BY c.number DESC LOOP
        CONTINUE WHEN audittrail.foreign_code(to_regtype(source.type), to_regtype(added.type)) IS NOT NULL;  -- it was not converted by that
        BEGIN
            EXECUTE format('SELECT bool_and(ROW(%s::%s)::text = ROW(h.%I)::text) %s', source.expression, added.type, added.name, entered) INTO same;
            IF same THEN
                RETURN jsonb_build_object('type', added.type, 'from', source.number);
            END IF;
        EXCEPTION WHEN data_exception OR cannot_coerce OR datatype_mismatch OR undefined_function THEN
            NULL;
        END;
    END LOOP;
    RETURN jsonb_build_object('type', added.type, 'is', '()');
END
$$;

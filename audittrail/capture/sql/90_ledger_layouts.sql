-- The ledger, first part: how a version is written down, so that the same text comes out for ever.
--
-- What is entered is the output of the types, under the settings that each function here pins: it does not depend on those of a
-- session. Columns are known by their numbers in the history table, which a renaming leaves as they are, and so does a dump. A
-- column that got another type without a loss is read in its former type again; otherwise history keeps the former column. The labels
-- of an enum are written as they were called at the time.
-- Of types that name objects (regclass and the like) nothing is entered: their output changes with those objects.

-- The columns of a table of ours, by which its versions are entered, and the key that tells the rows of one statement apart, if one does.
CREATE OR REPLACE FUNCTION audittrail.ledger_form(history oid, key text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT jsonb_build_object(
        'columns', coalesce((SELECT jsonb_agg(jsonb_build_array(a.attnum, a.attname, format_type(a.atttypid, a.atttypmod))
                                                        || coalesce('[]'::jsonb || audittrail.ledger_labels(t.oid), '[]') ORDER BY a.attnum)
                      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                     WHERE a.attrelid = history AND a.attnum > 0 AND NOT a.attisdropped AND NOT (t.typnamespace = 'pg_catalog'::regnamespace AND t.typname ~ '^_?reg[a-z]+$')
                       AND NOT (history <> 'audittrail.revision'::regclass AND a.attname IN ('version', 'revision_id', 'superseded', 'operation'))), '[]'),
        'key', coalesce((SELECT jsonb_agg(a.attnum ORDER BY k.position)
                      FROM unnest(key) WITH ORDINALITY k (name, position) JOIN pg_attribute a ON a.attrelid = history AND a.attname = audittrail.stored_name(k.name)
                     WHERE EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                                    WHERE i.indrelid = history AND i.indisunique AND i.indexrelid = to_regclass(format('audittrail.%I', c.relname || '_key')))), '[]'))::text
$$;

-- The table that a registry row is about by now; it has another oid than the registry says after a restore from a dump.
CREATE OR REPLACE FUNCTION audittrail.ledger_relation(tracked audittrail.tracked_table) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN tracked.until_version IS NULL THEN audittrail.tied_relation(tracked) ELSE tracked.relation END
$$;

-- To which columns of the live table those of the history table belong: {number in history: [number, name]}.
CREATE OR REPLACE FUNCTION audittrail.ledger_bound(tracked audittrail.tracked_table) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(h.attnum, jsonb_build_array(CASE WHEN r.oid = tracked.relation THEN c.attnum ELSE coalesce(l.attnum, c.attnum) END, c.name)), '{}')
      FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, history text)
      JOIN pg_attribute h ON h.attrelid = to_regclass(format('audittrail.%I', tracked.history_name)) AND h.attname = c.history AND h.attnum > 0 AND NOT h.attisdropped
     CROSS JOIN (SELECT audittrail.ledger_relation(tracked)) r (oid)
      LEFT JOIN pg_attribute l ON l.attrelid = r.oid AND l.attname = c.name AND l.attnum > 0 AND NOT l.attisdropped
$$;

-- What the registry says of a table and readers rely on.
CREATE OR REPLACE FUNCTION audittrail.ledger_facts(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'schema', tracked.schema_name, 'table', tracked.table_name, 'history', tracked.history_name, 'key', to_jsonb(tracked.key),
        'columns', (SELECT jsonb_object_agg(c ->> 'name', c -> 'history') FROM jsonb_array_elements(tracked.columns) c),
        'relation', audittrail.ledger_relation(tracked)::bigint, 'bound', audittrail.ledger_bound(tracked),
        'since_version', tracked.since_version, 'since_revision', tracked.since_revision, 'kept_from', tracked.kept_from,
        'since_at', extract(epoch FROM tracked.since_at), 'kept_since', extract(epoch FROM tracked.kept_since),
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
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    SELECT f.number, a.attname::text, f.type,
           CASE WHEN a.attname IS NULL THEN 'NULL'
                WHEN r.labels IS NOT NULL THEN format('audittrail.%1$I(CASE WHEN num_nulls(%2$s.%3$I) = 0 THEN format(''%%s'', %2$s.%3$I) END, %4$L)',
                    CASE WHEN 'A' = t.category OR f.type LIKE '%[]' THEN 'ledger_relabelled_array' ELSE 'ledger_relabelled' END, alias, a.attname, r.labels)
                WHEN f.labels IS NOT NULL AND t.category = 'S' THEN format('%s.%I::text', alias, a.attname)
                WHEN s.as_it_is THEN format('%s.%I', alias, a.attname)
                ELSE audittrail.own_conversion(format('%s.%I', alias, a.attname), a.atttypid, f.type) END,
           CASE WHEN NOT s.as_it_is
                THEN format('ROW(%s)::text = ROW(%s.%I)::text', audittrail.own_conversion(
                         audittrail.own_conversion(format('%s.%I', alias, a.attname), a.atttypid, f.type), to_regtype(f.type), t.present), alias, a.attname) END
      FROM (SELECT (c ->> 0)::int AS number, c ->> 2 AS type, c -> 3 AS labels, c AS entry FROM jsonb_array_elements(form::jsonb -> 'columns') c) f
      LEFT JOIN pg_attribute a ON a.attrelid = history AND a.attnum = f.number AND NOT a.attisdropped
      LEFT JOIN pg_type y ON y.oid = a.atttypid
      CROSS JOIN LATERAL (SELECT format_type(a.atttypid, a.atttypmod) AS present, y.typcategory AS category) t
      CROSS JOIN LATERAL (SELECT CASE WHEN (f.labels IS NOT NULL OR y.typcategory IN ('E', 'A')) AND audittrail.ledger_labels(y.oid) IS DISTINCT FROM f.labels
                                      THEN audittrail.ledger_former_labels(history, f.entry) END AS labels) r
      CROSS JOIN LATERAL (SELECT f.labels IS NOT NULL OR f.type = t.present OR to_regtype(f.type) IS NULL
                                 OR t.present = 'text' AND audittrail.layout_of(to_regtype(f.type)) IS NOT NULL AS as_it_is) s
     ORDER BY f.number
$$;

-- The text of what a version held.
CREATE OR REPLACE FUNCTION audittrail.ledger_content(history oid, form text, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('ROW(%s)::text', string_agg(c.expression, ', ' ORDER BY c.number)) FROM audittrail.ledger_columns(history, form, alias) c
$$;

-- What tells the versions of one statement apart: the key, or, without one, the digest of all that they hold.
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

-- What a value became, as a record of text, when it was converted to another type under the settings of that time. It is read and
-- written under the pinned ones.
CREATE OR REPLACE FUNCTION audittrail.ledger_converted(written text, former text, type text, settings jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' SET xmloption = 'content' SET xmlbinary = 'base64' AS $$
DECLARE
    -- Only money depends on the locale; for other types one that this server lacks must not be set.
    noted  jsonb := settings - CASE WHEN 'money' IN (former, type) THEN '{}' ELSE '{lc_monetary}' END::text[];
    result text;
BEGIN
    PERFORM audittrail.refuse_foreign_code(to_regtype(former), to_regtype(type), format('convert %s to %s', former, type));
    -- One statement, since a variable of PL/pgSQL would have to be of a type that is known beforehand. Each part begins when the one before
    -- it is done, because it reads that.
    EXECUTE format('WITH read AS MATERIALIZED (SELECT $1::%s AS it),'
                   ' as_noted AS MATERIALIZED (SELECT count(set_config(s.key, s.value, true)) FROM read CROSS JOIN jsonb_each_text($2) s),'
                   ' converted AS MATERIALIZED (SELECT r.it::%s AS it FROM as_noted CROSS JOIN read r),'
                   ' as_pinned AS MATERIALIZED (SELECT count(set_config(s.key, s.value, true)) FROM converted CROSS JOIN jsonb_each_text($3) s)'
                   ' SELECT ROW(c.it)::text FROM as_pinned CROSS JOIN converted c', former, type)
       INTO result USING written, noted, (SELECT jsonb_object_agg(s.key, current_setting(s.key)) FROM jsonb_each_text(noted) s);
    RETURN result;
END
$$;

-- What the versions of a table that were entered before have to hold in a column that has come since, by its comment: {is: text}, or
-- {from: entry of the column of which they were converted, settings}.
CREATE OR REPLACE FUNCTION audittrail.ledger_fill(history oid, form jsonb, entry jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fill   jsonb := jsonb_strip_nulls(jsonb_build_object('type', entry -> 2, 'labels', entry -> 3));
    noted  jsonb;
    source jsonb;
BEGIN
    noted := coalesce(col_description(history, (entry ->> 0)::int), '{}');
    fill := fill || jsonb_strip_nulls(jsonb_build_object('type', noted -> 'type'));
    source := (SELECT c FROM jsonb_array_elements(form -> 'columns') c WHERE c -> 0 = noted -> 'converted' AND c -> 0 < entry -> 0);
    IF source IS NOT NULL THEN
        RETURN fill || jsonb_strip_nulls(jsonb_build_object('from', source, 'settings', noted -> 'settings', 'layout', noted -> 'layout'));
    END IF;
    RETURN fill || jsonb_build_object('is', CASE WHEN noted ? 'value'
               THEN audittrail.ledger_converted(noted ->> 'value', 'text', noted ->> 'type', noted -> 'settings') ELSE '()' END);
EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation OR feature_not_supported THEN
    RETURN fill || '{"is": "()"}';  -- the column has a comment that is not ours
END
$$;

-- The same of all columns that have come since a table's first layout: as they were noted, and of those that are still to be noted.
CREATE OR REPLACE FUNCTION audittrail.ledger_fills(of_table int, history oid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT jsonb_object_agg(c ->> 0, audittrail.ledger_fill(history, p.form, c)) FROM jsonb_array_elements(p.form -> 'columns') c
                      WHERE c -> 0 NOT IN (SELECT o -> 0 FROM jsonb_array_elements(l.form::jsonb -> 'columns') o)), '{}') || l.fills::jsonb
      FROM (SELECT audittrail.ledger_form(history, '{}')::jsonb AS form) p,
           (SELECT * FROM audittrail.ledger_layout n WHERE n.table_id = of_table ORDER BY n.number DESC LIMIT 1) l
$$;

-- The condition that a column holds what a fill says (see ledger_fill): with its number, and an alias.
CREATE OR REPLACE FUNCTION audittrail.ledger_filled(history oid, number int, fill jsonb, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- What it holds is compared in the type that it had when it came.
    SELECT concat_ws(' AND ', format('ROW(%s)::text = %s', c.expression, CASE
               WHEN s.number IS NULL THEN format('%L', coalesce(fill ->> 'is', '()'))
               -- Texts of a composite type whose attributes have changed, see 25_composites.sql.
               WHEN fill ? 'layout' THEN format('ROW(audittrail.converted(%s, %L))::text', s.expression, fill -> 'layout')
               WHEN audittrail.depends_on_settings(s.type, c.type)
               THEN format('audittrail.ledger_converted(CASE WHEN num_nulls(%1$s) = 0 THEN format(''%%s'', %1$s) END, %2$L, %3$L, %4$L)', s.expression, s.type, c.type, fill -> 'settings')
               ELSE format('ROW(%s)::text', audittrail.own_conversion(s.expression, to_regtype(s.type), c.type)) END), c.return_trip)
      FROM audittrail.ledger_columns(history, jsonb_build_object('columns', jsonb_build_array(
               '[]'::jsonb || to_jsonb(number) || '""'::jsonb || (fill -> 'type') || coalesce(fill -> 'labels', '[]')))::text, alias) c
      LEFT JOIN audittrail.ledger_columns(history, jsonb_build_object('columns', jsonb_build_array(fill -> 'from'))::text, alias) s ON fill ? 'from'
$$;

-- The condition that what a version holds in columns that came or changed their type since its layout is what they must hold.
CREATE OR REPLACE FUNCTION audittrail.ledger_agrees(number int, history oid, form text, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg('(' || w.condition || ')', ' AND '), 'true') FROM (
        SELECT c.return_trip AS condition FROM audittrail.ledger_columns(history, form, alias) c WHERE c.return_trip IS NOT NULL
        UNION ALL
        SELECT audittrail.ledger_filled(history, f.key::int, f.value, alias)
          FROM jsonb_each(audittrail.ledger_fills(number, history)) f
          JOIN pg_attribute a ON a.attrelid = history AND a.attnum = f.key::int AND NOT a.attisdropped
         WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(ledger_agrees.form::jsonb -> 'columns') o WHERE (o ->> 0)::int = f.key::int)) w
$$;

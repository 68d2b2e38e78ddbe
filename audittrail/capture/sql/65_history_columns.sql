-- The columns of history tables. Nothing that they hold is thrown away: a column whose name is needed for a new one gets another name.

-- Whether a history table has a column; NULL for no name.
CREATE OR REPLACE FUNCTION audittrail.has_column(history oid, column_name text) RETURNS boolean
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = history AND attname = column_name AND attnum > 0 AND NOT attisdropped)
$$;

-- How the names of the columns of a history table begin that make room for a column of this name; a number follows.
CREATE OR REPLACE FUNCTION audittrail.retired_prefix(column_name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.shortened(column_name, 50) || '_until_'
$$;

-- A name in a history table that no column has yet, for a column that makes room for another.
CREATE OR REPLACE FUNCTION audittrail.retired_name(history oid, column_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number  int := 1;
    retired text;
BEGIN
    LOOP
        retired := audittrail.retired_prefix(column_name) || number;
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
     CROSS JOIN LATERAL (SELECT audittrail.retired_prefix(column_name) AS beginning) b
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

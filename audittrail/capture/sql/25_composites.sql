-- Columns of composite types. ALTER TYPE changes what PostgreSQL reads of values that are stored already: of an attribute that is
-- dropped it reads nothing, in history as elsewhere. So history holds such columns as text, which no DDL on a type reaches: columns of
-- composite types, and of arrays, domains, ranges and multiranges of them. What a text says depends on the attributes that there were;
-- they are noted in the registry as the layout of the column. When they change, the texts are written anew for those of the present,
-- beside the old ones (see convert_column()); until then they are converted on reading.

-- What ALTER TYPE can change about the values of a type; NULL if nothing. {fields, relation} of a composite type, which has its
-- attributes in a relation of the catalogs; {items} of an array of such a type; {range} or {multirange} of it.
CREATE OR REPLACE FUNCTION audittrail.layout_of(of_type oid) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    type   pg_type;
    kind   text;
    within jsonb;
BEGIN
    IF of_type < audittrail.first_user_oid() THEN
        RETURN NULL;  -- PostgreSQL's own types stay as they are
    END IF;
    SELECT * INTO type FROM pg_type WHERE oid = of_type;
    IF type.typtype = 'd' THEN
        RETURN audittrail.layout_of(type.typbasetype);
    ELSIF type.typtype = 'c' THEN
        RETURN jsonb_build_object('relation', type.typrelid::bigint, 'fields', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('number', a.attnum, 'name', a.attname, 'within', audittrail.layout_of(a.atttypid)) ORDER BY a.attnum), '[]')
              FROM pg_attribute a WHERE a.attrelid = type.typrelid AND a.attnum > 0 AND NOT a.attisdropped));
    ELSIF type.typtype = 'b' AND type.typcategory = 'A' THEN
        kind := 'items';
        within := audittrail.layout_of(type.typelem);
    ELSIF type.typtype IN ('r', 'm') THEN
        kind := CASE type.typtype WHEN 'r' THEN 'range' ELSE 'multirange' END;
        within := audittrail.layout_of((SELECT rngsubtype FROM pg_range WHERE of_type IN (rngtypid, rngmultitypid)));
    END IF;
    RETURN CASE WHEN within IS NOT NULL THEN jsonb_build_object(kind, within) END;
END
$$;

-- The layouts of a table's columns as one text; NULL if it has none of these types.
CREATE OR REPLACE FUNCTION audittrail.layouts_of(live oid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT string_agg(audittrail.layout_of(a.atttypid)::text, ',' ORDER BY a.attnum)
              FROM pg_attribute a WHERE a.attrelid = live AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= audittrail.first_user_oid());
END
$$;

-- A value as its type writes it, whatever the settings of the session. By format() and not by a cast to text, which may be a function
-- of the user's; by num_nulls() and not by IS NULL, which is also true of a composite value whose fields are all null.
CREATE OR REPLACE FUNCTION audittrail.as_text(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
BEGIN
    RETURN CASE WHEN num_nulls(value) = 0 THEN format('%s', value) END;
END
$$;

-- SQL for a value as history stores it: "composite" is the entry of its column in the registry, see live_columns().
CREATE OR REPLACE FUNCTION audittrail.as_stored(expression text, composite jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN composite IS NULL THEN expression ELSE pg_catalog.format('audittrail.as_text(%s)', expression) END
$$;

-- How texts of one layout become texts of another; NULL if they are the same. Attributes are known by their numbers, or, after a
-- restore into a new database, where numbers differ, by name. The result has the kind of the layout; of a composite type it lists for
-- each attribute where in the text it was, null for a new one, and how that part is converted in turn.
CREATE OR REPLACE FUNCTION audittrail.conversion(former jsonb, present jsonb, by_name boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known_by text := CASE WHEN by_name THEN 'name' ELSE 'number' END;
    kind     text;
    fields   jsonb;
    changed  boolean;
BEGIN
    IF former ? 'fields' AND present ? 'fields' THEN
        SELECT coalesce(jsonb_agg(jsonb_build_array(f.place, c.within) ORDER BY p.place), '[]'),
               count(*) <> jsonb_array_length(former -> 'fields') OR coalesce(bool_or(f.place IS DISTINCT FROM p.place OR c.within IS NOT NULL), false)
          INTO fields, changed
          FROM jsonb_array_elements(present -> 'fields') WITH ORDINALITY p (field, place)
          LEFT JOIN jsonb_array_elements(former -> 'fields') WITH ORDINALITY f (field, place) ON f.field -> known_by = p.field -> known_by
         CROSS JOIN LATERAL (SELECT audittrail.conversion(f.field -> 'within', p.field -> 'within', by_name)) c (within);
        RETURN CASE WHEN changed THEN jsonb_build_object('fields', fields) END;
    END IF;
    FOREACH kind IN ARRAY '{items,range,multirange}'::text[] LOOP
        IF former ? kind AND present ? kind THEN
            fields := audittrail.conversion(former -> kind, present -> kind, by_name);
            RETURN CASE WHEN fields IS NOT NULL THEN jsonb_build_object(kind, fields) END;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- A part of a composite value or a range as it is written there, and back. What has one of the characters of "special", or is
-- empty, stands in quotes; nothing at all stands for NULL.
CREATE OR REPLACE FUNCTION audittrail.quoted_part(part text, special text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN part IS NULL THEN '' WHEN part = '' OR part ~ special THEN concat('"', replace(replace(part, '\', '\\'), '"', '""'), '"') ELSE part END
$$;

CREATE OR REPLACE FUNCTION audittrail.unquoted_part(part text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN starts_with(part, '"') THEN replace(replace(substr(part, 2, length(part) - 2), '""', '"'), '\\', '\') ELSE nullif(part, '') END
$$;

-- A text of one layout as that of another, see conversion().
CREATE OR REPLACE FUNCTION audittrail.converted(value text, conversion jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    field  CONSTANT text := '"(?:[^"]|"")*"|[^",)]*';
    bound  CONSTANT text := '"(?:[^"]|"")*"|[^",)\]}]*';
    parts  text[];
    items  text[];
    shape  text := '';
BEGIN
    IF value IS NULL OR conversion IS NULL THEN
        RETURN value;
    ELSIF conversion ? 'fields' THEN
        parts := ARRAY(SELECT audittrail.unquoted_part(part[1]) FROM regexp_matches(substr(value, 2), format('(%s)[,)]', field), 'g') part);
        RETURN concat('(', (SELECT string_agg(audittrail.quoted_part(audittrail.converted(parts[(f.field ->> 0)::int], nullif(f.field -> 1, 'null')),
                                                                     '[(),"\\ \t\n\r\v\f]'), ',' ORDER BY f.place)
                              FROM jsonb_array_elements(conversion -> 'fields') WITH ORDINALITY f (field, place)), ')');
    ELSIF conversion ? 'items' THEN
        -- An array of text is written as one of composite values is. Of several dimensions it is put together from the inside.
        items := value;
        parts := ARRAY(SELECT substr(one, 2, length(one) - 2)
                         FROM unnest(items) item CROSS JOIN LATERAL (SELECT ARRAY[audittrail.converted(item, conversion -> 'items')]::text) o (one));
        FOR dimension IN REVERSE coalesce(array_ndims(items), 1) .. 2 LOOP
            parts := ARRAY(SELECT concat('{', string_agg(part, ',' ORDER BY place), '}') FROM unnest(parts) WITH ORDINALITY p (part, place)
                            GROUP BY (place - 1) / array_length(items, dimension) ORDER BY (place - 1) / array_length(items, dimension));
        END LOOP;
        IF array_dims(items) ~ '\[(?!1:)' THEN
            shape := array_dims(items) || '=';
        END IF;
        RETURN concat(shape, '{', array_to_string(parts, ','), '}');
    ELSIF conversion ? 'range' THEN
        parts := regexp_match(value, format('^([[(])(%s),(%1$s)([])])$', bound));
        RETURN CASE WHEN parts IS NULL THEN value  -- an empty one
               ELSE concat(parts[1], audittrail.quoted_part(audittrail.converted(audittrail.unquoted_part(parts[2]), conversion -> 'range'), '[][(),"\\ \t\n\r\v\f]'), ',',
                           audittrail.quoted_part(audittrail.converted(audittrail.unquoted_part(parts[3]), conversion -> 'range'), '[][(),"\\ \t\n\r\v\f]'), parts[4]) END;
    END IF;
    RETURN concat('{', (SELECT string_agg(audittrail.converted(part[1], jsonb_build_object('range', conversion -> 'multirange')), ',' ORDER BY place)
                          FROM regexp_matches(value, format('([[(](?:%s),(?:%1$s)[])])', bound), 'g') WITH ORDINALITY m (part, place)), '}');
END
$$;

-- Write the texts of a history column anew, for a layout that has changed. The old ones stay, under another name: they say
-- what dropped attributes held.
CREATE OR REPLACE FUNCTION audittrail.convert_column(history regclass, name text, conversion jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text := audittrail.retired_name(history, name);
    number int := (SELECT attnum FROM pg_attribute WHERE attrelid = history AND attname = name);
BEGIN
    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', history, name, former);
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I text', history, name);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE text USING audittrail.converted(%I, %L)', history, name, former, conversion);
    PERFORM audittrail.note_origin(history, name, jsonb_build_object('converted', number, 'type', 'text', 'layout', conversion));
END
$$;

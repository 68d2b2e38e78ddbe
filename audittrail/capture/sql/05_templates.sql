-- Putting SQL together from templates, with names for what goes into them.
--
-- A template is filled in one pass, and what has been filled in is never looked at again: so a column may have any name,
-- "{tick}" and "$1" included.

-- The lines of a template with its placeholders, names in braces, filled in from "parts". Alone on its line, a placeholder
-- stands for a block: an array of lines, which get its indentation; none if it is empty or null. Elsewhere it stands for a
-- text, or for an array of items, which are set off by commas and go on in further lines as needed.
CREATE OR REPLACE FUNCTION audittrail.compose_lines(template text, parts jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width  CONSTANT int := 120;
    lines  text[] := '{}';
    line   text;
    pieces text[];
    indent text;
    part   jsonb;
    item   text;
BEGIN
    FOREACH line IN ARRAY string_to_array(trim(E'\n' FROM template), E'\n') LOOP
        indent := substring(line FROM '^ *');
        pieces := regexp_split_to_array(line, '[{}]');  -- text, name, text, name, ..., text
        part := parts -> pieces[2];
        IF pieces[1] = indent AND pieces[3] = '' AND cardinality(pieces) = 3 AND jsonb_typeof(part) IN ('array', 'null') THEN
            IF jsonb_typeof(part) = 'array' THEN
                lines := lines || ARRAY(SELECT indent || block_line FROM jsonb_array_elements_text(part) block_line);
            END IF;
            CONTINUE;
        END IF;
        line := '';
        FOR i IN 1 .. cardinality(pieces) LOOP
            part := parts -> pieces[i];
            IF i % 2 = 1 THEN
                line := line || pieces[i];
            ELSIF part IS NULL THEN
                RAISE EXCEPTION 'audittrail: there is no part % for the template %', pieces[i], template
                    USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a part of the name that stands in braces.';
            ELSIF jsonb_typeof(part) <> 'array' THEN
                line := line || (part #>> '{}');
            ELSE
                FOR item IN SELECT e || CASE WHEN n < jsonb_array_length(part) THEN ', ' ELSE '' END
                              FROM jsonb_array_elements_text(part) WITH ORDINALITY items (e, n) LOOP
                    IF length(line || item) > width AND line LIKE '%, ' THEN
                        lines := lines || rtrim(line);
                        line := indent || '    ';
                    END IF;
                    line := line || item;
                END LOOP;
            END IF;
        END LOOP;
        lines := lines || line;
    END LOOP;
    RETURN lines;
END
$$;

-- The same as one text.
CREATE OR REPLACE FUNCTION audittrail.compose(template text, parts jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_to_string(audittrail.compose_lines(template, parts), E'\n')
$$;

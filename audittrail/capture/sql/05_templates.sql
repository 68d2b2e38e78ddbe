-- Putting SQL together from templates, with names for what goes into them.
--
-- A template is filled in one pass, and what has been filled in is never looked at again: so a column may have any name,
-- "{tick}" and "$1" included.

-- The lines of a template with its placeholders filled in from "parts", of which parts_of() has those of a table. A placeholder is
--   {name}           a text, or a list: an array of items, which are set off by commas and go on in further lines as needed; an item
--                    is a column, or an array of three: what stands before the column, the column, and what stands after it;
--                    alone on its line a block: an array of lines, which get its indentation, or null for none
--   {h.name}         a list of columns, each as a column of h
--   {h.name = b.key} the condition that the columns of two lists, by which rows are told apart, agree
CREATE OR REPLACE FUNCTION audittrail.compose_lines(template text, parts jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width  CONSTANT int := 120;
    lines  text[] := '{}';
    line   text;
    pieces text[];
    names  text[];
    indent text;
    part   jsonb;
    kind   text;
    other  jsonb;
    alias  text;
    item   text;
BEGIN
    FOREACH line IN ARRAY string_to_array(trim(E'\n' FROM template), E'\n') LOOP
        IF strpos(line, '{') = 0 THEN
            lines := lines || line;
            CONTINUE;
        END IF;
        pieces := string_to_array(translate(line, '}', '{'), '{');  -- text, placeholder, text, placeholder, ..., text
        indent := repeat(' ', length(line) - length(ltrim(line)));
        line := pieces[1];
        FOR i IN 2 .. cardinality(pieces) BY 2 LOOP
            names := string_to_array(pieces[i], '.');  -- name, or alias, name, or alias, "name = alias", name
            part := parts -> split_part(names[least(cardinality(names), 2)], ' ', 1);
            kind := jsonb_typeof(part);
            IF kind IN ('string', 'number', 'boolean') THEN
                line := line || (part #>> '{}');
            ELSIF cardinality(names) = 1 AND cardinality(pieces) = 3 AND line = indent AND pieces[3] = '' AND kind IS NOT NULL THEN
                FOR n IN 0 .. CASE kind WHEN 'array' THEN jsonb_array_length(part) ELSE 0 END - 1 LOOP
                    lines := lines || (indent || (part ->> n));
                END LOOP;
                line := NULL;
                EXIT;
            ELSIF kind IS DISTINCT FROM 'array' THEN
                RAISE EXCEPTION 'audittrail: there is no part % for the template %', pieces[i], template
                    USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a part of the name that stands in braces.';
            ELSIF cardinality(names) = 3 THEN
                other := parts -> names[3];
                alias := split_part(names[2], ' = ', 2) || '.';
                FOR n IN 0 .. jsonb_array_length(part) - 1 LOOP
                    line := concat(line, CASE WHEN n > 0 THEN ' AND ' END, names[1], '.', part ->> n, ' ',
                                   parts -> 'equality' ->> n, ' ', alias, other ->> n);
                END LOOP;
            ELSE
                alias := CASE WHEN cardinality(names) = 2 THEN names[1] || '.' ELSE '' END;
                FOR n IN 0 .. jsonb_array_length(part) - 1 LOOP
                    item := CASE jsonb_typeof(part -> n) WHEN 'array' THEN concat(part -> n ->> 0, alias, part -> n ->> 1, part -> n ->> 2)
                                                         ELSE alias || (part ->> n) END;
                    IF n = 0 THEN
                        line := line || item;
                    ELSIF length(line) + length(item) + 2 <= width THEN
                        line := line || ', ' || item;
                    ELSE
                        lines := lines || (line || ',');
                        line := indent || '    ' || item;
                    END IF;
                END LOOP;
            END IF;
            line := line || pieces[i + 1];
        END LOOP;
        IF line IS NOT NULL THEN
            lines := lines || line;
        END IF;
    END LOOP;
    RETURN lines;
END
$$;

-- The same as one text.
CREATE OR REPLACE FUNCTION audittrail.compose(template text, parts jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN array_to_string(audittrail.compose_lines(template, parts), E'\n');
END
$$;

-- A template filled in but for some names, in pieces: text, name, text, name, ..., text.
CREATE OR REPLACE FUNCTION audittrail.compose_around(template text, parts jsonb, names text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given   text[] := string_to_array(translate(template, '}', '{'), '{');
    segment text := given[1];
    pieces  text[] := '{}';
BEGIN
    FOR i IN 2 .. cardinality(given) BY 2 LOOP
        IF given[i] = ANY (names) THEN
            pieces := pieces || audittrail.compose(segment, parts) || given[i];
            segment := given[i + 1];
        ELSE
            segment := concat(segment, '{', given[i], '}', given[i + 1]);
        END IF;
    END LOOP;
    RETURN pieces || audittrail.compose(segment, parts);
END
$$;

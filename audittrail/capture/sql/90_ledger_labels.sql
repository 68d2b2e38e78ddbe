-- The ledger: labels of enums, which are written as they were called at the time.

-- The labels of an enum, or of an array of one, with the oids by which they are told apart until a restore; NULL of other types.
CREATE OR REPLACE FUNCTION audittrail.ledger_labels(type oid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('type', e.enumtypid::bigint, 'labels', jsonb_agg(jsonb_build_array(e.oid::bigint, e.enumlabel) ORDER BY e.enumsortorder))
      FROM pg_type t JOIN pg_enum e ON e.enumtypid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
     WHERE t.oid = type GROUP BY e.enumtypid
$$;

-- How the labels of an enum are called later: {label: later label}. They have their oids until a restore; then, and where the enum is
-- another by now, they are known by their names, or, if as many are there as before, by their order, which a restore keeps.
CREATE OR REPLACE FUNCTION audittrail.ledger_label_steps(former jsonb, later jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    steps jsonb;
BEGIN
    IF former -> 'type' = later -> 'type' THEN
        SELECT jsonb_object_agg(f ->> 1, l ->> 1) INTO steps
          FROM jsonb_array_elements(former -> 'labels') f LEFT JOIN jsonb_array_elements(later -> 'labels') l ON l -> 0 = f -> 0 HAVING bool_and(l IS NOT NULL);
    END IF;
    IF steps IS NULL AND jsonb_array_length(former -> 'labels') = jsonb_array_length(later -> 'labels') THEN
        SELECT jsonb_object_agg(f.label ->> 1, l.label ->> 1) INTO steps
          FROM jsonb_array_elements(former -> 'labels') WITH ORDINALITY f (label, place) JOIN jsonb_array_elements(later -> 'labels') WITH ORDINALITY l (label, place) USING (place);
    END IF;
    RETURN coalesce(steps, (SELECT jsonb_object_agg(f ->> 1, f ->> 1) FROM jsonb_array_elements(former -> 'labels') f));
END
$$;

-- How labels of a column that are called otherwise by now were called when a form was noted that has this entry for it:
-- {present label: former label}; NULL if none is.
CREATE OR REPLACE FUNCTION audittrail.ledger_former_labels(history oid, entry jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_table int := (SELECT t.id FROM audittrail.tracked_table t JOIN pg_class c ON c.relname = t.history_name WHERE c.oid = history);
    former   jsonb := entry -> 3;
    steps    jsonb;
    later    jsonb;
BEGIN
    FOR later IN
        WITH noted AS (
            SELECT l.number, c AS entry FROM audittrail.ledger_layout l CROSS JOIN LATERAL jsonb_array_elements(l.form::jsonb -> 'columns') c
             WHERE l.table_id = of_table AND c -> 0 = ledger_former_labels.entry -> 0
        )
        (SELECT n.entry -> 3 FROM noted n
          WHERE n.number > (SELECT max(o.number) FROM noted o WHERE o.entry -> 2 = ledger_former_labels.entry -> 2 AND o.entry -> 3 IS NOT DISTINCT FROM ledger_former_labels.entry -> 3)
            AND n.entry -> 3 IS NOT NULL ORDER BY n.number)
        UNION ALL
        -- Of a column that is text by now, the labels of the enum that it was count.
        SELECT coalesce(audittrail.ledger_labels(a.atttypid), audittrail.ledger_labels((entry #>> '{3,type}')::oid))
          FROM pg_attribute a WHERE a.attrelid = history AND a.attnum = (entry ->> 0)::int
    LOOP
        IF steps IS NULL THEN
            -- Of a column that was text, the labels that it had when it became an enum count.
            former := coalesce(former, later);
            steps := (SELECT jsonb_object_agg(f ->> 1, f ->> 1) FROM jsonb_array_elements(former -> 'labels') f);
        END IF;
        steps := (SELECT jsonb_object_agg(s.key, coalesce(t.value ->> s.value, s.value))
                    FROM jsonb_each_text(steps) s CROSS JOIN (SELECT audittrail.ledger_label_steps(former, later)) t (value));
        former := later;
    END LOOP;
    RETURN (SELECT jsonb_object_agg(s.value, s.key) FROM jsonb_each_text(steps) s WHERE s.key <> s.value);
END
$$;

-- What an enum's output was before labels of it were renamed; NULL of NULL.
CREATE OR REPLACE FUNCTION audittrail.ledger_relabelled(written text, labels jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(labels ->> written, written)
$$;

-- The same of an array of them, of any dimensions. Labels may have exchanged their names, so each is replaced once.
CREATE OR REPLACE FUNCTION audittrail.ledger_relabelled_array(written text, labels jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    elements text[] := written;
    renamed  record;
BEGIN
    FOR renamed IN SELECT l.key AS present, 'x' || l.key || repeat('x', 63) AS meanwhile FROM jsonb_each_text(labels) l LOOP
        elements := array_replace(elements, renamed.present, renamed.meanwhile);
    END LOOP;
    FOR renamed IN SELECT l.value AS former, 'x' || l.key || repeat('x', 63) AS meanwhile FROM jsonb_each_text(labels) l LOOP
        elements := array_replace(elements, renamed.meanwhile, renamed.former);
    END LOOP;
    RETURN elements;
END
$$;

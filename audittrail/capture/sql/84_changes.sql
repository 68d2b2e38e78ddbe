-- What a revision changed.

-- The tables of which a revision changed rows, as pg_class.oid.
CREATE OR REPLACE FUNCTION audittrail.changed_relations(number bigint) RETURNS SETOF oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    final   bigint := (SELECT committed FROM audittrail.revision WHERE id = number);  -- NULL while it is open
    found   boolean;
BEGIN
    FOR tracked IN SELECT * FROM audittrail.tracked_table t ORDER BY t.id LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM audittrail.%I v WHERE v.version >= $1 AND (v.version <= $2 OR $2 IS NULL)'
                       ' AND v.revision_id = $1 AND v.operation <> ''B'')', tracked.history_name) INTO found USING number, final;
        IF found THEN
            RETURN NEXT audittrail.tied_relation(tracked);
        END IF;
    END LOOP;
END
$$;

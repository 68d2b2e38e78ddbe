-- History never keeps a type, a collation or an extension from being dropped: what it holds in columns that are gone from the table
-- becomes text.

-- Make a column of a history table one of text, as its type writes its values.
CREATE OR REPLACE FUNCTION audittrail.release_column(history regclass, name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
DECLARE
    index oid;
BEGIN
    FOR index IN SELECT i.indexrelid FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
                  WHERE i.indrelid = history AND a.attname = name LOOP
        EXECUTE format('DROP INDEX %s', index::regclass);
    END LOOP;
    -- As in as_text(), in place.
    EXECUTE format('ALTER TABLE %1$s ALTER COLUMN %2$I TYPE text COLLATE pg_catalog."default" USING CASE WHEN num_nulls(%2$I) = 0 THEN format(''%%s'', %2$I) END',
                   history, name);
END
$$;

-- Release the columns of history tables that have a type or a collation that is not PostgreSQL's own, and that no column of a tracked
-- table has now. "everything" releases the others too, all or those that go when certain schemas go, by whatever they depend on
-- there: for DROP ... CASCADE, which takes along what it finds. They come back with the next write, unless their columns are gone. Called before such a
-- statement by migrations and by sync; by hand: SELECT audittrail.release_types();
-- A column of a composite type that an earlier release has made with that type is left to reconcile(), which notes its layout as well.
CREATE OR REPLACE FUNCTION audittrail.release_types(everything boolean DEFAULT false, schemas text[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found    record;
    released bigint := 0;
BEGIN
    FOR found IN
        WITH RECURSIVE doomed (class, object) AS (
            SELECT 'pg_namespace'::regclass::oid, n.oid FROM pg_namespace n WHERE n.oid::regnamespace::text = ANY (schemas)
            UNION
            SELECT f.class, f.object
              FROM doomed o
             CROSS JOIN LATERAL (
                SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = o.class AND d.refobjid = o.object
                UNION ALL
                -- A composite type is its own, and does not depend on its columns: these go.
                SELECT 'pg_type'::regclass, c.reltype FROM pg_class c
                 WHERE o.class = 'pg_class'::regclass AND c.oid = o.object AND c.relkind = 'c') f (class, object))
        SELECT h.oid::regclass AS history, a.attname::text AS name
          FROM audittrail.tracked_table t
          JOIN pg_class h ON h.oid = to_regclass(format('audittrail.%I', t.history_name))
          JOIN pg_attribute a ON a.attrelid = h.oid AND a.attnum > 0 AND NOT a.attisdropped
                             AND (a.atttypid >= audittrail.first_user_oid() OR a.attcollation >= audittrail.first_user_oid())
         WHERE CASE WHEN everything
                    THEN schemas IS NULL OR EXISTS (
                         SELECT FROM doomed d
                          WHERE (d.class, d.object) IN (('pg_type'::regclass, a.atttypid), ('pg_collation'::regclass, a.attcollation)))
                    ELSE t.until_version IS NOT NULL OR NOT EXISTS (
                         SELECT FROM jsonb_to_recordset(t.columns) k (attnum int, history text)
                           JOIN audittrail.live_columns(t.relation) c ON c.attnum = k.attnum
                          WHERE k.history = a.attname AND coalesce(c.composite ->> 'type', c.type) = format_type(a.atttypid, a.atttypmod)
                            AND (a.attcollation < audittrail.first_user_oid() OR c.collation_name IS NOT NULL)) END
    LOOP
        PERFORM audittrail.release_column(found.history, found.name);
        released := released + 1;
    END LOOP;
    RETURN released;
END
$$;

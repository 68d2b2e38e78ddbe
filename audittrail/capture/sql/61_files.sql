-- The files in which tracked tables are stored, by which it is known that ALTER TABLE has given no row another value.

-- What tells this database from all others, also from those into which a dump of it is restored: the numbers of cluster and database.
-- NULL where the server does not let the owner of history ask for the number of the cluster: then nothing that was noted counts here. The
-- right is looked at first, since a parallel worker could not catch the error.
CREATE OR REPLACE FUNCTION audittrail.this_database() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') THEN
        RETURN (SELECT format('%s/%s', s.system_identifier, d.oid) FROM pg_control_system() s, pg_database d WHERE d.datname = current_database());
    END IF;
    RETURN NULL;
END
$$;

-- The files in which the rows of a table are stored, as the catalogs have them in the snapshot that shows the columns as well.
CREATE OR REPLACE FUNCTION audittrail.files_of(live oid) RETURNS oid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(c.relfilenode ORDER BY c.oid), '{}') FROM pg_class c
     WHERE (c.oid = live OR c.oid IN (SELECT audittrail.descendants(live))) AND c.relkind = 'r'
$$;

-- Whether each file of a table is another one than when its columns were last looked at. ALTER TABLE that may give rows other values stores
-- them all in new ones. TRUNCATE, VACUUM FULL and CLUSTER do as well, maybe of a single partition, and a restore from a dump.
CREATE OR REPLACE FUNCTION audittrail.has_new_files(tracked audittrail.tracked_table, live oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (tracked.database = audittrail.this_database()) IS NOT TRUE OR NOT tracked.files && audittrail.files_of(live)
$$;

-- Note database and files of the tables whose columns are still those that were noted: they were not noted before, or VACUUM FULL, say, has
-- made new files since.
CREATE OR REPLACE FUNCTION audittrail.note_files() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audittrail.tracked_table t SET database = audittrail.this_database(), files = audittrail.files_of(t.relation)
     WHERE t.until_version IS NULL AND t.fingerprint = audittrail.fingerprint(t.relation, t.history_name)
       AND t.relation = audittrail.tied_relation(t)
       AND (t.database, t.files) IS DISTINCT FROM (audittrail.this_database(), audittrail.files_of(t.relation))
$$;

-- Code that others define and that a conversion of values runs: casts, and the checks of domains. What is done to history runs with the
-- rights of its owner, so it must run nothing of a role that has not all of these rights. What PostgreSQL itself brings, and what a
-- role has made that may do all that the present one may, is trusted.

-- Whether a role may do all that the present one may.
CREATE OR REPLACE FUNCTION audittrail.is_trusted(author oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_has_role(author, current_user, 'USAGE')
$$;

-- A type and those inside it: what a domain is of, the elements of an array, the columns of a composite type, what a range is of.
CREATE OR REPLACE FUNCTION audittrail.types_within(of_type oid) RETURNS SETOF oid
LANGUAGE sql STABLE ROWS 2 SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE inside AS (
        SELECT of_type AS type
        UNION
        SELECT n.type FROM inside i JOIN pg_type t ON t.oid = i.type
         CROSS JOIN LATERAL (
            SELECT t.typbasetype AS type
             UNION ALL SELECT t.typelem
             UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
             UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)) n
         WHERE n.type <> 0
    )
    SELECT type FROM inside
$$;

-- Whether the check of a domain can do nothing but look at the value: it is made of immutable functions that PostgreSQL brings. Of
-- others that it brings, some run any SQL that is given to them as text.
CREATE OR REPLACE FUNCTION audittrail.is_plain_check(check_id oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM pg_depend d JOIN pg_constraint c ON c.oid = d.objid
                        WHERE d.classid = 'pg_constraint'::regclass AND d.objid = check_id
                          AND NOT (d.refclassid = 'pg_type'::regclass AND d.refobjid = c.contypid))
       AND NOT EXISTS (SELECT FROM pg_constraint c CROSS JOIN LATERAL regexp_matches(c.conbin::text, ':(?:func|opfunc)id ([0-9]+)', 'g') f
                         LEFT JOIN pg_proc p ON p.oid = f[1]::oid
                        WHERE c.oid = check_id AND p.provolatile IS DISTINCT FROM 'i')
$$;

-- What another role has defined that runs when a value is converted from one type to another; NULL if nothing does. Literals are of no
-- type (0), and no cast applies to them.
CREATE OR REPLACE FUNCTION audittrail.foreign_code(from_type oid, to_type oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT found.what FROM (
        SELECT format('function %s, by which %s is cast to %s, which belongs to role %s', p.oid::regprocedure,
                      format_type(c.castsource, NULL), format_type(c.casttarget, NULL), p.proowner::regrole) AS what
          FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc
         WHERE c.castsource IN (SELECT audittrail.types_within(from_type)) AND c.casttarget IN (SELECT audittrail.types_within(to_type))
           AND NOT audittrail.is_trusted(p.proowner)
        UNION ALL
        SELECT format('the check %I of domain %s, which belongs to role %s', k.conname, format_type(t.oid, NULL), t.typowner::regrole)
          FROM pg_type t JOIN pg_constraint k ON k.contypid = t.oid AND k.contype = 'c'
         WHERE t.oid IN (SELECT audittrail.types_within(to_type)) AND NOT audittrail.is_trusted(t.typowner) AND NOT audittrail.is_plain_check(k.oid)
        ) found ORDER BY found.what LIMIT 1
$$;

-- Refuse what would run it, with an error that says what was to be done.
CREATE OR REPLACE FUNCTION audittrail.refuse_foreign_code(from_type oid, to_type oid, purpose text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    code text := audittrail.foreign_code(from_type, to_type);
BEGIN
    IF code IS NOT NULL THEN
        RAISE EXCEPTION 'audittrail: to % would run %, with the rights of role %', purpose, code, current_user
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('Drop it, or give it to role %I after reading what it does.', current_user);
    END IF;
END
$$;

-- A conversion in SQL, if it runs nothing of another role; otherwise an error.
CREATE OR REPLACE FUNCTION audittrail.own_conversion(expression text, from_type oid, to_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM audittrail.refuse_foreign_code(from_type, to_regtype(to_name), format('convert %s to %s', expression, to_name));
    RETURN format('%s::%s', expression, to_name);
END
$$;

-- Let ANALYZE, which runs as the owner of a table, pass over the columns of a history table that are of a range type for which
-- another role has defined how far two values are apart.
CREATE OR REPLACE FUNCTION audittrail.pass_over_ranges(history regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT a.attname FROM pg_attribute a JOIN pg_range r ON a.atttypid IN (r.rngtypid, r.rngmultitypid)
                  JOIN pg_proc p ON p.oid = r.rngsubdiff
                 WHERE a.attrelid = history AND NOT a.attisdropped AND coalesce(a.attstattarget, -1) <> 0 AND NOT audittrail.is_trusted(p.proowner) LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', history, name);
    END LOOP;
END
$$;

SELECT audittrail.pass_over_ranges(c.oid::regclass) FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'audittrail'::regnamespace AND c.relkind = 'r';

-- Row-level security: whoever writes history or judges it must see all rows of a table.

-- Refuse what needs all rows of a table to a role from which policies may hide some.
CREATE OR REPLACE FUNCTION audittrail.require_all_rows(live oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF row_security_active(live) THEN
        RAISE EXCEPTION 'audittrail: the policies of % hide rows from role %, which would be missing in history, or pass for deleted', live::regclass, current_user
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('ALTER ROLE %I BYPASSRLS; or, where it owns the table, ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', current_user, live::regclass);
    END IF;
END
$$;

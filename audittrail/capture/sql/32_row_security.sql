-- Row-level security: whoever writes history or judges it must see all rows of a table, and whom the policies of a table bind reads
-- nothing of its history, since none of them is judged for the past.

-- Refuse to read a table in a transaction that keeps a snapshot from before another one has truncated or rewritten it, as ALTER TABLE does
-- with the history of a column that gets another type: the table would seem to be empty (PostgreSQL's manual, 13.6 Caveats).
CREATE OR REPLACE FUNCTION audittrail.require_file(relation oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF audittrail.keeps_snapshot() AND audittrail.has_another_file(relation) THEN
        RAISE EXCEPTION 'audittrail: % has been truncated or rewritten after this transaction took its snapshot, which does not show its rows', relation::regclass
            USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again, as after any other serialization failure.';
    END IF;
END
$$;

-- Refuse what needs all rows of a table to a role from which policies may hide some.
CREATE OR REPLACE FUNCTION audittrail.require_unbound(live oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF row_security_active(live) THEN
        RAISE EXCEPTION 'audittrail: the policies of % hide rows from role %, which would be missing in history, or pass for deleted', live::regclass, current_user
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('ALTER ROLE %I BYPASSRLS; or, where it owns the table, ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', current_user, live::regclass);
    END IF;
END
$$;

-- The same, also to a transaction whose snapshot does not show them.
CREATE OR REPLACE FUNCTION audittrail.require_all_rows(live oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM audittrail.require_unbound(live), audittrail.require_file(live);
END
$$;

-- True, but for a role that the policies of a table bind: which rows of the past it might see nobody can tell. The owner of history
-- sees all of it. The table is the one that the triggers are on, or that has both the oid and the name of the registry: after a restore
-- from a dump another may have that oid. If another has taken its name, as tools do that rebuild a table, the policies of both count.
-- Policies went with a table that was dropped, and those of one that is not tracked any more can't be told after a restore: their
-- history only the owner reads.
CREATE OR REPLACE FUNCTION audittrail.may_read(tracked_id int) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    named   oid;
    live    oid;
    bound   boolean;
BEGIN
    IF pg_has_role((SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'audittrail'), 'USAGE') THEN
        RETURN true;
    END IF;
    SELECT * INTO tracked FROM audittrail.tracked_table t WHERE t.id = tracked_id;
    named := audittrail.named_relation(tracked);
    live := coalesce(audittrail.triggered_relation(tracked), CASE WHEN named = tracked.relation THEN named END);
    bound := row_security_active(live) OR row_security_active(named);
    IF bound OR live IS NULL THEN
        RAISE EXCEPTION 'audittrail: the policies of % %, and its history is read without them or not at all',
                        tracked.table_name, CASE WHEN bound THEN format('bind role %I', current_user) ELSE 'are not known any more' END
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Read it as a role that they do not bind: the owner of the table or of history, or one with BYPASSRLS.';
    END IF;
    RETURN true;
END
$$;

-- Whether a tracked table has policies that its history table does not know of, or the other way round.
CREATE OR REPLACE FUNCTION audittrail.has_other_security(tracked audittrail.tracked_table) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.relrowsecurity <> (h.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = h.oid AND p.polname = 'bound_readers'))
      FROM pg_class l, pg_class h WHERE l.oid = tracked.relation AND h.oid = to_regclass(format('audittrail.%I', tracked.history_name))
$$;

-- Let the history table of a table with row-level security ask may_read(), once a query; one without pays nothing.
CREATE OR REPLACE FUNCTION audittrail.secure_history(tracked audittrail.tracked_table) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    history regclass := to_regclass(format('audittrail.%I', tracked.history_name));
BEGIN
    IF audittrail.has_other_security(tracked) IS NOT TRUE THEN
        RETURN;
    END IF;
    EXECUTE format('DROP POLICY IF EXISTS bound_readers ON %s', history);
    IF (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = tracked.relation) THEN
        EXECUTE format('CREATE POLICY bound_readers ON %s FOR SELECT USING ((SELECT audittrail.may_read(%s)))', history, tracked.id);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', history);
    ELSE
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', history);
    END IF;
END
$$;

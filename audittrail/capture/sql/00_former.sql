-- Drop the functions of an earlier release before those of this one are made: some have other arguments or results by now, or are gone.
-- What stays: the functions of triggers, which are replaced in place; those that are generated for a table; and any that somebody's
-- view or function depends on.

DO $$
BEGIN
    EXECUTE coalesce((
        SELECT string_agg(format('DROP FUNCTION %s', p.oid::regprocedure), '; ') FROM pg_proc p
         WHERE p.pronamespace = 'audittrail'::regnamespace AND p.prorettype <> 'trigger'::regtype
           AND p.proname NOT IN (SELECT t.history_name || '_weave' FROM audittrail.tracked_table t)
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid)), 'SELECT');
END
$$;

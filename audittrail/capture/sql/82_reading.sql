-- What an application knows of a tracked table, and whether that still holds.

-- What generates the virtual columns of a table, NULL if it has none. Asked with each statement that reads the past, so in PL/pgSQL,
-- which keeps the plan.
CREATE OR REPLACE FUNCTION audittrail.generating(live oid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT pg_catalog.string_agg(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ',' ORDER BY d.adnum)
              FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
             WHERE d.adrelid = live AND a.attgenerated = 'v');
END
$$;

-- Everything about a tracked table that the queries for its past depend on, in one value.
CREATE OR REPLACE FUNCTION audittrail.reading(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.md5(pg_catalog.concat_ws(' ', tracked.relation, tracked.history_name, tracked.since_version,
                                               tracked.until_version, tracked.fingerprint, tracked.excluded,
                                               audittrail.named_relation(tracked), audittrail.generating(tracked.relation)))
$$;

-- Whether a tracked table still is as an application read it, closed at least as far, and not pruned through the tick that is
-- to be read; fails if not, with an SQLSTATE of its own. An old snapshot, or a replica that lags behind, may see it closed less
-- far than the application has seen it elsewhere.
-- Not really immutable: declared so, it is asked when the statement is planned, and costs nothing afterwards. What it
-- stands beside names the history table, so PostgreSQL plans the statement again when that table changes.
CREATE OR REPLACE FUNCTION audittrail.reads_as_before(tracked_id int, read text, through bigint, tail bigint, tick bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM audittrail.tracked_table t WHERE t.id = tracked_id AND t.closed_through >= through AND t.tail_from >= tail
                      AND t.kept_from <= tick AND audittrail.reading(t) = read) THEN
        RAISE EXCEPTION 'audittrail: a tracked table has changed since this statement was prepared'
            USING ERRCODE = 'AT001', HINT = 'Try the transaction again.';
    END IF;
    RETURN true;
END
$$;

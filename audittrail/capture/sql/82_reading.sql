-- What an application knows of a tracked table, and whether that still holds.

-- What generates the virtual columns of a table, NULL if it has none. Asked with each statement that reads the past, so in PL/pgSQL,
-- which keeps the plan.
CREATE OR REPLACE FUNCTION audittrail.generating(live oid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT pg_catalog.string_agg(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ',' ORDER BY d.adnum)
              FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) d.adrelid AND a.attnum OPERATOR(pg_catalog.=) d.adnum
             WHERE d.adrelid OPERATOR(pg_catalog.=) live AND a.attgenerated OPERATOR(pg_catalog.=) 'v');
END
$$;

-- Everything about a tracked table that the queries for its past depend on, in one value.
CREATE OR REPLACE FUNCTION audittrail.reading(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.md5(pg_catalog.concat_ws(' ', tracked.relation, tracked.history_name, tracked.since_version,
                                               tracked.until_version, tracked.fingerprint, tracked.excluded,
                                               audittrail.named_relation(tracked), audittrail.generating(tracked.relation),
                                               CASE WHEN tracked.columns OPERATOR(pg_catalog.@?) '$[*].composite' THEN audittrail.layouts_of(tracked.relation) END))
$$;

-- The tracked table that a name means, quoted as in SQL and with its schema or without: the one that the session finds. It is known
-- by its name if it has another oid since a dump was restored, and as the last of its schemas on the search_path if it was dropped.
CREATE OR REPLACE FUNCTION audittrail.tracked_as(name text) RETURNS audittrail.tracked_table
LANGUAGE plpgsql STABLE AS $$
DECLARE
    parts   text[] := pg_catalog.parse_ident(name);
    live    oid := pg_catalog.to_regclass(name);
    path    name[] := pg_catalog.current_schemas(true);
    tracked audittrail.tracked_table;
BEGIN
    IF pg_catalog.cardinality(parts) OPERATOR(pg_catalog.=) 2 THEN
        path := ARRAY[parts[1]]::name[];
    ELSIF live IS NOT NULL THEN
        path := ARRAY(SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE c.oid OPERATOR(pg_catalog.=) live);
    END IF;
    SELECT t.* INTO tracked
      FROM audittrail.tracked_table t
     WHERE t.table_name OPERATOR(pg_catalog.=) parts[pg_catalog.cardinality(parts)] AND (t.relation OPERATOR(pg_catalog.=) live OR t.schema_name::name OPERATOR(pg_catalog.=) ANY (path))
     ORDER BY (audittrail.tied_relation(t) OPERATOR(pg_catalog.=) live) DESC NULLS LAST, pg_catalog.array_position(path, t.schema_name::name), t.id DESC LIMIT 1;
    RETURN tracked;
END
$$;

-- Whether a tracked table still is as an application read it, closed at least as far, and not pruned through the tick that is
-- to be read, and is what the session means by a name, if one is given; fails if not, with an SQLSTATE of its own. An old snapshot,
-- or a replica that lags behind, may see it closed less far than the application has seen it elsewhere.
-- Not really immutable: declared so, it is asked when the statement is planned, and costs nothing afterwards. The statement also
-- names the history table, so that PostgreSQL plans it again when that table changes.
CREATE OR REPLACE FUNCTION audittrail.reads_as_before(tracked_id int, read text, through bigint, tail bigint, tick bigint, name text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM audittrail.tracked_table t WHERE t.id OPERATOR(pg_catalog.=) tracked_id AND t.closed_through OPERATOR(pg_catalog.>=) through AND t.tail_from OPERATOR(pg_catalog.>=) tail
                      AND t.kept_from OPERATOR(pg_catalog.<=) tick AND audittrail.reading(t) OPERATOR(pg_catalog.=) read
                      AND (name IS NULL OR t.relation OPERATOR(pg_catalog.=) pg_catalog.to_regclass(name)::oid OR (audittrail.tracked_as(name)).id OPERATOR(pg_catalog.=) tracked_id)) THEN
        RAISE EXCEPTION 'audittrail: a tracked table has changed since this statement was prepared'
            USING ERRCODE = 'AT001', HINT = 'Try the transaction again.';
    END IF;
    PERFORM audittrail.require_file(pg_catalog.to_regclass(pg_catalog.format('audittrail.%I', t.history_name)))
       FROM audittrail.tracked_table t WHERE t.id OPERATOR(pg_catalog.=) tracked_id AND audittrail.keeps_snapshot();
    -- Policies may have come since sync has looked; and rows without a version are read as they are now.
    PERFORM audittrail.may_read(t.id), CASE WHEN NOT t.baseline_complete THEN audittrail.require_all_rows(audittrail.tied_relation(t)) END
       FROM audittrail.tracked_table t WHERE t.id OPERATOR(pg_catalog.=) tracked_id
        AND (pg_catalog.row_security_active(audittrail.tied_relation(t)) OR pg_catalog.row_security_active(audittrail.named_relation(t)));
    RETURN true;
END
$$;

-- What a revision changed, and what is gone: queries for rows of one tracked table under its present names. "{tick}" stands
-- for the moment to read, "{revision}" for the revision asked about; audittrail_open is a query for open_at({tick}).

-- "alias.column, ..." of the primary key, as stored.
CREATE OR REPLACE FUNCTION audittrail.stored_key(tracked audittrail.tracked_table, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('%s.%I', alias, audittrail.stored_name(k.name)), ', ' ORDER BY k.position)
      FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
$$;

-- The rows that the revision changed, as it left them or as they last were, with what it did to them on the whole: a row
-- that it inserted and then updated was inserted.
CREATE OR REPLACE FUNCTION audittrail.changed_query(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'SELECT %1$s, CASE WHEN h.operation IN (''D'', ''T'') THEN h.operation::text WHEN h.audittrail_first = ''I'' THEN ''I'' ELSE ''U'' END'
        ' AS audittrail_operation FROM (SELECT DISTINCT ON (%2$s) v.*,'
        ' first_value(v.operation) OVER (PARTITION BY %2$s ORDER BY v.version) AS audittrail_first FROM audittrail.%3$I v'
        ' WHERE v.version >= {revision} AND v.version <= {tick} AND v.revision_id = {revision} AND v.operation <> ''B'''
        ' ORDER BY %2$s, v.version DESC) h',
        audittrail.past_columns(tracked, 'h', true), audittrail.stored_key(tracked, 'v'), tracked.history_name)
$$;

-- The last version of every row by the moment, whether the row was there then or not.
CREATE OR REPLACE FUNCTION audittrail.last_or_gone(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT audittrail.last_of_rows(tracked) || audittrail.not_followed(tracked, false)
$$;

-- The rows as they were at the moment, and those that were gone as they last were.
CREATE OR REPLACE FUNCTION audittrail.last_query(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT %s %s', audittrail.past_columns(tracked, 'h', true), audittrail.last_or_gone(tracked))
        || CASE WHEN tracked.baseline_complete THEN '' ELSE format(
        ' UNION ALL SELECT %1$s FROM %2$s b WHERE NOT EXISTS (SELECT FROM audittrail.%3$I h WHERE %4$s AND h.version >= %5$s)',
        audittrail.past_columns(tracked, 'b', false), tracked.relation::regclass, tracked.history_name,
        audittrail.same_key(tracked, 'h', true, 'b', false), tracked.since_version) END
$$;

-- The rows that were gone by the moment, as they last were, with the version and the revision that deleted them.
CREATE OR REPLACE FUNCTION audittrail.deleted_query(tracked audittrail.tracked_table) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT %s, h.operation::text AS audittrail_operation, h.revision_id AS audittrail_revision, h.version AS audittrail_version %s AND h.operation IN (''D'', ''T'')',
                  audittrail.past_columns(tracked, 'h', true), audittrail.last_or_gone(tracked))
$$;

-- The tables of which a revision changed rows, as pg_class.oid.
CREATE OR REPLACE FUNCTION audittrail.changed_relations(number bigint) RETURNS SETOF oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    final   bigint := coalesce((SELECT committed FROM audittrail.revision WHERE id = number), 9223372036854775807);
    found   boolean;
BEGIN
    FOR tracked IN SELECT * FROM audittrail.tracked_table t ORDER BY t.id LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM audittrail.%I v WHERE v.version >= $1 AND v.version <= $2 AND v.revision_id = $1 AND v.operation <> ''B'')',
                       tracked.history_name) INTO found USING number, final;
        IF found THEN
            RETURN NEXT tracked.relation;
        END IF;
    END LOOP;
END
$$;

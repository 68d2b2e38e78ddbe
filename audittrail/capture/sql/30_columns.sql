-- What a tracked table looks like: its columns, its key, and whether the capture functions still agree with them.

-- Name under which a column is stored: its own, unless the history table uses that name itself.
CREATE OR REPLACE FUNCTION audittrail.stored_name(column_name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN column_name ~ '^(row_)*(version|revision_id|superseded|operation)$' THEN 'row_' || column_name ELSE column_name END
$$;

-- The columns of a table that can be captured, in its own order. A virtual generated column (PostgreSQL 18) is NULL in
-- a trigger and therefore left out; a domain is stored as its base type, whose values no later constraint rejects. What is
-- stored as text because its type is composite, or made of composite ones, has {type, oid, layout} in "composite": its own type, see
-- 25_composites.sql. A column of the primary key, by which rows are compared, has its own type in history too.
CREATE OR REPLACE FUNCTION audittrail.live_columns(live oid)
RETURNS TABLE (attnum int, name text, type text, collation_name text, missing_value text, computed boolean, composite jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
    WITH RECURSIVE base AS (
        SELECT a.attnum, a.atttypid AS typid, a.atttypmod AS typmod
          FROM pg_attribute a
         WHERE a.attrelid = live AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
        UNION ALL
        SELECT b.attnum, t.typbasetype, t.typtypmod
          FROM base b JOIN pg_type t ON t.oid = b.typid WHERE t.typtype = 'd'
    )
    SELECT a.attnum::int, a.attname::text, CASE WHEN l.layout IS NOT NULL THEN 'text' ELSE format_type(b.typid, b.typmod) END,
           CASE WHEN c.oid IS NOT NULL THEN format('%I.%I', n.nspname, c.collname) END,
           CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END,
           a.atthasdef OR a.attidentity <> '',
           CASE WHEN l.layout IS NOT NULL THEN jsonb_build_object('type', format_type(b.typid, b.typmod), 'oid', b.typid::bigint, 'layout', l.layout) END
      FROM pg_attribute a
      JOIN base b ON b.attnum = a.attnum
      JOIN pg_type t ON t.oid = b.typid AND t.typtype <> 'd'
      LEFT JOIN pg_collation c ON c.oid = a.attcollation AND a.attcollation <> t.typcollation
      LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
      LEFT JOIN LATERAL (
        SELECT audittrail.layout_of(b.typid) AS layout
         WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = live AND i.indisprimary AND a.attnum = ANY (i.indkey::int2[]))) l ON true
     WHERE a.attrelid = live
     ORDER BY a.attnum
$$;

-- The collation of a column, if it is not that of its type; spelled as live_columns() does.
CREATE OR REPLACE FUNCTION audittrail.collation_of(table_oid oid, column_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%I.%I', n.nspname, c.collname)
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid AND t.typcollation <> a.attcollation
      JOIN pg_collation c ON c.oid = a.attcollation
      JOIN pg_namespace n ON n.oid = c.collnamespace
     WHERE a.attrelid = table_oid AND a.attname = column_name
$$;

-- Names of the primary key's columns, in key order; an empty array if there is none.
CREATE OR REPLACE FUNCTION audittrail.key_columns(live oid) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(a.attname::text ORDER BY k.position), '{}')
      FROM pg_index i
      CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
      JOIN pg_attribute a ON a.attrelid = live AND a.attnum = k.attnum
     WHERE i.indrelid = live AND i.indisprimary AND k.position <= i.indnkeyatts
$$;

-- Whether a foreign key of the table may change its rows by itself: ON DELETE or ON UPDATE CASCADE, SET NULL, SET DEFAULT.
CREATE OR REPLACE FUNCTION audittrail.has_referential_actions(live oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint
                    WHERE conrelid = live AND contype = 'f' AND (confupdtype IN ('c', 'n', 'd') OR confdeltype IN ('c', 'n', 'd')))
$$;

-- Whether several rows of a table may have the same primary key for a while.
CREATE OR REPLACE FUNCTION audittrail.has_deferrable_key(live oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = live AND indisprimary AND NOT indimmediate)
$$;

-- One value for everything about a table and its history table that the capture functions depend on: their columns, the primary key, its
-- name, which the functions have in them, whether referential actions change it, and whether others inherit from it, for which the functions
-- run as well. A new session asks for it at its first write to the table, so it is one query of as few catalogs as can be, and calls
-- functions of ours only about what most tables have not: types that are not PostgreSQL's own, and tables that inherit.
CREATE OR REPLACE FUNCTION audittrail.fingerprint(live oid, history_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
BEGIN
    RETURN (
        SELECT md5(concat_ws(' / ',
                   string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attgenerated,
                                        -- The functions name types that are not PostgreSQL's own, which may be renamed.
                                        CASE WHEN a.atttypid >= audittrail.first_user_oid() THEN format_type(a.atttypid, NULL) END),
                              ',' ORDER BY a.attrelid = live, a.attnum),
                   CASE WHEN max(a.atttypid) >= audittrail.first_user_oid() THEN audittrail.layouts_of(live) END,
                   (SELECT concat_ws(' ', i.indkey, i.indimmediate) FROM pg_index i WHERE i.indrelid = live AND i.indisprimary),
                   live::regclass,
                   -- As has_referential_actions(), in place: a call costs.
                   EXISTS (SELECT FROM pg_constraint
                            WHERE conrelid = live AND contype = 'f' AND (confupdtype IN ('c', 'n', 'd') OR confdeltype IN ('c', 'n', 'd'))),
                   -- Tables that inherit from it have triggers of their own; partitions come and go.
                   coalesce((SELECT CASE WHEN c.relkind = 'r' AND c.relhassubclass THEN audittrail.is_divided(live) ELSE false END
                               FROM pg_class c WHERE c.oid = live), false)))
          FROM pg_attribute a
         WHERE a.attrelid IN (live, to_regclass(format('audittrail.%I', history_name))) AND a.attnum > 0 AND NOT a.attisdropped);
END
$$;

-- Whether this transaction keeps its snapshot: beside what it has written itself, it sees the tables as they were then.
CREATE OR REPLACE FUNCTION audittrail.keeps_snapshot() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
$$;

-- What has become of the transaction whose number stands at a row: 'committed', 'in progress' (this one too) or 'aborted'; NULL if
-- none stands there, or one from long ago. The number gets the epoch that it is from: none is older or newer by half of all there are.
CREATE OR REPLACE FUNCTION audittrail.row_status(number xid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    short bigint := number::text;
    next  bigint := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    RETURN CASE WHEN short > 0 THEN pg_xact_status(greatest(short, short + ((next - short + 2147483648) >> 32 << 32))::text::xid8) END;
END
$$;

-- Refuse to tell what a table looks like to a transaction that keeps a snapshot from before it was changed, or tracked: it
-- sees the catalogs as they were, while its statements work with the table as it is. A row of the catalogs that another
-- transaction has replaced since carries the number of that transaction. For the row of the table itself that says little, since
-- granting a right replaces it too. So PostgreSQL is asked to describe the table, which it does as it is now: whether it has another
-- name, or one column more than the snapshot shows, be it dropped again.
CREATE OR REPLACE FUNCTION audittrail.refuse_old_snapshot(live oid, history oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = history) OR EXISTS (
        SELECT FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, c.oid, 0) o
         WHERE c.oid IN (live, history)
           AND ((o.schema, o.name) IS DISTINCT FROM (quote_ident(n.nspname), quote_ident(c.relname))
                OR pg_describe_object('pg_class'::regclass, c.oid, c.relnatts + 1) IS NOT NULL)
           -- This transaction itself may have changed the table within the statement at hand, in a trigger, which the statement can't see.
           AND audittrail.row_status(c.xmax) IS DISTINCT FROM 'in progress')
        OR EXISTS (
        SELECT FROM pg_attribute a
         WHERE a.attrelid IN (live, history) AND a.attnum > 0 AND audittrail.row_status(a.xmax) = 'committed')
        OR EXISTS (
        -- Of the indexes only the primary key counts, or what may have become it.
        SELECT FROM pg_index i
         WHERE i.indrelid = live AND (i.indisprimary OR audittrail.key_columns(live) = '{}') AND audittrail.row_status(i.xmax) = 'committed')
    THEN
        RAISE EXCEPTION 'audittrail: % has been changed, or has begun to be tracked, after this transaction took its snapshot, so that what it writes there can''t be recorded',
                        live::regclass
            USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again, as after any other serialization failure.';
    END IF;
END
$$;

-- Whether the table still is as it was when its capture functions were made.
-- Not really immutable: declared so, its value is worked out when the statement that asks is planned and costs nothing
-- afterwards. PostgreSQL plans that statement again whenever one of the tables that it names changes.
CREATE OR REPLACE FUNCTION audittrail.in_step(live oid, history_name text, made_for text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    history oid := to_regclass(format('audittrail.%I', history_name));
BEGIN
    IF history IS NOT NULL AND audittrail.keeps_snapshot() THEN
        PERFORM audittrail.refuse_old_snapshot(live, history);
    END IF;
    RETURN audittrail.fingerprint(live, history_name) IS NOT DISTINCT FROM made_for;
END
$$;

-- What the templates of SQL for a tracked table are filled with, see compose_lines():
--   id, relation, live, history           its number in the registry, its oid, its name, the name of its history table
--   key, stored_key, equality             the columns of its primary key, in the live table and in history, and their operators
--   columns, stored_columns               the columns that are stored
--   stored_values                         the columns of the live table as they are stored
--   compared, stored_compared             those whose change makes a version; of the live table in the type in which they are
--                                         stored, since records of a domain and its base type can't be compared
--   since_version, since_revision         where its history begins
CREATE OR REPLACE FUNCTION audittrail.parts_of(tracked audittrail.tracked_table) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- A primary key has the default operator class of its type. One that PostgreSQL brings has the operator "="; those of others are
    -- not on the search path of a capture function.
    is_plain boolean := coalesce((SELECT audittrail.first_user_oid() > ALL (i.indclass::oid[]) FROM pg_index i WHERE i.indrelid = tracked.relation AND i.indisprimary), true);
BEGIN
    RETURN (
        SELECT jsonb_build_object(
                   'id', tracked.id, 'relation', tracked.relation, 'live', tracked.relation::regclass,
                   'history', format('audittrail.%I', tracked.history_name),
                   'since_version', tracked.since_version, 'since_revision', tracked.since_revision,
                   'columns', array_agg(quote_ident(c.name) ORDER BY c.attnum),
                   'stored_columns', array_agg(quote_ident(c.history) ORDER BY c.attnum),
                   'stored_values', jsonb_agg(CASE WHEN c.composite IS NULL THEN to_jsonb(quote_ident(c.name)) ELSE c.written END ORDER BY c.attnum),
                   'compared', jsonb_agg(CASE WHEN c.composite IS NULL THEN to_jsonb(quote_ident(c.name) || '::' || c.type) ELSE c.written END
                                         ORDER BY c.attnum) FILTER (WHERE NOT c.ignored),
                   'stored_compared', array_agg(quote_ident(c.history) ORDER BY c.attnum) FILTER (WHERE NOT c.ignored))
          FROM (SELECT *, jsonb_build_array('audittrail.as_text(', quote_ident(name), ')') AS written
                  FROM jsonb_to_recordset(tracked.columns) c (attnum int, name text, type text, history text, ignored boolean, composite jsonb)
                 WHERE history IS NOT NULL) c)
        || (
        SELECT jsonb_build_object(
                   'key', coalesce(array_agg(quote_ident(k.name) ORDER BY k.position), '{}'),
                   'stored_key', coalesce(array_agg(quote_ident(audittrail.stored_name(k.name)) ORDER BY k.position), '{}'),
                   'equality', coalesce(array_agg(CASE WHEN is_plain THEN 'OPERATOR(pg_catalog.=)'
                                                       ELSE audittrail.key_equality(tracked.relation, k.position::int) END ORDER BY k.position), '{}'))
          FROM unnest(tracked.key) WITH ORDINALITY k (name, position));
END
$$;

-- The equality operator of a column of the primary key, qualified.
CREATE OR REPLACE FUNCTION audittrail.key_equality(live oid, place int) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((
        SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
          FROM pg_index i
          JOIN pg_opclass c ON c.oid = i.indclass[place - 1]
          JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
          JOIN pg_operator o ON o.oid = m.amopopr
          JOIN pg_namespace n ON n.oid = o.oprnamespace
         WHERE i.indrelid = live AND i.indisprimary), 'OPERATOR(pg_catalog.=)')
$$;

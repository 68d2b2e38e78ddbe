-- Complete the baseline of a table that was too large to copy when its tracking began.

-- Names of the primary key's columns as columns of "t", each with this after it, as a list for SQL.
CREATE OR REPLACE FUNCTION audittrail.key_list(tracked audittrail.tracked_table, after text DEFAULT '') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('t.%I%s', k.name, after), ', ' ORDER BY k.position) FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
$$;

-- Values of the primary key's columns as a list for SQL.
CREATE OR REPLACE FUNCTION audittrail.key_values(tracked audittrail.tracked_table, row_key text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('%L::%s', row_key[k.position], c.type), ', ' ORDER BY k.position)
      FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
      JOIN jsonb_to_recordset(tracked.columns) c (name text, type text) ON c.name = k.name
$$;

-- Copy the next batch of a baseline: rows after the last key copied, in key order. Returns how many rows it looked at;
-- 0 means that the baseline is complete. Call it with a short lock_timeout, and try again: then a writer and a batch
-- that wait for each other are no deadlock.
CREATE OR REPLACE FUNCTION audittrail.backfill_batch(tracked_id int, batch_size int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    keys    text;
    batch   text;
    looked  bigint;
    reached text[];
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id AND until_version IS NULL FOR UPDATE;
    IF NOT tracked.baseline_complete AND audittrail.fingerprint(tracked.relation, tracked.history_name) <> tracked.fingerprint THEN
        PERFORM audittrail.reconcile(tracked_id);
        SELECT * INTO tracked FROM audittrail.tracked_table WHERE id = tracked_id;
    END IF;
    IF tracked.baseline_complete THEN
        RETURN 0;
    ELSIF tracked.key = '{}' THEN
        RAISE EXCEPTION 'audittrail: the baseline of % cannot be completed: it has no primary key', tracked.relation::regclass
            USING ERRCODE = 'invalid_table_definition', HINT = 'Add a primary key.';
    END IF;
    keys := audittrail.key_list(tracked);
    batch := format('SELECT t.* FROM %s t', tracked.relation::regclass);
    IF tracked.baseline_position IS NOT NULL THEN
        batch := batch || format(' WHERE (%s) > (%s)', keys, audittrail.key_values(tracked, tracked.baseline_position));
    END IF;
    EXECUTE format('SELECT count(*) OVER (), ARRAY[%s] FROM (%s ORDER BY %s LIMIT %s) t ORDER BY %s LIMIT 1',
                   audittrail.key_list(tracked, '::text'), batch, keys, batch_size, audittrail.key_list(tracked, ' DESC'))
       INTO looked, reached;
    IF looked IS NULL THEN
        PERFORM audittrail.complete_baseline(tracked_id);
        RETURN 0;
    END IF;
    -- Rows that came in between have versions already.
    batch := batch || format(' %s (%s) <= (%s)', CASE WHEN tracked.baseline_position IS NULL THEN 'WHERE' ELSE 'AND' END,
                             keys, audittrail.key_values(tracked, reached));
    PERFORM audittrail.write_baseline(tracked, format('(%s)', batch));
    UPDATE audittrail.tracked_table SET baseline_position = reached WHERE id = tracked_id;
    RETURN looked;
END
$$;

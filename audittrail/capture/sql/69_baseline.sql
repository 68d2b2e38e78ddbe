-- Complete the baseline of a table that was too large to copy when its tracking began.

-- Values of the primary key's columns as items of a list for SQL.
CREATE OR REPLACE FUNCTION audittrail.key_values(tracked audittrail.tracked_table, row_key text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(format('%L::%s', row_key[k.position], c.type) ORDER BY k.position)
      FROM unnest(tracked.key) WITH ORDINALITY k (name, position)
      JOIN jsonb_to_recordset(tracked.columns) c (name text, type text) ON c.name = k.name
$$;

-- Copy the next batch of a baseline: rows after the last key copied, in key order. Returns how many rows it looked at;
-- 0 means that the baseline is complete. Call it with a short lock_timeout, and try again: so a writer and a batch that wait
-- for each other don't end in a deadlock.
CREATE OR REPLACE FUNCTION audittrail.backfill_batch(tracked_id int, batch_size int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tracked audittrail.tracked_table;
    parts   jsonb;
    batch   text := 'SELECT t.* FROM {live} t';
    looked  bigint;
    reached text[];
BEGIN
    SELECT * INTO STRICT tracked FROM audittrail.tracked_table WHERE id = tracked_id AND until_version IS NULL FOR UPDATE;
    tracked := audittrail.tie(tracked_id);
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
    PERFORM audittrail.require_all_rows(tracked.relation);
    -- Keys are kept as text, by format() and not by a cast to text, which may be a function of anybody's.
    PERFORM audittrail.refuse_foreign_code(0, to_regtype(c.type), format('go on after a key of %s', tracked.relation::regclass))
       FROM jsonb_to_recordset(tracked.columns) c (name text, type text) WHERE c.name = ANY (tracked.key);
    parts := audittrail.parts_of(tracked) || jsonb_build_object('position', audittrail.key_values(tracked, tracked.baseline_position), 'batch_size', batch_size,
        'key_texts', ARRAY(SELECT format('format(''%%s'', t.%I)', key) FROM unnest(tracked.key) key),
        'key_descending', ARRAY(SELECT name || ' DESC' FROM unnest(tracked.key) k (key) CROSS JOIN LATERAL quote_ident(key) name));
    IF tracked.baseline_position IS NOT NULL THEN
        batch := batch || ' WHERE ({t.key}) > ({position})';
    END IF;
    EXECUTE audittrail.compose(concat('SELECT count(*) OVER (), ARRAY[{key_texts}] FROM (', batch,
                                      ' ORDER BY {t.key} LIMIT {batch_size}) t ORDER BY {t.key_descending} LIMIT 1'), parts)
       INTO looked, reached;
    IF looked IS NULL THEN
        PERFORM audittrail.complete_baseline(tracked_id);
        RETURN 0;
    END IF;
    -- Rows that came in between have versions already.
    batch := concat('(', batch, CASE WHEN tracked.baseline_position IS NULL THEN ' WHERE' ELSE ' AND' END, ' ({t.key}) <= ({reached}))');
    PERFORM audittrail.write_baseline(tracked, audittrail.compose(batch, parts || jsonb_build_object('reached', audittrail.key_values(tracked, reached))));
    UPDATE audittrail.tracked_table SET baseline_position = reached WHERE id = tracked_id;
    RETURN looked;
END
$$;

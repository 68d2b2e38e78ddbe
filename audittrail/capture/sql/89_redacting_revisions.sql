-- Redacting, second part: what revisions say of people, and how a redaction is recorded.

-- Note in this transaction's revision what it redacted: never the values.
CREATE OR REPLACE FUNCTION audittrail.record_redaction(corrected text, about jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    PERFORM audittrail.record_correction(corrected);
    UPDATE audittrail.revision r
       SET context = jsonb_set(r.context, '{redacted}', coalesce(r.context -> 'redacted', '[]') || about)
     WHERE r.id = current_setting('audittrail.revision')::bigint;
END
$$;

-- Replace what revisions say of people: reason, context, committed_by, client_addr, db_user, application_name, and of their
-- context single keys, named as in "context.path". Replacements as in 88_redacting.sql; without one a text is emptied, and the context too
-- but for what revisions say of corrections. Returns how many revisions that concerns; carries it out and records it, unless
-- they are only to be counted.
CREATE OR REPLACE FUNCTION audittrail.redact_revisions(numbers bigint[], columns text[], replacements text[], only_count boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names   text;
    news    text;
    source  text;
    found   bigint;
    former  text[];
BEGIN
    SELECT string_agg(format('%I', n.name), ', ' ORDER BY n.name), string_agg(n.new, ', ' ORDER BY n.name) INTO names, news
      FROM (SELECT split_part(w.name, '.', 1) AS name, CASE
                WHEN min(w.name) = 'context' THEN format(
                    '%L::jsonb || coalesce((SELECT jsonb_object_agg(c.key, c.value) FROM jsonb_each(context) c'
                    ' WHERE c.key IN (''corrected'', ''redacted'', ''pruned'', ''restored'', ''imported'', ''imported_from'')), ''{}'')', coalesce(min(w.replacement), '{}'))
                WHEN min(w.name) LIKE 'context.%' THEN format('context - %L::text[]', array_agg(substr(w.name, 9)))
                WHEN min(w.name) IN ('committed_by', 'client_addr') THEN format('%L::%s', min(w.replacement), (
                    SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'audittrail.revision'::regclass AND attname = min(w.name)))
                ELSE format('%L::text', coalesce(min(w.replacement), '')) END AS new
              FROM unnest(columns, replacements) w (name, replacement) GROUP BY split_part(w.name, '.', 1)) n;
    source := format('id = ANY ($1) AND committed IS NOT NULL AND ROW(%s) IS DISTINCT FROM ROW(%s)', names, news);
    IF only_count THEN
        EXECUTE format('SELECT count(*) FROM audittrail.revision WHERE %s', source) INTO found USING numbers;
        RETURN found;
    END IF;
    former := audittrail.unguard();
    EXECUTE format('UPDATE audittrail.revision SET (%s) = ROW(%s) WHERE %s', names, news, source) USING numbers;
    GET DIAGNOSTICS found = ROW_COUNT;
    PERFORM audittrail.guard_as(former);
    IF found > 0 THEN
        PERFORM audittrail.record_redaction('revision', jsonb_build_object('table', 'revision', 'columns', to_jsonb(columns), 'rows', found));
    END IF;
    RETURN found;
END
$$;

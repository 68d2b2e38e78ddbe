-- The ledger, third part: what is erased or changed on purpose. The digest of what was there stays in the tree; its salt goes,
-- with the key, so that nobody can find out what the digest is of by trying. Nothing of it happens before the ledger is begun.

-- The revision to which an erasing belongs: the one that records it, or this transaction's.
CREATE OR REPLACE FUNCTION audittrail.erasing_revision() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened bigint;
BEGIN
    IF coalesce(current_setting('audittrail.erasing', true), '') <> '' THEN
        RETURN current_setting('audittrail.erasing')::bigint;
    END IF;
    opened := audittrail.next_version();
    RETURN current_setting('audittrail.revision')::bigint;
END
$$;

-- Revisions that have erased something may be erased themselves before they are entered: then the present one answers for what they erased.
CREATE OR REPLACE FUNCTION audittrail.inherit_erasures(erased bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_table int;
    heir     bigint;
BEGIN
    FOR of_table IN SELECT DISTINCT e.table_id FROM audittrail.ledger_entry e
                     WHERE e.erased_by = ANY (erased) AND e.erased_in IS NULL OR e.made_by = ANY (erased) AND e.position IS NULL LOOP
        PERFORM audittrail.record_correction(coalesce((SELECT t.history_name FROM audittrail.tracked_table t WHERE t.id = of_table), 'revision'));
        heir := audittrail.erasing_revision();
        UPDATE audittrail.ledger_entry e SET erased_by = heir WHERE e.table_id = of_table AND e.erased_by = ANY (erased) AND e.erased_in IS NULL;
        UPDATE audittrail.ledger_entry e SET made_by = heir WHERE e.table_id = of_table AND e.made_by = ANY (erased) AND e.position IS NULL;
    END LOOP;
END
$$;

-- Trigger on a history table: note which entered versions an UPDATE or DELETE has changed or erased.
-- The row of audittrail.ledger is locked first: whoever is entering versions meanwhile has entered what was there before, or will
-- see that it is gone.
CREATE OR REPLACE FUNCTION audittrail.erase_from_ledger() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET intervalstyle = 'postgres' SET lc_monetary = 'C' AS $$
DECLARE
    of_table int := (SELECT t.id FROM audittrail.tracked_table t WHERE t.history_name = TG_TABLE_NAME);
    rows     text := TG_RELID::regclass::text;
    through  bigint := (SELECT l.committed FROM audittrail.ledger l);
    noted    record;
    last     audittrail.ledger_layout;
    erasing  bigint;
BEGIN
    IF TG_TABLE_NAME = 'revision' THEN
        of_table := 0;
        rows := '(SELECT r.*, r.id AS version FROM old_rows r)';
    ELSIF TG_OP <> 'TRUNCATE' THEN
        rows := 'old_rows';
    END IF;
    IF through IS NULL OR of_table IS NULL THEN
        RETURN NULL;
    ELSIF TG_OP <> 'TRUNCATE' THEN
        IF TG_TABLE_NAME = 'revision' THEN
            PERFORM audittrail.inherit_erasures(ARRAY(SELECT o.id FROM old_rows o WHERE o.committed > through));
            PERFORM FROM old_rows o WHERE o.id <= through;
        ELSE
            PERFORM FROM old_rows o WHERE o.version <= through;
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;  -- all of it is later than what has been entered, as a transaction's own versions are
        END IF;
    END IF;
    PERFORM FROM audittrail.ledger FOR SHARE;
    erasing := audittrail.erasing_revision();
    FOR noted IN SELECT l.form, array_agg(l.number) AS numbers FROM audittrail.ledger_layout l WHERE l.table_id = of_table GROUP BY l.form LOOP
        EXECUTE audittrail.compose($template$
WITH gone AS (
    SELECT o.version, o.key, row_number() OVER (PARTITION BY o.version, o.key) AS place
      FROM (SELECT o.version, {key} AS key FROM {rows} o) o
), entered AS (
    SELECT e.ctid AS entry, e.version, e.key, row_number() OVER (PARTITION BY e.version, e.key) AS place
      FROM audittrail.ledger_entry e
     WHERE e.table_id = {table} AND e.layout = ANY ({layouts}) AND e.key IS NOT NULL AND e.erased_by IS NULL
       AND e.version IN (SELECT g.version FROM gone g)
)
UPDATE audittrail.ledger_entry e
   SET salt = NULL, key = NULL, erased_by = {erasing}
  FROM entered n JOIN gone g USING (version, key, place)
 WHERE e.ctid = n.entry
$template$, jsonb_build_object('key', audittrail.ledger_key(TG_RELID, noted.form, 'o'), 'rows', rows, 'table', of_table,
                               'layouts', quote_literal(noted.numbers), 'erasing', erasing));
    END LOOP;
    IF TG_OP = 'UPDATE' THEN
        SELECT * INTO last FROM audittrail.ledger_layout l WHERE l.table_id = of_table ORDER BY l.number DESC LIMIT 1;
        EXECUTE audittrail.compose($template$
INSERT INTO audittrail.ledger_entry (version, table_id, layout, kind, key, made_by)
SELECT n.version, {table}, {layout}, 'C', {key}, {erasing}
  FROM new_rows n
 WHERE n.version IN (SELECT e.version FROM audittrail.ledger_entry e WHERE e.table_id = {table} AND e.erased_by = {erasing} AND e.erased_in IS NULL)
$template$, jsonb_build_object('table', of_table, 'layout', last.number, 'key', audittrail.ledger_key(TG_RELID, last.form, 'n'), 'erasing', erasing));
    END IF;
    -- A change that was not entered before the next one leaves nothing in the tree to erase.
    DELETE FROM audittrail.ledger_entry e WHERE e.table_id = of_table AND e.position IS NULL AND e.erased_by IS NOT NULL;
    RETURN NULL;
END
$$;

-- Trigger on revision: note that the row of an entered revision was changed. It watches rows, since that table's own stamps are
-- updates as well.
CREATE OR REPLACE FUNCTION audittrail.change_in_ledger() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erasing bigint;
BEGIN
    -- One that was imported is entered with the revision that did it.
    IF OLD.committed > (SELECT l.committed FROM audittrail.ledger l) OR OLD IS NOT DISTINCT FROM NEW
       OR OLD.id < 0 AND NOT EXISTS (SELECT FROM audittrail.ledger_entry e WHERE e.version = OLD.id AND e.table_id = 0) THEN
        RETURN NULL;
    END IF;
    PERFORM FROM audittrail.ledger FOR SHARE;
    erasing := audittrail.erasing_revision();
    DELETE FROM audittrail.ledger_entry e WHERE e.version = OLD.id AND e.table_id = 0 AND e.position IS NULL;
    UPDATE audittrail.ledger_entry e SET salt = NULL, key = NULL, erased_by = erasing WHERE e.version = OLD.id AND e.table_id = 0 AND e.salt IS NOT NULL;
    INSERT INTO audittrail.ledger_entry (version, table_id, layout, kind, key, made_by)
    SELECT NEW.id, 0, l.number, 'C', '', erasing FROM audittrail.ledger_layout l WHERE l.table_id = 0 ORDER BY l.number DESC LIMIT 1;
    RETURN NULL;
END
$$;

-- Put these triggers on one of our tables. Closing versions changes nothing that is entered.
CREATE OR REPLACE FUNCTION audittrail.create_ledger_triggers(noted regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = noted AND tgname = 'ledger_update') THEN
        IF noted = 'audittrail.revision'::regclass THEN
            EXECUTE format('CREATE TRIGGER ledger_update AFTER UPDATE ON %s FOR EACH ROW WHEN (OLD.committed IS NOT NULL AND '
                           'OLD.xid <> pg_catalog.pg_current_xact_id()) EXECUTE FUNCTION audittrail.change_in_ledger()', noted);
        ELSE
            EXECUTE format('CREATE TRIGGER ledger_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT '
                           'WHEN (current_setting(''audittrail.closing'', true) IS DISTINCT FROM ''on'') EXECUTE FUNCTION audittrail.erase_from_ledger()', noted);
        END IF;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = noted AND tgname = 'ledger_delete') THEN
        EXECUTE format('CREATE TRIGGER ledger_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT '
                       'EXECUTE FUNCTION audittrail.erase_from_ledger()', noted);
    END IF;
    IF noted <> 'audittrail.revision'::regclass AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = noted AND tgname = 'ledger_truncate') THEN
        EXECUTE format('CREATE TRIGGER ledger_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION audittrail.erase_from_ledger()', noted);
    END IF;
END
$$;

-- Take them away again, with the ledger of a test database.
CREATE OR REPLACE FUNCTION audittrail.drop_ledger_triggers() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) FROM pg_trigger t
         WHERE t.tgfoid IN ('audittrail.erase_from_ledger'::regproc, 'audittrail.change_in_ledger'::regproc) LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

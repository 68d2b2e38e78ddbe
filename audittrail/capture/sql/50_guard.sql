-- History is not changed by accident: UPDATE, DELETE and TRUNCATE on our tables fail, unless the transaction says that
-- it means it. It says so with the setting audittrail.editing, which history.editing() sets for its block.
-- A role without privileges on our tables can't do it either way.

-- The settings by which our own functions tell the triggers of history what they do: audittrail.unguarded (they change history on
-- purpose), audittrail.closing (they write nothing but "superseded") and audittrail.erasing (the revision that records it).
CREATE OR REPLACE FUNCTION audittrail.guard_settings() RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY[coalesce(current_setting('audittrail.unguarded', true), ''), coalesce(current_setting('audittrail.closing', true), ''),
                 coalesce(current_setting('audittrail.erasing', true), '')]
$$;

-- Give these settings values. After an error PostgreSQL itself gives them back the values from before.
CREATE OR REPLACE FUNCTION audittrail.guard_as(settings text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('audittrail.unguarded', settings[1], true), set_config('audittrail.closing', settings[2], true),
            set_config('audittrail.erasing', settings[3], true);
END
$$;

-- Let one of our functions change history. Returns the settings from before, which guard_as() is given when the function is done: it may
-- have been called by another one, which is not done yet.
CREATE OR REPLACE FUNCTION audittrail.unguard(closing text DEFAULT NULL, erasing text DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text[] := audittrail.guard_settings();
BEGIN
    PERFORM audittrail.guard_as(ARRAY['on', coalesce(closing, former[2]), coalesce(erasing, former[3])]);
    RETURN former;
END
$$;

-- Note in this transaction's revision that it corrected history, and where.
CREATE OR REPLACE FUNCTION audittrail.record_correction(corrected text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened bigint := audittrail.next_version();
BEGIN
    UPDATE audittrail.revision r
       SET context = jsonb_set(r.context, '{corrected}', coalesce(r.context -> 'corrected', '[]') || to_jsonb(corrected))
     WHERE r.id = current_setting('audittrail.revision')::bigint
       AND NOT coalesce(r.context -> 'corrected', '[]') ? corrected;
END
$$;

-- Trigger on our tables: refuse what changes history by accident; inside history.editing(), note that it was corrected.
CREATE OR REPLACE FUNCTION audittrail.guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    IF current_setting('audittrail.unguarded', true) = 'on' THEN
        NULL;  -- our own functions at work
    ELSIF coalesce(current_setting('audittrail.editing', true), '') = '' THEN
        RAISE EXCEPTION 'audittrail: history cannot be changed (% on audittrail.%)', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'To correct history on purpose, use audittrail.history.editing(reason=...), which records that you did.';
    ELSE
        -- One after the other: a correction, and the closing of the versions that it corrects.
        PERFORM FROM audittrail.tracked_table WHERE history_name = TG_TABLE_NAME FOR UPDATE;
        PERFORM audittrail.record_correction(TG_TABLE_NAME);
    END IF;
    IF TG_LEVEL = 'STATEMENT' THEN
        RETURN NULL;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

-- Put the guard on one of our tables. On revision it watches rows, and not the transaction's own, which is stamped at its commit and
-- opened again when a deferred trigger writes after that.
CREATE OR REPLACE FUNCTION audittrail.create_guard(guarded regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = guarded AND tgname = 'guard') THEN
        RETURN;
    END IF;
    IF guarded = 'audittrail.revision'::regclass THEN
        EXECUTE format('CREATE TRIGGER guard BEFORE UPDATE ON %s FOR EACH ROW WHEN (OLD.committed IS NOT NULL AND '
                       'OLD.xid <> pg_catalog.pg_current_xact_id()) EXECUTE FUNCTION audittrail.guard()', guarded);
        EXECUTE format('CREATE TRIGGER guard_delete BEFORE DELETE ON %s FOR EACH ROW '
                       'WHEN (OLD.committed IS NOT NULL) EXECUTE FUNCTION audittrail.guard()', guarded);
        EXECUTE format('CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT '
                       'EXECUTE FUNCTION audittrail.guard()', guarded);
    ELSE
        EXECUTE format('CREATE TRIGGER guard BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT '
                       'EXECUTE FUNCTION audittrail.guard()', guarded);
    END IF;
END
$$;

SELECT audittrail.create_guard('audittrail.revision'), audittrail.create_guard('audittrail.long_revision');

-- What is deleted from revision goes from long_revision too. A trigger does it: so no function that deletes has to think of it, and
-- nothing but a deletion pays for it.
CREATE OR REPLACE FUNCTION audittrail.forget_long() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text[] := audittrail.unguard();
BEGIN
    DELETE FROM audittrail.long_revision l USING old_rows o WHERE l.id = o.id;
    PERFORM audittrail.guard_as(former);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER forget_long AFTER DELETE ON audittrail.revision REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audittrail.forget_long();

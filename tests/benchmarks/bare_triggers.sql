-- The floor: what typed history by statement triggers costs if it does nothing else. No revision, no context, no order
-- of commits, no look at what changed; wrong for updates that touch nothing and for tables that change their columns.

CREATE SCHEMA bare;
CREATE SEQUENCE bare.clock;
CREATE TABLE bare.history (version bigint NOT NULL, operation "char" NOT NULL, LIKE shop_bareorder);
CREATE UNIQUE INDEX history_key ON bare.history (id, version);

CREATE FUNCTION bare.capture_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bare.history SELECT nextval('bare.clock'), left(TG_OP, 1)::"char", n.* FROM new_rows n;
    RETURN NULL;
END
$$;

CREATE FUNCTION bare.capture_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bare.history SELECT nextval('bare.clock'), 'D', o.* FROM old_rows o;
    RETURN NULL;
END
$$;

CREATE TRIGGER bare_insert AFTER INSERT ON shop_bareorder REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bare.capture_new();
CREATE TRIGGER bare_update AFTER UPDATE ON shop_bareorder REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bare.capture_new();
CREATE TRIGGER bare_delete AFTER DELETE ON shop_bareorder REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bare.capture_old();

-- The same for parcels and their labels, with a row for each transaction, which says nothing but its time.

CREATE TABLE bare.revision (id bigint PRIMARY KEY, committed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE bare.parcel_history (version bigint NOT NULL, revision_id bigint NOT NULL, operation "char" NOT NULL, LIKE shop_bareparcel);
CREATE UNIQUE INDEX parcel_history_key ON bare.parcel_history (id, version);
CREATE INDEX ON bare.parcel_history (customer_id);
CREATE TABLE bare.labelling_history (version bigint NOT NULL, revision_id bigint NOT NULL, operation "char" NOT NULL, LIKE shop_barelabelling);
CREATE UNIQUE INDEX labelling_history_key ON bare.labelling_history (id, version);
CREATE INDEX ON bare.labelling_history (label_id);
CREATE INDEX ON bare.labelling_history (parcel_id);

DO $do$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY '{parcel,labelling}'::text[] LOOP
        EXECUTE format($format$
            CREATE FUNCTION bare.capture_%1$s() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE
                number bigint := nullif(current_setting('bare.revision', true), '');
            BEGIN
                IF number IS NULL THEN
                    INSERT INTO bare.revision (id) VALUES (set_config('bare.revision', nextval('bare.clock')::text, true)::bigint) RETURNING id INTO number;
                END IF;
                IF TG_OP = 'DELETE' THEN
                    INSERT INTO bare.%1$s_history SELECT nextval('bare.clock'), number, 'D', o.* FROM old_rows o;
                ELSIF TG_OP = 'INSERT' THEN
                    INSERT INTO bare.%1$s_history SELECT nextval('bare.clock'), number, 'I', n.* FROM new_rows n;
                ELSE
                    INSERT INTO bare.%1$s_history SELECT nextval('bare.clock'), number, 'U', n.* FROM new_rows n;
                END IF;
                RETURN NULL;
            END
            $$;
            CREATE TRIGGER bare_insert AFTER INSERT ON shop_bare%1$s REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION bare.capture_%1$s();
            CREATE TRIGGER bare_update AFTER UPDATE ON shop_bare%1$s REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION bare.capture_%1$s();
            CREATE TRIGGER bare_delete AFTER DELETE ON shop_bare%1$s REFERENCING OLD TABLE AS old_rows
                FOR EACH STATEMENT EXECUTE FUNCTION bare.capture_%1$s()$format$, kind);
    END LOOP;
END
$do$;

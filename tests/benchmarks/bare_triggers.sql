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

-- The clock gives no tick twice: where history has come by another way than its clock, it is put right before it is used.

-- The highest tick that is known to have been given. Each new session asks, so the indexes and tables that are looked into are few: a
-- revision with one of the highest numbers has the tick of its commit near them, or was open then, and is listed as long.
CREATE OR REPLACE FUNCTION audittrail.given_tick() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    last_tick bigint := (SELECT max(greatest(id, committed))
                           FROM (SELECT id, committed FROM audittrail.revision ORDER BY id DESC LIMIT audittrail.short_revision() + 1) r);
BEGIN
    RETURN (SELECT greatest(last_tick, (SELECT max(committed) FROM audittrail.long_revision WHERE int8range(id, committed) @> last_tick),
                            max(greatest(since_version, until_version, mark_tick))) FROM audittrail.tracked_table);
END
$$;

-- How many ticks the clock is behind what it has given already, as after a restore of the tables alone; 0 if it is not. Who may
-- call it need not be allowed to take ticks, so it reads the clock for them.
CREATE OR REPLACE FUNCTION audittrail.clock_lag() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- What was given first, then what the clock shows, which no snapshot holds back.
    given bigint := audittrail.given_tick();
BEGIN
    RETURN greatest(given - (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM audittrail.clock), 0);
END
$$;

-- Let the clock give only ticks after this one. Others may take ticks meanwhile, and it must not go back behind theirs, as it might by
-- setval(). So as many ticks are taken as it lacks. If those are very many, the clock is set while it is locked: that waits for the
-- transactions that have taken a tick, and others wait for the end of this one.
CREATE OR REPLACE FUNCTION audittrail.pass_tick(tick bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lacking bigint := tick - coalesce(pg_sequence_last_value('audittrail.clock'), 0);
BEGIN
    IF lacking > 100000 THEN
        ALTER SEQUENCE audittrail.clock OWNED BY NONE;  -- changes nothing, and locks the sequence
        PERFORM setval('audittrail.clock', greatest(last_value, tick)) FROM audittrail.clock;
    ELSIF lacking > 0 THEN
        PERFORM max(nextval('audittrail.clock')) FROM generate_series(1, lacking);
    END IF;
END
$$;

-- Put the clock right, if it is behind. Returns by how many ticks it was.
CREATE OR REPLACE FUNCTION audittrail.advance_clock() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lag bigint := audittrail.clock_lag();
BEGIN
    PERFORM audittrail.pass_tick(audittrail.given_tick());
    RETURN lag;
END
$$;

-- Trigger on what comes by logical replication, which brings the rows and not the clock: lets it pass the ticks in them, before anybody
-- sees them. So where the origin is exchanged for what it was replicated to, sessions that go on there take later ticks. It fires
-- before the row, since events that are kept for the end would need memory for all rows of a first copy; and goes ahead by more than it
-- must, so that of many rows nearly all find the clock ahead of them.
CREATE OR REPLACE FUNCTION audittrail.follow_clock() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tick bigint;
BEGIN
    IF TG_TABLE_NAME = 'revision' THEN
        tick := greatest(NEW.id, NEW.committed);
    ELSE
        tick := greatest(NEW.since_version, NEW.until_version, NEW.mark_tick);
    END IF;
    PERFORM audittrail.pass_tick(tick + 1000);
    RETURN NEW;
END
$$;

DO $$
DECLARE
    followed regclass;
    ticks    text;
BEGIN
    FOR followed, ticks IN VALUES ('audittrail.revision'::regclass, 'NEW.id, NEW.committed'),
                                  ('audittrail.tracked_table', 'NEW.since_version, NEW.until_version, NEW.mark_tick') LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = followed AND tgname = 'follow_clock' AND tgenabled = 'R') THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER follow_clock BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
                           'WHEN (coalesce(greatest(%s) > pg_catalog.pg_sequence_last_value(''audittrail.clock''), true)) '
                           'EXECUTE FUNCTION audittrail.follow_clock()', followed, ticks);
            EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER follow_clock', followed);
        END IF;
    END LOOP;
END
$$;

-- Asked by each session at its first commit: refuse it if the clock gives ticks that it has given before.
CREATE OR REPLACE FUNCTION audittrail.check_clock() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- As clock_lag(), in place: a call costs.
    given   bigint := audittrail.given_tick();
    lag     bigint := given - coalesce(pg_sequence_last_value('audittrail.clock'), 0);
    ignored text;
BEGIN
    IF lag > 0 THEN
        RAISE EXCEPTION 'audittrail: the clock of history is % ticks behind, and this change would be recorded in the past', lag
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'The sequence audittrail.clock was not brought along with the tables. Run manage.py audittrail sync, or SELECT audittrail.advance_clock().';
    END IF;
    ignored := set_config('audittrail.clock', 'checked', false);
END
$$;

-- The order of versions: those of a row must count up in the order in which it changed, and the last must be what the table holds.
--
-- A statement is captured when it ends. One that runs inside another (in a row trigger, in a function) ends first, and so is
-- captured first, though the outer statement had changed its rows before. What several commands of one statement do (WITH, MERGE,
-- referential actions) is captured command by command, though it came about in another order. So a capture that may not be the
-- only one of its statement compares twice. If the old images of its rows are not what their last versions say, changes that came
-- before it are yet to be captured: what they made of the rows is recorded with it. If its new images are not what the table holds,
-- changes that came after it have been captured already: then the changes at hand are woven into the versions that are there.

-- Whether something was captured before in the client's statement that is going on; notes that something is. The setting
-- audittrail.statement holds the time of that statement.
CREATE OR REPLACE FUNCTION audittrail.continues_statement() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    began   text := extract(epoch FROM statement_timestamp());
    ignored text;
BEGIN
    IF current_setting('audittrail.statement', true) = began THEN
        RETURN true;
    END IF;
    ignored := set_config('audittrail.statement', began, true);
    -- In the statement that begins a transaction the first capture does not set it (see capture_function()): there a revision tells.
    RETURN statement_timestamp() = transaction_timestamp() AND current_setting('audittrail.revision', true) <> '';
END
$$;

-- Weave changes of one row into the versions of it that a transaction has made already. States of the row are numbers, equal for
-- equal ones; 0 is no row. "first" is its state before all of these; version n has left it in states[n], with the values of
-- state images[n], and was an insertion if born[n]; change n, in the order in which they came about, has made new_states[n] of
-- old_states[n]; the table now holds one of "present" (NULL: can't be told). Returns the versions from the first new one on,
-- in their order: the version that is there, or the change whose new image (or old one) is the image of a new version; 0 stands for the row
-- in the table. Step 0, if "replaceable", says that the first state was not what it was taken for, but what change 1 began with. If nothing
-- is told of the row before, though it may have been there ("untold"), what a chain begins with that is no insertion is its baseline, "B".
--
-- Versions and changes can be put into one chain in many ways that keep the order of each. Every place costs where a link does not begin
-- with what the link before it has left, or where the chain does not end with what is in the table; the cheapest chain is returned. A version
-- and a change may be one link: the version was recorded, as what the change had made, when a change that came after it was captured.
CREATE OR REPLACE FUNCTION audittrail.weave(first int, replaceable boolean, untold boolean, states int[], images int[], born boolean[], old_states int[], new_states int[], present int[])
RETURNS TABLE (step int, source "char", number int, operation "char")
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_versions int := coalesce(cardinality(states), 0);
    n_changes  int := coalesce(cardinality(old_states), 0);
    begin_with int := first;
    best       int;
    best_first int := first;
    best_moves int[];
    costs      int[];
    origins    int[];
    moves      int[];
    node       int;
    target     int;
    base       int;
    cost       int;
    needed     int;
    state      int;
    v          int;
    c          int;
    last_image int;
    last_source "char";
BEGIN
    LOOP
        -- Node (v, c, kind): v versions and c changes are in the chain, the last of them a version (0) or a change (1). A move to
        -- it is a version (1), a change (2), a version that is what a change made (3), the latter two after a gap (4, 5).
        costs := array_fill(NULL::int, ARRAY[2 * (n_versions + 1) * (n_changes + 1)]);
        origins := costs;
        moves := costs;
        costs[1] := 0;
        FOR v IN 0 .. n_versions LOOP
            FOR c IN 0 .. n_changes LOOP
                FOR kind IN 0 .. 1 LOOP
                    node := 2 * (v * (n_changes + 1) + c) + kind + 1;
                    CONTINUE WHEN costs[node] IS NULL;
                    state := CASE WHEN kind = 1 THEN new_states[c] WHEN v > 0 THEN states[v] ELSE begin_with END;
                    IF v < n_versions THEN
                        needed := CASE WHEN born[v + 1] THEN 0 WHEN states[v + 1] = 0 THEN images[v + 1]
                                       ELSE nullif(CASE WHEN v > 0 THEN states[v] ELSE first END, 0) END;
                        target := 2 * ((v + 1) * (n_changes + 1) + c) + 1;
                        cost := costs[node] + CASE WHEN state = needed THEN 0 WHEN needed IS NULL AND state <> 0 THEN 1 ELSE 5 END;
                        IF cost < coalesce(costs[target], cost + 1) THEN
                            costs[target] := cost; origins[target] := node; moves[target] := 1;
                        END IF;
                        IF c < n_changes AND new_states[c + 1] = states[v + 1] THEN
                            target := target + 2;
                            -- Only of the first version it is uncertain what it came from.
                            cost := costs[node] + CASE WHEN state = old_states[c + 1] THEN 0 WHEN v = 0 THEN 2 ELSE 4 END;
                            IF cost < coalesce(costs[target], cost + 1) THEN
                                costs[target] := cost; origins[target] := node;
                                moves[target] := CASE WHEN state = old_states[c + 1] THEN 3 ELSE 5 END;
                            END IF;
                        END IF;
                    END IF;
                    IF c < n_changes THEN
                        target := 2 * (v * (n_changes + 1) + c + 1) + 2;
                        cost := costs[node] + CASE WHEN state = old_states[c + 1] THEN 1 ELSE 3 END;
                        IF cost < coalesce(costs[target], cost + 1) THEN
                            costs[target] := cost; origins[target] := node;
                            moves[target] := CASE WHEN state = old_states[c + 1] THEN 2 ELSE 4 END;
                        END IF;
                    END IF;
                END LOOP;
            END LOOP;
        END LOOP;
        base := 2 * (n_versions * (n_changes + 1) + n_changes) + 1;
        FOR node IN base .. base + 1 LOOP
            CONTINUE WHEN costs[node] IS NULL;
            state := CASE WHEN node > base THEN new_states[n_changes] WHEN n_versions > 0 THEN states[n_versions] ELSE begin_with END;
            cost := costs[node] + CASE WHEN present IS NULL OR state = ANY (present) OR present = '{}' AND state = 0 THEN 0 ELSE 4 END;
            IF cost < coalesce(best, cost + 1) THEN
                best := cost;
                best_first := begin_with;
                best_moves := '{}';
                target := node;
                WHILE target > 1 LOOP
                    best_moves := moves[target] || best_moves;
                    target := origins[target];
                END LOOP;
            END IF;
        END LOOP;
        EXIT WHEN NOT replaceable OR n_changes = 0 OR begin_with <> first OR old_states[1] = first;
        begin_with := old_states[1];
    END LOOP;

    step := 0;
    IF best_first <> first THEN
        source := CASE WHEN best_first = 0 THEN '-' ELSE 'o' END;
        number := 1;
        RETURN NEXT;
    END IF;
    state := best_first;
    v := 0;
    c := 0;
    -- "last_source" and "last_image" say where the image of the present state is.
    last_source := 'f';
    last_image := 0;
    FOREACH node IN ARRAY best_moves LOOP
        IF node IN (4, 5) THEN
            step := step + 1;
            IF old_states[c + 1] = 0 THEN
                source := last_source; number := last_image; operation := 'D';
            ELSE
                source := 'o'; number := c + 1;
                operation := CASE WHEN state <> 0 THEN 'U' WHEN untold AND v = 0 AND c = 0 THEN 'B' ELSE 'I' END;
            END IF;
            RETURN NEXT;
            state := old_states[c + 1];
            last_source := 'o'; last_image := c + 1;
        END IF;
        IF node IN (2, 3, 4, 5) THEN
            c := c + 1;
        END IF;
        IF node IN (1, 3, 5) THEN
            v := v + 1;
            IF step > 0 AND states[v] = 0 AND state <> images[v] THEN
                -- Of two rows that shared the key, the other one was deleted.
                step := step + 1;
                source := 'v'; number := v; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
                RETURN NEXT;
            END IF;
            IF step > 0 THEN
                step := step + 1;
                source := 'v'; number := v; operation := CASE WHEN states[v] = 0 THEN 'D' WHEN state = 0 THEN 'I' ELSE 'U' END;
                RETURN NEXT;
            END IF;
            state := states[v];
            last_source := 'v'; last_image := v;
        ELSE
            step := step + 1;
            number := c;
            IF new_states[c] = 0 THEN
                source := 'o'; operation := 'D';
            ELSE
                source := 'n'; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
                last_source := 'n'; last_image := c;
            END IF;
            RETURN NEXT;
            state := new_states[c];
        END IF;
    END LOOP;
    IF NOT (present IS NULL OR state = ANY (present) OR present = '{}' AND state = 0) THEN
        step := step + 1;
        IF present = '{}' THEN
            source := last_source; number := last_image; operation := 'D';
        ELSE
            source := 'p'; number := 1; operation := CASE WHEN state = 0 THEN 'I' ELSE 'U' END;
        END IF;
        RETURN NEXT;
    END IF;
END
$$;

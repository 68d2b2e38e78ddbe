-- Fill the office: rows, a million revisions that changed them, and some that deleted them.
-- SELECT insert_rows(200000); SELECT change_rows(1000000, 200000, 200, 100); CALL delete_rows(500, 10, 200000, 200);

-- Insert orders, each with a line, every second one with a tag, and one customer for ten of them. Order 1 has six lines and a tag.
CREATE OR REPLACE FUNCTION insert_rows(orders integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO office_tag (name) SELECT 'tag-' || g FROM generate_series(1, 100) g;
    INSERT INTO office_customer (name, email)
        SELECT 'customer ' || g, 'customer' || g || '@example.com' FROM generate_series(1, orders / 10) g;
    INSERT INTO office_order (customer_id, status, total, placed_at, gift, note, details)
        SELECT g % (orders / 10) + 1, 'new', g % 90 + 5, timestamptz '2019-01-01 00:00+00' + g * interval '1 minute',
               g % 7 = 0, repeat('please leave it ', g % 3),
               jsonb_build_object('shelf', g % 40, 'steps', jsonb_build_array('packed'))
          FROM generate_series(1, orders) g;
    INSERT INTO office_line (order_id, article, quantity)
        SELECT g, 'article ' || g % 1000, 1 FROM generate_series(1, orders) g;
    INSERT INTO office_line (order_id, article, quantity)
        SELECT 1, 'article ' || g, 1 FROM generate_series(2, 6) g;
    INSERT INTO office_order_tags (order_id, tag_id) SELECT g, 100 FROM generate_series(1, orders) g WHERE g = 1 OR g % 2 = 0;
$$;

-- Change the rows in so many revisions, every so many of which (favourite) changes order 1: each an order, its first line, and by
-- turns its tag and a customer. They were not captured: what capture would have written is written, in a statement a table, and
-- the live rows are brought to what their last versions say. So a revision has four ticks: one for each version, and its commit.
-- There was one every 30 seconds of the year 2020.
CREATE OR REPLACE FUNCTION change_rows(revisions integer, orders integer, users integer, favourite integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    clock bigint := nextval('audittrail.clock') + 1;
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);  -- no trigger but those that are meant for it
    CREATE TEMPORARY TABLE change ON COMMIT DROP AS
        SELECT i, clock + 4 * (i - 1) AS tick,
               CASE WHEN i % favourite = 0 THEN 1 ELSE abs(hashint4(i)::bigint) % orders + 1 END AS target
          FROM generate_series(1, revisions) i;
    INSERT INTO audittrail.revision (id, committed, committed_at, committed_by, reason, context)
        SELECT tick, tick + 3, timestamptz '2020-01-01 00:00+00' + i * interval '30 seconds', i % users + 1,
               CASE WHEN i % 3 = 0 THEN 'Reason ' || i % 500 ELSE '' END,
               jsonb_build_object('method', 'POST', 'path', '/admin/office/order/' || target || '/change/', 'request_id', md5(i::text))
          FROM change ORDER BY i;
    INSERT INTO audittrail.office_order_history
           (version, revision_id, operation, id, customer_id, status, total, placed_at, gift, note, details)
        SELECT c.tick, c.tick, 'U', o.id, o.customer_id, (ARRAY['new', 'paid', 'sent', 'back'])[i / 7 % 4 + 1],
               o.total + row_number() OVER (PARTITION BY o.id ORDER BY i), o.placed_at, o.gift,
               'asked for the ' || i || 'th time, please leave it',
               jsonb_build_object('shelf', i % 40, 'steps', jsonb_build_array('packed', 'step ' || i % 9))
          FROM change c JOIN office_order o ON o.id = c.target ORDER BY i;
    INSERT INTO audittrail.office_line_history (version, revision_id, operation, id, order_id, article, quantity)
        SELECT c.tick + 1, c.tick, 'U', l.id, l.order_id, l.article,
               l.quantity + row_number() OVER (PARTITION BY l.id ORDER BY i)
          FROM change c JOIN office_line l ON l.id = c.target ORDER BY i;
    INSERT INTO audittrail.office_order_tags_history (version, revision_id, operation, id, order_id, tag_id)
        SELECT c.tick + 2, c.tick, 'U', t.id, t.order_id, row_number() OVER (PARTITION BY t.id ORDER BY i) % 99 + 1
          FROM change c JOIN office_order_tags t ON t.order_id = c.target WHERE i % 2 = 1 ORDER BY i;
    INSERT INTO audittrail.office_customer_history (version, revision_id, operation, id, name, email)
        SELECT c.tick + 2, c.tick, 'U', p.id, p.name, 'customer' || i || '@example.com'
          FROM change c JOIN office_customer p ON p.id = c.target % (orders / 10) + 1 WHERE i % 2 = 0 ORDER BY i;
    PERFORM setval('audittrail.clock', clock + 4 * revisions::bigint);
    UPDATE office_order o SET status = v.status, total = v.total, note = v.note, details = v.details
      FROM (SELECT DISTINCT ON (id) * FROM audittrail.office_order_history ORDER BY id, version DESC) v
     WHERE v.id = o.id AND v.operation = 'U';
    UPDATE office_line l SET quantity = v.quantity
      FROM (SELECT DISTINCT ON (id) * FROM audittrail.office_line_history ORDER BY id, version DESC) v
     WHERE v.id = l.id AND v.operation = 'U';
    UPDATE office_order_tags t SET tag_id = v.tag_id
      FROM (SELECT DISTINCT ON (id) * FROM audittrail.office_order_tags_history ORDER BY id, version DESC) v
     WHERE v.id = t.id AND v.operation = 'U';
    UPDATE office_customer c SET email = v.email
      FROM (SELECT DISTINCT ON (id) * FROM audittrail.office_customer_history ORDER BY id, version DESC) v
     WHERE v.id = c.id AND v.operation = 'U';
    PERFORM set_config('session_replication_role', 'origin', true);
END
$$;

-- Delete the last orders with what belongs to them, so many (size) in each of so many transactions (number).
CREATE OR REPLACE PROCEDURE delete_rows(number integer, size integer, orders integer, users integer) LANGUAGE plpgsql AS $$
DECLARE
    chosen bigint[];
BEGIN
    FOR i IN 1..number LOOP
        chosen := ARRAY(SELECT g FROM generate_series(orders - i * size + 1, orders - (i - 1) * size) g);
        PERFORM set_config('audittrail.context', jsonb_build_object('user', i % users + 1, 'reason', 'Too old')::text, true);
        DELETE FROM office_line WHERE order_id = ANY (chosen);
        DELETE FROM office_order_tags WHERE order_id = ANY (chosen);
        DELETE FROM office_order WHERE id = ANY (chosen);
        COMMIT;
    END LOOP;
END
$$;

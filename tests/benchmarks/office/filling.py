"""Fill the office: every revision is a transaction that was really captured, but all come from one procedure in the server."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models

from audittrail import history
from audittrail.models import Revision
from tests.benchmarks.office.models import Order

USERS = 200
#: Every so many revisions change the same order: number 1.
FAVOURITE = 100
#: Revisions that delete orders at the end, and how many each.
DELETIONS, DELETED = 500, 10
BATCH = 20_000

ROWS = """
INSERT INTO office_tag (name) SELECT 'tag-' || g FROM generate_series(1, 100) g;
INSERT INTO office_customer (name, email)
    SELECT 'customer ' || g, 'customer' || g || '@example.com' FROM generate_series(1, {orders} / 10) g;
INSERT INTO office_order (customer_id, status, total, placed_at, gift, note, details)
    SELECT g % ({orders} / 10) + 1, 'new', g % 90 + 5, timestamptz '2019-01-01 00:00+00' + g * interval '1 minute',
           g % 7 = 0, repeat('please leave it ', g % 3),
           jsonb_build_object('shelf', g % 40, 'steps', jsonb_build_array('packed'))
      FROM generate_series(1, {orders}) g;
INSERT INTO office_line (order_id, article, quantity)
    SELECT g, 'article ' || g % 1000, 1 FROM generate_series(1, {orders}) g;
INSERT INTO office_line (order_id, article, quantity)
    SELECT 1, 'article ' || g, 1 FROM generate_series(2, 6) g;
INSERT INTO office_order_tags (order_id, tag_id) SELECT g, g % 100 + 1 FROM generate_series(1, {orders}, 2) g;
"""

#: The work of the revisions from `first` to `last`: an order, a line of it, and its customer or a tag of it.
WORK = """
CREATE OR REPLACE PROCEDURE work(first integer, last integer, orders integer) LANGUAGE plpgsql AS $$
DECLARE
    target bigint;
BEGIN
    FOR i IN first..last LOOP
        target := CASE WHEN i % {favourite} = 0 THEN 1 ELSE i::bigint * 7919 % orders + 1 END;
        PERFORM set_config('audittrail.context', jsonb_build_object(
            'user', i % {users} + 1, 'reason', CASE WHEN i % 3 = 0 THEN 'Reason ' || i % 500 ELSE '' END,
            'method', 'POST', 'path', '/admin/office/order/' || target || '/change/', 'request_id', md5(i::text))::text, true);
        UPDATE office_order
           SET status = (ARRAY['new', 'paid', 'sent', 'back'])[i / 7 % 4 + 1], total = total + 1,
               note = 'asked for the ' || i || 'th time, please leave it',
               details = jsonb_build_object('shelf', i % 40, 'steps', jsonb_build_array('packed', 'step ' || i % 9))
         WHERE id = target;
        UPDATE office_line SET quantity = quantity + 1 WHERE id = target;
        IF i % 2 = 0 THEN
            UPDATE office_customer SET email = 'customer' || i || '@example.com' WHERE id = target % (orders / 10) + 1;
        ELSIF target % 2 = 1 THEN
            UPDATE office_order_tags SET tag_id = i % 100 + 1 WHERE order_id = target;
        END IF;
        COMMIT;
    END LOOP;
END
$$;
CREATE OR REPLACE PROCEDURE work_off(number integer, size integer, orders integer) LANGUAGE plpgsql AS $$
DECLARE
    chosen bigint[];
BEGIN
    FOR i IN 1..number LOOP
        chosen := ARRAY(SELECT g FROM generate_series(orders - i * size + 1, orders - (i - 1) * size) g);
        PERFORM set_config('audittrail.context', jsonb_build_object('user', i % {users} + 1, 'reason', 'Too old')::text, true);
        DELETE FROM office_line WHERE order_id = ANY (chosen);
        DELETE FROM office_order_tags WHERE order_id = ANY (chosen);
        DELETE FROM office_order WHERE id = ANY (chosen);
        COMMIT;
    END LOOP;
END
$$;
"""

#: As if there had been one revision every two minutes.
DATES = "timestamptz '2020-01-01 00:00+00' + (id - (SELECT min(id) FROM audittrail.revision)) * interval '30 seconds'"


def fill(revisions: int) -> Iterator[str]:
    """Create the tables and make so many revisions; yield what has been done."""
    orders = max(revisions // 5, 1000)
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # the office has no migrations
    User.objects.bulk_create(User(username=f"user{number}") for number in range(1, USERS + 1))
    with connection.cursor() as cursor:
        cursor.execute(ROWS.replace("{orders}", str(orders)))
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(WORK.replace("{favourite}", str(FAVOURITE)).replace("{users}", str(USERS)))
        yield "rows inserted"
        for first in range(1, revisions + 1, BATCH):
            last = min(first + BATCH - 1, revisions)
            cursor.execute("CALL work(%s, %s, %s)", [first, last, orders])
            yield f"{last} revisions"
            if first // BATCH % 10 == 9:
                cursor.execute("VACUUM")
        yield "worked"
        deletions = min(DELETIONS, orders // DELETED // 4)
        cursor.execute("CALL work_off(%s, %s, %s)", [deletions, DELETED, orders])
        yield "deleted"
    with history.editing("Dated over years"):
        Revision.objects.committed().update(committed_at=models.expressions.RawSQL(DATES, []))
    yield "dated"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL audittrail.revision")
    call_command("audittrail", "maintain", "--vacuum", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yield "closed, indexed and tidied"


def timed(generator: Iterator[str]) -> Iterator[tuple[str, float]]:
    """Yield what a generator does, with the seconds that it took."""
    clock = perf_counter()
    for done in generator:
        yield done, perf_counter() - clock
        clock = perf_counter()


def sizes() -> dict[str, int]:
    """Return how many revisions there are, how many versions, and how many of the favourite order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', 'audittrail', history_name) FROM audittrail.tracked_table"
        )
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(f"SELECT {' + '.join(f'(SELECT count(*) FROM {t})' for t in tables)}")
        (versions,) = cursor.fetchone()
    return {
        "revisions": Revision.objects.count(),
        "versions": versions,
        "versions of order 1": Order.history.versions.filter(id=1).count(),
    }

"""Functions of another release give way to those of this one."""

from __future__ import annotations

from audittrail.capture import install
from tests.builders.workshop import Workshop

FORMER = """
    CREATE FUNCTION audittrail.follow(tracked_id int, event text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
    CREATE FUNCTION audittrail.gone_since_then() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION audittrail.given_to_a_view() RETURNS int LANGUAGE sql AS 'SELECT 1';
    DROP FUNCTION audittrail.key_values(audittrail.tracked_table, text[]);
    CREATE FUNCTION audittrail.key_values(of_table audittrail.tracked_table, row_key text[]) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
    CREATE VIEW public.of_a_user AS SELECT audittrail.given_to_a_view();
    COMMENT ON FUNCTION audittrail.next_version() IS 'audittrail functions of another release';
"""


def test_what_is_left_of_an_earlier_release_goes(shop: Workshop) -> None:
    shop.psql("CREATE TABLE item (id int PRIMARY KEY); SELECT audittrail.track('item');" + FORMER)
    assert install.install_functions(shop.connection)
    assert shop.sql(
        "SELECT proname, count(*) FROM pg_proc WHERE pronamespace = 'audittrail'::regnamespace"
        " AND proname IN ('follow', 'gone_since_then', 'given_to_a_view', 'key_values') GROUP BY 1 ORDER BY 1"
    ) == [("follow", 1), ("given_to_a_view", 1), ("key_values", 1)]
    shop.psql("ALTER TABLE item ADD COLUMN name text; INSERT INTO item VALUES (1, 'one')")
    assert shop.psql("SELECT operation, id, name FROM audittrail.item_history") == "I|1|one\n"
    shop.sync()

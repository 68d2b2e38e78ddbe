"""Row-level security: what writes or judges history sees all rows, or fails with an error that says which role must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audittrail.capture.row_security import check_policies
from audittrail.capture.servercode import deviations
from audittrail.exceptions import RestoreError
from audittrail.models import Revision
from tests.builders.fresh import Fresh
from tests.capture.ways import sql
from tests.roles.foreign import AUTHOR, KEEPER, database_of_an_author, run, was_caught
from tests.testapp.models import Customer

REFUSED = f"policies of (public.)?account hide rows from role {KEEPER}"
ACCOUNT = "(SELECT t.id FROM audittrail.tracked_table t WHERE t.table_name = 'account')"

#: Everything of ours belongs to a role that is no superuser and has no BYPASSRLS.
GIVEN_AWAY = f"""
DO $$
DECLARE
    object text;
BEGIN
    CREATE ROLE {KEEPER} LOGIN;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO {KEEPER}', current_database());
    GRANT CREATE ON SCHEMA public TO {KEEPER};
    GRANT {AUTHOR} TO {KEEPER};
    ALTER SCHEMA audittrail OWNER TO {KEEPER};
    FOR object IN SELECT format('TABLE %s', oid::regclass) FROM pg_class WHERE relnamespace IN ('audittrail'::regnamespace, 'public'::regnamespace)
                     AND relkind = 'r' AND relname <> 'caught'
                   UNION ALL SELECT format('SEQUENCE %s', oid::regclass) FROM pg_class c WHERE relnamespace = 'audittrail'::regnamespace AND relkind = 'S'
                     AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'i')
                   UNION ALL SELECT format('FUNCTION %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'audittrail'::regnamespace LOOP
        EXECUTE format('ALTER %s OWNER TO {KEEPER}', object);
    END LOOP;
END
$$
"""
#: The policy notes that it ran as somebody else than the author of the table.
POLICIES = (
    "ALTER TABLE account ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE account FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own ON account USING (tenant::text = current_setting('app.tenant', true))",
)


@pytest.fixture
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database whose history belongs to a role that policies bind, with a table of two rows."""
    with database_of_an_author(fresh_database) as made:
        owner = made.connect()
        run(owner, GIVEN_AWAY)
        run(
            made.connect(user=KEEPER),
            "CREATE TABLE account (id int PRIMARY KEY, tenant int, balance int DEFAULT 0)",
            "INSERT INTO account VALUES (1, 1), (2, 2)",
        )
        yield made
        run(owner, f"REASSIGN OWNED BY {KEEPER} TO postgres", f"DROP OWNED BY {KEEPER}")
        run(owner, f"DROP ROLE {KEEPER}")


def keeper(database: Fresh) -> Any:
    return database.connect(user=KEEPER, options="-c app.tenant=1")


def test_a_baseline_of_some_of_the_rows_is_refused(database: Fresh) -> None:
    connection = keeper(database)
    run(connection, *POLICIES)
    with pytest.raises(Exception, match=REFUSED) as refusal:
        run(connection, "SELECT audittrail.track('account')")
    assert "BYPASSRLS" in str(refusal.value)
    run(database.connect(), f"ALTER ROLE {KEEPER} BYPASSRLS")
    run(connection, "SELECT audittrail.track('account')")
    assert run(connection, "SELECT count(*) FROM audittrail.account_history") == [(2,)]


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT audittrail.backfill_batch({ACCOUNT}, 100)",
        f"SELECT audittrail.repair({ACCOUNT})",
        f"SELECT * FROM audittrail.verify({ACCOUNT})",
        f"SELECT * FROM audittrail.live_holders({ACCOUNT}, '{{balance}}', '{{1}}', NULL, false)",
        f"SELECT audittrail.overwrite_live({ACCOUNT}, '{{balance}}', '{{1}}', NULL)",
        "SELECT audittrail.reset_history()",
        "TRUNCATE account",
        "ALTER TABLE account DISABLE TRIGGER audittrail_update; SELECT audittrail.track('account')",
        "ALTER TABLE account ADD COLUMN stamp uuid DEFAULT gen_random_uuid(); SELECT audittrail.track('account')",
        "ALTER TABLE account ADD COLUMN stamp uuid DEFAULT gen_random_uuid(); INSERT INTO account VALUES (3, 1)",
        "SELECT audittrail.erase_later(1)",
    ],
)
def test_what_judges_all_rows_fails_where_some_are_hidden(database: Fresh, statement: str) -> None:
    connection = keeper(database)
    limit = 0 if "backfill" in statement else 1000000
    run(connection, f"SELECT audittrail.track('account', baseline_limit => {limit})")
    run(connection, "UPDATE account SET balance = 1 WHERE id = 1", *POLICIES)
    before = run(database.connect(), "SELECT count(*) FROM audittrail.account_history")
    with pytest.raises(Exception, match=REFUSED):
        run(connection, "BEGIN", statement)
    run(connection, "ROLLBACK")
    assert run(database.connect(), "SELECT count(*) FROM audittrail.account_history") == before
    assert run(database.connect(), "SELECT count(*) FROM account") == [(2,)]


def test_writes_to_a_table_that_hides_rows_are_recorded_all_the_same(database: Fresh) -> None:
    connection = keeper(database)
    run(connection, "SELECT audittrail.track('account')", *POLICIES)
    run(
        connection,
        "WITH first AS (UPDATE account SET balance = 1 RETURNING id) INSERT INTO account SELECT 3, 1, 5 FROM first",
        "BEGIN",
        "UPDATE account SET balance = 2 WHERE id = 3",
        "DELETE FROM account WHERE id = 3",
        "COMMIT",
        "CREATE FUNCTION idle() RETURNS void LANGUAGE sql AS"
        " 'UPDATE account SET balance = 0 WHERE false; UPDATE account SET balance = balance; DELETE FROM account WHERE false;"
        "  INSERT INTO account SELECT 1 WHERE false'",
        "SELECT idle()",
    )
    owner = database.connect()
    assert run(
        owner,
        "SELECT count(*) FROM audittrail.revision r WHERE NOT EXISTS"
        " (SELECT FROM audittrail.account_history h WHERE h.revision_id = r.id) AND r.id > (SELECT min(version) FROM audittrail.account_history)",
    ) == [(0,)]
    assert run(
        owner,
        "SELECT id, operation::text, balance FROM audittrail.account_history ORDER BY version, id",
    ) == [(1, "B", 0), (2, "B", 0), (1, "U", 1), (3, "I", 5), (3, "U", 2), (3, "D", 2)]
    assert run(owner, f"SELECT * FROM audittrail.verify({ACCOUNT})") == []


def test_policies_run_nothing_with_the_rights_of_historys_owner(database: Fresh) -> None:
    run(
        database.connect(user=AUTHOR),
        "CREATE TABLE thing (id int PRIMARY KEY, n int)",
        "INSERT INTO thing VALUES (1, 1)",
    )
    connection = keeper(database)
    run(connection, "SELECT audittrail.track('thing')")
    author = database.connect(user=AUTHOR)
    run(
        author,
        "CREATE POLICY sly ON thing USING (public.trap())",
        "ALTER TABLE thing ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE thing FORCE ROW LEVEL SECURITY",
        "WITH first AS (UPDATE thing SET n = 2 RETURNING id) INSERT INTO thing SELECT 3, 1 FROM first",
        "CREATE FUNCTION again() RETURNS void LANGUAGE sql AS 'UPDATE thing SET n = n + 1; UPDATE thing SET n = n + 1'",
        "SELECT again()",
        "ALTER TABLE thing ADD COLUMN m int",
        "UPDATE thing SET m = 1",
    )
    with pytest.raises(Exception, match="policies of"):
        run(author, "TRUNCATE thing")
    for statement in ("verify", "repair"):
        with pytest.raises(Exception, match="policies of"):
            run(
                connection,
                f"SELECT audittrail.{statement}(t.id) FROM audittrail.tracked_table t WHERE t.table_name = 'thing'",
            )
    assert not was_caught(database)


@pytest.fixture
def bound_role() -> Iterator[str]:
    """Give a role that may read and write everything, but for the customers that a policy hides."""
    name = f"bound_in_{connection.settings_dict['NAME']}"
    sql(
        f"CREATE ROLE {name}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}; GRANT TEMPORARY ON DATABASE {connection.settings_dict['NAME']} TO {name}"
    )
    call_command("audittrail", "grant", name, "--apply", verbosity=0)
    sql("ALTER TABLE testapp_customer ENABLE ROW LEVEL SECURITY")
    sql("CREATE POLICY visible ON testapp_customer USING (name <> 'Hidden')")
    yield name
    sql(
        "RESET ROLE; DROP POLICY visible ON testapp_customer; ALTER TABLE testapp_customer DISABLE ROW LEVEL SECURITY"
    )
    sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
    call_command("audittrail", "sync", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_restoring_a_table_that_hides_rows_is_refused(bound_role: str) -> None:
    customer = Customer.objects.create(name="Ada")
    then = Revision.objects.newest()
    assert then is not None
    customer.delete()
    last = Revision.objects.newest()
    assert last is not None
    sql(f"SET ROLE {bound_role}")
    for call in (
        Customer.history(revision=then).restore,
        last.undo,
        then.restore_all,
        then.rollback_all_later_revisions,
    ):
        with (
            pytest.raises((RestoreError, DatabaseError), match=bound_role),
            transaction.atomic(),
        ):
            call(dry_run=True)
    sql(f"RESET ROLE; ALTER ROLE {bound_role} BYPASSRLS; SET ROLE {bound_role}")
    Customer.history(revision=then).restore()
    assert Customer.objects.get().name == "Ada"


READINGS: dict[str, Callable[[Any, int], object]] = {
    "as of": lambda then, key: list(Customer.history(revision=then)),
    "versions": lambda then, key: list(Customer.history.versions.all()),
    "deleted": lambda then, key: list(Customer.history.deleted()),
    "diff": lambda then, key: list(Customer.history.diff(pk=key)),
    "changed": lambda then, key: list(then.get_changed_objects(clss=Customer)),
    "all changed": lambda then, key: list(then.get_all_changed_objects()),
    "psql": lambda then, key: sql("SELECT * FROM audittrail.as_of(NULL::testapp_customer, now())"),
    "history": lambda then, key: sql("SELECT * FROM audittrail.testapp_customer_history"),
    "a count": lambda then, key: sql("SELECT count(*) FROM audittrail.testapp_customer_history"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reading", READINGS)
def test_a_role_that_policies_bind_is_refused_history(bound_role: str, reading: str) -> None:
    call_command("audittrail", "sync", verbosity=0)
    key = Customer.objects.create(name="Hidden").pk
    then = Revision.objects.newest()
    assert then is not None
    read = READINGS[reading]
    sql(f"SET ROLE {bound_role}")
    with pytest.raises(DatabaseError, match="bind role"), transaction.atomic():
        read(then, key)
    sql(f"RESET ROLE; ALTER ROLE {bound_role} BYPASSRLS; SET ROLE {bound_role}")
    read(then, key)
    sql(f"RESET ROLE; ALTER ROLE {bound_role} NOBYPASSRLS")
    read(then, key)  # as the owner of history
    sql("ALTER TABLE testapp_customer DISABLE ROW LEVEL SECURITY")
    call_command("audittrail", "sync", verbosity=0)
    sql(f"SET ROLE {bound_role}")
    read(then, key)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reading", ["as of", "psql", "changed"])
def test_policies_that_sync_has_not_seen_yet_bind_readers_of_the_past(
    bound_role: str, reading: str
) -> None:
    key = Customer.objects.create(name="Hidden").pk
    then = Revision.objects.newest()
    assert then is not None
    sql(f"SET ROLE {bound_role}")
    with pytest.raises(DatabaseError, match="bind role"), transaction.atomic():
        READINGS[reading](then, key)


@pytest.mark.django_db(transaction=True)
def test_policies_bind_readers_of_a_table_that_has_another_oid_since_a_restore(
    bound_role: str,
) -> None:
    Customer.objects.create(name="Hidden")
    then = Revision.objects.newest()
    assert then is not None
    oid = "'testapp_customer'::regclass::oid"
    sql("SET audittrail.unguarded = 'on'")
    try:
        sql(f"UPDATE audittrail.tracked_table SET relation = 1 WHERE relation = {oid}")
        sql(f"SET ROLE {bound_role}")
        with pytest.raises(DatabaseError, match="bind role"), transaction.atomic():
            list(Customer.history(revision=then))
        sql("RESET ROLE")
        assert Customer.history(revision=then).get().name == "Hidden"
    finally:
        sql(f"RESET ROLE; UPDATE audittrail.tracked_table SET relation = {oid} WHERE relation = 1")
        sql("RESET audittrail.unguarded")


@pytest.mark.django_db(transaction=True)
def test_a_check_names_tables_with_policies(bound_role: str) -> None:
    call_command("audittrail", "sync", verbosity=0)
    assert [str(found) for found in deviations(connection)] == []
    (message,) = check_policies(databases=["default"])
    assert message.id == "audittrail.I001"
    assert (
        "'testapp_customer' in database 'default' has row-level security (policies: visible)"
        in str(message.msg)
    )
    sql(f"SET ROLE {bound_role}")
    (message,) = check_policies(databases=["default"])
    assert message.id == "audittrail.W022"
    assert f"bind role '{bound_role}'" in str(message.msg)

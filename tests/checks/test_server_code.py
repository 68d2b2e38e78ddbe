"""The comparison of the server code tells what was done to it, whatever names are used, and nothing that only got in its way."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from audittrail.capture import servercode
from tests.builders.sending import sql
from tests.databases import raw_connection
from tests.suites.projects import server

pytestmark = pytest.mark.django_db


def test_what_is_granted_to_a_role_with_any_name_is_told() -> None:
    assert servercode.deviations(connection) == []
    for name in ("owner", '"(owner)"', '"PUBLIC"'):
        with transaction.atomic():
            sql(f"CREATE ROLE {name}; GRANT EXECUTE ON FUNCTION audittrail.erase_later TO {name}")
            (deviation,) = servercode.deviations(connection)
            assert deviation.details == ("who may call it",)
            transaction.set_rollback(True)


def test_what_can_not_be_compared_for_want_of_a_lock_or_a_right_is_no_finding() -> None:
    assert servercode.deviations(connection) == []
    sql("SET LOCAL lock_timeout = '50ms'")
    with closing(raw_connection(**server(), dbname=connection.settings_dict["NAME"])) as other:
        other.cursor().execute("LOCK TABLE audittrail.ledger")
        with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
            servercode.deviations(connection)
        other.rollback()
    assert servercode.deviations(connection) == []
    sql("CREATE ROLE stranger; SET ROLE stranger")
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        servercode.deviations(connection)


def test_a_function_that_comes_out_as_a_part_of_another_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servercode, "_expected", {})
    sql(
        "CREATE FUNCTION public.shorten() RETURNS event_trigger LANGUAGE plpgsql AS $body$ DECLARE c record; BEGIN"
        " FOR c IN SELECT p.pronamespace::regnamespace AS schema FROM pg_event_trigger_ddl_commands() d"
        "   JOIN pg_proc p ON p.oid = d.objid WHERE p.proname = 'stamp_age' LOOP"
        "   UPDATE pg_proc SET prosrc = 'SELECT NULL' WHERE proname = 'stamp_age' AND pronamespace = c.schema; END LOOP; END $body$;"
        " CREATE EVENT TRIGGER shorten ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION') EXECUTE FUNCTION public.shorten()"
    )
    (deviation,) = servercode.deviations(connection)
    assert str(deviation).startswith("Function audittrail.stamp_age() comes out otherwise")

"""A role that owns tables and types, and no history: what it defines must never run with the rights of history's owner."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.builders.fresh import Fresh

#: Roles are of the whole server, which several processes of a test run share.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
AUTHOR = f"audittrail_author_{_WORKER}"
KEEPER = f"audittrail_keeper_{_WORKER}"

#: `caught` notes, beyond any rollback, that a function of the author's ran with the rights of somebody else.
BEGINNING = (
    f"CREATE ROLE {AUTHOR} LOGIN",
    f"GRANT CREATE ON SCHEMA public TO {AUTHOR}",
    f"SET ROLE {AUTHOR}",
    "CREATE SEQUENCE caught",
    f"CREATE FUNCTION trap() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_user <> '{AUTHOR}' THEN PERFORM nextval('public.caught'); END IF; RETURN true; END $$",
    "RESET ROLE",
    f"GRANT USAGE ON SEQUENCE caught TO {AUTHOR}, PUBLIC",
)


def run(connection: Any, *statements: str) -> list[Any]:
    """Run statements one by one, and return the rows of the last."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def database_of_an_author(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database whose tables belong to AUTHOR, and its history to the superuser."""
    with fresh_database() as made:
        owner = made.connect()
        run(owner, f"DROP ROLE IF EXISTS {AUTHOR}, {KEEPER}", *BEGINNING)
        yield made
        run(owner, "RESET ROLE", f"DROP OWNED BY {AUTHOR} CASCADE", f"DROP ROLE {AUTHOR}")


def was_caught(database: Fresh) -> bool:
    """Return whether the author's code has run with the rights of somebody else."""
    ((caught,),) = run(database.connect(), "SELECT is_called FROM public.caught")
    return bool(caught)

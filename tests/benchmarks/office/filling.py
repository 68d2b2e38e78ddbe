"""Fill the office: with the history of a million transactions, written as capture would have written it, by a few statements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models.expressions import RawSQL

import audittrail.migrations
from audittrail import history
from audittrail.models import Revision
from tests.benchmarks.office.models import Order

USERS = 200
#: Every so many revisions change the same order: number 1.
FAVOURITE = 100
#: Revisions that delete orders at the end, and how many each.
DELETIONS, DELETED = 500, 10

HERE = Path(__file__).parent

#: Dates for the revisions that were really made, the rows' own and the deletions, around those of 2020, which have four ticks each.
DATES = "timestamptz '2020-01-01 00:00+00' + (id - %s) * interval '7.5 seconds'"


def is_filled() -> bool:
    """Return whether the database is there, and was filled to the end by the files that would fill it now."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [connection.settings_dict["NAME"]],
        )
        found = cursor.fetchone()
    if found != (_digest(),):
        return False
    call_command("migrate", verbosity=0)  # brings the functions that capture up to date
    return True


def make_database() -> None:
    """Make the database, in place of one that was not filled to the end, or by other files."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")


def _digest() -> str:
    digest = hashlib.sha256()
    migrations = Path(audittrail.migrations.__file__).parent
    for path in sorted([*HERE.glob("*"), *migrations.rglob("*")]):
        if path.suffix in (".py", ".sql") and path.name != "pages.py":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def fill(revisions: int) -> Iterator[str]:
    """Create the tables and make so many revisions; yield what has been done."""
    orders = max(revisions // 5, 1000)
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # the office has no migrations
    User.objects.bulk_create(User(username=f"user{number}") for number in range(1, USERS + 1))
    with connection.cursor() as cursor:
        cursor.execute((HERE / "filling.sql").read_text())
        cursor.execute("SELECT insert_rows(%s)", [orders])
        cursor.execute("ANALYZE")
        cursor.execute("SELECT last_value FROM audittrail.clock")
        (first,) = cursor.fetchone()
        yield "rows inserted"
        parameters = [revisions, orders, USERS, FAVOURITE]
        cursor.execute("SELECT change_rows(%s, %s, %s, %s)", parameters)
        cursor.execute("VACUUM ANALYZE")
        yield "changed"
        deletions = min(DELETIONS, orders // DELETED // 4)
        cursor.execute("CALL delete_rows(%s, %s, %s, %s)", [deletions, DELETED, orders, USERS])
        yield "deleted"
    with history.editing("Dated over years"):
        made = Revision.objects.exclude(pk__gt=first, pk__lt=first + 4 * revisions)
        made.committed().update(committed_at=RawSQL(DATES, [first]))
    yield "dated"
    call_command("audittrail", "maintain", "--vacuum", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"COMMENT ON DATABASE {name} IS %s", [_digest()])
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

"""A server is upgraded from PostgreSQL 16 to 18: in place by pg_upgrade, or by a dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audittrail.models import Revision
from tests.builders.sending import newest
from tests.databases import OwnServer
from tests.operations.clusters import program
from tests.servers import Run
from tests.testapp.models import Customer

OLD, NEW = "16", "18"


def stopped(version: str, *options: str) -> OwnServer:
    """Return a fresh server of a version that does not run yet."""
    made = Run.current().own_server(version, {}, options)
    return OwnServer(made.binaries, made.directory)


@pytest.fixture
def old(django_db_blocker: Any) -> Iterator[OwnServer]:
    """Give a running server of the old version, whose database "shop" has a customer with two versions."""
    server = stopped(OLD)
    server.start()
    server.createdb("shop")
    with django_db_blocker.unblock():
        with server.attached("old", "shop"):
            call_command("migrate", database="old", verbosity=0)
            Customer.objects.using("old").create(name="Ada")
            Customer.objects.using("old").update(name="Bea")
            call_command("audittrail", "maintain", database="old", verbosity=0)
            Customer.objects.using("old").update(name="Cyd")
        yield server
    if server.pid is not None:
        server.stop("immediate")


def in_place(old: OwnServer, new: OwnServer, directory: Path) -> None:
    old.stop()
    new.upgrade_from(old)
    new.start()


def by_dump(old: OwnServer, new: OwnServer, directory: Path) -> None:
    new.start()
    new.createdb("shop")
    program(new, "pg_dump", "-h", old.host, "-Fc", "-f", directory / "dump", "shop")
    program(new, "pg_restore", "-e", "-d", "shop", directory / "dump")


@pytest.mark.parametrize("way", [in_place, by_dump], ids=lambda way: way.__name__)
def test_history_goes_on_after_an_upgrade_of_the_server(
    old: OwnServer, way: Callable[[OwnServer, OwnServer, Path], None], tmp_path: Path
) -> None:
    # Clusters of PostgreSQL 18 have checksums unless told otherwise, those of 16 have none.
    new = stopped(NEW, "--no-data-checksums")
    alias = f"upgraded_{way.__name__}"
    try:
        way(old, new, tmp_path)
        with new.attached(alias, "shop"):
            revisions = Revision.objects.using(alias).for_model(Customer).order_by("committed")
            names = [Customer.history(revision).get().name for revision in revisions]
            assert names == ["Ada", "Bea", "Cyd"]
            before = newest(alias)
            Customer.objects.using(alias).update(name="Dan")
            assert newest(alias).committed > before.committed
            assert Customer.history(before).get().name == "Cyd"
            for command in ("sync", "maintain", "verify"):
                call_command("audittrail", command, database=alias, stdout=StringIO())
            call_command("audittrail", "status", "--check", database=alias, stdout=StringIO())
            assert Customer.history(newest(alias)).get().name == "Dan"
    finally:
        if new.pid is not None:
            new.stop("immediate")

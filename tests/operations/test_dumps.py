"""Dumps carry the history along, whichever way they are made, and parts of them are told as such."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from audittrail.models import Revision
from tests.builders.sending import newest, send, sql
from tests.databases import OwnServer
from tests.operations.clusters import program, server
from tests.testapp.models import Customer, Tag

NUMBERS = count(1)


@pytest.fixture(scope="module")
def there(django_db_blocker: Any) -> Iterator[OwnServer]:
    """Give a server with the database "shop", which Django knows as "origin": a customer, and tags whose baseline is incomplete."""
    with django_db_blocker.unblock(), server() as made, made.attached("origin", "shop"):
        made.createdb("shop")
        call_command("migrate", database="origin", verbosity=0)
        # Oids that a restore will give to other tables.
        customer = Customer.objects.using("origin").create(name="Ada")
        customer.name = "Bea"
        customer.save()
        sql("SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_tag'", using="origin")  # fmt: skip
        Tag.objects.using("origin").create(name="old")
        sql("SELECT audittrail.track('testapp_tag', baseline_limit => 0)", using="origin")
        with closing(made.connect(autocommit=True)) as control:
            send(control, "CREATE ROLE other LOGIN")
        yield made


@contextmanager
def copied(there: OwnServer, alias: str) -> Iterator[str]:
    """Make an empty database that Django knows by an alias; give its name."""
    name = f"copy{next(NUMBERS)}"
    there.createdb(name)
    with there.attached(alias, name):
        yield name
    with closing(there.connect(autocommit=True)) as control:
        send(control, f"DROP DATABASE {name} WITH (FORCE)")


def plain(there: OwnServer, directory: Path, name: str) -> None:
    file = directory / "dump.sql"
    file.write_text(program(there, "pg_dump", "shop"))
    program(there, "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", name, "-f", file)


def custom(there: OwnServer, directory: Path, name: str) -> None:
    program(there, "pg_dump", "-Fc", "-f", directory / "dump", "shop")
    program(there, "pg_restore", "-e", "-d", name, directory / "dump")


def parallel(there: OwnServer, directory: Path, name: str) -> None:
    program(there, "pg_dump", "-Fd", "-j2", "-f", directory / "dumped", "shop")
    program(there, "pg_restore", "-e", "-j3", "-d", name, directory / "dumped")


def other_owner(there: OwnServer, directory: Path, name: str) -> None:
    with closing(there.connect(name, autocommit=True)) as control:
        send(control, f"ALTER DATABASE {name} OWNER TO other")
        send(control, "GRANT ALL ON SCHEMA public TO other")
    program(there, "pg_dump", "-Fc", "-f", directory / "dump", "shop")
    program(there, "pg_restore", "-e", "-O", "--role=other", "-d", name, directory / "dump")


def template(there: OwnServer, directory: Path, name: str) -> None:
    connections["origin"].close()
    with closing(there.connect(autocommit=True)) as control:
        send(control, f"DROP DATABASE {name} WITH (FORCE)")
        send(control, f"CREATE DATABASE {name} TEMPLATE shop")


WAYS: list[Callable[[OwnServer, Path, str], None]] = [plain, custom, parallel, other_owner, template]  # fmt: skip


def audittrail(*arguments: str, using: str) -> str:
    output = StringIO()
    call_command("audittrail", *arguments, f"--database={using}", stdout=output)
    return output.getvalue()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_everything_is_known_before_the_first_write(
    there: OwnServer, tmp_path: Path, way: Callable[[OwnServer, Path, str], None]
) -> None:
    alias = f"restored_{way.__name__}"
    with copied(there, alias) as name:
        way(there, tmp_path, name)
        revisions = Revision.objects.using(alias).for_model(Customer).order_by("committed")
        created, renamed = revisions
        assert [customer.name for customer in Customer.history(created)] == ["Ada"]
        assert [one.name for one in created.get_all_changed_objects()[Customer]] == ["Ada"]
        plan = renamed.undo(dry_run=True)
        assert (plan.updated, plan.conflicts) == (1, ())
        # Rows without a version are read where they are.
        last = Revision.objects.using(alias).newest()
        assert [tag.name for tag in Tag.history(last)] == ["old"]
        at = "(SELECT committed_at FROM audittrail.revision ORDER BY committed DESC LIMIT 1)"
        for table, wanted in (("testapp_customer", "Bea"), ("testapp_tag", "old")):
            found = sql(f"SELECT name FROM audittrail.as_of(NULL::{table}, {at})", using=alias)
            assert found == [(wanted,)]
        status = audittrail("status", using=alias)
        assert "gone" not in status
        assert ("testapp_tag" in status) and ("baseline incomplete" in status or "sync" in status)
        assert "complete" in audittrail("backfill", using=alias)
        assert not Tag.history.versions.using(alias).filter(name="old").exclude(operation="B").exists()  # fmt: skip
        assert Tag.history.versions.using(alias).filter(name="old").count() == 1
        assert "agree" in audittrail("verify", using=alias)
        # And what is written then goes on in the same history.
        Customer.objects.using(alias).update(name="Cyd")
        assert [version.name for version in Customer.history.versions.using(alias).in_order()] == ["Ada", "Bea", "Cyd"]  # fmt: skip
        assert newest(alias).committed > renamed.committed
        audittrail("sync", using=alias)
        audittrail("status", "--check", using=alias)


def test_a_restore_of_the_data_alone_is_noticed(there: OwnServer, tmp_path: Path) -> None:
    program(there, "pg_dump", "-Fc", "-f", tmp_path / "dump", "shop")
    with copied(there, "parts") as name:
        call_command("migrate", database="parts", verbosity=0)
        sql("DELETE FROM django_migrations", using="parts")
        with pytest.raises(AssertionError):
            # Into a database that records what is restored: its revisions have numbers of the old ones.
            program(there, "pg_restore", "-a", "-d", name, tmp_path / "dump")
        with pytest.raises(CommandError):
            audittrail("verify", using="parts")
        output = StringIO()
        with pytest.raises(CommandError):
            call_command("audittrail", "verify", database="parts", stdout=output)
        assert "versions whose revision is missing" in output.getvalue()


def test_the_tables_alone_are_restored_with_stand_ins(there: OwnServer, tmp_path: Path) -> None:
    program(there, "pg_dump", "-Fc", "-n", "public", "-f", tmp_path / "dump", "shop")
    (tmp_path / "standins.sql").write_text(audittrail("standins", using="origin"))
    with copied(there, "bare") as name:
        program(there, "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", name, "-f", tmp_path / "standins.sql")  # fmt: skip
        sql("DROP SCHEMA public", using="bare")
        connections["bare"].close()
        program(there, "pg_restore", "-e", "-d", name, tmp_path / "dump")
        Customer.objects.using("bare").update(name="unrecorded")
        sql("DROP SCHEMA audittrail CASCADE", using="bare")
        assert sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audittrail%%'", using="bare") == [(0,)]  # fmt: skip
        assert Customer.objects.using("bare").get().name == "unrecorded"


def test_dumpdata_and_loaddata_leave_history_out(there: OwnServer, tmp_path: Path) -> None:
    output = StringIO()
    call_command("dumpdata", "testapp", "audittrail", database="origin", stdout=output)
    rows = json.loads(output.getvalue())
    assert {row["model"] for row in rows} >= {"testapp.customer"}
    assert not [row for row in rows if row["model"].startswith("audittrail")]
    # A file that was made without this.
    number = Revision.objects.using("origin").earliest().pk
    revision = {"model": "audittrail.revision", "pk": number + 2, "fields": {"db_user": "", "application_name": "", "reason": "loaded"}}  # fmt: skip
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([*rows, revision]))
    with ExitStack() as stack:
        stack.enter_context(copied(there, "loaded"))
        call_command("migrate", database="loaded", verbosity=0)
        call_command("loaddata", file, database="loaded", verbosity=0)
        assert not Revision.objects.using("loaded").filter(reason="loaded").exists()
        Customer.objects.using("loaded").update(name="after")
        assert newest("loaded").pk

"""A database that is restored from a dump has its history, and goes on recording."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.concurrency.accounts import Client
from tests.databases import OwnServer
from tests.faults.things import TABLE, Things
from tests.servers import SUPERUSER

FIRST = {
    "nothing": "SELECT 1",
    "writes": "UPDATE thing SET amount = amount + 100 WHERE id = 1",
    "tracks": "SELECT audittrail.track('thing')",
}

#: What a restore into another cluster may do: the oid that `thing` had in the old one is another table's in the new one.
TAKE_THE_OID = """
CREATE TABLE other (id int PRIMARY KEY, colour text);
DO $$ DECLARE old oid := (SELECT relation FROM audittrail.tracked_table WHERE table_name = 'thing'); f oid; BEGIN
    UPDATE audittrail.tracked_table SET relation = 'other'::regclass WHERE table_name = 'thing';
    FOR f IN SELECT p.oid FROM pg_proc p WHERE proname LIKE 'thing\\_history\\_%' LOOP
        EXECUTE regexp_replace(pg_get_functiondef(f), '\\m' || old || '\\M', 'other'::regclass::oid::text, 'g');
    END LOOP;
END $$;
"""


def program(server: OwnServer, name: str, *arguments: str) -> str:
    """Run one of the server's own programs and return what it prints."""
    return subprocess.run(
        [server.binaries.client(name), "-h", server.host, "-U", SUPERUSER, *arguments],
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@contextmanager
def restored(things: Things, server: OwnServer, directory: Path) -> Iterator[Things]:
    """Dump the database of `things` and restore it into another one."""
    origin, copy = things.observer.value("SELECT current_database()"), "faults_restored"
    file = str(directory / "dump.sql")
    program(server, "pg_dump", "-f", file, origin)
    server.createdb(copy)
    with ExitStack() as stack:
        control = Client(stack.enter_context(closing(server.connect(autocommit=True))))
        stack.callback(control.run, f"DROP DATABASE {copy} WITH (FORCE)")
        program(server, "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", copy, "-f", file)

        def connect(**parameters: str) -> object:
            return stack.enter_context(closing(server.connect(copy, autocommit=True, **parameters)))

        yield Things(connect)


@pytest.mark.parametrize(
    "then",
    ["", TAKE_THE_OID, TAKE_THE_OID.replace(", colour text", "")],
    ids=["free_oid", "oid_of_another", "oid_of_a_narrower_one"],
)
@pytest.mark.parametrize("first", FIRST)
def test_history_survives_a_dump_and_its_restore(
    things: Things, server: OwnServer, tmp_path: Path, first: str, then: str
) -> None:
    things.client("one").run("INSERT INTO thing VALUES (1, 10), (2, 20)")
    things.client("two").run("DELETE FROM thing WHERE id = 2")
    versions, last = things.versions(), things.last_tick()
    with restored(things, server, tmp_path) as copy:
        if then:
            copy.observer.run(then)
        assert copy.versions() == versions
        assert copy.revisions() == ["one", "two"]
        later, amount = copy.client("later"), 10
        later.run(FIRST[first])
        if first == "writes":
            amount += 100
            versions = [*versions, ("later", "U", 1, amount)]
        copy.check()
        later.run("INSERT INTO thing VALUES (3, 30)", "DELETE FROM thing WHERE id = 1")
        assert copy.versions() == [*versions, ("later", "I", 3, 30), ("later", "D", 1, amount)]
        assert copy.revisions()[2:] == ["later"] * (3 if first == "writes" else 2)
        assert copy.last_tick() > last
        copy.check()
    assert things.last_tick() == last


def test_the_schema_of_the_application_gets_nothing_but_triggers(
    things: Things, server: OwnServer
) -> None:
    def schema() -> list[str]:
        name = things.observer.value("SELECT current_database()")
        lines = program(server, "pg_dump", "-s", "-n", "public", name).splitlines()
        # The word after \\restrict is another one each time.
        return [line for line in lines if line and not line.startswith(("--", "\\"))]

    tracked = schema()
    things.observer.run("DROP TABLE thing", TABLE)
    bare = schema()
    added = [line for line in tracked if line not in bare]
    assert [line for line in tracked if line in bare] == bare
    assert len(added) >= 4
    assert [line for line in added if "TRIGGER audittrail_" not in line] == []

"""Servers beside a server: standbys that follow it, and what each of them holds."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.builders.sending import send
from tests.databases import OwnServer
from tests.servers import DEFAULT_VERSION, SUPERUSER, SYSTEM_USER, Run
from tests.settings import POSTGRES

SECONDS = 60

#: What a server needs to be followed, physically or logically.
FOLLOWED = {"wal_level": "logical", "max_wal_senders": 8, "max_replication_slots": 8}


def program(server: OwnServer, name: str, *arguments: str | Path, own: bool = False) -> str:
    """Run a client program on a server, as the system user if `own`; return what it prints."""
    account = pwd.getpwnam(SYSTEM_USER) if own and SYSTEM_USER else None
    done = subprocess.run(
        [server.binaries.client(name), "-h", server.host, "-U", SUPERUSER, *arguments],
        env={key: value for key, value in os.environ.items() if not key.startswith("PG")},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    assert done.returncode == 0, f"{name}: {done.stderr}"
    return done.stdout


@contextmanager
def server(**settings: object) -> Iterator[OwnServer]:
    """Run a fresh server of the run's version."""
    wanted = DEFAULT_VERSION if "://" in POSTGRES else POSTGRES
    made = Run.current().own_server(wanted, settings)
    own = OwnServer(made.binaries, made.directory, settings)
    own.start()
    try:
        yield own
    finally:
        if own.pid is not None:
            own.stop("immediate")


@contextmanager
def standby_of(primary: OwnServer) -> Iterator[OwnServer]:
    """Run a hot standby of a server, made by pg_basebackup."""
    directory = primary.directory.with_name(f"standby-of-{primary.directory.name}")
    standby = OwnServer(primary.binaries, directory, dict(FOLLOWED))
    standby.directory.mkdir()
    if SYSTEM_USER:
        account = pwd.getpwnam(SYSTEM_USER)
        os.chown(standby.directory, account.pw_uid, account.pw_gid)
    program(primary, "pg_basebackup", "-D", standby.data, "-X", "stream", "-R", "-c", "fast", own=True)  # fmt: skip
    # The server writes its settings over what the copy has: the primary is named again.
    standby.settings["primary_conninfo"] = f"host={primary.host} user={SUPERUSER}"
    standby.settings["max_prepared_transactions"] = 20
    standby.start()
    try:
        yield standby
    finally:
        if standby.pid is not None:
            standby.stop("immediate")


def value(server: OwnServer, query: str, dbname: str = "postgres") -> Any:
    """Return the one value of a query."""
    with closing(server.connect(dbname, autocommit=True)) as connection:
        return send(connection, query)[0][0]


def wait_until(answer: Any) -> None:
    """Ask until the answer is true; fail after a minute."""
    deadline = time.monotonic() + SECONDS
    while not answer():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def catch_up(primary: OwnServer, standby: OwnServer) -> None:
    """Wait until a standby has replayed all that its primary has written."""
    position = value(primary, "SELECT pg_current_wal_insert_lsn()::text")
    # What is not flushed is not sent.
    value(primary, "SELECT txid_current()")
    wait_until(
        lambda: value(standby, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn") is True
    )

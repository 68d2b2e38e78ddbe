"""Run pgbouncer between the tests and their server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import SUPERUSER, SYSTEM_USER

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
auth_type = any
listen_addr =
listen_port = 6432
unix_socket_dir = {directory}
# Nobody reads what it says after its start.
log_connections = 0
log_disconnections = 0
log_pooler_errors = 0
log_stats = 0
"""


@contextmanager
def transaction_pooler(database: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Start pgbouncer in transaction mode with one server connection; give the changed settings.

    Takes Django's settings of the database behind it.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise AssertionError(
            "This test needs pgbouncer, which is not installed. Install it, on Debian by "
            "apt-get install pgbouncer."
        )
    directory = Path(tempfile.mkdtemp(prefix="audittrail-pgbouncer-"))
    try:
        configuration = directory / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                host=database["HOST"] or "localhost",
                port=database["PORT"] or 5432,
                user=database["USER"] or SUPERUSER,
                directory=directory,
            )
        )
        if SYSTEM_USER:
            # Like the server, pgbouncer refuses to run as root.
            shutil.chown(directory, SYSTEM_USER)
        with subprocess.Popen(
            [program, str(configuration)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            user=SYSTEM_USER,
        ) as process:
            try:
                _wait_until_up(process)
                yield {**database, "HOST": str(directory), "PORT": "6432"}
            finally:
                process.terminate()
                process.communicate()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait_until_up(process: subprocess.Popen[str]) -> None:
    said = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if "process up" in line:
            return
    raise AssertionError(f"pgbouncer did not start: {''.join(said)}")

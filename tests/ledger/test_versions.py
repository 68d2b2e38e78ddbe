"""What was entered is the same on every version of the server, under all settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from tests.databases import OwnServer
from tests.ledger.scene import ALIAS, Scene, told
from tests.operations.clusters import program
from tests.servers import Run
from tests.settings import POSTGRES

#: From the run's version, if that is not the newest.
OLD, NEW = POSTGRES if POSTGRES in ("14", "15", "16", "17") else "16", "18"

#: Settings on which the text of values depends, one column of them for each database.
SETTINGS = {
    "DateStyle": ("'SQL, DMY'", "'German, MDY'"),
    "IntervalStyle": ("iso_8601", "sql_standard"),
    "TimeZone": ("'Asia/Kolkata'", "'America/St_Johns'"),
    "extra_float_digits": ("-5", "0"),
    "bytea_output": ("escape", "hex"),
    "quote_all_identifiers": ("on", "off"),
    "xmlbinary": ("hex", "base64"),
    "lc_monetary": ("'C.UTF-8'", "'C'"),
    "transform_null_equals": ("on", "off"),
    "search_path": ("public", "'$user', public, pg_catalog"),
}

#: Values of each type that could be written in more than one way; the quote is of a dollar, so that texts need no doubling.
VALUES = {
    "float8": ("0.1", "'-0'", "'NaN'", "'-Infinity'", "1e300", "1.0 / 3", "123456789012345678"),
    "float4": ("0.1", "1.0 / 3", "16777217", "'-0'"),
    "numeric": ("1.0", "1.00", "'NaN'", "1e-20", "12345678901234567890.1"),
    "numeric(12,4)": ("1", "0.12345"),
    "money": ("'12.50'", "-1234567.89"),
    "boolean": ("true", "false"),
    '"char"': ("'a'", "''"),
    "char(5)": ("'a'", "''"),
    "varchar(20)": ("'a '", "''", "'ä, (\"'"),
    "text": ("''", "' '", "E'a\\tb\\nc'", "E'\\u00a0\\u0085'", "'NULL'", "'{\"(,)}'", "E'\\\\'"),
    "bytea": ("'\\x00ff5c27'", "''"),
    "date": ("'2026-01-31'", "'infinity'", "'0044-03-15 BC'", "'20000-01-01'"),
    "time": ("'24:00'", "'12:00:00.000001'"),
    "timetz": ("'12:00+05:30'",),
    "timestamp": ("'2026-01-31 12:00:00.1'", "'-infinity'", "'0044-03-15 12:00 BC'"),
    "timestamptz": ("'2026-07-31 12:00+02'", "'infinity'", "'1890-01-01 00:00+00'"),
    "interval": ("'1 mon'", "'30 days'", "'-1 day +25:00:00.5'", "'1 year 2 mons -3 days'", "'0'"),
    "json": ('\'{"b": 1.0,  "a": null}\'',),
    "jsonb": ('\'{"bb": 1.0, "a": [null, "\\u00e4", 1e3]}\'', "'null'", "'1.10'"),
    "uuid": ("'00000000-0000-0000-0000-00000000000f'",),
    "inet": ("'10.0.0.1/8'", "'::1'"),
    "cidr": ("'10.0.0.0/8'",),
    "macaddr8": ("'08002b0102030405'",),
    "bit varying": ("B''", "B'0101'"),
    "point": ("'(0.1,-0)'",),
    "path": ("'[(0,0),(1,1)]'", "'((0,0),(1,1))'"),
    "polygon": ("'((0,0),(0.1,1))'",),
    "circle": ("'<(0.1,0),1.5>'",),
    "tsvector": ("'a:1A ''b c'':2'",),
    "tsquery": ("'a & !b <-> c'",),
    "int[]": ("'{1,NULL,3}'", "'[0:1]={1,2}'", "'{}'", "'{{1,2},{3,4}}'"),
    "text[]": ("ARRAY['', 'NULL', NULL, 'a,b', '{\"', ' ']",),
    "float8[]": ("ARRAY[0.1, 'NaN', '-0']",),
    "timestamptz[]": ("ARRAY['2026-07-31 12:00+02'::timestamptz]",),
    "interval[]": ("ARRAY['1 mon 2 days'::interval]",),
    "bytea[]": ("ARRAY['\\x00ff'::bytea]",),
    "int4range": ("'[1,5]'", "'empty'", "'(,)'"),
    "tstzrange": ("'[2026-07-31 12:00+02,)'",),
    "numrange": ("'[1.0,1.00]'",),
    "datemultirange": ("'{[2026-01-01,2026-02-01), [2026-03-01,)}'", "'{}'"),
    "mood": ("'so, so'", "'glad'"),
    "mood[]": ("'{\"so, so\",NULL}'",),
    "stay": ("ROW('2026-07-31 12:00+02', '1 mon', 0.1, '\\x00ff', 'so, so', NULL)::stay", "NULL"),
    "stay[]": ("ARRAY[ROW('2026-07-31 12:00+02', '1 mon', 0.1, '\\x00ff', NULL, '')::stay]",),
    "share": ("0.1",),
    "xid8": ("'18446744073709551615'",),
    "pg_lsn": ("'16/B374D848'",),
}

TYPES = """
CREATE TYPE mood AS ENUM ('glad', 'so, so');
CREATE TYPE stay AS (since timestamptz, length interval, share float8, data bytea, mood mood, note text);
CREATE DOMAIN share AS float8 CHECK (VALUE >= 0);
"""


@pytest.fixture
def servers(django_db_blocker: DjangoDbBlocker) -> Iterator[list[OwnServer]]:
    running: list[OwnServer] = []
    try:
        for version in (OLD, NEW):
            made = Run.current().own_server(version, {})
            server = OwnServer(made.binaries, made.directory)
            server.start()
            running.append(server)
        with django_db_blocker.unblock():
            yield running
    finally:
        for server in running:
            server.stop("immediate")


def configured(server: OwnServer, name: str, column: int) -> Scene:
    """Make a database whose sessions have settings of their own."""
    server.createdb(name)
    scene = Scene(server, name)
    for setting, values in SETTINGS.items():
        scene.run(f"ALTER DATABASE {name} SET {setting} = {values[column]}")
    return scene


def everything(scene: Scene) -> None:
    """Write the history of a table with all types, and of tables with keys whose text depends on settings."""
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(VALUES))
    scene.run(
        TYPES,
        f"CREATE TABLE thing (id int PRIMARY KEY, {columns})",
        "CREATE TABLE moment (at timestamptz, length interval, share float8, PRIMARY KEY (at, length, share))",
        "SELECT audittrail.track('thing'), audittrail.track('moment')",
    )
    most = max(map(len, VALUES.values()))
    rows = [
        ", ".join(values[number % len(values)] for values in VALUES.values())
        for number in range(most)
    ]
    scene.run(
        *(f"INSERT INTO thing VALUES ({number}, {row})" for number, row in enumerate(rows)),
        "INSERT INTO thing (id) VALUES (100)",
        "UPDATE thing SET id = id + 1000",
        "INSERT INTO moment VALUES ('2026-07-31 12:00+02', '1 mon 2 days', 0.1), ('2026-07-31 12:00+02', '32 days', 1.0 / 3)",
        "UPDATE moment SET at = at + interval '1 day'",
        "ALTER TABLE thing ALTER COLUMN c0 TYPE text",
        "ALTER TABLE thing ADD COLUMN more timestamptz DEFAULT '2026-07-31 12:00+02'",
        "ALTER TABLE thing ADD COLUMN length interval DEFAULT '1 mon 2 days'",
        "UPDATE thing SET c1 = 0.5 WHERE id = 1001",
    )


def test_a_digest_agrees_on_a_later_version_and_under_other_settings(
    servers: list[OwnServer], tmp_path: Path
) -> None:
    old, new = servers
    scene = configured(old, "things", 0)
    with scene.attached():
        call_command("migrate", "audittrail", database=ALIAS, verbosity=0)
    everything(scene)
    digest = scene.digest(tmp_path / "old.json")
    assert told(scene.verify(digest)) == []
    for setting, values in SETTINGS.items():
        scene.run(f"ALTER DATABASE things SET {setting} = {values[1]}")
    assert told(scene.verify(digest)) == []

    restored = configured(new, "things", 1)
    program(new, "pg_dump", "-h", old.host, "-Fc", "-f", str(tmp_path / "dump"), "things")
    program(new, "pg_restore", "-e", "-d", "things", str(tmp_path / "dump"))
    assert told(restored.verify(digest)) == []
    # It goes on there, and remains the same.
    restored.run("UPDATE thing SET c1 = 0.25", "UPDATE moment SET share = share + 1")
    later = restored.digest(tmp_path / "new.json")
    assert later.size > digest.size
    assert told(restored.verify(digest, later)) == []

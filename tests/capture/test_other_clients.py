"""Writers that are not Django are recorded alike: psql, another service; and what is not tracked."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audittrail import history
from audittrail.capture import sync
from audittrail.exceptions import NotTrackedError
from tests.capture.truth import UNTRACKED, Witness
from tests.capture.ways import sql
from tests.programs import find_binaries
from tests.testapp.models import LogLine, Tag


def psql(script: str, *options: str) -> None:
    """Run a script in psql, as a person would."""
    if "://" in settings.POSTGRES:
        program = shutil.which("psql") or ""
    else:
        program = str(find_binaries(settings.POSTGRES).client("psql"))
    assert Path(program).exists(), "These tests need psql; install postgresql-client."
    given = connection.settings_dict
    subprocess.run(
        [program, "-Xq", "-v", "ON_ERROR_STOP=1", "-h", given["HOST"], "-U", given["USER"],
         *(["-p", str(given["PORT"])] if given["PORT"] else []), "-d", given["NAME"], *options],
        input=script, text=True, check=True, capture_output=True,
    )  # fmt: skip


def test_psql_in_autocommit(witness: Witness) -> None:
    with witness.watching(application_name="psql", reason="", committed_by=None) as watch:
        psql("INSERT INTO testapp_tag (name) VALUES ('a')")
    assert watch.recorded.operations == {"testapp_tag": "I"}


def test_psql_in_a_transaction_with_a_context(witness: Witness) -> None:
    with witness.watching(
        committed_by=17, reason="clean-up", context={"ticket": "T-1"}, application_name="psql"
    ) as watch:
        psql(
            """
            BEGIN;
            SET LOCAL audittrail.context = '{"user": 17, "reason": "clean-up", "ticket": "T-1"}';
            INSERT INTO testapp_tag (name) VALUES ('a'), ('b');
            UPDATE testapp_tag SET name = 'c' WHERE name = 'none';
            COMMIT;
            """
        )
    assert watch.recorded.operations == {"testapp_tag": "II"}


def test_psql_copies_a_file(witness: Witness, tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("id,name\n1,a\n2,b\n")
    with witness.watching() as watch:
        psql(f"\\copy testapp_tag (id, name) FROM '{file}' WITH (FORMAT csv, HEADER)\n")
    assert watch.recorded.operations == {"testapp_tag": "II"}


def test_psql_rolls_back(witness: Witness) -> None:
    with witness.watching() as watch:
        psql("BEGIN; INSERT INTO testapp_tag (name) VALUES ('a'); ROLLBACK;")
    assert watch.recorded.revisions == ()


def test_another_service_writes_with_a_driver_of_its_own(
    witness: Witness, raw: Callable[..., Any]
) -> None:
    service = raw(application_name="billing")
    with witness.watching(
        exact=False, application_name="billing", db_user=connection.settings_dict["USER"]
    ) as watch:
        with service.cursor() as cursor:
            cursor.execute("INSERT INTO testapp_tag (name) VALUES (%s) RETURNING id", ["a"])
            (number,) = cursor.fetchone()
            cursor.executemany(
                "INSERT INTO testapp_customer (name, email, vip) VALUES (%s, '', false)",
                [["a"], ["b"]],
            )
            cursor.execute("UPDATE testapp_tag SET name = 'b' WHERE id = %s", [number])
            cursor.execute("UPDATE testapp_tag SET name = 'a' WHERE id = %s", [number])
        service.commit()
    assert watch.recorded.values("testapp_tag", "name", number) == [
        ("I", "a"),
        ("U", "b"),
        ("U", "a"),
    ]


def test_a_service_that_goes_away_leaves_nothing(witness: Witness, raw: Callable[..., Any]) -> None:
    service = raw()
    with witness.watching() as watch:
        with service.cursor() as cursor:
            cursor.execute("INSERT INTO testapp_tag (name) VALUES ('a')")
        service.close()
    assert watch.recorded.revisions == ()


def test_a_context_of_django_does_not_leak_to_others(
    witness: Witness, raw: Callable[..., Any]
) -> None:
    service = raw()
    with history.context(reason="Django's"):
        Tag.objects.create(name="a")
        with witness.watching(reason="", context={}), service.cursor() as cursor:
            cursor.execute("INSERT INTO testapp_tag (name) VALUES ('b')")
            service.commit()


def test_prepared_statements_keep_recording(witness: Witness) -> None:
    sql("PREPARE add_tag AS INSERT INTO testapp_tag (name) VALUES ($1)")
    try:
        for name in "abcdefg":  # past the change to a generic plan
            with witness.watching() as watch:
                sql(f"EXECUTE add_tag('{name}')")
            assert watch.recorded.operations == {"testapp_tag": "I"}
    finally:
        sql("DEALLOCATE add_tag")


def test_writes_through_a_cursor(witness: Witness) -> None:
    Tag.objects.bulk_create([Tag(name="a"), Tag(name="b")])
    with witness.watching() as watch, transaction.atomic():
        sql("DECLARE walk CURSOR FOR SELECT * FROM testapp_tag ORDER BY name FOR UPDATE")
        sql("FETCH 1 FROM walk")
        with watch.statement():
            sql("UPDATE testapp_tag SET name = 'x' WHERE CURRENT OF walk")
        sql("FETCH 1 FROM walk")
        with watch.statement():
            sql("DELETE FROM testapp_tag WHERE CURRENT OF walk")
    assert watch.recorded.operations == {"testapp_tag": "DU"}


def test_tables_made_from_tracked_ones_are_not_tracked(witness: Witness) -> None:
    with witness.watching() as watch, transaction.atomic():
        sql("CREATE TEMPORARY TABLE copied ON COMMIT DROP AS SELECT * FROM testapp_tag")
        sql("INSERT INTO copied VALUES (1, 'a')")
    assert watch.recorded.revisions == ()


@pytest.mark.parametrize("table", sorted(UNTRACKED))
def test_tables_that_are_left_out_have_no_triggers(witness: Witness, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname LIKE 'audittrail%%'",
            [table],
        )
        assert cursor.fetchone()[0] == 0


def test_a_table_without_primary_key_is_not_tracked_and_a_check_says_so(
    witness: Witness, capsys: pytest.CaptureFixture[str]
) -> None:
    with witness.watching() as watch:
        LogLine.objects.create(line="x")
    assert watch.recorded.revisions == ()
    skipped = {
        change.table: change for change in sync.pending(connection) if change.action == "skipped"
    }
    assert skipped["log_line"].detail == "no primary key"
    call_command("check", databases=["default"])
    said = capsys.readouterr().err
    assert "audittrail.W012" in said
    assert "'log_line' in database 'default' is not tracked: no primary key" in said
    LogLine.objects.all().delete()


def test_a_table_without_primary_key_cannot_be_tracked_by_hand(witness: Witness) -> None:
    with pytest.raises(DatabaseError, match="no primary key"):
        sql("SELECT audittrail.track('log_line')")


def test_a_model_that_is_not_tracked_says_so(witness: Witness) -> None:
    from django.contrib.sessions.models import Session

    with pytest.raises(NotTrackedError, match=r"sessions\.Session is not tracked"):
        history.of(Session).versions  # noqa: B018

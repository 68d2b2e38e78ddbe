"""One transaction is one revision, with every step that it kept and none that it took back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, transaction

from audittrail import history
from tests.capture.truth import Witness
from tests.capture.ways import sql
from tests.testapp.models import Customer, Product, Tag


def test_every_step_of_a_row_is_a_version(witness: Witness) -> None:
    with witness.watching() as watch, transaction.atomic():
        with watch.statement():
            tag = Tag.objects.create(name="a")
        for name in "bcb":
            with watch.statement():
                Tag.objects.update(name=name)
        with watch.statement():
            tag.delete()
    assert watch.recorded.values("testapp_tag", "name", watch.recorded.versions[0].key[0]) == [
        ("I", "a"), ("U", "b"), ("U", "c"), ("U", "b"), ("D", "b"),
    ]  # fmt: skip


def test_a_change_taken_back_by_hand_is_two_versions(witness: Witness) -> None:
    tag = Tag.objects.create(name="a")
    with witness.watching() as watch, transaction.atomic():
        with watch.statement():
            Tag.objects.update(name="b")
        with watch.statement():
            Tag.objects.update(name="a")
    assert watch.recorded.values("testapp_tag", "name", tag.pk) == [("U", "b"), ("U", "a")]


def test_savepoints_that_are_kept_and_rolled_back(witness: Witness) -> None:
    with witness.watching() as watch, transaction.atomic():
        with watch.statement():
            tag = Tag.objects.create(name="a")
        with watch.undone(), transaction.atomic():
            with watch.statement():
                Tag.objects.update(name="lost")
            with transaction.atomic(), watch.statement():
                Tag.objects.create(name="lost too")
            transaction.set_rollback(True)
        with transaction.atomic(), watch.statement():
            Tag.objects.update(name="kept")
    assert watch.recorded.values("testapp_tag", "name", tag.pk) == [("I", "a"), ("U", "kept")]
    assert len(watch.recorded.versions) == 2


def test_the_first_change_is_rolled_back_with_its_savepoint(witness: Witness) -> None:
    with (
        history.context(reason="second"),
        witness.watching(reason="second") as watch,
        transaction.atomic(),
    ):
        with watch.undone(), history.context(reason="first"), transaction.atomic():
            Tag.objects.create(name="lost")
            transaction.set_rollback(True)
        with watch.statement():
            Tag.objects.create(name="kept")
    assert watch.recorded.operations == {"testapp_tag": "I"}


def test_a_savepoint_rolled_back_twice(witness: Witness) -> None:
    with witness.watching() as watch, transaction.atomic():
        sql("SAVEPOINT s")
        for name in ("x", "y"):
            with watch.undone(), watch.statement():
                sql(f"INSERT INTO testapp_tag (name) VALUES ('{name}')")
            sql("ROLLBACK TO SAVEPOINT s")
        with watch.statement():
            sql("INSERT INTO testapp_tag (name) VALUES ('z')")
    assert watch.recorded.operations == {"testapp_tag": "I"}


def test_a_statement_that_fails_after_others_that_are_kept(witness: Witness) -> None:
    Tag.objects.create(name="taken")
    with witness.watching() as watch, transaction.atomic():
        with watch.statement():
            Tag.objects.create(name="a")
        with pytest.raises(IntegrityError), transaction.atomic():
            Tag.objects.create(name="taken")
        with watch.statement():
            Tag.objects.create(name="b")
    assert watch.recorded.operations == {"testapp_tag": "II"}


@transaction.atomic
def fail_after_writing() -> None:
    """Write, and raise RuntimeError before the commit."""
    Tag.objects.create(name="a")
    Customer.objects.create(name="c")
    raise RuntimeError


def test_an_exception_takes_all_of_a_transaction_back(witness: Witness) -> None:
    with witness.watching() as watch, pytest.raises(RuntimeError):
        fail_after_writing()
    assert watch.recorded.versions == ()


def test_a_constraint_that_fails_at_commit_takes_all_back(witness: Witness) -> None:
    with witness.watching() as watch, pytest.raises(IntegrityError):
        sql("INSERT INTO testapp_customerprofile (customer_id, bio) VALUES (999, '')")
    assert watch.recorded.versions == ()


def test_a_transaction_right_after_one_that_was_rolled_back(witness: Witness) -> None:
    with pytest.raises(RuntimeError):
        fail_after_writing()
    with witness.watching() as watch:
        Tag.objects.create(name="b")
    assert watch.recorded.operations == {"testapp_tag": "I"}


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_transactions_of_higher_isolation(witness: Witness, level: str) -> None:
    Tag.objects.create(name="a")
    with witness.watching() as watch, transaction.atomic():
        sql(f"SET TRANSACTION ISOLATION LEVEL {level}")
        with watch.statement():
            Tag.objects.create(name="b")
        with watch.statement():
            sql("UPDATE testapp_tag SET name = name || 'x'")
        with watch.statement():
            sql("DELETE FROM testapp_tag WHERE name = 'ax'")
    assert watch.recorded.operations == {"testapp_tag": "DIUU"}


def tried_until_quiet(attempt: Callable[[], str]) -> str:
    """Try again, as an application does, what is refused while others write to the same server, autovacuum among them."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            return attempt()
        except OperationalError as error:
            if "could remove rows that this transaction cannot see" not in str(error):
                raise
            time.sleep(0.05)
    raise AssertionError("There was never a quiet moment.")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
class TestTruncateAtHigherIsolation:
    def test_it_is_recorded_when_nobody_else_is_at_work(self, witness: Witness, level: str) -> None:
        Tag.objects.create(name="a")

        def truncate() -> str:
            with witness.watching(deletes="T") as watch, transaction.atomic():
                sql(f"SET TRANSACTION ISOLATION LEVEL {level}")
                sql("TRUNCATE testapp_tag CASCADE")
            return watch.recorded.operations["testapp_tag"]

        assert tried_until_quiet(truncate) == "T"

    def test_it_is_recorded_after_changes_of_its_own(self, witness: Witness, level: str) -> None:
        Tag.objects.create(name="a")

        def change_and_truncate() -> str:
            with witness.watching() as watch, transaction.atomic():
                sql(f"SET TRANSACTION ISOLATION LEVEL {level}")
                with watch.statement():
                    Tag.objects.create(name="b")
                    sql("SET CONSTRAINTS ALL IMMEDIATE")
                with watch.statement(deletes="T"):
                    sql("TRUNCATE testapp_tag CASCADE")
            return watch.recorded.operations["testapp_tag"]

        assert tried_until_quiet(change_and_truncate) == "ITT"

    @pytest.mark.parametrize("first", ["SELECT 1", "UPDATE testapp_tag SET name = 'b'"])
    def test_it_is_refused_when_it_would_remove_rows_unseen(
        self, witness: Witness, level: str, first: str, raw: Callable[[], Any]
    ) -> None:
        """Who comes after a change of its own has a higher number, like those that come after it has ended."""
        Tag.objects.create(name="a")
        other = raw()
        with witness.watching(exact=False) as watch, transaction.atomic():
            sql(f"SET TRANSACTION ISOLATION LEVEL {level}; {first}")
            with other.cursor() as cursor:
                cursor.execute("INSERT INTO testapp_tag (name) VALUES ('unseen')")
            other.commit()
            with pytest.raises(
                DatabaseError, match=r"TRUNCATE of public\.testapp_tag at isolation level"
            ):
                sql("TRUNCATE testapp_tag CASCADE")
            transaction.set_rollback(True)
        assert watch.recorded.operations == {"testapp_tag": "I"}

    def test_several_tables_are_recorded_in_one_statement(
        self, witness: Witness, level: str
    ) -> None:
        Tag.objects.create(name="a")
        Product.objects.create(name="b")

        def truncate() -> str:
            with witness.watching(exact=False) as watch, transaction.atomic():
                sql(f"SET TRANSACTION ISOLATION LEVEL {level}")
                sql("TRUNCATE testapp_tag, testapp_product CASCADE")
            return (
                watch.recorded.operations["testapp_tag"]
                + watch.recorded.operations["testapp_product"]
            )

        assert tried_until_quiet(truncate) == "TT"


def test_truncate_at_read_committed_removes_what_others_committed_meanwhile(
    witness: Witness, raw: Callable[[], Any]
) -> None:
    Tag.objects.create(name="a")
    other = raw()
    start = witness.tick()
    with transaction.atomic():
        Tag.objects.count()
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO testapp_tag (name) VALUES ('b')")
        other.commit()
        sql("TRUNCATE testapp_tag CASCADE")
    assert [v.operation for v in witness.versions(start)] == ["I", "T", "T"]
    assert len(witness.revisions(start)) == 2


def test_a_truncate_rolled_back(witness: Witness) -> None:
    Tag.objects.create(name="a")
    with witness.watching() as watch, transaction.atomic():
        sql("TRUNCATE testapp_tag CASCADE")
        transaction.set_rollback(True)
    assert watch.recorded.versions == ()


def test_truncate_and_fill_again_with_the_same_keys(witness: Witness) -> None:
    tag = Tag.objects.create(name="a")
    with witness.watching() as watch, transaction.atomic():
        with watch.statement(deletes="T"):
            sql("TRUNCATE testapp_tag CASCADE")
        with watch.statement():
            Tag.objects.create(pk=tag.pk, name="a")
    assert watch.recorded.values("testapp_tag", "name", tag.pk) == [("T", "a"), ("I", "a")]


def test_a_procedure_that_commits_makes_several_revisions(witness: Witness) -> None:
    sql(
        "CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO testapp_tag (name) VALUES ('a'); COMMIT;"
        " INSERT INTO testapp_tag (name) VALUES ('b'); ROLLBACK;"
        " INSERT INTO testapp_tag (name) VALUES ('c'); END $$"
    )
    try:
        start = witness.tick()
        with history.context(reason="procedure"):
            sql("CALL commits()")
        versions, revisions = witness.versions(start), witness.revisions(start)
        assert [(v.operation, v.image["name"]) for v in versions] == [("I", "a"), ("I", "c")]
        assert [v.revision for v in versions] == [r["id"] for r in revisions]
        assert [r["reason"] for r in revisions] == ["procedure", "procedure"]
    finally:
        sql("DROP PROCEDURE commits")


def test_several_statements_sent_at_once_are_one_revision(witness: Witness) -> None:
    with witness.watching() as watch:
        sql(
            "INSERT INTO testapp_tag (name) VALUES ('a'); INSERT INTO testapp_customer (name, email, vip)"
            " VALUES ('c', '', false); UPDATE testapp_customer SET vip = true WHERE name = 'none'"
        )
    assert watch.recorded.operations == {"testapp_tag": "I", "testapp_customer": "I"}

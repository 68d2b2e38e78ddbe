"""Tables whose own triggers keep rows, change them or write elsewhere: what a restore tells is what it did, or nothing is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from audittrail.capture.sync import sync
from audittrail.exceptions import RestoreError
from audittrail.models import Revision
from audittrail.testing import assert_no_new_history
from tests.builders.sending import newest
from tests.restore.truth import content, verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)

#: What packages do that keep rows which are deleted.
SOFT_DELETE = "UPDATE testapp_tag SET name = 'gone ' || id WHERE id = OLD.id; RETURN NULL;"


@contextmanager
def trigger(when: str, body: str) -> Iterator[None]:
    """Have a row trigger with a body in PL/pgSQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION users_own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
            f" CREATE TRIGGER users_own {when} FOR EACH ROW EXECUTE FUNCTION users_own()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION users_own() CASCADE")


def _undo(before: Revision, made: Revision) -> Any:
    return made.undo()


def _restore_all(before: Revision, made: Revision) -> Any:
    return before.restore_all()


def _rollback(before: Revision, made: Revision) -> Any:
    return before.rollback_all_later_revisions()


DELETING: list[Callable[[Revision, Revision], Any]] = [_undo, _restore_all, _rollback]


@pytest.fixture
def made(created: Revision) -> Revision:
    """Make two tags, and give the revision that did it."""
    m.Tag.objects.bulk_create([m.Tag(name="one"), m.Tag(name="two")])
    return newest()


@pytest.mark.parametrize("deleting", DELETING)
def test_rows_that_a_trigger_keeps_are_not_told_as_deleted(
    deleting: Any, created: Revision, made: Revision
) -> None:
    before = content()
    with trigger("BEFORE DELETE ON testapp_tag", SOFT_DELETE):
        with (
            assert_no_new_history(),
            pytest.raises(RestoreError, match=r"Only 0 of 2 rows of testapp\.Tag were deleted"),
        ):
            deleting(created, made)
        assert content() == before
    assert Revision.objects.filter(pk=made.pk).exists()
    assert verified() == []
    assert deleting(created, made).deleted == 2
    assert verified() == []


@pytest.mark.parametrize("deleting", DELETING)
def test_a_row_that_a_trigger_keeps_among_others_stops_all(
    deleting: Any, created: Revision, made: Revision
) -> None:
    keep = "IF OLD.name = 'two' THEN RETURN NULL; END IF; RETURN OLD;"
    before = content()
    with (
        trigger("BEFORE DELETE ON testapp_tag", keep),
        pytest.raises(RestoreError, match="Only 1 of 2 rows"),
    ):
        deleting(created, made)
    assert content() == before
    assert verified() == []


@pytest.mark.parametrize("deleting", DELETING)
def test_rows_that_go_by_a_cascade_of_the_database_are_deleted_rows(
    deleting: Any, created: Revision
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE testapp_organization ADD CONSTRAINT cascading FOREIGN KEY (parent_id) REFERENCES testapp_organization"
            " ON DELETE CASCADE"
        )
    sync("default")
    try:
        with transaction.atomic():
            parent = m.Organization.objects.create(name="parent")
            m.Organization.objects.create(name="child", parent=parent)
        assert deleting(created, newest()).deleted == 2
        assert not m.Organization.objects.filter(name__in=["parent", "child"]).exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE testapp_organization DROP CONSTRAINT cascading")
        sync("default")
    assert verified() == []


def test_a_rollback_refuses_what_a_trigger_writes_otherwise(created: Revision) -> None:
    m.Tag.objects.filter(name="red").update(name="blue")
    before = content()
    with trigger(
        "BEFORE UPDATE ON testapp_tag", "NEW.name := NEW.name || ' (touched)'; RETURN NEW;"
    ):
        with (
            assert_no_new_history(),
            pytest.raises(RestoreError, match=r"1 row of testapp\.Tag would not be"),
        ):
            created.rollback_all_later_revisions()
        assert content() == before
        assert created.restore_all().updated == 1
    assert m.Tag.objects.filter(name="red (touched)").exists(), "a new revision may tell of it"
    assert verified() == []


def test_a_rollback_refuses_what_a_trigger_writes_elsewhere(created: Revision) -> None:
    m.Tag.objects.filter(name="red").update(name="blue")
    body = "INSERT INTO testapp_country (code, name) VALUES ('XX', 'a trace'); RETURN NULL;"
    with trigger("AFTER UPDATE ON testapp_tag", body):
        with (
            assert_no_new_history(),
            pytest.raises(RestoreError, match=r"1 row of testapp\.Country would not"),
        ):
            created.rollback_all_later_revisions()
        assert not m.Country.objects.filter(code="XX").exists()
        created.restore_all()
    assert m.Country.objects.filter(code="XX").exists()
    assert verified() == []

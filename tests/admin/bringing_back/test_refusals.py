"""What is refused for other reasons than permissions is refused clearly, and leaves everything as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from audittrail import history
from tests.admin.previews import form
from tests.admin.reading import text_of
from tests.builders.sending import newest, sql
from tests.testapp.models import Customer, Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pages(transactional_db: None) -> dict[str, str]:
    """Give the addresses of the pages that bring something back, where each has something to do."""
    kept, gone = Customer.objects.create(name="Ada"), Customer.objects.create(name="Bea")
    number = newest().pk
    key = gone.pk
    Customer.objects.filter(pk=kept.pk).update(name="Countess")
    changed = newest().pk
    gone.delete()
    revisions = "/admin/audittrail/revisions"
    return {
        "restore": f"/admin/testapp/customer/{kept.pk}/audittrail/{number}/restore/",
        "undelete": f"/admin/testapp/customer/audittrail/deleted/undelete/?pk={key}",
        "undo": f"{revisions}/{changed}/undo/",
        "restore all": f"{revisions}/{number}/restore/",
        "roll back": f"{revisions}/{number}/roll-back/",
    }


NAMES = ["restore", "undelete", "undo", "restore all", "roll back"]


@pytest.fixture
def read_only(transactional_db: None) -> Iterator[None]:
    """Let the session only read, as one on a replica does."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")


@pytest.mark.parametrize("name", NAMES)
def test_a_database_that_can_only_be_read_makes_no_previews(
    as_superuser, pages, read_only, name
) -> None:
    posted = form(as_superuser.get(pages[name]))
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    for response in (as_superuser.get(pages[name]), as_superuser.post(pages[name], posted)):
        assert response.status_code == 409
        assert "this database does not permit: it can only be read" in text_of(response)


def in_the_time_machine(get_response: Any) -> Any:
    """Let a request travel, once its user is known."""

    def answer(request: Any) -> Any:
        assert request.user.is_active
        with history.travelling(newest()):
            response = get_response(request)
            return response if response.is_rendered else response.render()

    return answer


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_brought_back_in_the_time_machine(
    as_superuser, superuser, log_in, pages, settings, name
) -> None:
    posted = form(as_superuser.get(pages[name])) | {"confirmation": "1"}
    before = newest()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.in_the_time_machine"]
    traveller = log_in(superuser)
    assert traveller.get(pages[name]).status_code in (403, 409)
    refused = traveller.post(pages[name], posted)
    assert refused.status_code in (403, 409)
    assert "eturn to the present" in text_of(refused)
    assert newest() == before


def test_rows_that_others_hold_are_not_waited_for_long(
    as_superuser, pages, second_connection, settings
) -> None:
    settings.AUDITTRAIL_LOCK_TIMEOUT = 20
    posted = form(as_superuser.get(pages["restore"]))
    with second_connection.cursor() as cursor:
        cursor.execute("SELECT * FROM testapp_customer FOR UPDATE")
    refused = as_superuser.post(pages["restore"], posted)
    assert refused.status_code == 503
    assert "locked by others at the moment" in text_of(refused)
    second_connection.rollback()
    assert as_superuser.post(pages["restore"], posted).status_code == 302


def test_what_the_database_refuses_is_said_without_values(as_superuser, pages) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'secret %', OLD.name; END $$;"
            " CREATE TRIGGER no BEFORE UPDATE ON testapp_customer FOR EACH ROW EXECUTE FUNCTION no()"
        )
    try:
        posted = form(as_superuser.get(pages["restore"]))
        refused = as_superuser.post(pages["restore"], posted)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION no() CASCADE")
    assert refused.status_code == 409
    assert "The database refused it. Nothing was done." in text_of(refused)
    assert "secret" not in text_of(refused)


def test_a_state_before_tracking_is_not_known(as_superuser, pages) -> None:
    order = Order.objects.create(customer=Customer.objects.create(name="Cyd"), reference="A1")
    url = f"/admin/testapp/order/{order.pk}/audittrail/{newest().pk}/restore/"
    registered = "FROM audittrail.tracked_table WHERE table_name = 'testapp_order'"
    ((number, version, revision),) = sql(f"SELECT id, since_version, since_revision {registered}")
    begin = (
        "UPDATE audittrail.tracked_table SET since_version = %s, since_revision = %s WHERE id = %s"
    )
    sql("SET audittrail.settling = 'on'")
    try:
        sql(begin, newest().committed + 1, None, number)
        response = as_superuser.get(url)
    finally:
        sql(begin, version, revision, number)
        sql("RESET audittrail.settling")
    assert response.status_code == 409
    assert "Something of it was not tracked then" in text_of(response)

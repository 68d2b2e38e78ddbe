"""Choosing a moment and coming back, who may, and what is refused on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from audittrail.admin.time_machine.chosen import KEY
from audittrail.models import Revision
from audittrail.testing import reset_history
from audittrail.timetravel import registry
from tests.builders.sending import newest
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)

MACHINE = "/zoo/audittrail/time-machine/"


@pytest.fixture(autouse=True)
def _zoo(settings: Any, _several_sites: None) -> None:
    settings.ROOT_URLCONF = "tests.admin.time_machine.zoo"


@pytest.fixture
def then(as_superuser: Client) -> Revision:
    """Fill some tables, change them, and give the revision before."""
    tag = m.Tag.objects.create(name="before")
    customer = m.Customer.objects.create(name="Zoe")
    m.Order.objects.create(customer=customer, reference="R1")
    m.Document.objects.create(title="Paper", owner=User.objects.get(username="root"))
    m.Product.objects.create(name="Bread")
    m.Country.objects.create(code="FR", name="France")
    m.Restaurant.objects.create(name="Soup", serves_soup=True)
    Group.objects.create(name="readers")
    found = newest()
    tag.name = "after"
    tag.save()
    customer.delete()
    m.Document.objects.update(title="Changed")
    return found


@pytest.fixture
def traveller(as_superuser: Client, then: Revision) -> Client:
    """Give a client of a superuser who travels."""
    assert as_superuser.post(MACHINE, {"revision": then.pk}).status_code == 302
    return as_superuser


def be_at(client: Client, revision: Revision, machine: str = MACHINE) -> None:
    """Let a client choose the time right after a revision, which may tell its user nothing."""
    assert revision.committed_at is not None
    at = timezone.localtime(revision.committed_at + timedelta(microseconds=1))
    answer = client.post(machine, {"date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M:%S.%f}"})
    assert answer.status_code == 302


def is_past(client: Client, path: str = "/zoo/testapp/tag/") -> bool:
    page = client.get(path)
    assert page.status_code == 200
    past = b"audittrail-banner" in page.content
    assert (b"before" in page.content, b"after" in page.content) == (past, not past)
    return past


# Choosing


def test_going_and_coming_back(as_superuser: Client, then: Revision) -> None:
    assert not is_past(as_superuser)
    answer = as_superuser.post(MACHINE, {"revision": then.pk, "next": "/zoo/testapp/tag/?q=b"})
    assert answer.headers["Location"] == "/zoo/testapp/tag/?q=b"
    assert is_past(as_superuser) and is_past(as_superuser, "/admin/testapp/tag/")
    page = as_superuser.get("/zoo/testapp/tag/?q=before").content.decode()
    banner = page[page.index("<section") : page.index("</section>")]
    assert "Nothing can be changed here" in banner
    assert 'name="next" value="/zoo/testapp/tag/?q=before"' in banner
    assert timezone.localtime(then.committed_at).strftime("%H:%M:%S") in banner
    answer = as_superuser.post(MACHINE, {"leave": "1", "next": "/zoo/testapp/tag/?q=b"})
    assert answer.headers["Location"] == "/zoo/testapp/tag/?q=b"
    assert not is_past(as_superuser)


def test_only_a_post_changes_where_somebody_is(as_superuser: Client, then: Revision) -> None:
    as_superuser.get(MACHINE, {"revision": then.pk})
    assert not is_past(as_superuser)
    as_superuser.post(MACHINE, {"revision": then.pk})
    as_superuser.get(MACHINE, {"leave": "1"})
    assert is_past(as_superuser)
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="root"))
    assert client.post(MACHINE, {"revision": then.pk}).status_code == 403


def test_a_date_and_a_time_are_in_the_time_zone_of_the_user(
    as_superuser: Client, then: Revision, settings: Any
) -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        settings.TIME_ZONE = zone
        assert then.committed_at is not None
        # A second later than the revision, but before the next one, which is at least some milliseconds away.
        exact = then.committed_at + timedelta(microseconds=1)
        local = timezone.localtime(exact)
        data = {"date": local.strftime("%Y-%m-%d"), "time": local.strftime("%H:%M:%S.%f")}
        assert as_superuser.post(MACHINE, data).status_code == 302
        assert as_superuser.session[KEY] == ["default", then.pk]
        page = as_superuser.get(MACHINE).content.decode()
        assert zone in page and f'value="{local:%H:%M:%S}"' in page
        as_superuser.post(MACHINE, {"leave": "1"})


def test_without_a_time_the_end_of_the_day_is_meant(as_superuser: Client, then: Revision) -> None:
    as_superuser.post(MACHINE, {"date": timezone.localdate().isoformat()})
    assert as_superuser.session[KEY] == ["default", newest().pk]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"date": "", "time": ""}, "This field is required"),
        ({"date": "2026-02-30"}, "Enter a valid date"),
        ({"date": "2026-01-01", "time": "25:00"}, "Enter a valid time"),
        ({"date": "1999-12-31"}, "Nothing was recorded by then"),
        ({"date": "2999-12-31"}, "This lies in the future"),
        ({"date": "2026-03-29", "time": "02:30"}, "be interpreted in time zone Europe/Berlin"),
        ({"ago": "year"}, "Nothing was recorded by then"),
        ({"ago": "moon"}, "This field is required"),
    ],
)
def test_a_moment_that_is_none_is_explained(
    as_superuser: Client, then: Revision, settings: Any, data: dict[str, str], said: str
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    page = as_superuser.post(MACHINE, data)
    assert page.status_code == 200
    assert said in page.content.decode().replace("&#x27;", "'")
    assert KEY not in as_superuser.session


def test_a_revision_that_is_none_is_not_found(as_superuser: Client, then: Revision) -> None:
    for data in (
        {"revision": "0"},
        {"revision": "x"},
        {"revision": "9" * 30},
        {"revision": str(then.pk), "database": "nowhere"},
        {"revision": f"{then.pk}' OR 1=1"},
    ):
        assert as_superuser.post(MACHINE, data).status_code == 404
    assert KEY not in as_superuser.session


def test_buttons_lead_some_time_back(as_superuser: Client, then: Revision) -> None:
    assert b'name="ago"' not in as_superuser.get(MACHINE).content
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE audittrail.revision SET committed_at = committed_at - interval '2 hours' WHERE id <= %s",
            [then.pk],
        )
        cursor.execute("RESET session_replication_role")
    page = as_superuser.get(MACHINE).content.decode()
    assert re.findall(r'name="ago" value="(\w+)"', page) == ["hour"]
    as_superuser.post(MACHINE, {"ago": "hour"})
    assert as_superuser.session[KEY] == ["default", then.pk]
    assert is_past(as_superuser)


def test_the_way_on_stays_on_this_host(as_superuser: Client, then: Revision) -> None:
    for way in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "http:///x", ""):
        for data in ({"revision": then.pk}, {"leave": "1"}):
            answer = as_superuser.post(MACHINE, {**data, "next": way})
            assert answer.headers["Location"] == "/zoo/", way


def test_a_revision_that_was_erased_ends_the_journey(traveller: Client) -> None:
    reset_history()
    page = traveller.get("/zoo/testapp/tag/")
    assert b"audittrail-banner" not in page.content
    assert b"not in the history any more" in page.content
    assert KEY not in traveller.session
    kept: Any
    for kept in (
        "x",
        [],
        ["default"],
        ["nowhere", 1],
        ["default", None],
        ["default", 0, "x"],
        {"a": 1},
    ):
        session = traveller.session
        session[KEY] = kept
        session.save()
        assert traveller.get("/zoo/testapp/tag/").status_code == 200


def test_nothing_recorded_yet(as_superuser: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM audittrail.revision")
        cursor.execute("RESET session_replication_role")
    page = as_superuser.get(MACHINE)
    assert b"Nothing has been recorded yet" in page.content


# Who


def test_who_may_not_view_anything_may_not_travel(
    then: Revision, staff: Callable[..., User], log_in: Callable[[User], Client], client: Client
) -> None:
    user = staff("nobody")
    user.groups.add(Group.objects.get(name="readers"))  # who may not see documents either
    nobody = log_in(user)
    assert nobody.get(MACHINE).status_code == 403
    assert nobody.post(MACHINE, {"revision": then.pk}).status_code == 403
    assert nobody.post(MACHINE, {"leave": "1"}).status_code == 302
    for answer in (client.get(MACHINE), client.post(MACHINE, {"revision": then.pk})):
        assert answer.status_code == 302 and "/login/" in answer.headers["Location"]
    assert KEY not in client.session
    outsider = User.objects.create_user("outsider", password="secret")
    assert log_in(outsider).post(MACHINE, {"revision": then.pk}).status_code == 302


def test_rows_need_the_permission_of_the_present(
    then: Revision, staff: Callable[..., User], log_in: Callable[[User], Client]
) -> None:
    viewer = staff("viewer", "testapp.view_tag")
    client = log_in(viewer)
    be_at(client, then)
    assert is_past(client)
    assert client.get("/zoo/testapp/customer/").status_code == 403
    page = client.get("/zoo/").content
    assert b"/zoo/testapp/tag/" in page and b"/zoo/testapp/customer/" not in page
    viewer.user_permissions.clear()
    assert client.get("/zoo/testapp/tag/").status_code == 403


def test_rights_that_somebody_had_then_are_gone(
    then: Revision, staff: Callable[..., User], log_in: Callable[[User], Client]
) -> None:
    viewer = staff("viewer", "testapp.view_tag")
    readers = Group.objects.get(name="readers")
    readers.permissions.set(viewer.user_permissions.all())
    viewer.user_permissions.clear()
    viewer.groups.add(readers)
    moment = newest()
    client = log_in(viewer)
    be_at(client, moment)
    assert client.get("/zoo/testapp/tag/").status_code == 200
    viewer.groups.clear()
    assert client.get("/zoo/testapp/tag/").status_code == 403
    # A rule of a ModelAdmin's own asks the present as well: readers may not see documents.
    client.logout()
    assert client.get("/zoo/").status_code == 302


def test_a_right_that_somebody_has_only_now_holds(
    then: Revision, staff: Callable[..., User], log_in: Callable[[User], Client]
) -> None:
    viewer = staff("viewer", "testapp.view_tag", "testapp.view_document")
    client = log_in(viewer)
    be_at(client, then)
    assert client.get("/zoo/testapp/document/").status_code == 200
    viewer.groups.add(Group.objects.get(name="readers"))
    assert client.get("/zoo/testapp/document/").status_code == 403
    viewer.is_staff = False
    viewer.save()
    answer = client.get("/zoo/testapp/tag/")
    assert answer.status_code == 302 and "/login/" in answer.headers["Location"]


def test_a_rule_for_single_objects_asks_the_object_as_it_is_now(
    then: Revision, staff: Callable[..., User], log_in: Callable[[User], Client], settings: Any
) -> None:
    """See OwnDocuments of the support site: who has lost a document, or gained it, may see it as the present says."""
    settings.ROOT_URLCONF = "tests.admin.sites"
    ada, bob = staff("ada", "testapp.view_document"), staff("bob", "testapp.view_document")
    document = m.Document.objects.create(title="Ada's", owner=ada)
    gone = m.Document.objects.create(title="Gone", owner=ada)
    moment = newest()
    gone_pk = gone.pk
    gone.delete()
    document.owner = bob
    document.save()
    for user, seen in ((ada, (403, 200)), (bob, (200, 403))):
        client = log_in(user)
        be_at(client, moment, "/support/audittrail/time-machine/")
        found = [
            client.get(f"/support/testapp/document/{pk}/change/").status_code
            for pk in (document.pk, gone_pk)
        ]
        assert found == [*seen], user


def test_other_people_are_in_the_present(
    traveller: Client, staff: Callable[..., User], log_in: Callable[[User], Client]
) -> None:
    other = log_in(staff("other", "testapp.view_tag"))
    for _ in range(2):
        assert is_past(traveller)
        assert not is_past(other)
    m.Country.objects.update(name="Frankreich")
    assert other.get("/zoo/json/").json() == [{"code": "FR", "name": "Frankreich"}]
    assert traveller.get("/zoo/json/").json() == [{"code": "FR", "name": "France"}]


def test_the_password_can_be_changed_and_the_journey_ends_with_the_session(
    traveller: Client,
) -> None:
    page = traveller.get("/zoo/password_change/")
    assert b"audittrail-banner" in page.content
    data = {"old_password": "secret", "new_password1": "kRj2-8sxw", "new_password2": "kRj2-8sxw"}
    assert traveller.post("/zoo/password_change/", data).status_code == 302
    assert User.objects.get(username="root").check_password("kRj2-8sxw")
    assert traveller.get("/zoo/password_change/done/").status_code == 200
    assert is_past(traveller)
    assert traveller.get("/zoo/jsi18n/").status_code == 200
    assert traveller.post("/zoo/logout/").status_code == 200
    traveller.login(username="root", password="kRj2-8sxw")
    assert not is_past(traveller)


# What is refused


def write_everywhere(then: Revision) -> Iterator[tuple[str, dict[str, Any]]]:
    tag, order = m.Tag.objects.get(), m.Order.history(revision=then).get()
    root = User.objects.get(username="root")
    yield "/zoo/testapp/tag/add/", {"name": "new"}
    yield f"/zoo/testapp/tag/{tag.pk}/change/", {"name": "new"}
    yield f"/zoo/testapp/tag/{tag.pk}/change/", {"name": "new", "_saveasnew": "1"}
    yield f"/zoo/testapp/tag/{tag.pk}/delete/", {"post": "yes"}
    yield (
        "/zoo/testapp/tag/",
        {"action": "delete_selected", "_selected_action": [tag.pk], "post": "yes"},
    )
    yield "/zoo/testapp/order/", {"action": "touch", "_selected_action": [order.pk]}
    yield (
        "/zoo/testapp/order/",
        {"action": "touch", "_selected_action": [order.pk], "select_across": "1"},
    )
    yield "/zoo/testapp/order/", {"action": "log", "_selected_action": [order.pk]}
    yield (
        "/zoo/testapp/customer/",
        {"_save": "1", "form-TOTAL_FORMS": "0", "form-INITIAL_FORMS": "0"},
    )
    yield "/zoo/testapp/document/add/", {"title": "new"}
    yield (
        f"/zoo/auth/user/{root.pk}/password/",
        {"password1": "kRj2-8sxw", "password2": "kRj2-8sxw"},
    )
    yield f"/zoo/auth/user/{root.pk}/change/", {"username": "new"}
    for way in ("orm", "using", "sql", "raw", "function", "untracked", "own data", "user"):
        yield "/zoo/write/", {"way": way}


def test_no_write_passes(traveller: Client, then: Revision, writing_function: None) -> None:
    last = newest()
    for path, data in write_everywhere(then):
        page = traveller.post(path, data)
        assert page.status_code == 403, (path, data)
        text = page.content.decode()
        assert "The past can&#x27;t be changed" in text, (path, data)
        assert "audittrail-banner" in text and "Nothing was saved" in text
        assert 'name="leave"' in text
    assert newest() == last
    assert m.LogLine.objects.count() == 0
    assert User.objects.get().check_password("secret")


def test_a_write_is_undone_with_its_request(traveller: Client, settings: Any) -> None:
    last = newest()
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        for way in ("orm", "raw"):
            assert traveller.post("/zoo/write/", {"way": way}).status_code == 403
        assert is_past(traveller)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert newest() == last


def test_the_session_may_be_saved(traveller: Client) -> None:
    assert traveller.post("/zoo/write/", {"way": "session"}).content == b"written"
    assert traveller.session["kept"] == "yes"


def test_pages_that_only_write_say_so(traveller: Client) -> None:
    tag = m.Tag.objects.get()
    for path in (
        "/zoo/testapp/tag/add/",
        "/zoo/testapp/document/add/",
        f"/zoo/testapp/tag/{tag.pk}/delete/",
        f"/zoo/auth/user/{User.objects.get().pk}/password/",
    ):
        page = traveller.get(path)
        assert page.status_code == 403
        assert b"The past can&#x27;t be changed" in page.content


def test_pages_are_there_to_be_viewed(traveller: Client, then: Revision) -> None:
    document = m.Document.objects.get()
    page = traveller.get(f"/zoo/testapp/document/{document.pk}/change/").content.decode()
    assert "Paper" in page and 'name="_save"' not in page and "deletelink" not in page
    page = traveller.get("/zoo/testapp/customer/").content.decode()
    assert "addlink" not in page.split('id="content-main"')[1]
    assert "form-TOTAL_FORMS" not in page and "delete_selected" not in page
    order = m.Order.history(revision=then).get()
    page = traveller.get(f"/zoo/testapp/order/{order.pk}/change/").content.decode()
    assert "Zoe" in page and "R1" in page
    answer = traveller.get(f"/zoo/testapp/order/{order.pk + 100}/change/")
    assert answer.status_code == 302


def test_a_model_that_is_not_tracked_says_so(traveller: Client, settings: Any) -> None:
    m.LogLine.objects.create(line="now")
    page = traveller.get("/zoo/testapp/logline/")
    assert page.status_code == 404
    assert b"No history of \xe2\x80\x9cLog lines\xe2\x80\x9d is recorded" in page.content
    assert b"audittrail-banner" in page.content
    settings.AUDITTRAIL_READ_LIVE = ["testapp.LogLine"]
    page = traveller.get("/zoo/testapp/logline/")
    assert page.status_code == 200
    assert (
        b"Log lines: no history is recorded of these, they are shown as they are now"
        in page.content
    )
    assert b">now<" in page.content


def test_a_column_that_is_not_kept_says_so(traveller: Client, monkeypatch: Any) -> None:
    from tests.admin.time_machine.zoo import zoo

    monkeypatch.setattr(type(zoo.get_model_admin(User)), "search_fields", ["password"])
    page = traveller.get("/zoo/auth/user/?q=secret")
    assert page.status_code == 404
    assert b"auth.User.password is excluded from history" in page.content


def test_what_a_filter_can_not_answer_says_so(traveller: Client) -> None:
    page = traveller.get("/zoo/testapp/restaurant/?soup=logged")
    assert page.status_code == 404
    assert b"log_line" in page.content


@pytest.fixture
def younger(then: Revision) -> Iterator[None]:
    """Let the tracking of order lines, notes and tags begin after the moment."""
    names = ["testapp_orderline", "testapp_taggednote", "testapp_tag"]

    def change(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(sql, [names])
            cursor.execute("RESET session_replication_role")
        registry.forget()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, since_version, since_revision FROM audittrail.tracked_table WHERE table_name = ANY (%s)",
            [names],
        )
        before = cursor.fetchall()
    change(
        "UPDATE audittrail.tracked_table SET since_version = nextval('audittrail.clock'), since_revision = NULL WHERE table_name = ANY (%s)"
    )
    yield
    for number, version, revision in before:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "UPDATE audittrail.tracked_table SET since_version = %s, since_revision = %s WHERE id = %s",
                [version, revision, number],
            )
            cursor.execute("RESET session_replication_role")
    registry.forget()


def test_a_moment_before_a_model_was_tracked_says_so(
    younger: None, traveller: Client, then: Revision
) -> None:
    page = traveller.get("/zoo/testapp/tag/")
    assert page.status_code == 404
    text = page.content.decode()
    assert "does not reach back to this moment" in text and "is tracked only since" in text
    assert "audittrail-banner" in text
    # The page of an object is shown without the inlines that are not known.
    page = traveller.get("/zoo/testapp/country/FR/change/")
    assert page.status_code == 200
    assert b"Not known at this moment, so not shown: Tagged notes." in page.content
    # A list that needs them is not.
    assert traveller.get("/zoo/testapp/order/").status_code == 404
    page = traveller.get("/zoo/testapp/product/")
    assert page.status_code == 200

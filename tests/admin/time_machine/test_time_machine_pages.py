"""In the time machine every kind of page of the admin shows what it showed then, to the byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import ndiff
from typing import Any

import pytest
from django.contrib.admin import filters
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.admin.time_machine.chosen import KEY
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _zoo(settings: Any, _several_sites: None) -> None:
    settings.ROOT_URLCONF = "tests.admin.time_machine.zoo"
    settings.AUDITTRAIL_READ_LIVE = ["contenttypes.*", "auth.Permission", "testapp.LogLine"]


@pytest.fixture
def created(transactional_db: None) -> Revision:
    """Fill the tables and give the revision that did it."""
    world.create()
    return newest()


VIEWED = (
    "country", "customer", "customerprofile", "document", "employee", "membership", "order", "orderline", "organization", "person",
    "pizzeria", "place", "product", "restaurant", "specimen", "tag", "taggednote", "vipcustomer", "logline",
)  # fmt: skip


@pytest.fixture
def viewer(staff: Callable[..., User]) -> User:
    """Give somebody who may view everything, and change nothing: who sees in the present what a traveller sees."""
    names = [f"testapp.view_{name}" for name in VIEWED]
    return staff("viewer", "auth.view_user", "auth.view_group", *names)


def addresses() -> Iterator[str]:
    """Give the addresses of all kinds of pages."""
    yield from (
        "/zoo/",
        "/zoo/testapp/",
        "/zoo/report/",
        "/zoo/rendered/",
        "/zoo/json/",
        "/zoo/stream/",
    )
    for model in (
        m.Country, m.Customer, m.Document, m.Employee, m.LogLine, m.Order, m.Organization, m.Person, m.Pizzeria, m.Product,
        m.Restaurant, m.Specimen, m.Tag, m.TaggedNote, m.VipCustomer,
    ):  # fmt: skip
        yield f"/zoo/testapp/{model._meta.model_name}/"
        for pk in model._default_manager.order_by("pk").values_list("pk", flat=True)[:2]:
            yield f"/zoo/testapp/{model._meta.model_name}/{pk}/change/"
    yield from (f"/zoo/auth/group/{group.pk}/change/" for group in Group.objects.all())
    yield from (f"/zoo/testapp/{query}" for query in QUERIES)
    for app, model_name, field in (
        ("testapp", "organization", "parent"),
        ("testapp", "organization", "country"),
        ("testapp", "membership", "organization"),
    ):
        query = f"app_label={app}&model_name={model_name}&field_name={field}"
        yield f"/zoo/autocomplete/?{query}&term="
        yield f"/zoo/autocomplete/?{query}&term=a"


QUERIES = (
    "order/?customer__vip__exact=1",
    "order/?customer__id__exact=1",
    "order/?placed_at__isempty=1",
    "order/?reference=R00",
    "order/?placed_at__gte=2026-01-01+00:00:00Z&placed_at__lt=2026-02-01+00:00:00Z",
    "order/?placed_at__year=2026",
    "order/?placed_at__year=2026&placed_at__month=2",
    "order/?q=zoe",
    "order/?q=product+1",
    "order/?o=-4.1",
    "order/?o=3",
    "order/?_popup=1&_to_field=id",
    "order/?all=",
    "order/?p=2",
    "customer/?vip__exact=1",
    "customer/?profile__isempty=0",
    "customer/?q=zoe@shop.example",
    "customer/?q=cheap",
    "customer/?o=2",
    "organization/?q=France",
    "organization/?q=Ada",
    "organization/?country__code__exact=FR",
    "organization/?parent__isnull=True",
    "restaurant/?soup=True",
    "country/?q=fr",
    "person/?q=a&o=1",
)


def shown(page: Any) -> str:
    """Return what a page shows, without what differs each time, and without the banner.

    The objects of a many-to-many field come in the order of their names: the admin asks for them in none.
    """
    content = page.getvalue() if page.streaming else page.content
    text = f"{page.status_code} {page.headers.get('Location')}\n{content.decode()}"
    text = re.sub(
        r'<link rel="stylesheet" href="/static/audittrail/audittrail.css">\s*<section class="audittrail-banner".*?</section>\n(?:<ul class="audittrail-notes">.*?</ul>\n)?',
        "",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        r'(?<=<div class="readonly">)[^<]+, [^<]+(?=</div>)',
        lambda names: ", ".join(sorted(names[0].split(", "))),
        text,
    )
    # How long ago something was, another minute may have passed since.
    text = re.sub(r'(?<=__relative">)[^<]*', "", text)
    return re.sub(r'(name="csrfmiddlewaretoken" value=)"\w+"', r"\1", text)


def difference(before: str, after: str) -> list[str]:
    """Return the lines that differ."""
    return [line for line in ndiff(before.splitlines(), after.splitlines()) if line[0] != " "]


@pytest.fixture(autouse=True)
def _judged_as_of_then(settings: Any) -> None:
    """Let querysets leave out what they left out then: these tests compare pages with what the same pages showed."""
    settings.AUDITTRAIL_RIGHTS_AS_OF = "then"


def travel(client: Client, revision: Revision) -> Client:
    """Let the user of a client travel."""
    answer = client.post("/zoo/audittrail/time-machine/", {"revision": revision.pk})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/zoo/")
    return client


def test_all_pages_show_what_they_showed(
    created: Revision, viewer: User, log_in: Callable[[User], Client]
) -> None:
    then = newest()
    client = log_in(viewer)
    paths = list(addresses())
    before = {path: shown(client.get(path)) for path in paths}
    assert [path for path, text in before.items() if text[:3] != "200"] == []
    world.change()
    changed = {path for path in paths if shown(client.get(path)) != before[path]}
    assert len(changed) > len(paths) * 0.7
    travel(client, then)
    for path in paths:
        assert difference(before[path], shown(client.get(path))) == [], path
    page = client.get("/zoo/testapp/order/")
    assert b"audittrail-banner" in page.content
    assert "no-store" in page.headers["Cache-Control"]


def test_what_is_not_kept_is_not_called_empty(
    created: Revision, viewer: User, log_in: Callable[[User], Client]
) -> None:
    una = User.objects.get(username="una")
    world.change()
    page = travel(log_in(viewer), created).get(f"/zoo/auth/user/{una.pk}/change/").content.decode()
    assert "una" in page and "No password set" not in page
    assert page.count("not kept or not shown of the past") == 1
    assert "Not kept or not shown of the past: Password." in page
    assert b"not kept" not in log_in(viewer).get(f"/zoo/auth/user/{viewer.pk}/change/").content


def actions() -> list[dict[str, Any]]:
    keys = list(m.Order.objects.order_by("pk").values_list("pk", flat=True))
    return [
        {"action": "as_csv", "_selected_action": keys[:3]},
        {"action": "counted", "_selected_action": keys[:2]},
        {"action": "as_csv", "_selected_action": keys[:1], "select_across": 1},
    ]


def test_actions_that_read_do_what_they_did(
    created: Revision, viewer: User, log_in: Callable[[User], Client]
) -> None:
    then = newest()
    client = log_in(viewer)
    chosen = actions()

    def results() -> list[str]:
        found = []
        for data in chosen:
            page = client.post("/zoo/testapp/order/", data)
            found.append(shown(page))
            if page.status_code == 302:
                found += re.findall(
                    'class="(?:success|info)">.*', shown(client.get("/zoo/testapp/order/"))
                )
        return found

    before = results()
    assert "R00,Zoe" in before[0]
    world.change()
    assert results() != before
    travel(client, then)
    assert results() == before


def test_asynchronous_views_and_servers_travel(created: Revision, viewer: User) -> None:
    import asyncio

    from django.test import AsyncClient

    then = newest()
    world.change()
    User.objects.filter(pk=viewer.pk).update(email="new@example.org")

    async def visit() -> list[Any]:
        client = AsyncClient()
        await client.aforce_login(viewer)
        present = (await client.get("/zoo/async/")).json()
        answer = await client.post("/zoo/audittrail/time-machine/", {"revision": then.pk})
        assert answer.status_code == 302
        past = (await client.get("/zoo/async/")).json()
        page = await client.get("/zoo/report/")
        streamed = await client.get("/zoo/stream/")
        text = b"".join([part async for part in streamed])
        other = AsyncClient()
        await other.aforce_login(viewer)
        pages = await asyncio.gather(
            *[who.get("/zoo/async/") for who in (client, other, client, other)]
        )
        from asgiref.sync import sync_to_async
        from django.db import connections

        await sync_to_async(connections.close_all)()
        return [present, past, page, text, [found.json()["names"][0] for found in pages]]

    present, past, page, text, together = asyncio.run(visit())
    assert present["names"] == ["Wim!", "Xia!", "Yan!"]
    assert past == {
        "names": ["Wim", "Xia", "Yan", "Zoe"],
        "user": "viewer",
        "email": "new@example.org",
    }
    assert b"<p>Zoe 1</p>" in page.content and b"audittrail-banner" in page.content
    assert b"R00: Zoe" in text
    assert together == ["Wim", "Wim!", "Wim", "Wim!"]


def test_the_log_of_recent_actions_ends_then(
    created: Revision, viewer: User, log_in: Callable[[User], Client]
) -> None:
    client = log_in(viewer)
    LogEntry.objects.log_actions(viewer.pk, [m.Tag.objects.all()[0]], 2, "early change")
    m.Tag.objects.create(name="marks the moment")
    then = newest()
    late = m.Tag.objects.create(name="later")
    LogEntry.objects.log_actions(viewer.pk, [late], 2, "late change")
    assert client.get("/zoo/").content.count(b'<li class="changelink">') == 2
    travel(client, then)
    page = client.get("/zoo/").content.decode()
    assert page.count('<li class="changelink">') == 1
    assert f"/zoo/testapp/tag/{late.pk}/change/" not in page


def test_filters_by_date_count_from_then(created: Revision) -> None:
    with history.travelling(created):
        assert filters.timezone.now() == created.committed_at
        assert filters.timezone.is_aware(created.committed_at)
    assert filters.timezone.now() > created.committed_at


def test_the_moment_is_kept_by_any_session(
    created: Revision, viewer: User, log_in: Callable[[User], Client], settings: Any
) -> None:
    world.change()
    for engine in ("signed_cookies", "cache", "cached_db", "db"):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        client = travel(log_in(viewer), created)
        assert client.session[KEY] == ["default", created.pk]
        assert b">Zoe<" in client.get("/zoo/testapp/customer/").content, engine
        client.post("/zoo/logout/")
        client.force_login(viewer)
        assert b">Zoe<" not in client.get("/zoo/testapp/customer/").content


def test_pages_of_history_end_at_the_moment(
    created: Revision, as_superuser: Client, settings: Any
) -> None:
    wim = m.Customer.objects.get(name="Wim")
    m.Tag.objects.create(name="kept").delete()
    then = newest()
    m.Customer.objects.filter(pk=wim.pk).update(name="Secret of later")
    later = newest()
    m.Tag.objects.create(name="gone later").delete()
    client = travel(as_superuser, then)
    first = wim.history.versions.in_order()[0].version
    customer = f"/zoo/testapp/customer/{wim.pk}/audittrail/"
    for path in (
        customer,
        f"{customer}compare/",
        f"{customer}{first}/",
        "/zoo/testapp/tag/audittrail/deleted/",
        "/zoo/audittrail/revisions/",
        f"/zoo/audittrail/revisions/{then.pk}/",
        "/zoo/",
    ):
        page = client.get(path)
        text = page.content.decode()
        assert page.status_code == 200, text[text.index("content-main") :][:1500]
        assert "audittrail-banner" in text, path
        assert "Secret of later" not in text and "gone later" not in text, path
        assert f"/revisions/{later.pk}/" not in text, path
    assert b"kept" in client.get("/zoo/testapp/tag/audittrail/deleted/").content
    assert client.get(f"/zoo/audittrail/revisions/{later.pk}/").status_code == 404
    export = client.get("/zoo/audittrail/revisions/export/?format=json").getvalue().decode()
    assert str(then.pk) in export and "Secret of later" not in export


def test_pages_that_bring_something_back_wait_for_the_present(
    created: Revision, as_superuser: Client
) -> None:
    world.change()
    last = newest()
    client = travel(as_superuser, created)
    customer = m.Customer.history(revision=created).get(name="Zoe")
    version = customer.history.versions.in_order()[0].version
    for path in (
        f"/zoo/audittrail/revisions/{created.pk}/undo/",
        f"/zoo/audittrail/revisions/{created.pk}/restore/",
        f"/zoo/audittrail/revisions/{created.pk}/roll-back/",
        f"/zoo/testapp/customer/{customer.pk}/audittrail/{version}/restore/",
        "/zoo/testapp/customer/audittrail/deleted/undelete/",
    ):
        for page in (client.get(path), client.post(path, {"confirm": "yes"})):
            assert page.status_code == 403, path
            assert b"The past can&#x27;t be changed" in page.content, path
    assert newest() == last


def test_travelling_takes_few_queries_more(
    created: Revision, viewer: User, log_in: Callable[[User], Client]
) -> None:
    client = log_in(viewer)
    order = m.Order.objects.order_by("pk")[0]
    paths = ["/zoo/testapp/order/", f"/zoo/testapp/order/{order.pk}/change/", "/zoo/testapp/tag/"]

    def queries() -> list[int]:
        numbers = []
        for path in paths:
            client.get(path)
            with CaptureQueriesContext(connection) as captured:
                client.get(path)
            numbers.append(len(captured))
        return numbers

    before = queries()
    travel(client, created)
    # One finds the revision of the session.
    assert [after - number for number, after in zip(before, queries(), strict=True)] == [1, 1, 1]

"""The revision browser: what it lists, by what it can be filtered, and how it is paged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from audittrail import history
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.lists import searching
from audittrail.admin.permissions import readers
from audittrail.admin.revisions import chart as activity
from audittrail.admin.revisions import view as browser
from audittrail.models import Revision
from tests.admin.reading import REVISIONS, listed, text_of
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order, OrderLine, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_revision_is_shown_with_who_when_why_and_what(as_superuser, superuser) -> None:
    with history.context(user=superuser, reason="Spring cleaning", ticket=17), transaction.atomic():
        Customer.objects.bulk_create(Customer(name=name) for name in "abc")
        Tag.objects.create(name="x")
    page = as_superuser.get(REVISIONS)
    text = text_of(page)
    assert listed(page)[0] == newest().pk
    assert "Spring cleaning" in text
    assert '<time class="audittrail-when" datetime="' in text
    assert "just now" in text
    assert f'<a href="/admin/auth/user/{superuser.pk}/change/"><bdi>root</bdi></a>' in text
    assert 'Customers</span> <span class="audittrail-badge audittrail-badge--inserted"' in text
    assert "Tags" in text


@pytest.mark.parametrize(
    "query",
    ["?reason=needle", "?q=needle", "?user=root", "?source=command&model=testapp.tag"],
)
def test_a_long_search_says_how_far_it_has_come_and_goes_on(
    as_superuser, superuser, monkeypatch, query
) -> None:
    with history.context(user=superuser, reason="The needle", command="sow"):
        Tag.objects.create(name="needle")
    wanted = newest()
    for number in range(6):
        Tag.objects.create(name=f"hay{number}")
    monkeypatch.setattr(searching, "FIRST_WINDOW", 2)
    monkeypatch.setattr(searching, "GROWTH", 1)
    monkeypatch.setattr(searching, "WINDOWS", 2)
    monkeypatch.setattr(searching, "PATIENCE", 1000)
    monkeypatch.setattr(readers, "SMALL", -1)
    monkeypatch.setattr(readers, "LARGE", -1)
    first = as_superuser.get(REVISIONS + query)
    looked_at = Revision.objects.order_by("-committed")[3]
    assert listed(first) == []
    assert "Nothing found so far." in text_of(first)
    assert f"since {RevisionTime(looked_at.committed_at).exact} has been searched" in text_of(first)
    query = first.context["further"].query
    found: list[int] = []
    while not found:
        page = as_superuser.get(REVISIONS + query)
        found, further = listed(page), page.context["further"]
        query = further.query if further else None
    assert found == [wanted.pk]


def test_the_newest_come_first_and_every_page_leads_on(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(browser, "PAGE_SIZE", 3)
    made = []
    for number in range(8):
        Tag.objects.create(name=f"t{number}")
        made.append(newest().pk)
    wanted = made[::-1]
    query, seen, pages = "?model=testapp.tag", [], []
    while query:
        page = as_superuser.get(REVISIONS + query)
        seen += listed(page)
        pages.append(listed(page))
        query = page.context["page"].older
    assert seen == wanted
    assert page.context["page"].newer is not None
    back = as_superuser.get(REVISIONS + page.context["page"].newer)
    assert listed(back) == pages[-2]
    first = as_superuser.get(REVISIONS + back.context["page"].newer)
    assert listed(first) == pages[0]
    assert first.context["page"].newer is None


@pytest.mark.parametrize(
    "position", ["x", "[]", "[1]", "[1,2]", "null", '["2020-01-01"]', "[null,null]", "[" * 9999]
)
def test_a_mistyped_position_gives_the_first_page(as_superuser, position) -> None:
    Tag.objects.create(name="a")
    assert listed(as_superuser.get(REVISIONS, {"before": position})) == listed(
        as_superuser.get(REVISIONS)
    )


@pytest.mark.parametrize("position", ['["2020-01-01",5]', '["9999-12-31T23:59:59+00:00",1e30]'])
def test_a_position_that_no_revision_has_is_one_all_the_same(as_superuser, position) -> None:
    Tag.objects.create(name="a")
    assert as_superuser.get(REVISIONS, {"before": position}).status_code == 200
    assert as_superuser.get(REVISIONS, {"after": position}).status_code == 200


def test_filter_by_user_takes_a_key_a_name_and_a_deleted_user(as_superuser) -> None:
    ada, grace = User.objects.create_user("ada"), User.objects.create_user("grace")
    made = {}
    for user in (ada, grace):
        with history.context(user=user):
            Tag.objects.create(name=user.username)
        made[user.username] = newest().pk
    key = ada.pk
    ada.delete()
    assert listed(as_superuser.get(REVISIONS, {"user": "grace"})) == [made["grace"]]
    assert listed(as_superuser.get(REVISIONS, {"user": grace.pk})) == [made["grace"]]
    assert listed(as_superuser.get(REVISIONS, {"user": "GRAC"})) == [made["grace"]]
    page = as_superuser.get(REVISIONS, {"user": "ada"})
    assert listed(page) == [made["ada"]]
    assert "(deleted)" in text_of(page)
    assert listed(as_superuser.get(REVISIONS, {"user": key})) == [made["ada"]]
    assert listed(as_superuser.get(REVISIONS, {"user": "nobody"})) == []


def test_filter_by_time(as_superuser) -> None:
    numbers = []
    for number in range(4):
        Tag.objects.create(name=f"t{number}")
        numbers.append(newest().pk)
    begin = timezone.now() - timedelta(days=10)
    with history.editing("dated"):
        for day, pk in enumerate(numbers):
            Revision.objects.filter(pk=pk).update(committed_at=begin + timedelta(days=day))
    since = (begin + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M")
    until = (begin + timedelta(days=2, hours=12)).strftime("%Y-%m-%dT%H:%M")
    assert listed(as_superuser.get(REVISIONS, {"since": since, "until": until})) == [
        numbers[2],
        numbers[1],
    ]
    page = as_superuser.get(REVISIONS, {"since": until, "until": since})
    assert listed(page) == []
    assert "The end must be later than the beginning." in text_of(page)
    assert "Please correct the filters" in text_of(as_superuser.get(REVISIONS, {"since": "soon"}))


def test_filter_by_model_operation_and_object(as_superuser) -> None:
    a, b = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    created_b = newest().pk
    b.name = "bb"
    b.save()
    updated_b = newest().pk
    key = b.pk
    b.delete()
    deleted_b = newest().pk
    Customer.objects.create(name="c")
    tags = {"model": "testapp.tag"}
    assert len(listed(as_superuser.get(REVISIONS, tags))) == 4
    of_b = {**tags, "object": key}
    assert listed(as_superuser.get(REVISIONS, of_b)) == [deleted_b, updated_b, created_b]
    assert listed(as_superuser.get(REVISIONS, {**tags, "operation": "U"})) == [updated_b]
    assert listed(as_superuser.get(REVISIONS, {**of_b, "operation": "D"})) == [deleted_b]
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE testapp_tag CASCADE")
    assert newest().pk in listed(
        as_superuser.get(REVISIONS, {**tags, "object": a.pk, "operation": "D"})
    )


def test_filter_by_an_object_with_a_composite_key(as_superuser) -> None:
    customer = Customer.objects.create(name="c")
    order, product = (
        Order.objects.create(customer=customer, reference="r"),
        Product.objects.create(),
    )
    OrderLine.objects.create(order=order, number=7, product=product)
    line = newest().pk
    OrderLine.objects.create(order=order, number=8, product=product)
    query = {"model": "testapp.orderline", "object": f"{order.pk}, 7"}
    assert listed(as_superuser.get(REVISIONS, query)) == [line]
    page = as_superuser.get(REVISIONS, {**query, "object": "7"})
    assert "That is no primary key of order line." in text_of(page)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"object": "1"}, "Choose the model of the object as well."),
        ({"object": "x", "model": "testapp.tag"}, "That is no primary key of tag."),
        ({"model": "testapp.nothing"}, "Select a valid choice."),
        ({"operation": "X"}, "Select a valid choice."),
    ],
)
def test_what_can_not_be_asked_is_an_error_at_its_field(as_superuser, query, error) -> None:
    page = as_superuser.get(REVISIONS, query)
    assert error in text_of(page)
    assert listed(page) == []


def test_filter_by_reason_source_and_text(as_superuser, connect) -> None:
    with history.context(reason="Spring cleaning", ticket="T-4711"):
        Tag.objects.create(name="a")
    cleaning = newest().pk
    with history.context(method="POST", path="/shop/order/"):
        Tag.objects.create(name="b")
    request = newest().pk
    with history.context(command="import_tags"):
        Tag.objects.create(name="c")
    command = newest().pk
    other = connect(application_name="psql", autocommit=True)
    other.cursor().execute("INSERT INTO testapp_tag (name) VALUES ('d')")
    psql = newest().pk

    def found(**query: Any) -> list[int]:
        return listed(as_superuser.get(REVISIONS, {"model": "testapp.tag", **query}))

    assert found(reason="spring") == [cleaning]
    assert found(source="request") == [request]
    assert found(source="command") == [command]
    assert found(source="client") == [psql, cleaning]
    assert found(q="t-4711") == [cleaning]
    assert found(q="import_tags") == [command]
    assert found(q="psql") == [psql]
    assert found(q=str(request)) == [request]
    assert found(q="nowhere") == []
    text = text_of(as_superuser.get(REVISIONS))
    for origin in ("POST /shop/order/", "manage.py import_tags", "psql as postgres"):
        assert origin in text


def test_filters_in_use_can_be_taken_back_one_by_one(as_superuser) -> None:
    Tag.objects.create(name="a")
    page = as_superuser.get(REVISIONS, {"model": "testapp.tag", "reason": "x", "before": "[]"})
    used = {link.text: link.url for link in page.context["used"]}
    assert used == {"Model: Tags": "?reason=x", "Reason: x": "?model=testapp.tag"}
    assert "No revision fits these filters." in text_of(page)


def test_nothing_yet_is_said(staff, log_in) -> None:
    page = log_in(staff("ada", "testapp.view_tag")).get(REVISIONS)
    assert "Nothing has been changed yet." in text_of(page)


def test_the_chart_counts_and_filters(as_superuser) -> None:
    numbers = []
    for number in range(5):
        Tag.objects.create(name=f"t{number}")
        numbers.append(newest().pk)
    begin = timezone.now() - timedelta(days=900)
    with history.editing("dated"):
        for pk in numbers[:3]:
            Revision.objects.filter(pk=pk).update(committed_at=begin)
    chart = as_superuser.get(REVISIONS, {"model": "testapp.tag"}).context["chart"]
    assert sum(bar.number for bar in chart.bars) == 5
    assert chart.bars[0].number == 3
    assert len(chart.bars) > 25
    page = as_superuser.get(REVISIONS + chart.bars[0].url)
    assert listed(page) == numbers[2::-1]
    assert page.context["chart"].bars[0].number == 3


def test_the_chart_reaches_the_revisions_of_a_user_who_was_here_long_ago(
    as_superuser, monkeypatch
) -> None:
    monkeypatch.setattr(activity, "LOOKED_AT", 3)
    with history.context(user=User.objects.create_user("ada")):
        Tag.objects.create(name="a")
    for number in range(6):
        Tag.objects.create(name=f"t{number}")
    chart = as_superuser.get(REVISIONS, {"user": "ada"}).context["chart"]
    assert sum(bar.number for bar in chart.bars) == 1
    assert as_superuser.get(REVISIONS, {"user": "nobody"}).context["chart"] is None
    whole = as_superuser.get(REVISIONS).context["chart"]
    assert sum(bar.number for bar in whole.bars) == 3
    assert whole.since is not None


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_another_database_has_revisions_of_its_own(as_superuser) -> None:
    Tag.objects.create(name="here")
    Tag.objects.using("other").create(name="there")
    there = Revision.objects.using("other").latest()
    page = as_superuser.get(REVISIONS, {"database": "other"})
    assert listed(page) == [there.pk]
    assert f"/admin/audittrail/revisions/{there.pk}/?database=other" in text_of(page)
    page = as_superuser.get(REVISIONS, {"database": "nowhere"})
    assert "Select a valid choice." in text_of(page)


def test_revisions_of_a_command_are_found(as_superuser) -> None:
    call_command("createsuperuser", "--noinput", username="x", email="x@example.com")
    assert listed(as_superuser.get(REVISIONS, {"source": "command"})) == [newest().pk]

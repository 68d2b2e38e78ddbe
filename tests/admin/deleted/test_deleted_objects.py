"""The list of a model's deleted objects: who deleted what and when, found, filtered, paged, and seen by who may see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audittrail import history
from audittrail.admin.deleted import queries, view
from audittrail.capture import tracking
from audittrail.models import Revision
from tests.admin.reading import text_of
from tests.testapp.models import (
    Country,
    Customer,
    CustomerProfile,
    Document,
    Order,
    Organization,
    Pizzeria,
    Place,
    Product,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/testapp/{}/audittrail/deleted/"
TAGS = URL.format("tag")


def names(response: Any) -> list[str]:
    assert response.status_code == 200
    return [str(obj) for obj in response.context["page"].rows]


def delete(*objects: models.Model) -> None:
    for obj in objects:
        obj.delete()


def test_the_list_leads_from_the_changelist_and_says_who_when_and_why(
    as_superuser, superuser
) -> None:
    tag = Tag.objects.create(name="sale")
    key = tag.pk
    with history.context(user=superuser, reason="Spring cleaning"):
        tag.delete()
    assert f'href="{TAGS}"' in text_of(as_superuser.get("/admin/testapp/tag/"))
    page = as_superuser.get(TAGS)
    text = text_of(page)
    assert names(page) == ["sale"]
    assert f'<a href="/admin/testapp/tag/{key}/history/">' in text
    assert "Spring cleaning" in text
    assert f'<a href="/admin/auth/user/{superuser.pk}/change/"><bdi>root</bdi></a>' in text
    assert f'name="pk" value="{key}" aria-label="Choose sale"' in text
    assert 'action="/admin/testapp/tag/audittrail/deleted/undelete/"' in text


def test_what_is_back_or_was_never_there_is_not_in_it(as_superuser) -> None:
    assert "have been deleted since they are tracked" in text_of(as_superuser.get(TAGS))
    tag = Tag.objects.create(name="sale")
    key = tag.pk
    tag.delete()
    Tag.objects.create(pk=key, name="offer")
    Tag.objects.create(name="other")
    assert names(as_superuser.get(TAGS)) == []
    Tag.objects.filter(pk=key).delete()
    assert names(as_superuser.get(TAGS)) == ["offer"], "as it was last"


def test_fields_of_the_changelist_are_shown_where_the_name_does_not_say_them(as_superuser) -> None:
    Country.objects.create(code="SZ", name="Swaziland")
    country = Country.objects.get()
    organization = Organization.objects.create(name="Office", country=country)
    Country.objects.update(name="Eswatini")
    organization.delete()
    text = text_of(as_superuser.get(URL.format("organization")))
    assert "Eswatini (SZ)" in text
    assert '<th scope="col" class="audittrail-table__field_name"' not in text


def test_it_is_searched_as_the_changelist_is(as_superuser) -> None:
    delete(
        *(Customer.objects.create(name=f"Customer {n}", email=f"{n}@example.org") for n in range(5))
    )
    url = URL.format("customer")
    assert names(as_superuser.get(f"{url}?q=customer+3")) == ["Customer 3"]
    assert names(as_superuser.get(f"{url}?q=4%40example")) == ["Customer 4"]
    page = as_superuser.get(f"{url}?q=nothing")
    assert names(page) == []
    assert "No deleted object fits these filters." in text_of(page)
    # Tags have no search_fields.
    assert 'name="q"' not in text_of(as_superuser.get(TAGS))


def test_what_was_deleted_along_is_searched_as_it_last_was(as_superuser, monkeypatch) -> None:
    from tests.testapp.admin import OrderAdmin

    monkeypatch.setattr(OrderAdmin, "search_fields", ("reference", "customer__name"))
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(customer=customer, reference="A1")
    Order.objects.create(customer=Customer.objects.create(name="Bea"), reference="B1")
    Customer.objects.filter(name="Ada").update(name="Countess")
    Order.objects.filter(reference="B1").delete()
    customer.delete()
    url = URL.format("order")
    assert names(as_superuser.get(f"{url}?q=countess")) == ["A1"]
    assert names(as_superuser.get(f"{url}?q=bea")) == ["B1"]
    assert names(as_superuser.get(f"{url}?q=A1")) == ["A1"]
    assert names(as_superuser.get(f"{url}?q=ada")) == []


def test_it_is_searched_through_relations_without_duplicates(as_superuser, monkeypatch) -> None:
    from tests.testapp.admin import ProductAdmin

    monkeypatch.setattr(ProductAdmin, "search_fields", ("name", "lines__order__reference"))
    bread = Product.objects.create(name="Bread")
    bread.delete()
    assert names(as_superuser.get(URL.format("product") + "?q=bread")) == ["Bread"]


def test_it_is_filtered_by_user_and_time(as_superuser, superuser, staff) -> None:
    ada = staff("ada")
    tags = [Tag.objects.create(name=name) for name in "abc"]
    with history.context(user=ada):
        delete(tags[0])
    with history.context(user=superuser):
        delete(tags[1])
    delete(tags[2])
    assert names(as_superuser.get(f"{TAGS}?user=ada")) == ["a"]
    assert names(as_superuser.get(f"{TAGS}?user={superuser.pk}")) == ["b"]
    assert names(as_superuser.get(f"{TAGS}?user=nobody")) == []
    with history.editing("Dated for the test"):
        for days, name in enumerate("cba"):
            deleted_at = timezone.now() - timedelta(days=days + 1)
            number = Tag.history.deleted().get(name=name).history_revision
            Revision.objects.filter(pk=number).update(committed_at=deleted_at)

    def at(days: float) -> str:
        return (timezone.now() - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")

    assert names(as_superuser.get(f"{TAGS}?since={at(1.5)}")) == ["c"]
    assert names(as_superuser.get(f"{TAGS}?until={at(1.5)}")) == ["b", "a"]
    assert names(as_superuser.get(f"{TAGS}?since={at(2.5)}&until={at(1.5)}")) == ["b"]
    assert names(as_superuser.get(f"{TAGS}?since={at(2.5)}&user=ada")) == []
    page = as_superuser.get(f"{TAGS}?since={at(1)}&until={at(2)}")
    assert "The end must be later than the beginning." in text_of(page)
    assert names(page) == []


def test_pages_follow_each_other_by_key(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(view, "PAGE_SIZE", 4)
    tags = [Tag.objects.create(name=f"tag{n}") for n in range(14)]
    with transaction.atomic():
        Tag.objects.filter(pk__in=[tag.pk for tag in tags[:7]]).delete()
    delete(*tags[7:])
    expected = [f"tag{n}" for n in range(13, -1, -1)]
    found, pages = [], []
    query: str | None = ""
    while query is not None:
        page = as_superuser.get(TAGS + query)
        pages.append(names(page))
        found += pages[-1]
        query, last = page.context["page"].older, page
    assert found == expected
    for earlier in pages[-2::-1]:
        last = as_superuser.get(TAGS + last.context["page"].newer)
        assert names(last) == earlier
    assert last.context["page"].newer is None


def test_a_search_that_takes_long_says_how_far_it_came(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(queries, "FIRST_WINDOW", 2)
    monkeypatch.setattr(queries, "GROWTH", 1)
    monkeypatch.setattr(queries, "PATIENCE", -1.0)
    tag = Tag.objects.create(name="old")
    tag.delete()
    for n in range(5):
        Customer.objects.create(name=f"{n}")
    page = as_superuser.get(TAGS)
    assert "Nothing found so far." in text_of(page)
    visited = 0
    while names(page) == []:
        visited += 1
        page = as_superuser.get(TAGS + page.context["further"])
    assert visited > 2
    assert names(page) == ["old"]
    assert page.context["page"].newer is not None


@pytest.mark.parametrize(
    "query",
    ["?before=x", "?after=[1]", "?tick=x", "?tick=--1", '?before=["a",null]', "?tick=9" + "9" * 30],
)
def test_what_is_no_position_shows_the_first_page(as_superuser, query) -> None:
    delete(Tag.objects.create(name="sale"))
    assert names(as_superuser.get(TAGS + query)) == ["sale"]


def test_the_number_of_queries_does_not_grow(as_superuser, superuser) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert as_superuser.get(URL.format("organization")).status_code == 200
        return len(captured)

    country = Country.objects.create(code="FR", name="France")

    def delete_some(prefix: str, number: int) -> None:
        made = [
            Organization.objects.create(name=f"{prefix}{n}", country=country) for n in range(number)
        ]
        with history.context(user=superuser):
            delete(*made)

    delete_some("a", 2)
    queries()
    few = queries()
    delete_some("b", 40)
    queries()
    assert queries() == few


def test_keys_of_every_kind_are_listed(as_superuser) -> None:
    pizzeria = Pizzeria.objects.create(name="Napoli", oven_degrees=480)
    profile = CustomerProfile.objects.create(
        customer=Customer.objects.create(name="Ada"), bio="Bakes"
    )
    delete(pizzeria, profile, Product.objects.create(name="Bread"))
    for model, found in (
        ("pizzeria", "Napoli"),
        ("place", "Napoli"),
        ("customerprofile", "Bakes"),
        ("product", "Bread"),
    ):
        page = as_superuser.get(URL.format(model))
        assert names(page) == [found]
    assert Place.history.deleted().get().name == "Napoli"


def test_rows_that_the_default_manager_hides_are_listed(as_superuser, monkeypatch) -> None:
    class Hiding(models.Manager):
        def get_queryset(self) -> Any:
            return super().get_queryset().exclude(name="hidden")

    tag = Tag.objects.create(name="hidden")
    tag.delete()
    manager: Any = Hiding()
    manager.model = Tag
    monkeypatch.setitem(Tag._meta.__dict__, "default_manager", manager)
    assert list(Tag._default_manager.filter(name="hidden")) == []
    assert names(as_superuser.get(TAGS)) == ["hidden"]


def test_only_who_may_view_sees_it_and_only_who_may_add_can_choose(staff, log_in) -> None:
    delete(Tag.objects.create(name="sale"))
    assert log_in(staff("nobody")).get(TAGS).status_code == 403
    assert log_in(staff("other", "testapp.view_product")).get(TAGS).status_code == 403
    page = log_in(staff("viewer", "testapp.view_tag")).get(TAGS)
    assert names(page) == ["sale"]
    assert 'name="pk"' not in text_of(page)
    page = log_in(staff("adder", "testapp.view_tag", "testapp.add_tag")).get(TAGS)
    assert 'name="pk"' in text_of(page)


def test_hooks_and_querysets_of_model_admins_hold_for_what_is_deleted(
    staff, log_in, as_superuser
) -> None:
    owner = staff("owner", "testapp.view_document", "testapp.view_order")
    other = staff("other")
    delete(
        *(
            Document.objects.create(title=f"{user} {n}", owner=user)
            for n in range(3)
            for user in (owner, other)
        )
    )
    client = log_in(owner)
    found = names(client.get("/support/testapp/document/audittrail/deleted/"))
    assert found == ["owner 2", "owner 1", "owner 0"]
    customer = Customer.objects.create(name="Ada")
    delete(
        *(
            Order.objects.create(customer=customer, reference=name)
            for name in ("open 1", "closed 1")
        )
    )
    assert names(client.get("/support/testapp/order/audittrail/deleted/")) == ["open 1"]
    assert names(as_superuser.get(URL.format("order"))) == ["closed 1", "open 1"]


def test_a_queryset_that_says_nothing_of_the_deleted_shows_nothing(
    as_superuser, monkeypatch
) -> None:
    from tests.testapp.admin import CustomerAdmin

    monkeypatch.setattr(
        CustomerAdmin, "get_queryset", lambda self, request: Customer.objects.filter(vip=False)
    )
    delete(Customer.objects.create(name="Ada"))
    assert names(as_superuser.get(URL.format("customer"))) == []


def test_a_search_of_the_project_that_needs_the_present_is_refused_clearly(
    as_superuser, monkeypatch
) -> None:
    from tests.testapp.admin import CustomerAdmin

    def search(self: Any, request: Any, queryset: Any, term: str) -> Any:
        return queryset | Customer.objects.filter(name=term), False

    monkeypatch.setattr(CustomerAdmin, "get_search_results", search)
    delete(Customer.objects.create(name="Ada"))
    page = as_superuser.get(URL.format("customer") + "?q=Ada")
    assert page.status_code == 409
    assert "This is not possible here." in text_of(page)


def test_masked_fields_are_not_in_the_list(as_superuser, monkeypatch) -> None:
    monkeypatch.setitem(tracking._registered, Customer, tracking.Options(mask=("email",)))
    delete(Customer.objects.create(name="Ada", email="ada@example.org"))
    assert "ada@example.org" not in text_of(as_superuser.get(URL.format("customer")))


def test_hostile_names_are_text(as_superuser, superuser) -> None:
    hostile = "<script>alert(1)</script>\"' \u202e"
    customer = Customer.objects.create(name=hostile, email="<b>")
    with history.context(user=superuser, reason=hostile):
        customer.delete()
    text = as_superuser.get(URL.format("customer") + "?q=%3Cscript%3E").content.decode()
    assert "<script>alert" not in text and "<b>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;" in text


def test_models_without_history_have_no_list(as_superuser, settings) -> None:
    settings.AUDITTRAIL_EXCLUDE = ["testapp.Tag"]
    assert as_superuser.get(TAGS).status_code == 404
    assert as_superuser.post(TAGS).status_code == 405
    assert admin.site.is_registered(Tag)

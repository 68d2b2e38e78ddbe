"""Who sees the history of an object, and of what belongs to it: asked for every request, whatever links a page has."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import path

from audittrail.capture import tracking
from tests.admin.histories import address, changed, inlines, shown, told, unchanged
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import Customer, Document, Order, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ("", "{version}/", "compare/", "compare/?from={version}")


def pages(client: Any, url: str, version: int) -> list[Any]:
    """Return the answers of all pages of an object's history."""
    return [client.get(url + page.format(version=version)) for page in PAGES]


def statuses(client: Any, url: str, version: int) -> set[int]:
    return {response.status_code for response in pages(client, url, version)}


def test_nobody_without_the_permission_to_view_the_model(staff, log_in, client) -> None:
    tag = Tag.objects.create(name="secret")
    there = address(tag), newest().pk
    gone = Tag.objects.create(name="gone")
    deleted = address(gone), newest().pk
    gone.delete()
    missing = address(tag, pk=4711), newest().pk
    outsider = log_in(staff("outsider"))
    other = log_in(staff("other", "testapp.view_customer"))
    viewer = log_in(staff("viewer", "testapp.view_tag"))
    editor = log_in(staff("editor", "testapp.change_tag"))
    for where in (there, deleted):
        assert statuses(client, *where) == {302}
        assert statuses(outsider, *where) == statuses(other, *where) == {403}
        assert statuses(viewer, *where) == statuses(editor, *where) == {200}
    assert statuses(outsider, *missing) == {403}
    assert statuses(viewer, *missing) == {404}


def test_no_page_takes_a_post(as_superuser) -> None:
    tag = Tag.objects.create(name="a")
    for page in PAGES:
        url = address(tag) + page.format(version=newest().pk)
        assert as_superuser.post(url).status_code == 405


def test_hooks_for_single_objects(staff, log_in) -> None:
    ada = staff("ada", "testapp.view_document")
    own = Document.objects.create(owner=ada, title="own")
    made = newest().pk
    others = Document.objects.create(title="not yours")
    client = log_in(ada)
    for obj, number, expected in ((own, made, 200), (others, newest().pk, 404)):
        where = address(obj, site="support"), number
        assert statuses(client, *where) == {expected}
        obj.delete()
        assert statuses(client, *where) == {expected}


def test_what_the_queryset_of_a_model_admin_leaves_out_is_not_found(staff, log_in) -> None:
    client = log_in(staff("ada", "testapp.view_order"))
    customer = Customer.objects.create(name="Ada")
    for reference, expected in (("open 1", 200), ("closed 1", 404)):
        order = Order.objects.create(customer=customer, reference=reference)
        where = address(order, site="support"), newest().pk
        assert statuses(client, *where) == {expected}
        order.delete()
        assert statuses(client, *where) == {expected}


def test_rows_of_models_that_a_user_may_not_see_are_nowhere(staff, log_in) -> None:
    customer = Customer.objects.create(name="Ada")
    product = Product.objects.create(name="Secret product")
    order = Order.objects.create(customer=customer, reference="secret")
    customer.favourites.add(product)
    then = newest().pk
    order.delete()
    customer.favourites.remove(product)
    client = log_in(staff("ada", "testapp.view_customer"))
    for page in pages(client, address(customer), then):
        text = text_of(page)
        assert page.status_code == 200
        assert "ecret" not in text
        assert "Order" not in text
    timeline = client.get(address(customer))
    key = f"Product {product.pk}"
    assert [changes for _, changes in told(timeline)] == [
        {"Favourites": key},
        {"Favourites": key},
        {"Name": "Ada", "Email": "empty", "Vip": "No"},
    ]
    assert "/product/" not in text_of(timeline)
    assert inlines(client.get(address(customer, then))) == {}
    # With the permissions they are there.
    client = log_in(staff("bea", "testapp.view_customer", "testapp.view_order"))
    assert "+ Order secret: Reference" in told(client.get(address(customer)))[3][1]
    assert "Secret product" not in text_of(client.get(address(customer)))


def test_names_of_objects_that_a_user_may_not_see_are_their_keys(staff, log_in) -> None:
    owner = User.objects.create(username="secret-owner")
    document = Document.objects.create(owner=owner, title="t")
    then = newest().pk
    Document.objects.update(owner=None)
    client = log_in(staff("ada", "testapp.view_document"))
    for page in pages(client, address(document), then):
        assert "secret-owner" not in text_of(page)
    assert told(client.get(address(document)))[0][1] == {"Owner": f"User {owner.pk} became none"}
    assert shown(client.get(address(document, then)))["Owner"] == f"User {owner.pk}"
    assert changed(client.get(f"{address(document, 'compare')}?from={then}")) == {
        "Owner": (f"User {owner.pk}", "none")
    }


class OwnDocuments(admin.ModelAdmin):
    """Show each user the own documents only."""

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        allowed = super().has_view_permission(request, obj)
        return allowed and (obj is None or obj.owner_id == request.user.pk)


class Unviewed(admin.ModelAdmin):
    """Let nobody view anything, and leave changing to permissions."""

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return False


def test_who_may_change_an_object_has_its_history_as_they_have_its_form(
    settings, staff, log_in
) -> None:
    """Django's form and its history ask for either permission, whatever a project says of viewing alone."""
    site = admin.AdminSite(name="own")
    site.register(Document, Unviewed)
    urls: Any = ModuleType("urls_of_a_test")
    urls.urlpatterns = [path("own/", site.urls)]
    settings.ROOT_URLCONF = urls
    document = Document.objects.create(title="t")
    then = newest().pk
    url = address(document, site="own")
    editor = log_in(staff("editor", "testapp.change_document"))
    viewer = log_in(staff("viewer", "testapp.view_document"))
    form = f"/own/testapp/document/{document.pk}/change/"
    assert (editor.get(form).status_code, statuses(editor, url, then)) == (200, {200})
    assert (viewer.get(form).status_code, statuses(viewer, url, then)) == (403, {404})
    key = document.pk
    document.delete()
    gone = address(document, site="own", pk=key)
    assert (statuses(editor, gone, then), statuses(viewer, gone, then)) == ({200}, {404})


class WithDocuments(admin.ModelAdmin):
    """Have documents in its timelines."""

    audittrail_related = ("documents",)
    audittrail_hidden_fields = ("first_name",)


@pytest.fixture
def own_site(settings: Any) -> str:
    site = admin.AdminSite(name="own")
    site.register(User, WithDocuments)
    site.register(Document, OwnDocuments)
    urls: Any = ModuleType("urls_of_a_test")
    urls.urlpatterns = [path("own/", site.urls)]
    settings.ROOT_URLCONF = urls
    return site.name


def test_related_rows_are_asked_about_one_by_one(own_site, staff, log_in) -> None:
    ada = staff("ada", "auth.view_user", "testapp.view_document")
    bea = staff("bea")
    Document.objects.create(owner=ada, title="of ada")
    Document.objects.create(owner=bea, title="of bea")
    bulk = Document.objects.bulk_create(Document(owner=bea, title=f"{n}") for n in range(50))
    client = log_in(ada)
    of_ada, of_bea = (client.get(address(user, site=own_site)) for user in (ada, bea))
    assert told(of_ada)[0] == (
        "",
        {"+ Document of ada: Title": "of ada", "+ Document of ada: Body": "empty"},
    )
    assert "of bea" not in text_of(of_bea)
    assert "further changes" not in text_of(of_bea)
    assert [operation for operation, _ in told(of_bea)] == ["I"]
    Document.objects.filter(pk=bulk[0].pk).delete()
    compared = client.get(f"{address(bea, 'compare', site=own_site)}?from=2001-01-01")
    assert [related.rows for related in compared.context["comparison"].related] == [[]]


def test_hidden_fields_appear_on_no_page(own_site, as_superuser) -> None:
    user = User.objects.create(username="ada", first_name="hidden")
    then = newest().pk
    User.objects.filter(pk=user.pk).update(first_name="hidden as well", last_name="shown")
    for page in pages(as_superuser, address(user, site=own_site), then):
        assert page.status_code == 200
        assert "hidden" not in text_of(page).replace("visually-hidden", "").replace(
            "aria-hidden", ""
        ).replace('type="hidden"', "")
        assert "First name" not in text_of(page)
    page = as_superuser.get(address(user, site=own_site) + "?field=first_name")
    assert page.context["filters"].errors


def test_excluded_fields_are_absent(as_superuser, monkeypatch) -> None:
    user = User.objects.create(username="ada", password="hash-of-old")
    then = newest().pk
    User.objects.filter(pk=user.pk).update(username="bea", password="hash-of-new")
    for page in pages(as_superuser, address(user), then):
        assert "hash-of" not in text_of(page)
    assert "Password" not in unchanged(as_superuser.get(address(user, "compare")))


def test_masked_fields_tell_that_they_changed_never_what(staff, log_in, monkeypatch) -> None:
    monkeypatch.setitem(tracking._registered, Document, tracking.Options(mask=("title", "owner")))
    owner = User.objects.create(username="the-owner")
    document = Document.objects.create(owner=owner, title="first secret", body="b")
    then = newest().pk
    Document.objects.update(title="second secret", owner=None)
    client = log_in(staff("ada", "testapp.view_document", "auth.view_user"))
    answers = pages(client, address(document), then)
    document.delete()
    answers += pages(client, address(document, pk=1), then)
    for page in answers:
        for secret in ("first secret", "second secret", "the-owner"):
            assert secret not in text_of(page)
    note = "••• changed; what it holds is not shown"
    assert told(answers[0])[0] == ("U", {"Title": note, "Owner": note})


def test_restoring_is_offered_to_who_may_do_it(staff, log_in, monkeypatch) -> None:
    from audittrail.admin.objects import lookup

    def offered(client: Any, url: str) -> int:
        entries = client.get(url).context["entries"]
        return sum(link.url.endswith("/restore/") for one in entries for link in one.actions)

    real = lookup.Subject.url
    monkeypatch.setattr(
        lookup.Subject,
        "url",
        lambda self, name, *args, **query: (
            "/restore/" if name == "audittrail_restore" else real(self, name, *args, **query)
        ),
    )
    tag = Tag.objects.create(name="a")
    Tag.objects.update(name="b")
    url = address(tag)
    viewer = log_in(staff("viewer", "testapp.view_tag"))
    editor = log_in(staff("editor", "testapp.view_tag", "testapp.change_tag"))
    adder = log_in(staff("adder", "testapp.view_tag", "testapp.add_tag"))
    assert [offered(client, url) for client in (viewer, editor, adder)] == [0, 1, 0]
    tag.delete()
    assert [offered(client, url) for client in (viewer, editor, adder)] == [0, 0, 2]

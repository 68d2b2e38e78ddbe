"""A person brings back what they could write with the admin's own pages at that moment: field by field and row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.db import models, transaction

from audittrail import history
from audittrail.models import Revision
from tests.admin.previews import carry_out, form
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.admin import CustomerAdmin, DocumentAdmin, OrderAdmin, ProductAdmin
from tests.testapp.models import Customer, Document, Order, OrderLine, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)

UNDO, RESTORE, ROLL_BACK = (
    "/admin/audittrail/revisions/{}/undo/",
    "/admin/audittrail/revisions/{}/restore/",
    "/admin/audittrail/revisions/{}/roll-back/",
)


def every(*models: str) -> list[str]:
    app = {"user": "auth"}
    return [
        f"{app.get(model, 'testapp')}.{action}_{model}"
        for model in models
        for action in ("view", "add", "change", "delete")
    ]


def restore_url(obj: Any, number: int) -> str:
    meta = obj._meta
    return f"/admin/{meta.app_label}/{meta.model_name}/{obj.pk}/audittrail/{number}/restore/"


def undelete_url(model: str, pk: Any, app: str = "testapp") -> str:
    return f"/admin/{app}/{model}/audittrail/deleted/undelete/?pk={pk}"


def left_out(page: Any) -> list[tuple[str, str, str]]:
    """Return what a preview leaves out: the name of each row's table, what would be done with it, and why it is not."""
    assert page.status_code == 200, text_of(page)
    return [
        (table.label, left.row.badge.operation, left.reason)
        for table in page.context["preview"].left_out
        for left in table.rows
    ]


def refused(page: Any) -> set[str]:
    return {choice.name for choice in page.context["choices"] if choice.is_refused}


# Fields


def test_staff_do_not_make_themselves_superusers_again(staff, log_in, monkeypatch) -> None:
    monkeypatch.setattr(UserAdmin, "readonly_fields", ("is_superuser", "user_permissions"))
    user = staff("former", "auth.view_user", "auth.change_user")
    User.objects.filter(pk=user.pk).update(is_superuser=True, first_name="A")
    number = newest().pk
    User.objects.filter(pk=user.pk).update(is_superuser=False, first_name="B")
    url, client = restore_url(user, number), log_in(user)
    page = client.get(url)
    assert "is_superuser" in refused(page)
    assert "You may not write this field here." in text_of(page)
    alone = client.get(f"{url}?choosing=1&fields=is_superuser")
    assert "Choose at least one field." in text_of(alone)
    assert client.post(url, form(alone)).status_code == 200
    posted = {**form(page), "fields": ["first_name", "is_superuser"], "choosing": "1"}
    assert client.post(url, posted).status_code == 302
    user.refresh_from_db()
    assert (user.first_name, user.is_superuser) == ("A", False)


class _Disabled(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].disabled = True


class _Without(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["email"]


class _Leaving(forms.ModelForm):
    class Meta:
        exclude = ("email",)  # noqa: DJ006 (a way that projects have)


def _no_email(self: Any, field: Any, request: Any, **kwargs: Any) -> Any:
    return None if field.name == "email" else field.formfield(**kwargs)


def _form(self: Any, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
    made = admin.ModelAdmin.get_form(self, request, obj, change=change, **kwargs)
    made.base_fields["email"].disabled = True
    return made


#: The ways in which a ModelAdmin keeps the field `email` of customers from being written.
WAYS: dict[str, tuple[str, Any]] = {
    "readonly_fields": ("readonly_fields", ("email",)),
    "get_readonly_fields": ("get_readonly_fields", lambda self, request, obj=None: ("email",)),
    "exclude": ("exclude", ("email",)),
    "get_exclude": ("get_exclude", lambda self, request, obj=None: ("email",)),
    "fields": ("fields", ("name", "vip", "favourites")),
    "fieldsets": ("fieldsets", ((None, {"fields": (("name", "vip"), "favourites")}),)),
    "get_fields": ("get_fields", lambda self, request, obj=None: ("name", "vip", "favourites")),
    "get_form": ("get_form", _form),
    "formfield_for_dbfield": ("formfield_for_dbfield", _no_email),
    "disabled in the form": ("form", _Disabled),
    "taken out of the form": ("form", _Without),
    "excluded by the form": ("form", _Leaving),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_form_does_not_take_is_not_restored(staff, log_in, monkeypatch, way) -> None:
    monkeypatch.setattr(CustomerAdmin, *WAYS[way])
    customer = Customer.objects.create(name="Ada", email="ada@example.org")
    number = newest().pk
    Customer.objects.update(name="Bea", email="bea@example.org")
    changed = newest().pk
    client = log_in(staff("editor", *every("customer"), "audittrail.undo_revision"))
    url = restore_url(customer, number)
    page = client.get(url)
    assert refused(page) == {"email"}
    assert client.post(url, {**form(page), "fields": ["email", "name"]}).status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.email) == ("Ada", "bea@example.org")
    Customer.objects.update(name="Bea")
    undo = UNDO.format(changed)
    (left,) = left_out(client.get(undo))
    text = "You may not write these fields, which stay as they are: email."
    assert left == ("Customers", "U", text)
    assert carry_out(client, undo).status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.email) == ("Ada", "bea@example.org")
    # What is left is nothing that may be written, so the page says what was meant to be.
    answer = client.get(undo)
    assert (answer.status_code, "email" in answer.context["refusal"].text) == (403, True)
    assert client.post(undo, {"digest": "x"}).status_code == 403


@pytest.mark.parametrize("url", [RESTORE, ROLL_BACK])
def test_whole_databases_are_no_way_around_a_form(
    as_superuser, staff, log_in, monkeypatch, url
) -> None:
    monkeypatch.setattr(CustomerAdmin, "readonly_fields", ("email",))
    whole = ("audittrail.restore_database", "audittrail.roll_back_database")
    client = log_in(staff("editor", *every("customer"), *whole))
    Customer.objects.create(name="Ada", email="ada@example.org")
    number = newest().pk
    Customer.objects.update(email="bea@example.org")
    target = url.format(number)
    posted = {**form(as_superuser.get(target)), "confirmation": str(number)}
    assert client.get(target).status_code == 403
    assert client.post(target, posted).status_code == 403
    assert Customer.objects.get().email == "bea@example.org"
    assert as_superuser.post(target, posted).status_code == 302
    assert Customer.objects.get().email == "ada@example.org"


def test_values_that_the_form_does_not_offer_are_not_restored(staff, log_in, monkeypatch) -> None:
    def limited(self: Any, db_field: Any, request: Any, **kwargs: Any) -> Any:
        kwargs["queryset"] = db_field.remote_field.model._base_manager.exclude(name="Secret")
        return admin.ModelAdmin.formfield_for_foreignkey(self, db_field, request, **kwargs)

    def few(self: Any, db_field: Any, request: Any, **kwargs: Any) -> Any:
        kwargs["queryset"] = Tag.objects.exclude(name="Secret")
        return admin.ModelAdmin.formfield_for_manytomany(self, db_field, request, **kwargs)

    monkeypatch.setattr(OrderAdmin, "formfield_for_foreignkey", limited)
    monkeypatch.setattr(ProductAdmin, "formfield_for_manytomany", few)
    client = log_in(staff("editor", *every("order", "product", "customer", "orderline")))
    secret, plain = Customer.objects.create(name="Secret"), Customer.objects.create(name="Plain")
    order = Order.objects.create(customer=secret, reference="1")
    number = newest().pk
    Order.objects.update(customer=plain, reference="2")
    page = client.get(restore_url(order, number))
    assert refused(page) == {"customer"}
    product, tag = Product.objects.create(name="Bread"), Tag.objects.create(name="Secret")
    product.tags.add(tag)
    number = newest().pk
    product.tags.clear()
    assert refused(client.get(restore_url(product, number))) == {"tags"}
    product.tags.add(tag)
    product.tags.clear()
    cleared = newest().pk
    assert cleared
    Tag.objects.update(name="Open")
    assert refused(client.get(restore_url(product, number))) == set()


def test_a_relation_that_the_form_leaves_out_is_not_restored(staff, log_in, monkeypatch) -> None:
    monkeypatch.setattr(ProductAdmin, "fieldsets", ((None, {"fields": ("name",)}),))
    with transaction.atomic():
        product, tag = Product.objects.create(name="Bread"), Tag.objects.create(name="new")
        product.tags.add(tag)
    number = newest().pk
    with transaction.atomic():
        product.tags.clear()
        Product.objects.update(name="Cake")
    cleared = newest().pk
    client = log_in(staff("editor", *every("product"), "audittrail.undo_revision"))
    url = restore_url(product, number)
    page = client.get(url)
    # Of a field that no page shows nothing is said, and it stays as it is.
    assert [choice.name for choice in page.context["choices"]] == ["name"]
    assert client.post(url, form(page)).status_code == 302
    product.refresh_from_db()
    assert (product.name, product.tags.count()) == ("Bread", 0)
    Product.objects.update(name="Cake")
    undo = client.get(UNDO.format(cleared))
    assert (left_out(undo), "tags" in text_of(undo)) == ([], False)
    assert client.post(UNDO.format(cleared), form(undo)).status_code == 302
    product.refresh_from_db()
    assert (product.name, product.tags.count()) == ("Bread", 0)


# Undeleting


def test_undeleting_users_needs_what_adding_them_needs(superuser, staff, log_in) -> None:
    root = User.objects.create_superuser("former", password="secret")
    key = root.pk
    root.delete()
    adder = staff("adder", "auth.view_user", "auth.add_user")
    url = undelete_url("user", key, "auth")
    assert log_in(adder).get("/admin/auth/user/add/").status_code == 403
    assert log_in(adder).get(url).status_code == 403
    assert log_in(adder).post(url, {"pk": [key], "digest": "x"}).status_code == 403
    clerk = staff("clerk", "auth.view_user", "auth.add_user", "auth.change_user")
    page = log_in(clerk).get(url)
    assert page.status_code == 403
    told = page.context["refusal"].text
    assert "superuser status" in told and "password" in told and "username" not in told
    clerk.user_permissions.add(Permission.objects.get(codename="undelete_completely"))
    page = log_in(clerk).get(url)
    assert "superuser status" in text_of(page)
    assert carry_out(log_in(clerk), url).status_code == 302
    assert User.objects.get(pk=key).is_superuser


def test_the_preview_names_no_field_that_its_reader_does_not_see(
    staff, log_in, monkeypatch
) -> None:
    """Of what comes back beyond the add page, columns that no page shows are other fields, except to who may view all."""
    monkeypatch.setattr(CustomerAdmin, "fields", ("name", "vip"), raising=False)
    monkeypatch.setattr(CustomerAdmin, "readonly_fields", ("vip",))
    monkeypatch.setattr(CustomerAdmin, "list_display", ("name",))
    monkeypatch.setattr(CustomerAdmin, "search_fields", ("name",))
    customer = Customer.objects.create(name="Ada", email="ada@example.org", vip=True)
    key = customer.pk
    customer.delete()
    url = undelete_url("customer", key)
    rights = (*every("customer"), "audittrail.undelete_completely")
    page = log_in(staff("clerk", *rights)).get(url)
    assert page.context["completed"] == ["customers (vip, other fields)"]
    page = log_in(staff("chief", *rights, "audittrail.view_all_fields")).get(url)
    assert page.context["completed"] == ["customers (email, vip)"]


def test_fields_that_the_add_page_does_not_take(staff, log_in, monkeypatch) -> None:
    monkeypatch.setattr(CustomerAdmin, "readonly_fields", ("vip",))
    client = log_in(staff("clerk", *every("customer")))
    ordinary, vip = Customer.objects.create(name="a"), Customer.objects.create(name="b", vip=True)
    keys = ordinary.pk, vip.pk
    versions = [int(one.history.versions.in_order()[0].version) for one in (ordinary, vip)]
    Customer.objects.all().delete()
    for key, version, obj in zip(keys, versions, (ordinary, vip), strict=True):
        obj.pk = key
        expected = 200 if obj.name == "a" else 403
        assert client.get(undelete_url("customer", key)).status_code == expected
        if expected == 403:
            assert client.get(restore_url(obj, version)).status_code == 403
    deletion = newest().pk
    chief = log_in(staff("chief", *every("customer"), "audittrail.undo_revision"))
    text = "You may not write these values when you add an object: vip."
    assert left_out(chief.get(UNDO.format(deletion))) == [("Customers", "I", text)]
    chosen = f"{undelete_url('customer', keys[0])}&pk={keys[1]}"
    assert left_out(chief.get(chosen)) == [("Customers", "I", text)]
    assert carry_out(chief, UNDO.format(deletion)).status_code == 302
    assert [*Customer.objects.values_list("name", flat=True)] == ["a"]
    assert "What you may not write was left out." in text_of(chief.get("/admin/"))
    head = log_in(
        staff(
            "head", *every("customer"), "audittrail.undo_revision", "audittrail.undelete_completely"
        )
    )
    assert carry_out(head, UNDO.format(deletion) + "?on_conflict=skip").status_code == 302
    assert Customer.objects.filter(vip=True).exists()


# Rows


class Own:
    """Show each user the own documents alone, by the queryset, as multi-tenant projects do."""

    def get_queryset(self, request: Any) -> Any:
        found: Any = admin.ModelAdmin.get_queryset(self, request)  # type: ignore[arg-type]
        return found if request.user.is_superuser else found.filter(owner=request.user)


@pytest.fixture
def two(staff: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> tuple[User, User]:
    """Give two users whose documents the admin keeps apart."""
    monkeypatch.setattr(DocumentAdmin, "get_queryset", Own.get_queryset, raising=False)
    permissions = (
        *every("document"),
        "audittrail.undo_revision",
        "audittrail.restore_database",
        "audittrail.roll_back_database",
    )
    return staff("ada", *permissions), staff("eve", *permissions)


def _update(owner: User) -> None:
    Document.objects.filter(owner=owner).update(title="changed")


def _insert(owner: User) -> None:
    Document.objects.create(title="new", owner=owner)


def _delete(owner: User) -> None:
    Document.objects.filter(owner=owner).delete()


@pytest.mark.parametrize("change", [_update, _insert, _delete])
@pytest.mark.parametrize("url", [UNDO, RESTORE, ROLL_BACK])
def test_rows_that_the_queryset_leaves_out_are_not_written(
    as_superuser, two, log_in, change, url
) -> None:
    ada, eve = two
    Document.objects.create(title="ada's", owner=ada)
    Document.objects.create(title="eve's", owner=eve)
    before = newest()
    change(eve)
    number = newest().pk if url == UNDO else before.pk
    target = url.format(number)
    posted = {**form(as_superuser.get(target)), "confirmation": str(number)}
    rows = [*Document.objects.order_by("pk").values()]
    assert log_in(ada).get(target).status_code in (403, 404)
    assert log_in(ada).post(target, posted).status_code in (403, 404)
    assert [*Document.objects.order_by("pk").values()] == rows
    page = log_in(eve).get(target)
    assert page.status_code == 200, text_of(page)
    assert carry_out(log_in(eve), target, confirmation=str(number)).status_code == 302


def test_what_a_mixed_revision_did_to_others_stays_and_is_not_told(two, log_in) -> None:
    ada, eve = two
    for owner in (ada, eve):
        Document.objects.create(title="draft", owner=owner)
    with transaction.atomic():
        Document.objects.update(title="final")
    target = UNDO.format(newest().pk)
    page = log_in(ada).get(target)
    assert (left_out(page), page.context["preview"].others) == ([], 0)
    assert [badge.count for badge in page.context["preview"].badges] == [1]
    assert carry_out(log_in(ada), target).status_code == 302
    assert {*Document.objects.values_list("title", "owner__username")} == {
        ("draft", "ada"),
        ("final", "eve"),
    }
    assert newest().context["within_rights"] is True


class Kept(models.Manager[Any]):
    def get_queryset(self) -> Any:
        return super().get_queryset().exclude(name="hidden")


@pytest.fixture
def hidden_by_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    manager: Any = Kept()
    manager.model, manager.name = Tag, "kept"
    monkeypatch.setitem(vars(Tag._meta), "default_manager", manager)


def test_rows_that_the_default_manager_hides_are_not_written(
    as_superuser, staff, log_in, hidden_by_manager
) -> None:
    Tag.objects.create(name="before")
    Tag.objects.update(name="hidden")
    number = newest().pk
    clerk = log_in(staff("clerk", *every("tag"), "audittrail.undo_revision"))
    (tag,) = Tag._base_manager.all()
    before = Revision.objects.earliest().pk
    for url in (UNDO.format(number), restore_url(tag, before)):
        assert clerk.get(url).status_code in (403, 404)
        assert clerk.post(url, {"digest": "x"}).status_code in (403, 404)
    assert carry_out(as_superuser, UNDO.format(number)).status_code == 302
    assert Tag._base_manager.get().name == "before"


# Inlines


@pytest.fixture
def bread(transactional_db: None) -> dict[str, int]:
    """Give revisions that changed, added and deleted a line of an order, and one to return to."""
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(customer=customer, reference="locked")
    products = [Product.objects.create(name=name) for name in ("a", "b")]
    OrderLine.objects.create(order=order, number=1, product=products[0], quantity=1)
    made = {"before": newest().pk, "order": order.pk}
    OrderLine.objects.update(quantity=2)
    made["U"] = newest().pk
    OrderLine.objects.create(order=order, number=2, product=products[1], quantity=3)
    made["I"] = newest().pk
    OrderLine.objects.filter(quantity=2).delete()
    made["D"] = newest().pk
    return made


LINES = (*every("order", "orderline"), "audittrail.undo_revision")


@pytest.mark.parametrize("operation", ["I", "D"])
def test_rows_of_inlines_are_written_as_the_inline_does(staff, log_in, bread, operation) -> None:
    client = log_in(staff("clerk", *LINES))
    assert carry_out(client, UNDO.format(bread[operation])).status_code == 302


@pytest.mark.parametrize(
    ("operation", "attribute", "value"),
    [
        ("U", "readonly_fields", ("quantity",)),
        ("U", "has_change_permission", lambda self, request, obj=None: False),
        ("I", "can_delete", False),
        ("I", "has_delete_permission", lambda self, request, obj=None: False),
        ("D", "has_add_permission", lambda self, request, obj=None: False),
        ("D", "max_num", 0),
    ],
)
def test_what_an_inline_does_not_do_is_not_done(
    as_superuser, staff, log_in, bread, monkeypatch, operation, attribute, value
) -> None:
    from tests.testapp.admin import OrderLineInline

    if operation == "U":
        # The line is there for its change to be undone.
        assert carry_out(as_superuser, UNDO.format(bread["D"])).status_code == 302
        OrderLine.objects.filter(quantity=2).update(quantity=7)
        bread["U"] = newest().pk
    client = log_in(staff("clerk", *LINES))
    assert client.get(UNDO.format(bread[operation])).status_code == 200
    monkeypatch.setattr(OrderLineInline, attribute, value)
    assert client.get(UNDO.format(bread[operation])).status_code == 403


@pytest.mark.parametrize("operation", ["I", "D"])
@pytest.mark.parametrize(
    "hook",
    [
        "has_view_permission",
        "has_add_permission",
        "has_change_permission",
        "has_delete_permission",
        None,
    ],
)
def test_hooks_of_inlines_are_asked_with_the_real_object(
    staff, log_in, bread, monkeypatch, operation, hook
) -> None:
    """Of an order whose lines the inline locks, none is changed; None: by the inline's queryset."""
    from tests.testapp.admin import OrderLineInline

    def unlocked(self: Any, request: Any, obj: Any = None) -> bool:
        return obj is None or obj.reference != "locked"

    def others(self: Any, request: Any) -> Any:
        found = admin.TabularInline.get_queryset(self, request)
        return found.exclude(order__reference="locked")

    if hook is None:
        monkeypatch.setattr(OrderLineInline, "get_queryset", others, raising=False)
    else:
        monkeypatch.setattr(OrderLineInline, hook, unlocked, raising=False)
    client = log_in(staff("clerk", *LINES))
    needed = {"I": "has_delete_permission", "D": "has_add_permission"}[operation]
    # Who may change the lines is shown them, as on the page of the order.
    denied = hook in (None, needed)
    status = client.get(UNDO.format(bread[operation])).status_code
    assert status in ((403, 404) if denied else (200,))
    Order.objects.update(reference="open")
    assert client.get(UNDO.format(bread[operation])).status_code == 200


@pytest.fixture
def taken(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> int:
    """Give a revision that moved an order, which an inline alone shows, from one customer to another, and changed both."""
    monkeypatch.delitem(admin.site._registry, Order)
    mine, other = Customer.objects.create(name="mine"), Customer.objects.create(name="other")
    order = Order.objects.create(customer=mine, reference="1")
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(customer=other)
        # The person sees the revision whichever of the two they see.
        Customer.objects.update(vip=True)
    return int(newest().pk)


@pytest.mark.parametrize("seen", [("mine",), ("other",), ("mine", "other")], ids=str)
def test_no_row_of_an_inline_moves_between_objects(
    as_superuser, staff, log_in, monkeypatch, taken, seen
) -> None:
    """The page of an object neither takes rows from another nor gives it any, whoever may change both."""

    def some(self: Any, request: Any) -> Any:
        found = admin.ModelAdmin.get_queryset(self, request)
        return found if request.user.is_superuser else found.filter(name__in=seen)

    posted = form(as_superuser.get(UNDO.format(taken)))
    if len(seen) == 1:
        monkeypatch.setattr(CustomerAdmin, "get_queryset", some, raising=False)
    client = log_in(staff("clerk", *every("customer", "order"), "audittrail.undo_revision"))
    page = client.get(UNDO.format(taken))
    told = [("Orders", "U", "You may not write it.")] if "other" in seen else []
    assert left_out(page) == told
    assert client.post(UNDO.format(taken), posted).status_code == 409
    assert client.post(UNDO.format(taken), form(page)).status_code == 302
    assert {*Customer.objects.filter(vip=False).values_list("name", flat=True)} == {*seen}
    assert Order.objects.get().customer.name == "other"
    url = UNDO.format(taken) + "?on_conflict=skip"
    assert carry_out(as_superuser, url).status_code == 302
    assert Order.objects.get().customer.name == "mine"


# Those who may do everything


def test_superusers_and_programs_are_not_limited(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(CustomerAdmin, "readonly_fields", ("email", "vip"))
    customer = Customer.objects.create(name="Ada", email="ada@example.org", vip=True)
    first = newest()
    Customer.objects.update(email="bea@example.org")
    assert carry_out(as_superuser, restore_url(customer, first.pk)).status_code == 302
    assert Customer.objects.get().email == "ada@example.org"
    key = customer.pk
    customer.delete()
    assert carry_out(as_superuser, undelete_url("customer", key)).status_code == 302
    Customer.objects.update(email="")
    with history.context(reason="A program"):
        Customer.history(revision=first).all().restore()
    assert Customer.objects.get().email == "ada@example.org"

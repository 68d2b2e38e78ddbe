"""Every address of history, asked and posted to by six kinds of users: none tells or writes what the admin keeps from its user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import Client

from audittrail import history
from tests.admin.histories import address, button, plain
from tests.admin.previews import form
from tests.admin.reading import REVISIONS
from tests.builders.sending import newest
from tests.testapp.admin import CustomerAdmin, DocumentAdmin, OrderLineInline
from tests.testapp.models import (
    Customer,
    Document,
    Order,
    OrderLine,
    Product,
    Tag,
    VipCustomer,
)

pytestmark = pytest.mark.django_db(transaction=True)

#: What is kept from users, by the way in which it is: each has a word or number of its own.
COLUMN, TENANT, INLINE, MANAGER, PROXY, MODEL = (
    "hushcolumn", "hushtenant", "471147", "hushmanager", "hushproxy", "hushmodel",
)  # fmt: skip
MACHINE = "/admin/audittrail/time-machine/"
WHOLE = ("undo_revision", "restore_database", "roll_back_database")


def every(*names: str) -> list[str]:
    return [
        f"testapp.{action}_{name}"
        for name in names
        for action in ("view", "add", "change", "delete")
    ]


SHOWN = ("customer", "document", "order", "orderline", "tag")

#: Kinds of users: their permissions, and what is kept from them.
KINDS: dict[str, tuple[list[str], set[str]]] = {
    "superuser": ([], set()),
    "editor": (every(*SHOWN), {COLUMN, TENANT, INLINE, MANAGER, MODEL}),
    "viewer": (
        [f"testapp.view_{name}" for name in SHOWN],
        {COLUMN, TENANT, INLINE, MANAGER, MODEL},
    ),
    "operator": (
        [*every(*SHOWN), *(f"audittrail.{name}" for name in WHOLE)],
        {COLUMN, TENANT, INLINE, MANAGER, MODEL},
    ),
    "clerk of the proxy": (
        [*every("vipcustomer"), "audittrail.undo_revision"],
        {TENANT, INLINE, MANAGER, PROXY, MODEL},
    ),
    "outsider": (
        [f"audittrail.{name}" for name in WHOLE],
        {COLUMN, TENANT, INLINE, MANAGER, PROXY, MODEL},
    ),
}


@dataclass
class Scene:
    """What there is: objects by their models and keys, whether there or deleted, and revisions."""

    objects: list[Any] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    deleted: list[tuple[str, Any]] = field(default_factory=list)

    def note(self, obj: Any = None) -> None:
        self.revisions.append(newest().pk)
        if obj is not None:
            self.objects.append(obj)


def hiding(base: type[Any], word: str) -> Any:
    class Manager(models.Manager[Any]):
        def get_queryset(self) -> Any:
            return super().get_queryset().exclude(name__startswith=word)

    manager: Any = Manager()
    manager.model, manager.name = base, "hiding"
    return manager


@pytest.fixture
def scene(staff: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Give objects that each way of keeping something keeps, changed and deleted."""

    def own(self: Any, request: Any) -> Any:
        found: Any = admin.ModelAdmin.get_queryset(self, request)
        return found if request.user.is_superuser else found.filter(owner=request.user)

    def few(self: Any, request: Any) -> Any:
        return admin.TabularInline.get_queryset(self, request).exclude(quantity__gte=100_000)

    monkeypatch.setattr(DocumentAdmin, "get_queryset", own, raising=False)
    monkeypatch.setattr(OrderLineInline, "get_queryset", few, raising=False)
    monkeypatch.setattr(CustomerAdmin, "fields", ("name", "vip"), raising=False)
    monkeypatch.setattr(CustomerAdmin, "list_display", ("name",))
    monkeypatch.setattr(CustomerAdmin, "search_fields", ("name",))
    monkeypatch.setitem(vars(Tag._meta), "default_manager", hiding(Tag, MANAGER))
    monkeypatch.setitem(vars(VipCustomer._meta), "default_manager", hiding(VipCustomer, PROXY))
    owner = User.objects.create(username="somebody")
    made = Scene()
    customer = Customer.objects.create(name="Ada", email=f"{COLUMN}@example.org")
    made.note(customer)
    with history.context(reason=f"Because of {MODEL}", path=f"/{MODEL}/"):
        product = Product.objects.create(name=f"{MODEL} product")
    made.note(product)
    with history.context(reason=f"Because of {TENANT}", path=f"/{TENANT}/"):
        made.objects.append(Document.objects.create(title=TENANT, owner=owner))
    made.note()
    with history.context(reason=f"Because of {MANAGER}"):
        made.objects.append(Tag._base_manager.create(name=f"{MANAGER} tag"))
    made.note()
    order = Order.objects.create(customer=customer, reference="1")
    made.note(order)
    with history.context(reason=f"Because of {INLINE}"):
        OrderLine.objects.create(order=order, number=1, product=product, quantity=int(INLINE))
    made.note()
    with history.context(reason=f"Because of {PROXY}"):
        made.objects.append(VipCustomer._base_manager.create(name=f"{PROXY} customer"))
    made.note()
    Customer.objects.filter(pk=customer.pk).update(email=f"{COLUMN}2@example.org", name="Bea")
    made.note()
    for model, values in (
        (Document, {"title": f"{TENANT} gone", "owner": owner}),
        (Tag, {"name": f"{MANAGER} gone"}),
    ):
        gone = model._base_manager.create(**values)
        made.deleted.append((model._meta.model_name or "", gone.pk))
        gone.delete()
        made.note()
    return made


def addresses(scene: Scene) -> Iterator[str]:
    """Yield all addresses of history: of the site, of models, of objects."""
    yield from ("/admin/", REVISIONS, f"{REVISIONS}?q=hush", MACHINE)
    yield from (f"{REVISIONS}export/?format={kind}" for kind in ("csv", "json"))
    for number in scene.revisions:
        yield from (f"{REVISIONS}{number}/{act}" for act in ("", "undo/", "restore/", "roll-back/"))
    for model in (*SHOWN, "product", "vipcustomer"):
        if model != "orderline":
            yield f"/admin/testapp/{model}/audittrail/deleted/"
    for model, key in scene.deleted:
        yield f"/admin/testapp/{model}/audittrail/deleted/undelete/?pk={key}&cascade=1&related=1"
    for obj in scene.objects:
        base = address(obj)
        yield from (base, button(obj), f"{base}compare/")
        # Of its own revisions and of one that is another's.
        for number in (
            *obj.history.versions.values_list("revision_id", flat=True),
            scene.revisions[2],
        ):
            yield from (
                f"{base}{number}/",
                f"{base}{number}/restore/",
                f"{base}compare/?to={number}",
            )


def said(response: Any) -> str:
    parts = response.streaming_content if response.streaming else [response.content]
    return plain(b"".join(parts).decode()).replace(",", "").replace("\xa0", "")


def kept() -> list[Any]:
    """Return what no limited user may write: the column, and the rows that are kept from them."""
    return [
        [*Customer._base_manager.filter(email__contains=COLUMN).values_list("pk", "email")],
        [*Product._base_manager.values_list("pk", "name")],
        [*Document._base_manager.order_by("pk").values_list("pk", "title", "owner")],
        [*Tag._base_manager.order_by("pk").values_list("pk", "name")],
        [*OrderLine._base_manager.values_list("order", "number", "quantity")],
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_gets_more_than_they_have(
    superuser: User,
    staff: Callable[..., User],
    log_in: Callable[[User], Client],
    scene: Scene,
    kind: str,
) -> None:
    permissions, secrets = KINDS[kind]
    user = superuser if kind == "superuser" else staff(kind.replace(" ", "-"), *permissions)
    client = log_in(user)
    before, previewed, done = kept(), 0, []
    for one in addresses(scene):
        response = client.get(one)
        assert response.status_code in (200, 302, 403, 404), one
        text = said(response)
        # What is asked for is said again: only what the page adds counts.
        told = {secret for secret in secrets if secret in text}
        assert not told, (one, told)
        if (
            kind == "superuser"
            or response.status_code != 200
            or response.streaming
            or b"audittrail-proposal" not in response.content
        ):
            continue
        previewed += 1
        # What they do not see is left out, so there is nothing of it to be counted either.
        shown = response.context["preview"]
        if "roll-back" not in one:
            assert (shown.others, shown.other_conflicts) == (0, 0), one
        numbers = [part for part in one.split("/") if part.isdecimal()]
        posted = client.post(
            one, {**form(response), "confirmation": numbers[-1] if numbers else ""}
        )
        assert not {secret for secret in secrets if secret in said(posted)}, one
        done += [one] if posted.status_code == 302 and "revisions/" in one else []
        if kind != "clerk of the proxy":
            assert kept() == before or "roll-back" in one, one
    if kind in ("editor", "operator"):
        assert previewed
    if kind == "operator":
        # Everything is restored as far as they may write, beside what is kept from them.
        assert "restore" in {one.rsplit("/", 2)[1] for one in done}
    if kind not in ("superuser", "clerk of the proxy"):
        assert kept() == before
    # The time machine leads to no revision that the user does not see, and shows nothing of then that is kept from them now.
    seen = [client.get(f"{REVISIONS}{number}/").status_code == 200 for number in scene.revisions]
    for number, is_seen in zip(scene.revisions, seen, strict=True):
        answer = client.post(MACHINE, {"revision": number})
        assert (answer.status_code == 302) == (is_seen or kind == "superuser"), number
    for model in ("customer", "document", "order", "tag", "vipcustomer", "product"):
        text = said(client.get(f"/admin/testapp/{model}/"))
        assert not {secret for secret in secrets if secret in text}, model

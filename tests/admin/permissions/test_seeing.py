"""History shows a person what the admin's own pages show that person: rows, columns, revisions; of all else nothing is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audittrail import history
from audittrail.admin.time_machine import read_only
from tests.admin.histories import address, plain, told
from tests.admin.reading import REVISIONS, listed, text_of
from tests.builders.sending import newest
from tests.testapp.admin import CustomerAdmin, DocumentAdmin, OrderLineInline, ProductAdmin
from tests.testapp.models import Customer, Document, Order, OrderLine, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 12_000
REVISION, UNDO = "/admin/audittrail/revisions/{}/", "/admin/audittrail/revisions/{}/undo/"


def every(*names: str) -> list[str]:
    return [
        f"testapp.{action}_{name}"
        for name in names
        for action in ("view", "add", "change", "delete")
    ]


def all_text(client: Any, addresses: list[str]) -> str:
    """Return the text of all pages of some addresses, whatever their status."""
    responses = [client.get(one) for one in addresses]
    return " ".join(
        plain(b"".join(one.streaming_content if one.streaming else [one.content]).decode())
        for one in responses
    )


def pages(obj: Any, *numbers: int, pk: Any = None) -> list[str]:
    """Return the addresses of all pages of an object."""
    base = address(obj, pk=pk)
    found = [base, base.replace("/audittrail/", "/history/"), f"{base}compare/"]
    for number in numbers:
        found += [
            f"{base}{number}/",
            f"{base}{number}/restore/",
            f"{base}compare/?to={number}",
            f"{base}compare/?from={number}&to=now",
        ]
    return found


# Columns


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give a customer whose e-mail address no page shows, with the revisions that changed it."""
    monkeypatch.setattr(CustomerAdmin, "fields", ("name", "vip"), raising=False)
    monkeypatch.setattr(CustomerAdmin, "list_display", ("name",))
    monkeypatch.setattr(CustomerAdmin, "search_fields", ("name",))
    customer = Customer.objects.create(name="Ada", email="first@secret.example")
    made: dict[str, Any] = {"obj": customer, "pk": customer.pk, "created": newest().pk}
    Customer.objects.update(email="second@secret.example")
    made["email"] = newest().pk
    Customer.objects.update(email="third@secret.example", name="Bea")
    made["both"] = newest().pk
    return made


def test_columns_that_no_page_shows_are_not_shown(staff, log_in, vault) -> None:
    numbers = vault["created"], vault["email"], vault["both"]
    addresses = [
        *pages(vault["obj"], *numbers),
        *(REVISION.format(number) for number in numbers),
        *(UNDO.format(number) for number in numbers),
    ]
    clerk = log_in(staff("clerk", *every("customer"), "audittrail.undo_revision"))
    text = all_text(clerk, addresses)
    assert "Ada" in text and "secret.example" not in text and "email" not in text.lower()
    # What can't be seen can't be asked for either.
    assert told(clerk.get(f"{address(vault['obj'])}?field=email")) == []
    both, email, created = told(clerk.get(address(vault["obj"])))
    assert both == (
        "U",
        {"Name": "Ada became Bea", "Other fields": "••• changed; what it holds is not shown"},
    )
    assert email == ("U", {"Other fields": "••• changed; what it holds is not shown"})
    assert "Name" in created[1]
    text = text_of(clerk.get(REVISION.format(vault["email"])))
    assert "Other fields" in text
    vault["obj"].delete()
    deleted = newest().pk
    further = [
        *pages(vault["obj"], deleted, pk=vault["pk"]),
        REVISION.format(deleted),
        "/admin/testapp/customer/audittrail/deleted/",
        f"/admin/testapp/customer/audittrail/deleted/undelete/?pk={vault['pk']}",
    ]
    assert "secret.example" not in all_text(clerk, further)


@pytest.mark.parametrize("who", ["superuser", "permission", "list", "read-only"])
def test_columns_are_shown_to_whom_a_page_shows_them(
    superuser, staff, log_in, vault, monkeypatch, who
) -> None:
    if who == "list":
        monkeypatch.setattr(CustomerAdmin, "list_display", ("name", "email"))
    elif who == "read-only":
        monkeypatch.setattr(CustomerAdmin, "readonly_fields", ("email",))
        monkeypatch.setattr(CustomerAdmin, "fields", ("name", "email"))
    permissions = ["audittrail.view_all_fields"] if who == "permission" else []
    user = superuser if who == "superuser" else staff("clerk", *every("customer"), *permissions)
    client = log_in(user)
    shown = told(client.get(address(vault["obj"])))[0][1]
    assert shown["Email"] == "second@secret.example became third@secret.example"
    assert "third@secret.example" in text_of(client.get(REVISION.format(vault["both"])))


def test_columns_that_an_inline_does_not_show(staff, log_in, monkeypatch) -> None:
    monkeypatch.setattr(OrderLineInline, "exclude", ("quantity",), raising=False)
    order = Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="1")
    product = Product.objects.create(name="Bread")
    OrderLine.objects.create(order=order, number=1, product=product, quantity=4711)
    number = newest().pk
    OrderLine.objects.update(quantity=4712)
    changed = newest().pk
    clerk = log_in(staff("clerk", *every("order", "orderline", "product")))
    addresses = [*pages(order, number, changed), REVISION.format(number), REVISION.format(changed)]
    text = all_text(clerk, addresses)
    assert "Other fields" in text
    assert "471" not in text and "4,71" not in text and "quantity" not in text.lower()


def test_a_relation_that_no_page_shows(staff, log_in, monkeypatch) -> None:
    monkeypatch.setattr(ProductAdmin, "fieldsets", ((None, {"fields": ("name",)}),))
    product, tag = Product.objects.create(name="Bread"), Tag.objects.create(name="Hush")
    product.tags.add(tag)
    number = newest().pk
    clerk = log_in(staff("clerk", *every("product", "tag")))
    assert "Hush" not in all_text(clerk, pages(product, number))
    assert number not in listed(clerk.get(REVISIONS))
    assert clerk.get(REVISION.format(number)).status_code == 404


def test_a_model_admin_that_gives_a_manager(staff, log_in, as_superuser, monkeypatch) -> None:
    """Django's pages take it in place of a queryset."""
    manager = Document._default_manager
    monkeypatch.setattr(DocumentAdmin, "get_queryset", lambda *_: manager, raising=False)
    document = Document.objects.create(title="Draft")
    number = newest().pk
    for client in (as_superuser, log_in(staff("clerk", *every("document")))):
        assert client.get("/admin/").status_code == 200
        assert client.get("/admin/testapp/document/audittrail/deleted/").status_code == 200
        assert "Draft" in all_text(client, pages(document, number))
        assert number in listed(client.get(REVISIONS))


# Revisions


@pytest.fixture
def apart(staff: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give two tenants' documents, and a revision that changed the other one's alone."""

    def own(self: Any, request: Any) -> Any:
        found: Any = admin.ModelAdmin.get_queryset(self, request)
        return found if request.user.is_superuser else found.filter(owner=request.user)

    monkeypatch.setattr(DocumentAdmin, "get_queryset", own, raising=False)
    ada, eve = (
        staff(name, *every("document"), "audittrail.undo_revision", "audittrail.restore_database")
        for name in ("ada", "eve")
    )
    mine = Document.objects.create(owner=ada, title="mine")
    created = newest().pk
    with history.context(reason="A merger that nobody knows of", user=eve, path="/hush/"):
        hers = Document.objects.create(owner=eve, title="hers")
    hidden = newest().pk
    Document.objects.filter(pk=mine.pk).update(title="mine, too")
    return {"ada": ada, "mine": mine, "hers": hers, "created": created, "hidden": hidden}


def test_a_revision_says_nothing_to_who_sees_nothing_of_it(apart, log_in) -> None:
    client, hidden = log_in(apart["ada"]), apart["hidden"]
    addresses = [
        *pages(apart["mine"], hidden),
        REVISION.format(hidden),
        UNDO.format(hidden),
        f"/admin/audittrail/revisions/{hidden}/restore/",
        f"{address(apart['mine'])}compare/?from={newest().committed_at:%Y-%m-%d}",
    ]
    text = all_text(client, addresses)
    for secret in ("A merger", "eve", "hers", "/hush/"):
        assert secret not in text
    for one in (f"{hidden}/", f"{hidden}/restore/", f"compare/?to={hidden}"):
        there = client.get(address(apart["mine"]) + one)
        never = client.get(address(apart["mine"]) + one.replace(str(hidden), "999999"))
        assert (there.status_code, never.status_code) == (404, 404)
        assert plain(there.content.decode()).replace(str(hidden), "#") == plain(
            never.content.decode()
        ).replace("999999", "#")
    text = text_of(client.get(f"{address(apart['mine'])}compare/?to={apart['created']}"))
    assert "A merger" not in text and "mine" in text


def test_the_state_before_what_a_user_saw_is_shown_without_a_word_of_who_left_it(
    apart, log_in
) -> None:
    """The revision before the last change of the user's own document is another tenant's."""
    client = log_in(apart["ada"])
    page = client.get(f"{address(apart['mine'])}compare/")
    assert page.status_code == 200
    text = text_of(page)
    assert "mine, too" in text
    assert "A merger" not in text and "eve" not in text


def test_hidden_deleted_and_unknown_objects_are_not_told_apart(apart, log_in) -> None:
    client, hers = log_in(apart["ada"]), apart["hers"]
    gone = Document.objects.create(owner=hers.owner, title="gone")
    key = gone.pk
    gone.delete()
    answers = []
    for pk in (hers.pk, key, 999_999):
        found = []
        for page in pages(apart["mine"], apart["created"], pk=pk):
            response = client.get(page)
            assert response.status_code == 404, page
            found.append(plain(response.content.decode()).replace(str(pk), "#"))
        answers.append(found)
    assert answers[0] == answers[1] == answers[2]


# Rows


class Kept(models.Manager[Any]):
    def get_queryset(self) -> Any:
        return super().get_queryset().exclude(name__startswith="hidden")


def test_rows_that_the_default_manager_leaves_out(staff, log_in, monkeypatch) -> None:
    manager: Any = Kept()
    manager.model, manager.name = Tag, "kept"
    monkeypatch.setitem(vars(Tag._meta), "default_manager", manager)
    shown = Tag.objects.create(name="shown")
    hidden = Tag._base_manager.create(name="hidden 4711")
    number, key = newest().pk, hidden.pk
    clerk = log_in(staff("clerk", *every("tag", "product"), "audittrail.undo_revision"))
    assert clerk.get(address(shown)).status_code == 200
    product = Product.objects.create(name="Bread")
    product.tags.add(hidden)
    tagged = newest().pk

    def everywhere() -> str:
        assert number not in listed(clerk.get(REVISIONS))
        return all_text(
            clerk,
            [
                REVISIONS,
                *pages(hidden, number, pk=key),
                *pages(product, tagged),
                REVISION.format(number),
                REVISION.format(tagged),
                UNDO.format(number),
                "/admin/testapp/tag/audittrail/deleted/",
                f"/admin/testapp/tag/audittrail/deleted/undelete/?pk={key}",
                f"{REVISIONS}export/?format=json",
                "/admin/",
            ],
        )

    assert "4711" not in everywhere()
    product.tags.clear()
    hidden.delete()
    assert "4711" not in everywhere()


def test_rows_that_the_queryset_of_an_inline_leaves_out(staff, log_in, monkeypatch) -> None:
    def few(self: Any, request: Any) -> Any:
        return admin.TabularInline.get_queryset(self, request).exclude(quantity__gte=4000)

    monkeypatch.setattr(OrderLineInline, "get_queryset", few, raising=False)
    order = Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="1")
    product = Product.objects.create(name="Bread")
    OrderLine.objects.create(order=order, number=1, product=product, quantity=1001)
    shown = newest().pk
    OrderLine.objects.create(order=order, number=2, product=product, quantity=4711)
    hidden = newest().pk
    clerk = log_in(staff("clerk", *every("order", "orderline", "product")))
    assert shown in listed(clerk.get(REVISIONS))

    def everywhere() -> str:
        assert hidden not in listed(clerk.get(REVISIONS))
        found = [*pages(order, shown, hidden), REVISION.format(hidden), REVISION.format(shown)]
        return all_text(clerk, found)

    text = everywhere()
    assert "1001" in text.replace(",", "") and "4711" not in text.replace(",", "")
    with transaction.atomic():
        OrderLine.objects.filter(number=2).delete()
    assert "4711" not in everywhere().replace(",", "")


def test_names_of_rows_that_a_model_admin_leaves_out(apart, log_in, staff) -> None:
    """A name that stands where a key would do is told only of what the user may see."""
    client = log_in(apart["ada"])
    user_key = apart["hers"].owner_id
    Document.objects.filter(pk=apart["mine"].pk).update(owner=apart["ada"], body="x")
    assert user_key
    text = text_of(client.get(address(apart["mine"])))
    assert "mine" in text


# The past, and previews


MACHINE = "/admin/audittrail/time-machine/"


def travel(client: Any, revision: Any) -> None:
    """Let a client choose the time right after a revision, of which nothing may appear to its user."""
    at = timezone.localtime(revision.committed_at + timedelta(microseconds=1))
    answer = client.post(MACHINE, {"date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M:%S.%f}"})
    assert answer.status_code == 302


@pytest.fixture
def handed_over(staff: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give who owned a document, who owns it, who never did, and the revisions that made, changed and handed it over."""

    def own(self: Any, request: Any) -> Any:
        return admin.ModelAdmin.get_queryset(self, request).filter(owner=request.user)

    monkeypatch.setattr(DocumentAdmin, "get_queryset", own, raising=False)
    read_only.extend_model_admin(DocumentAdmin)
    made: dict[str, Any] = {
        name: staff(name, "testapp.view_document") for name in ("ada", "eve", "zoe")
    }
    document = Document.objects.create(owner=made["ada"], title="first words")
    made["created"] = newest()
    document.title = "second words"
    document.save()
    made["changed"] = newest()
    document.owner = made["eve"]
    document.save()
    made["handed"] = newest()
    return made


def words(client: Any) -> str:
    """Return which words a client sees on the list of documents."""
    text = text_of(client.get("/admin/testapp/document/"))
    return next((one for one in ("first", "second") if f"{one} words" in text), "")


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize(
    ("who", "setting", "numbers", "seen"),
    [
        # To whom something of a revision appears now, or with "then" appeared then, reaches it by its number.
        ("ada", "now", [404, 404, 404], ["", "", ""]),
        ("eve", "now", [302, 302, 302], ["", "", "second"]),
        ("zoe", "now", [404, 404, 404], ["", "", ""]),
        ("ada", "then", [302, 302, 302], ["first", "second", ""]),
        ("eve", "then", [302, 302, 302], ["", "", "second"]),
        ("zoe", "then", [404, 404, 404], ["", "", ""]),
    ],
)
def test_a_moment_is_chosen_and_shown_by_the_rights_that_count(
    handed_over, log_in, settings, who, setting, numbers, seen, is_deleted
) -> None:
    settings.AUDITTRAIL_RIGHTS_AS_OF = setting
    if is_deleted:
        Document.objects.all().delete()
    client = log_in(handed_over[who])
    revisions = [handed_over[name] for name in ("created", "changed", "handed")]
    for revision, status, shown in zip(revisions, numbers, seen, strict=True):
        assert client.post(MACHINE, {"revision": revision.pk}).status_code == status
        if status == 302:
            assert words(client) == shown
            client.post(MACHINE, {"leave": "1"})
        # A date leads everybody to what was then, not to what was earlier.
        travel(client, revision)
        assert words(client) == shown
        client.post(MACHINE, {"leave": "1"})


def test_a_date_tells_no_revision_of_which_nothing_appears(handed_over, log_in) -> None:
    client = log_in(handed_over["zoe"])
    assert "Nothing has been recorded yet" not in text_of(client.get(MACHINE))
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE audittrail.revision SET committed_at = committed_at - interval '3 hours'"
        )
        cursor.execute("RESET session_replication_role")
    assert client.post(MACHINE, {"ago": "hour"}).status_code == 302
    committed_at = timezone.localtime(handed_over["handed"].committed_at - timedelta(hours=3))
    for path in ("/admin/testapp/document/", MACHINE):
        page = client.get(path)
        assert page.status_code == 200
        banner = page.content.decode().partition("<section")[2].partition("</section>")[0]
        assert "<time datetime=" in banner and f"T{committed_at:%H:%M:}" not in banner
        assert "audittrail/revisions/" not in banner
    assert page.context["steps"] == [] and page.context["present"] is None


@pytest.mark.parametrize(
    ("setting", "sees"), [(None, False), ("now", False), ("then", True)], ids=str
)
@pytest.mark.parametrize("how", ["queryset", "queryset of its own", "hook"])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_who_has_lost_the_right_to_an_object_does_not_get_it_back_by_travelling(
    staff, log_in, monkeypatch, settings, setting, sees, how, is_deleted
) -> None:
    if setting:
        settings.AUDITTRAIL_RIGHTS_AS_OF = setting

    def own(self: Any, request: Any) -> Any:
        found: Any = admin.ModelAdmin.get_queryset(self, request)
        return found.filter(owner=request.user)

    def anew(self: Any, request: Any) -> Any:
        return Document.objects.filter(owner=request.user)

    def hook(self: Any, request: Any, obj: Any = None) -> bool:
        return obj is None or obj.owner_id == request.user.pk

    name = "has_view_permission" if how == "hook" else "get_queryset"
    method: Any = {"queryset": own, "queryset of its own": anew, "hook": hook}[how]
    monkeypatch.setattr(DocumentAdmin, name, method, raising=False)
    # As where a project defines it: its classes are known before the first request.
    read_only.extend_model_admin(DocumentAdmin)
    ada, eve = staff("ada", "testapp.view_document"), staff("eve")
    document = Document.objects.create(owner=ada, title="handed over")
    before = newest()
    Document.objects.update(owner=eve)
    key = document.pk
    if is_deleted:
        Document.objects.all().delete()
    client = log_in(ada)
    assert client.get(address(document, pk=key)).status_code == 404
    travel(client, before)
    listed_page = client.get("/admin/testapp/document/")
    form_page = client.get(f"/admin/testapp/document/{key}/change/")
    if how != "hook":
        assert ("handed over" in text_of(listed_page)) == sees
    assert (form_page.status_code == 200 and "handed over" in text_of(form_page)) == sees


@pytest.mark.parametrize("gone", [True, False])
def test_objects_are_picked_out_of_the_past_however_many_they_are(
    staff, log_in, monkeypatch, gone
) -> None:
    """The database itself joins past and present: no key is read out and sent back."""

    def own(self: Any, request: Any) -> Any:
        found = admin.ModelAdmin.get_queryset(self, request).filter(owner=request.user)
        return found.exclude(title__contains="100%")

    monkeypatch.setattr(DocumentAdmin, "get_queryset", own, raising=False)
    read_only.extend_model_admin(DocumentAdmin)
    ada, eve = staff("ada", "testapp.view_document"), staff("eve")
    Document.objects.bulk_create(Document(owner=ada, title=f"mine {n}") for n in range(NUMBER))
    Document.objects.bulk_create(Document(owner=eve, title=f"hers {n}") for n in range(9))
    Document.objects.create(owner=ada, title="100% mine")
    before = newest()
    if gone:
        Document.objects.exclude(title="mine 7").delete()
    Document.objects.filter(title="mine 7").update(owner=eve)
    Document.objects.filter(title="hers 7").update(owner=ada)
    client = log_in(ada)
    travel(client, before)
    page = client.get("/admin/testapp/document/?o=-1")
    assert page.status_code == 200
    text = text_of(page)
    # What was handed over since, either way, is not hers both then and now.
    assert page.context["cl"].result_count == NUMBER - 1
    assert "100%" not in text and "hers" not in text
    assert "mine 7<" not in page.content.decode()
    with CaptureQueriesContext(connection) as sent:
        client.get("/admin/testapp/document/")
    assert max(len(one["sql"]) for one in sent.captured_queries) < 10_000


@pytest.mark.parametrize("how", ["queryset", "ordering"])
def test_objects_are_picked_out_of_the_past_by_a_queryset_that_is_ordered_and_distinct(
    staff, log_in, monkeypatch, how
) -> None:
    """With DISTINCT, Django selects what a queryset is ordered by as well."""

    def own(self: Any, request: Any) -> Any:
        found = admin.ModelAdmin.get_queryset(self, request).filter(owner=request.user)
        return (found.order_by("title") if how == "queryset" else found).distinct()

    monkeypatch.setattr(DocumentAdmin, "get_queryset", own, raising=False)
    monkeypatch.setattr(DocumentAdmin, "ordering", ["title"])
    read_only.extend_model_admin(DocumentAdmin)
    ada, eve = staff("ada", "testapp.view_document"), staff("eve")
    Document.objects.bulk_create(Document(owner=ada, title=one) for one in ("kept", "lost", "gone"))
    before = newest()
    Document.objects.filter(title="lost").update(owner=eve)
    Document.objects.filter(title="gone").delete()
    client = log_in(ada)
    travel(client, before)
    page = client.get("/admin/testapp/document/")
    assert page.status_code == 200
    text = text_of(page)
    assert "kept" in text and "gone" in text and "lost" not in text


def digest_of(page: Any) -> str:
    assert page.status_code == 200, page.content
    return str(page.context["digest"])


def test_the_digest_of_a_preview_tells_nothing_and_is_of_use_to_nobody_else(
    superuser, staff, log_in, monkeypatch, settings
) -> None:
    monkeypatch.setattr(CustomerAdmin, "fields", ("name", "vip"), raising=False)
    monkeypatch.setattr(CustomerAdmin, "list_display", ("name",))
    customer = Customer.objects.create(name="Ada", email="0000")
    other = Customer.objects.create(name="Ada", email="0000")
    first = newest().pk
    Customer.objects.update(name="Bea")
    clerks = [log_in(staff(name, *every("customer"))) for name in ("clerk", "other clerk")]
    url = address(customer, first, "restore")
    seen = digest_of(clerks[0].get(url))
    assert seen == digest_of(clerks[0].get(url))
    others = {
        digest_of(clerks[1].get(url)),
        digest_of(log_in(superuser).get(url)),
        digest_of(clerks[0].get(address(other, first, "restore"))),
        digest_of(clerks[0].get(f"{url}?related=1")),
    }
    # A secret key of another project makes another digest of the same.
    settings.SECRET_KEY = "another"
    again = log_in(User.objects.get(username="clerk"))
    others.add(digest_of(again.get(url)))
    assert seen not in others and len(others) == 5
    settings.SECRET_KEY = "tests only"
    client = log_in(User.objects.get(username="clerk"))
    found = set()
    for number in range(1, 10):
        Customer.objects.filter(pk=customer.pk).update(email=f"{number:04}")
        found.add(digest_of(client.get(url)))
    assert len(found) == 1

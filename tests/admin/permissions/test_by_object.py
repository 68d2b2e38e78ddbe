"""A ModelAdmin may answer object by object: who may view one object has its history, whatever else of the model they may not view."""

from __future__ import annotations

from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.urls import path
from django.utils.timezone import localtime

from audittrail import history
from audittrail.capture import tracking
from tests.admin.histories import address, plain, told
from tests.admin.previews import carry_out
from tests.admin.reading import REVISIONS, listed, text_of
from tests.builders.sending import newest
from tests.testapp.admin import CountryAdmin, DocumentAdmin, NoteInline, OrderInline
from tests.testapp.models import Country, Customer, Document, Order, Product, Tag, TaggedNote

pytestmark = pytest.mark.django_db(transaction=True)

REVISION = "/admin/audittrail/revisions/{}/"
MACHINE = "/admin/audittrail/time-machine/"
MODELS = ("view", "change")


def own(self: Any, request: Any, obj: Any = None) -> bool:
    """Say yes of a user's own documents, and no of all of them."""
    return obj is not None and obj.owner_id == request.user.pk


@pytest.fixture(params=MODELS)
def mine(request: Any, staff: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give a document that its owner may view or change by a hook alone, and another one's, with their revisions."""
    monkeypatch.setattr(DocumentAdmin, f"has_{request.param}_permission", own, raising=False)
    made: dict[str, Any] = {"ada": staff("ada"), "hook": request.param}
    made["mine"] = Document.objects.create(owner=made["ada"], title="mine")
    made["first"] = newest()
    with history.context(reason="hush"):
        made["hers"] = Document.objects.create(owner=staff("eve"), title="hers")
    made["hidden"] = newest()
    Document.objects.filter(pk=made["mine"].pk).update(title="mine, too")
    made["last"] = newest()
    return made


def test_the_history_of_an_object_that_its_page_shows(mine, log_in) -> None:
    client, obj = log_in(mine["ada"]), mine["mine"]
    assert client.get(f"/admin/testapp/document/{obj.pk}/change/").status_code == 200
    assert told(client.get(address(obj)))[0] == ("U", {"Title": "mine became mine, too"})
    for page in ("compare/", f"{mine['first'].pk}/"):
        assert client.get(address(obj) + page).status_code == 200
    assert "mine, too" in text_of(client.get(REVISION.format(mine["last"].pk)))
    restore = address(obj, mine["first"].pk, "restore")
    if mine["hook"] == "change":
        assert carry_out(client, restore).status_code == 302
        obj.refresh_from_db()
        assert obj.title == "mine"
    else:
        assert client.get(restore).status_code == 403


def test_other_objects_of_its_model_and_lists_of_all_stay_hidden(mine, log_in) -> None:
    client, hers = log_in(mine["ada"]), mine["hers"]
    there, never = (client.get(address(hers, pk=key)) for key in (hers.pk, 999_999))
    assert (there.status_code, never.status_code) == (404, 404)
    assert plain(there.content.decode()).replace(str(hers.pk), "#") == plain(
        never.content.decode()
    ).replace("999999", "#")
    hidden, never = (client.get(REVISION.format(n)) for n in (mine["hidden"].pk, 999_999))
    assert hidden.status_code == never.status_code == 403
    assert client.get(REVISIONS).status_code == 403
    assert client.get(MACHINE).status_code == 403
    assert "audittrail" not in text_of(client.get("/admin/")).lower()


def test_lists_have_its_rows_and_not_the_name_of_its_model(mine, log_in, staff) -> None:
    ada = staff("also", "testapp.view_tag")
    Document.objects.filter(pk=mine["mine"].pk).update(owner=ada)
    Tag.objects.create(name="a tag")
    page = log_in(ada).get(REVISIONS)
    assert mine["hidden"].pk not in listed(page)
    assert "testapp.document" not in page.content.decode()
    assert listed(log_in(ada).get(REVISIONS, {"model": "testapp.document"})) == []


def test_an_object_that_was_deleted_comes_back_by_who_may_add_it(mine, log_in, monkeypatch) -> None:
    monkeypatch.setattr(
        DocumentAdmin, "has_add_permission", lambda self, request: True, raising=False
    )
    client, obj = log_in(mine["ada"]), mine["mine"]
    keys = [obj.pk, mine["hers"].pk]
    Document.objects.all().delete()
    assert client.get(address(obj, pk=keys[0])).status_code == 200
    assert client.get(address(obj, pk=keys[1])).status_code == 404
    url = f"/admin/testapp/document/audittrail/deleted/undelete/?pk={keys[0]}&pk={keys[1]}"
    assert "hers" not in text_of(client.get(url))
    assert carry_out(client, url).status_code == 302
    assert [*Document.objects.values_list("pk", flat=True)] == keys[:1]


def test_an_outsider_learns_nothing_by_the_hook(mine, log_in, staff) -> None:
    client = log_in(staff("outsider"))
    for one in (address(mine["mine"]), address(mine["hers"]), address(mine["hers"], pk=999_999)):
        assert client.get(one).status_code == 404
    for number in (mine["first"].pk, 999_999):
        assert client.get(REVISION.format(number)).status_code == 403


def test_superusers_are_asked_by_hooks_with_the_real_object(as_superuser, monkeypatch) -> None:
    def unlocked(self: Any, request: Any, obj: Any = None) -> bool:
        return obj is None or obj.name != "locked"

    monkeypatch.delitem(admin.site._registry, Order)
    monkeypatch.setattr(OrderInline, "has_delete_permission", unlocked, raising=False)
    locked, open_one = (Customer.objects.create(name=name) for name in ("locked", "open"))
    numbers = []
    for customer in (locked, open_one):
        Order.objects.create(customer=customer, reference=customer.name)
        numbers.append(newest().pk)
    undo = "/admin/audittrail/revisions/{}/undo/"
    assert [as_superuser.get(undo.format(number)).status_code for number in numbers] == [403, 200]


@pytest.mark.parametrize("may_add", [True, False])
def test_superusers_are_asked_by_hooks_of_inlines_about_an_object_that_comes_back(
    as_superuser, monkeypatch, may_add
) -> None:
    """As by the page that adds it: it is not there to be given to the hook."""

    def adding(self: Any, request: Any, obj: Any = None) -> bool:
        return may_add and obj is None

    monkeypatch.delitem(admin.site._registry, Order)
    monkeypatch.setattr(OrderInline, "has_add_permission", adding, raising=False)
    customer = Customer.objects.create(name="gone")
    Order.objects.create(customer=customer, reference="hers")
    customer.delete()
    undo = f"/admin/audittrail/revisions/{newest().pk}/undo/"
    left = as_superuser.get(undo).context["preview"].left_out
    assert [table.label for table in left] == ([] if may_add else ["Orders"])
    assert carry_out(as_superuser, undo).status_code == 302
    assert Customer.objects.filter(name="gone").exists()
    assert Order.objects.filter(reference="hers").exists() == may_add


# Generic inlines


@pytest.fixture
def notes(staff: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give notes of two countries, of which the ModelAdmin shows one alone, and a note of something else with the same key."""
    monkeypatch.delitem(admin.site._registry, TaggedNote, raising=False)

    def first(self: Any, request: Any) -> Any:
        found: Any = admin.ModelAdmin.get_queryset(self, request)
        return found if request.user.is_superuser else found.filter(code="AA")

    monkeypatch.setattr(CountryAdmin, "get_queryset", first, raising=False)
    made: dict[str, Any] = {}
    countries = [Country.objects.create(code=code, name=code) for code in ("AA", "BB")]
    other = ContentType.objects.get_for_model(Product)
    for name, values in (
        ("shown", {"target": countries[0]}),
        ("hidden", {"target": countries[1]}),
        ("of another model", {"content_type": other, "object_id": "AA"}),
    ):
        TaggedNote.objects.create(text=f"note {name}", **values)
        made[name] = newest().pk
    made["countries"] = countries
    names = [
        f"testapp.{a}_{m}"
        for a in ("view", "add", "change", "delete")
        for m in ("country", "taggednote")
    ]
    made["clerk"] = staff("clerk", *names, "audittrail.undo_revision")
    return made


def test_rows_of_a_generic_inline_appear_with_their_object(notes, log_in) -> None:
    client = log_in(notes["clerk"])
    assert "note shown" in text_of(client.get(address(notes["countries"][0])))
    assert "note shown" in text_of(client.get(REVISION.format(notes["shown"])))
    for name in ("hidden", "of another model"):
        assert client.get(REVISION.format(notes[name])).status_code == 404
        assert notes[name] not in listed(client.get(REVISIONS))
    assert notes["shown"] in listed(client.get(REVISIONS))


def test_rows_of_a_generic_inline_are_written_with_their_object(notes, log_in, monkeypatch) -> None:
    client, undo = log_in(notes["clerk"]), "/admin/audittrail/revisions/{}/undo/"
    for name in ("hidden", "of another model"):
        assert client.get(undo.format(notes[name])).status_code in (403, 404)
    monkeypatch.setattr(NoteInline, "can_delete", False)
    assert client.get(undo.format(notes["shown"])).status_code == 403
    monkeypatch.setattr(NoteInline, "can_delete", True)
    assert carry_out(client, undo.format(notes["shown"])).status_code == 302
    assert not TaggedNote.objects.filter(text="note shown").exists()


@pytest.fixture
def kinds(staff: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give notes of content types, shown by a generic inline, though the foreign key of each note leads to a content type as well."""

    class KindAdmin(admin.ModelAdmin):
        inlines = (NoteInline,)

        def has_change_permission(self, request: Any, obj: Any = None) -> bool:
            return obj is None or obj.model != "secret"

        def get_queryset(self, request: Any) -> Any:
            found: Any = super().get_queryset(request)
            return found if request.user.is_superuser else found.exclude(model="hidden")

    monkeypatch.delitem(admin.site._registry, TaggedNote, raising=False)
    monkeypatch.setitem(admin.site._registry, ContentType, KindAdmin(ContentType, admin.site))
    monkeypatch.setitem(tracking._registered, ContentType, tracking.Options())
    # The addresses of the project may be made already, without those of a model that was registered since.
    urls: Any = ModuleType("urls_with_content_types")
    urls.urlpatterns = [path("admin/", admin.site.urls)]
    settings.ROOT_URLCONF = urls
    shown, secret, hidden = (
        ContentType.objects.create(app_label="testapp", model=name)
        for name in ("shown", "secret", "hidden")
    )
    made: dict[str, Any] = {}
    for name, values in (
        ("of the one shown", {"target": shown}),
        ("of the secret one", {"target": secret}),
        ("of the hidden one", {"target": hidden}),
        # On the page of none: the foreign key alone leads to a content type that is shown.
        ("of an object of it", {"content_type": shown, "object_id": "7"}),
    ):
        TaggedNote.objects.create(text=f"note {name}", **values)
        made[name] = newest().pk
    names = [
        f"{label}.{action}_{model}"
        for action in ("view", "add", "change", "delete")
        for label, model in (("contenttypes", "contenttype"), ("testapp", "taggednote"))
    ]
    made["clerk"] = staff("clerk", *names, "audittrail.undo_revision")
    return made


def test_rows_of_a_generic_inline_that_have_a_foreign_key_to_its_model_too(kinds, log_in) -> None:
    """The content type and the key tie a row to the page on which it would appear, and its rights are asked there, not by the foreign key."""
    client, undo = log_in(kinds["clerk"]), "/admin/audittrail/revisions/{}/undo/"
    answers = {
        name: (
            client.get(REVISION.format(number)).status_code,
            client.get(undo.format(number)).status_code,
        )
        for name, number in kinds.items()
        if name != "clerk"
    }
    assert answers == {
        "of the one shown": (200, 200),
        "of the secret one": (200, 403),
        "of the hidden one": (404, 404),
        "of an object of it": (404, 404),
    }
    assert listed(client.get(REVISIONS)) == [kinds["of the secret one"], kinds["of the one shown"]]
    assert carry_out(client, undo.format(kinds["of the one shown"])).status_code == 302
    assert not TaggedNote.objects.filter(text="note of the one shown").exists()


# The time machine


def test_nobody_travels_to_a_revision_that_is_hidden_from_them(staff, log_in, superuser) -> None:
    Tag.objects.create(name="one")
    seen = newest()
    Customer.objects.create(name="hush")
    hidden = newest()
    client = log_in(staff("clerk", "testapp.view_tag"))
    answers = [client.post(MACHINE, {"revision": number}) for number in (hidden.pk, 999_999)]
    assert [one.status_code for one in answers] == [404, 404]
    assert plain(answers[0].content.decode()) == plain(answers[1].content.decode())
    # By a date one comes to what was then: of a hidden revision neither number nor time is told, but the time that was asked for.
    for revision, is_told in ((seen, True), (hidden, False)):
        at = localtime(revision.committed_at + timedelta(microseconds=1))
        data = {"date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M:%S.%f}"}
        assert client.post(MACHINE, data).status_code == 302
        page = client.get("/admin/testapp/tag/")
        banner = page.content.decode().partition("<section")[2].partition("</section>")[0]
        assert (REVISION.format(revision.pk) in banner) == is_told
        kept = client.session["audittrail_time_machine"]
        assert kept == ["default", revision.pk, *([] if is_told else [at.isoformat()])]
    assert log_in(superuser).post(MACHINE, {"revision": hidden.pk}).status_code == 302


def test_who_sees_no_revision_is_told_when_history_begins_and_travels_by_date(
    staff, log_in
) -> None:
    User.objects.create(username="hush")
    client = log_in(staff("clerk", "testapp.view_tag"))
    assert "History begins" in text_of(client.get(MACHINE))
    page = client.post(MACHINE, {"date": "1999-12-31"})
    assert "Nothing was recorded by then" in text_of(page)
    assert client.post(MACHINE, {"date": f"{localtime():%Y-%m-%d}"}).status_code == 302
    assert client.get("/admin/testapp/tag/").status_code == 200

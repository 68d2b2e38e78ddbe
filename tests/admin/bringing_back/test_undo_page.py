"""Undoing a revision, and bringing everything back to one: previews, choices, confirmations, and who may do it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.models import Revision
from tests.admin.previews import carry_out, form
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.admin import OrderAdmin
from tests.testapp.models import Customer, Document, Order, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)

UNDO, RESTORE, ROLL_BACK = (
    "/admin/audittrail/revisions/{}/undo/",
    "/admin/audittrail/revisions/{}/restore/",
    "/admin/audittrail/revisions/{}/roll-back/",
)


@pytest.fixture
def changed(transactional_db: None) -> Any:
    """Give a revision that inserted, updated and deleted."""
    return change()


def change() -> Any:
    Customer.objects.create(name="Ada", email="ada@example.org")
    Customer.objects.create(name="Bea")
    with history.context(reason="Import"), transaction.atomic():
        Customer.objects.filter(name="Ada").update(name="Ada Lovelace", vip=True)
        Customer.objects.filter(name="Bea").delete()
        Customer.objects.create(name="Cyd")
        Tag.objects.create(name="sale")
    return newest()


def test_a_revision_is_undone_as_it_was_shown(as_superuser, superuser, changed) -> None:
    url = UNDO.format(changed.pk)
    page = as_superuser.get(url)
    text = text_of(page)
    assert f"Undo revision {changed.pk}" in text
    assert "Import" in text
    counts = {t.label: [b.count for b in t.badges] for t in page.context["preview"].tables}
    assert counts == {"Customers": [1, 1, 1], "Tags": [1]}
    assert '<del><bdi class="audittrail-value">Ada Lovelace</bdi></del>' in text
    response = as_superuser.post(url, {**form(page), "reason": "Wrong file"})
    assert response.status_code == 302
    assert sorted(Customer.objects.values_list("name", "vip")) == [("Ada", False), ("Bea", False)]
    assert not Tag.objects.exists()
    made = newest()
    assert (made.reason, made.committed_by) == ("Wrong file", superuser)
    assert made.context["restored"]["kind"] == "undo"
    assert f"Revision {changed.pk} was undone." in text_of(as_superuser.get("/admin/"))


def test_previews_write_nothing_and_lock_nothing(as_superuser, changed) -> None:
    before = newest()
    for url in (UNDO, RESTORE, ROLL_BACK):
        with CaptureQueriesContext(connection) as queries:
            assert as_superuser.get(url.format(changed.pk)).status_code == 200
        sent = [q["sql"] for q in queries]
        assert not [sql for sql in sent if " FOR UPDATE" in sql or "LOCK TABLE" in sql]
    assert newest() == before
    assert Customer.objects.count() == 2


def test_conflicts_are_refused_left_out_or_overridden(as_superuser, changed) -> None:
    Customer.objects.filter(name="Ada Lovelace").update(name="Countess")
    url = UNDO.format(changed.pk)
    page = as_superuser.get(url)
    text = text_of(page)
    assert "A later revision has changed it again: name." in text
    assert "Customer Countess" in text
    assert "What would happen otherwise" in text
    assert not page.context["can_be_carried_out"]
    refused = as_superuser.post(url, form(page))
    assert refused.status_code == 409
    assert Customer.objects.filter(name="Countess", vip=True).exists()
    chosen = as_superuser.post(url, {**form(page), "on_conflict": "skip", "_preview": "1"})
    assert chosen.context["can_be_carried_out"]
    assert "Left out because of conflicts" in text_of(chosen)
    assert as_superuser.post(url, form(chosen)).status_code == 302
    assert sorted(Customer.objects.values_list("name", "vip")) == [
        ("Bea", False),
        ("Countess", False),
    ]


def test_later_changes_can_be_overridden(as_superuser, changed) -> None:
    Customer.objects.filter(name="Ada Lovelace").update(name="Countess")
    url = UNDO.format(changed.pk)
    page = as_superuser.get(f"{url}?on_conflict=override")
    assert as_superuser.post(url, form(page)).status_code == 302
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Ada", "Bea"]


def test_what_is_no_choice_about_conflicts_means_to_refuse(as_superuser, changed) -> None:
    page = as_superuser.get(UNDO.format(changed.pk) + "?on_conflict=x")
    assert [c.value for c in page.context["conflict_choices"] if c.is_chosen] == ["refuse"]


@pytest.mark.parametrize("url", [UNDO, RESTORE, ROLL_BACK])
def test_a_stale_preview_is_shown_again_and_nothing_is_done(as_superuser, changed, url) -> None:
    earliest = Revision.objects.filter(committed__lt=changed.committed).latest()
    target = url.format(changed.pk if url == UNDO else earliest.pk)
    page = as_superuser.get(target)
    Tag.objects.update(name="offer")
    before = newest()
    posted = {**form(page), "confirmation": str(earliest.pk)}
    if url == UNDO:
        posted["on_conflict"] = "refuse"
    response = as_superuser.post(target, posted)
    assert response.status_code == 409
    assert "something has changed since the preview" in text_of(response)
    assert newest() == before


@pytest.mark.parametrize("url", [UNDO, RESTORE, ROLL_BACK])
def test_without_a_digest_nothing_is_done(as_superuser, changed, url) -> None:
    earliest = Revision.objects.filter(committed__lt=changed.committed).latest()
    target = url.format(changed.pk if url == UNDO else earliest.pk)
    before = newest()
    assert as_superuser.post(target, {"confirmation": str(earliest.pk)}).status_code == 400
    assert as_superuser.post(target, {"digest": "0" * 32}).status_code in (200, 409)
    assert as_superuser.put(target).status_code == 405
    assert newest() == before


@pytest.mark.parametrize(
    ("url", "permission"),
    [(UNDO, "undo_revision"), (RESTORE, "restore_database"), (ROLL_BACK, "roll_back_database")],
)
def test_each_needs_its_own_permission(as_superuser, staff, log_in, url, permission) -> None:
    models = [
        f"testapp.{action}_{model}"
        for model in ("customer", "tag")
        for action in ("view", "add", "change", "delete")
    ]
    others = {"undo_revision", "restore_database", "roll_back_database"} - {permission}
    refused = log_in(staff("other", *models, *(f"audittrail.{name}" for name in others)))
    allowed = log_in(staff("chief", *models, f"audittrail.{permission}"))
    changed = change()
    earlier = Revision.objects.filter(committed__lt=changed.committed).latest()
    number = changed.pk if url == UNDO else earlier.pk
    target = url.format(number)
    posted = {**form(as_superuser.get(target)), "confirmation": str(number)}
    assert refused.get(target).status_code == 403
    assert refused.post(target, posted).status_code == 403
    assert Customer.objects.filter(name="Cyd").exists()
    assert carry_out(allowed, target, confirmation=str(number)).status_code == 302
    assert not Customer.objects.filter(name="Cyd").exists()


@pytest.mark.parametrize(
    "missing", ["view_tag", "delete_tag", "add_customer", "change_customer", "delete_customer"]
)
def test_undo_leaves_out_what_needs_another_permission(
    as_superuser, staff, log_in, changed, missing
) -> None:
    url = UNDO.format(changed.pk)
    posted = form(as_superuser.get(url))
    permissions = {
        f"{action}_{model}"
        for model in ("customer", "tag")
        for action in ("view", "add", "change", "delete")
    } - {missing}
    if missing == "view_tag":
        permissions -= {"change_tag"}
    client = log_in(
        staff("editor", "audittrail.undo_revision", *(f"testapp.{name}" for name in permissions))
    )
    page = client.get(url)
    assert page.status_code == 200
    left = [
        (table.label, [(one.row.badge.operation, one.reason) for one in table.rows])
        for table in page.context["preview"].left_out
    ]
    expected = {
        "view_tag": [],
        "delete_tag": [("Tags", [("D", "You may not write it.")])],
        "add_customer": [("Customers", [("I", "You may not write it.")])],
        "change_customer": [("Customers", [("U", "You may not write it.")])],
        "delete_customer": [("Customers", [("D", "You may not write it.")])],
    }
    assert left == expected[missing]
    assert ("sale" in text_of(page)) == (missing != "view_tag")
    assert client.post(url, posted).status_code == 409
    assert client.post(url, form(page)).status_code == 302
    assert {
        "delete_tag": Tag.objects.exists(),
        "view_tag": Tag.objects.exists(),
        "add_customer": not Customer.objects.filter(name="Bea").exists(),
        "change_customer": Customer.objects.filter(name="Ada Lovelace").exists(),
        "delete_customer": Customer.objects.filter(name="Cyd").exists(),
    } == {
        name: (name == missing or {name, missing} == {"delete_tag", "view_tag"})
        for name in expected
    }


def test_undo_asks_hooks_for_single_objects(staff, log_in, monkeypatch) -> None:
    from tests.testapp.admin import DocumentAdmin

    def own(self: Any, request: Any, obj: Any = None) -> bool:
        return obj is None or obj.owner_id == request.user.pk

    monkeypatch.setattr(DocumentAdmin, "has_change_permission", own)
    permissions = ("audittrail.undo_revision", "testapp.view_document")
    owner, other = staff("owner", *permissions), staff("other", *permissions)
    for user in (owner, other):
        Document.objects.create(title="Draft", owner=user)
    Document.objects.filter(owner=owner).update(title="Final")
    url = UNDO.format(newest().pk)
    assert log_in(other).get(url).status_code == 403
    assert log_in(other).post(url, {"digest": "x"}).status_code == 403
    assert carry_out(log_in(owner), url).status_code == 302
    assert set(Document.objects.values_list("title", flat=True)) == {"Draft"}


def test_everything_is_restored(as_superuser, changed) -> None:
    earlier = Revision.objects.filter(committed__lt=changed.committed).latest()
    url = RESTORE.format(earlier.pk)
    page = as_superuser.get(url)
    text = text_of(page)
    assert f"Restore everything to revision {earlier.pk}" in text
    assert "All later changes, of everybody, are taken back." in text
    assert as_superuser.post(url, form(page)).status_code == 302
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Ada", "Bea"]
    assert newest().context["restored"]["kind"] == "restore all"
    assert Revision.objects.filter(pk=changed.pk).exists()


def test_rolling_back_wants_the_number_typed(as_superuser, superuser, changed) -> None:
    earlier = Revision.objects.filter(committed__lt=changed.committed).latest()
    later = Revision.objects.filter(committed__gt=earlier.committed).count()
    url = ROLL_BACK.format(earlier.pk)
    page = as_superuser.get(url)
    text = text_of(page)
    assert "be undone, not even by this product." in text
    assert f"{later} later revision is erased, with 4 versions of rows" in text
    for typed in ("", "yes", str(changed.pk)):
        response = as_superuser.post(url, {**form(page), "confirmation": typed})
        assert response.status_code == 400
        assert "type the number of the revision" in text_of(response)
    assert Tag.objects.exists()
    response = as_superuser.post(url, {**form(page), "confirmation": f" {earlier.pk} "})
    assert response.status_code == 302
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Ada", "Bea"]
    assert not Revision.objects.filter(pk=changed.pk).exists()
    made = newest()
    assert made.committed_by == superuser
    assert made.context["restored"]["erased_revisions"] == later
    assert "Erased revisions: 1; erased versions: 4." in text_of(as_superuser.get("/admin/"))


def test_rolling_back_never_leaves_rows_out(as_superuser, changed) -> None:
    earlier = Revision.objects.filter(committed__lt=changed.committed).latest()
    page = as_superuser.get(ROLL_BACK.format(earlier.pk) + "?on_conflict=skip")
    assert page.context["conflict_choices"] == []
    assert page.context["posted_options"] == "refuse"


def test_whole_database_operations_say_nothing_of_rows_that_may_not_be_seen(staff, log_in) -> None:
    tags = [f"testapp.{action}_tag" for action in ("view", "add", "change", "delete")]
    client = log_in(staff("operator", "audittrail.restore_database", *tags))
    Tag.objects.create(name="old")
    earlier = newest()
    change()
    page = client.get(RESTORE.format(earlier.pk))
    text = text_of(page)
    assert "Lovelace" not in text and "Customer" not in text
    assert [badge.count for badge in page.context["preview"].badges] == [1]
    assert (page.context["preview"].others, page.context["preview"].left_out) == (0, ())
    assert client.post(RESTORE.format(earlier.pk), form(page)).status_code == 302
    assert Customer.objects.filter(name="Cyd").exists() and not Tag.objects.filter(name="sale")
    # Nothing but what they may not see differs: to them, nothing does.
    page = client.get(RESTORE.format(earlier.pk))
    assert "Nothing would change: everything is as it would be afterwards." in text_of(page)
    Tag.objects.create(name="new")
    later = newest()
    Tag.objects.filter(name="new").update(name="newer")
    page = client.get(RESTORE.format(later.pk))
    assert [table.label for table in page.context["preview"].tables] == ["Tags"]
    response = client.post(RESTORE.format(later.pk), form(page))
    assert response.status_code == 302
    assert client.get(response.url).status_code == 200


def test_a_large_plan_makes_no_large_page(as_superuser) -> None:
    with transaction.atomic():
        Customer.objects.bulk_create(Customer(name=f"Customer {n}") for n in range(3_000))
    url = UNDO.format(newest().pk)
    with CaptureQueriesContext(connection) as queries:
        page = as_superuser.get(url)
    assert len(page.content) < 100_000
    assert len(queries) < 80
    (table,) = page.context["preview"].tables
    assert (len(table.rows), table.more) == (24, 2_976)
    assert "and 2,976 more rows" in text_of(page)


def test_what_is_no_revision_is_not_found(as_superuser) -> None:
    Tag.objects.create(name="sale")
    for url in (UNDO, RESTORE, ROLL_BACK):
        assert as_superuser.get(url.format(10**12)).status_code == 404
        assert as_superuser.get(url.format(10**30)).status_code == 404


def test_rows_that_are_protected_are_named(as_superuser) -> None:
    product = Product.objects.create(name="Bread")
    number = newest().pk
    order = Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="A1")
    order.lines.create(number=1, product=product)
    text = text_of(as_superuser.get(UNDO.format(number)))
    assert "It would be deleted, but order lines still refer to it." in text


def test_hostile_values_are_text(as_superuser, superuser) -> None:
    hostile = "<script>alert(1)</script>"
    with history.context(reason=hostile):
        Customer.objects.create(name=hostile, email=hostile)
    for url in (UNDO, RESTORE, ROLL_BACK):
        assert "<script>alert" not in as_superuser.get(url.format(newest().pk)).content.decode()


def test_a_row_in_the_way_is_named_to_who_sees_its_object(staff, log_in, monkeypatch) -> None:
    def shown(self: Any, request: Any) -> Any:
        return admin.ModelAdmin.get_queryset(self, request).exclude(reference="hidden")

    monkeypatch.setattr(OrderAdmin, "get_queryset", shown, raising=False)
    orders = [f"testapp.{name}_{of}" for name in ("view", "change") for of in ("order", "product")]
    lines = [f"testapp.{name}_orderline" for name in ("view", "add", "change", "delete")]
    client = log_in(staff("clerk", "audittrail.undo_revision", *orders, *lines))
    product = Product.objects.create(name="Bread")
    order = Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="A1")
    line = order.lines.create(number=1, product=product)
    line.delete()
    number = newest().pk
    product.delete()
    page = client.get(UNDO.format(number))
    (conflict,) = page.context["preview"].conflicts
    assert "which is not there any more" in conflict.text
    assert page.context["preview"].other_conflicts == 0

"""What Django 6.1 has brought: fetch modes, referential actions of the database, JSON null as an expression, all as of a moment."""

from __future__ import annotations

from typing import Any

import django
import pytest
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.diff.json_null import JSON_NULL
from audittrail.exceptions import PastIsReadOnlyError
from audittrail.models import Revision
from audittrail.timetravel.moment import moment_of
from tests.builders import world
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create
from tests.testapp.models import Country, Customer, Order, TaggedNote

pytestmark = pytest.mark.skipif(django.VERSION < (6, 1), reason="Django 6.1 has brought it")

stored = pytest.mark.django_db(transaction=True)
django_models: Any = models


# Fetch modes


@stored
def test_peers_are_fetched_from_the_moment_of_their_objects(created: Revision) -> None:
    names = {order.reference: order.customer.name for order in Order.objects.all()}
    world.change()
    past: Any = Order.history(revision=created)
    orders = list(past.fetch_mode(django_models.FETCH_PEERS))
    with CaptureQueriesContext(connection) as queries:
        assert {order.reference: order.customer.name for order in orders} == names
    assert len(_reading(queries, '"testapp_customer"."email"')) == 1
    assert {moment_of(order.customer) for order in orders} == {moment_of(orders[0])}
    deferred = list(past.only("pk").fetch_mode(django_models.FETCH_PEERS))
    with CaptureQueriesContext(connection) as queries:
        assert {order.reference for order in deferred} == set(names)
    assert len(_reading(queries, '"testapp_order"."reference"')) == 1
    notes: Any = TaggedNote.history(revision=created)
    targets = [note.target for note in notes.fetch_mode(django_models.FETCH_PEERS)]
    assert {str(it.name) for it in targets if isinstance(it, Country)} == {
        "France",
        "Italy",
        "Norway",
    }
    assert {moment_of(target) for target in targets} == {moment_of(orders[0])}
    profiles: Any = Customer.history(revision=created).filter(profile__isnull=False)
    assert {c.profile.bio for c in profiles.fetch_mode(django_models.FETCH_PEERS)} == {
        "Bio 0",
        "Bio 1",
        "Bio 2",
    }


def _reading(queries: Any, column: str) -> list[str]:
    # What is known of the tables of a moment is asked before.
    return [query["sql"] for query in queries if column in query["sql"]]


@stored
def test_peers_keep_their_moment_whoever_travels(created: Revision) -> None:
    then = {order.customer.name for order in Order.objects.all()}
    world.change()
    now = {order.customer.name for order in Order.objects.all()}
    assert then != now
    present = list(_orders())
    with history.travelling(created):
        past = list(_orders())
        assert {order.customer.name for order in present} == now
    assert {order.customer.name for order in past} == then
    with pytest.raises(PastIsReadOnlyError):
        past[0].save(using="default")


def _orders() -> Any:
    queryset: Any = Order.objects.all()
    return queryset.fetch_mode(django_models.FETCH_PEERS)


@stored
def test_what_may_not_be_fetched_is_not_fetched_from_the_past(created: Revision) -> None:
    from django.core.exceptions import FieldFetchBlocked  # type: ignore[attr-defined,unused-ignore]

    past: Any = Order.history(revision=created)
    order = past.fetch_mode(django_models.FETCH_RAISE)[0]
    with pytest.raises(FieldFetchBlocked):
        _ = order.customer
    assert past.select_related("customer").fetch_mode(django_models.FETCH_RAISE)[0].customer.name


# Referential actions of the database


def test_what_the_database_deletes_and_changes_along_is_recorded_and_brought_back(
    shop: Workshop,
) -> None:
    to: Any = {"to": "workshop.Person", "null": True}
    author = models.ForeignKey(on_delete=django_models.DB_CASCADE, related_name="written", **to)
    editor = models.ForeignKey(on_delete=django_models.DB_SET_NULL, related_name="edited", **to)
    default = django_models.DB_SET_DEFAULT
    shelf = models.ForeignKey(on_delete=default, related_name="shelved", db_default=1, **to)
    shop.migrate(
        create("Person", ("name", models.TextField())),
        create(
            "Text",
            ("title", models.TextField()),
            ("author", author),
            ("editor", editor),
            ("shelf", shelf),
        ),
    )
    with transaction.atomic():
        nobody, ann, bob = (shop.Person.objects.create(name=name) for name in ("-", "ann", "bob"))
        assert nobody.pk == 1
        shop.Text.objects.create(title="hers", author=ann, editor=bob, shelf=bob)
        shop.Text.objects.create(title="his", author=bob, editor=ann, shelf=ann)
    first = newest()
    before = shop.sql("SELECT * FROM workshop_text ORDER BY id")
    ann.delete()
    second = newest()
    assert [text.title for text in shop.Text.objects.all()] == ["his"]
    texts = history.of(shop.Text)
    assert [(it.title, it.history_operation) for it in second.get_changed_objects(shop.Text)] == [
        ("hers", "D"),
        ("his", "U"),
    ]
    his = texts(revision=first).get(title="his")
    assert (his.editor.name, his.shelf.name) == ("ann", "ann")
    his = texts(revision=second).get(title="his")
    assert (his.editor, his.shelf.name) == (None, "-")
    history.of(shop.Person).deleted().undelete(with_cascade=True)
    assert {text.title for text in shop.Text.objects.all()} == {"hers", "his"}
    first.restore_all()
    assert shop.sql("SELECT * FROM workshop_text ORDER BY id") == before


# JSON null


def test_json_null_is_asked_for_in_the_past(shop: Workshop) -> None:
    shop.migrate(create("Note", ("data", models.JSONField(null=True))))
    with transaction.atomic():
        shop.Note.objects.create(pk=1, data=django_models.JSONNull())
        shop.Note.objects.create(pk=2, data=None)
    first = newest()
    shop.Note.objects.update(data={"a": None})
    notes = history.of(shop.Note)
    assert notes(revision=first).get(data=django_models.JSONNull()).pk == 1
    assert notes(revision=first).get(data__isnull=True).pk == 2
    changes = notes.diff(pk=1, from_revision=first, to_revision=newest())
    assert [(it.old, it.new) for it in changes] == [(JSON_NULL, {"a": None})]
    notes(revision=first).restore()
    assert shop.sql("SELECT id, data::text FROM workshop_note ORDER BY id") == [
        (1, "null"),
        (2, None),
    ]


# Querysets


@stored
def test_querysets_say_whether_their_order_is_total(created: Revision) -> None:
    past: Any = Order.history(revision=created)
    assert past.order_by("pk").totally_ordered
    assert not past.order_by("placed_at").totally_ordered
    world.change()
    found = past.values_list("reference", "customer__name").in_bulk()
    assert set(found.values()) == set(past.values_list("reference", "customer__name"))

"""Versions are a queryset like any other, over everything that a row ever was."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import FieldError
from django.db import models, transaction
from django.db.models import Count
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.exceptions import AuditTrailError
from audittrail.models import Revision
from audittrail.revisions.versions import Operation, version_model, versions_of
from tests.testapp.models import (
    Clash,
    Customer,
    Document,
    Order,
    OrderLine,
    Product,
    Specimen,
    Tag,
    VipCustomer,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


def versions(target: Any) -> Any:
    """Return the versions of a model or an object in order."""
    return history.of(target).versions.in_order()


def test_the_versions_of_a_model_and_of_an_object() -> None:
    a, b = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    a.name = "x"
    a.save()
    key = a.pk
    a.delete()
    assert [(v.operation, v.name) for v in versions(Tag)] == [
        ("I", "a"), ("I", "b"), ("U", "x"), ("D", "x"),
    ]  # fmt: skip
    assert [v.name for v in versions(b)] == ["b"]
    assert [v.name for v in versions(Tag(pk=key))] == ["a", "x", "x"]
    assert [v.name for v in b.history.versions] == ["b"]  # type: ignore[attr-defined]


def test_operations_are_choices_with_names() -> None:
    tag = Tag.objects.create(name="a")
    version = versions(tag).get()
    assert version.operation == "I"
    assert version.operation == Operation.INSERT
    assert version.get_operation_display() == "insert"
    assert {o.value: str(o.label) for o in Operation} == {
        "I": "insert", "U": "update", "D": "delete", "T": "truncate", "B": "baseline",
    }  # fmt: skip


def test_versions_can_be_filtered_joined_and_counted() -> None:
    with history.context(reason="first"):
        Product.objects.create(name="Tea", price=1)
    with history.context(reason="second"):
        Product.objects.update(price=2)
    found = versions(Product)
    assert found.filter(price__gt=1).get().operation == "U"
    assert found.filter(revision__reason="first").get().price == 1
    assert [v.revision.reason for v in found.select_related("revision")] == ["first", "second"]
    assert found.exclude(operation="I").count() == 1
    assert [*found.values_list("operation", flat=True)] == ["I", "U"]
    assert found.values("operation").annotate(n=Count("version")).count() == 2
    assert found.filter(revision=Revision.objects.latest()).get().price == 2


def test_a_foreign_key_is_its_column_for_the_object_may_be_gone() -> None:
    user = User.objects.create_user("ada")
    key = user.pk
    document = Document.objects.create(owner=user, title="t")
    user.delete()
    assert [v.owner_id for v in versions(document)] == [key, None]
    with pytest.raises(FieldError):
        versions(document).filter(owner__username="ada")


def test_excluded_columns_are_no_fields() -> None:
    names = {field.name for field in version_model(User)._meta.get_fields()}
    assert "username" in names
    assert "password" not in names


def test_fields_that_clash_with_those_of_a_version_have_other_names() -> None:
    clash = Clash.objects.create(version=5, revision_id=6, operation="op", row_version=7)
    version = versions(clash).get()
    assert (version.row_version, version.row_revision_id, version.row_operation) == (5, 6, "op")
    assert version.row_row_version == 7
    assert version.doubled == 10
    assert version.operation == "I"
    assert version.revision == Revision.objects.latest()


def test_a_proxy_has_the_versions_of_its_model() -> None:
    Customer.objects.create(name="c")
    assert version_model(VipCustomer) is version_model(Customer)
    assert versions(VipCustomer).count() == 1


def test_composite_keys_in_order() -> None:
    order = Order.objects.create(customer=Customer.objects.create(name="c"), reference="r")
    tea = Product.objects.create(name="Tea")
    OrderLine.objects.bulk_create(OrderLine(order=order, number=n, product=tea) for n in (2, 1, 3))
    assert [v.number for v in versions(OrderLine)] == [1, 2, 3]
    line = OrderLine.objects.get(pk=(order.pk, 2))
    assert versions(line).get().number == 2


def test_versions_have_an_identity_of_their_own() -> None:
    tag = Tag.objects.create(name="a")
    Tag.objects.update(name="b")
    first, second = versions(tag)
    assert first != second
    assert first == versions(tag).first()
    assert len({first, second, *versions(tag)}) == 2
    assert str(first) == f"testapp.Tag {tag.pk} @ {first.version}"
    assert versions(Tag).get(pk=first.pk) == first


def test_versions_can_be_pickled() -> None:
    Specimen.objects.create(name="x", data={"a": [1, None]}, numbers=[1, 2], blob=b"\x00\xff")
    original = versions(Specimen).select_related("revision").get()
    copy = pickle.loads(pickle.dumps(original))
    assert copy == original
    assert type(copy) is type(original)
    assert copy.revision == original.revision
    for field in original._meta.concrete_fields:
        value, copied = getattr(original, field.attname), getattr(copy, field.attname)
        if isinstance(value, memoryview):
            value, copied = bytes(value), bytes(copied)
        assert copied == value, field.attname
    with pytest.raises(AuditTrailError):
        copy.save()


def test_deferred_versions_can_be_pickled() -> None:
    Tag.objects.create(name="a")
    version = pickle.loads(pickle.dumps(versions(Tag).defer("name").get()))
    assert version.name == "a"


def test_revisions_can_be_pickled() -> None:
    with history.context(user=5, reason="why", n=1):
        Tag.objects.create(name="a")
    revision = Revision.objects.get()
    copy = pickle.loads(pickle.dumps(revision))
    assert (copy, copy.context, copy.reason) == (revision, {"n": 1}, "why")


def test_a_truncated_row_says_so() -> None:
    from django.db import connection

    tag = Tag.objects.create(name="a")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE testapp_tag CASCADE")
    assert [v.operation for v in versions(tag)] == [Operation.INSERT, Operation.TRUNCATE]


def test_versions_of_the_open_transaction_are_visible_in_it() -> None:
    with transaction.atomic():
        tag = Tag.objects.create(name="a")
        version = versions(tag).get()
        assert version.revision.committed is None


def test_models_of_several_apps_may_have_the_same_name() -> None:
    with isolate_apps("django.contrib.auth") as isolated:
        meta = type("Meta", (), {"app_label": "auth", "apps": isolated})
        members = {"__module__": "django.contrib.auth.models", "Meta": meta}
        other: Any = type("Tag", (models.Model,), members)
    for model in (Tag, other, Tag):
        assert version_model(model).tracked_model is model
        assert str(versions_of(model, "default").query).count(model._meta.db_table)

"""Compare: any two moments of an object, side by side, in the words of then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from audittrail.capture import tracking
from audittrail.diff.json_null import JSON_NULL
from tests.admin.histories import address, changed, sides, unchanged
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import (
    Customer,
    Document,
    Employee,
    Order,
    Person,
    Product,
    Specimen,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)


def compare(client: Any, obj: Any, **parameters: Any) -> Any:
    query = "&".join(f"{name.rstrip('_')}={value}" for name, value in parameters.items())
    return client.get(f"{address(obj, 'compare')}?{query}")


def test_two_revisions(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    first = newest()
    Customer.objects.update(name="Bea")
    Customer.objects.update(name="Cyd", vip=True)
    second = newest()
    Customer.objects.update(name="Dee")
    page = compare(as_superuser, customer, from_=first.pk, to=second.pk)
    assert changed(page) == {"Name": ("Ada", "Cyd"), "Vip": ("No", "Yes")}
    assert unchanged(page) == {"ID": f"{customer.pk}", "Email": "empty", "Favourites": "none"}
    assert page.context["permanent_url"] is None
    # Asked for the wrong way round, it is put in order.
    assert changed(compare(as_superuser, customer, from_=second.pk, to=first.pk)) == changed(page)


def test_null_in_json_and_sql_null(as_superuser) -> None:
    specimen = Specimen.objects.create(name="s")
    first = newest()
    Specimen.objects.update(data=JSON_NULL)
    second = newest()
    Specimen.objects.update(data=None)
    page = compare(as_superuser, specimen, from_=first.pk, to=second.pk)
    assert changed(page) == {"Data": ("none", "null")}
    page = compare(as_superuser, specimen, from_=second.pk)
    assert changed(page) == {"Data": ("null", "none")}


def test_with_now_with_previous_and_by_time(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    first = newest()
    Customer.objects.update(name="Bea")
    second = newest()
    Customer.objects.update(name="Cyd")
    assert changed(compare(as_superuser, customer, from_=first.pk)) == {"Name": ("Ada", "Cyd")}
    assert changed(compare(as_superuser, customer, to=second.pk)) == {"Name": ("Ada", "Bea")}
    Tag.objects.create(name="Something else")
    assert changed(compare(as_superuser, customer)) == {"Name": ("Bea", "Cyd")}
    page = compare(as_superuser, customer, from_=second.pk, to="now")
    assert changed(page) == {"Name": ("Bea", "Cyd")}
    stable = page.context["permanent_url"]
    Customer.objects.update(name="Dee")
    assert changed(as_superuser.get(stable)) == {"Name": ("Bea", "Cyd")}
    stamp = first.committed_at.isoformat().replace("+00:00", "Z")
    assert changed(compare(as_superuser, customer, from_=stamp)) == {"Name": ("Ada", "Dee")}
    tomorrow = date.today() + timedelta(days=1)  # noqa: DTZ011
    page = compare(as_superuser, customer, from_=second.pk, to=tomorrow)
    assert changed(page) == {"Name": ("Bea", "Dee")}
    # What the form would ask for when nothing is changed in it.
    shown = page.context["sides"][0]["point"].input
    assert datetime.fromisoformat(shown).replace(tzinfo=UTC) >= second.committed_at


def test_an_insertion_a_deletion_and_what_was_there_at_neither_moment(as_superuser) -> None:
    Tag.objects.create(name="before")
    before = newest()
    customer = Customer.objects.create(name="Ada")
    inserted = newest()
    url = address(customer, "compare")
    customer.delete()
    deleted = newest()
    page = as_superuser.get(f"{url}?to={inserted.pk}")
    assert changed(page)["Name"] == ("not there", "Ada")
    assert page.context["comparison"].operation == "I"
    assert text_of(page).count("View as it was") == text_of(page).count("It was not there") == 1
    page = as_superuser.get(f"{url}?to={deleted.pk}")
    assert changed(page)["Name"] == ("Ada", "not there")
    assert "This object was deleted" in text_of(page)
    assert text_of(page).count("View as it was") == text_of(page).count("It was not there") == 1
    page = as_superuser.get(f"{url}?from={before.pk}&to={deleted.pk}")
    assert changed(page) == {}
    assert "Nothing: the object was the same at both moments" in text_of(page)
    assert "View as it was" not in text_of(page)


def test_words_of_long_texts(as_superuser) -> None:
    text = "The quick brown fox jumps over the lazy dog, and nobody minds it."
    document = Document.objects.create(title="t", body=text)
    Document.objects.update(body=text.replace("quick brown", "slow"))
    (difference,) = compare(as_superuser, document).context["comparison"].changed
    assert "<del>quick brown</del>" in str(difference.before)
    assert "<ins>slow</ins>" in str(difference.after)
    assert "fox jumps over" in str(difference.before)
    assert "<ins>" not in str(difference.before)


def test_a_text_of_a_megabyte_stays_usable(as_superuser) -> None:
    text = "word " * 200_000
    document = Document.objects.create(title="t", body=text)
    Document.objects.update(body=f"{text}end")
    latest = newest().pk
    Document.objects.update(body="other " * 200_000)
    for page in (compare(as_superuser, document, to=latest), as_superuser.get(address(document))):
        assert page.status_code == 200
        assert len(page.content) < 100_000
    (difference,) = compare(as_superuser, document, to=latest).context["comparison"].changed
    assert "<ins>end</ins>" in str(difference.after)
    version = as_superuser.get(address(document, latest))
    assert version.content.count(b"word word") > 1000
    assert b'<details class="audittrail-fold">' in version.content


def test_branches_of_json(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    old = {"name": "A", "tags": ["x", "y"], "size": {"w": 1, "h": 2}, "gone": None}
    new = {"name": "A", "tags": ["x", "z", "y"], "size": {"w": 1, "h": 3}, "more": [1]}
    order = Order.objects.create(customer=customer, reference="A1", details=old)
    Order.objects.update(details=new)
    (difference,) = compare(as_superuser, order).context["comparison"].changed
    before, after = str(difference.before), str(difference.after)
    assert "h: 2" in before and "<ins>" not in before
    assert before.count("<del>") == 2 and "gone: null" in before
    assert after.count("<ins>") == 3
    for line in ("h: 3", "- &quot;z&quot;", "more:"):
        assert line in after
    assert "w: 1" in before and "w: 1" in after


def test_values_as_people_read_them(as_superuser) -> None:
    values: dict[str, tuple[Any, Any, tuple[str, str]]] = {
        "flag": (True, False, ("Yes", "No")),
        "day": (date(2026, 1, 1), date(2026, 2, 1), ("Jan. 1, 2026", "Feb. 1, 2026")),
        "moment": (
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC),
            ("Jan. 1, 2026 12:00:00", "Jan. 1, 2026 12:00:01"),
        ),
        "span": (timedelta(hours=1), timedelta(days=1), ("01:00:00", "1 00:00:00")),
        "blob": (b"ab", b"", ("61 62 (2 bytes)", "empty")),
        "file": ("a.txt", "", ("a.txt", "empty")),
        "numbers": ([1, 2], [2], ("- 1 - 2", "- 2")),
        "small": (None, 1000, ("none", "1000")),
    }
    specimen = Specimen.objects.create(
        name="s", **{name: old for name, (old, _, _) in values.items()}
    )
    Specimen.objects.update(**{name: new for name, (_, new, _) in values.items()})
    found = changed(compare(as_superuser, specimen))
    assert found == {name.capitalize(): expected for name, (_, _, expected) in values.items()}


def test_objects_are_named_as_of_each_moment(as_superuser) -> None:
    una, vic = (User.objects.create(username=name) for name in ("una", "vic"))
    red, blue, green = (Tag.objects.create(name=name) for name in ("red", "blue", "green"))
    document = Document.objects.create(owner=una, title="t")
    product = Product.objects.create(name="Bread")
    product.tags.set([red, blue])
    first = newest()
    Document.objects.update(owner=vic)
    product.tags.set([blue, green])
    second = newest()
    User.objects.filter(pk=una.pk).update(username="una-now")
    User.objects.filter(pk=vic.pk).delete()
    Tag.objects.filter(pk=red.pk).update(name="crimson")
    green.delete()
    assert changed(compare(as_superuser, document, from_=first.pk, to=second.pk)) == {
        "Owner": ("una", "vic")
    }
    page = compare(as_superuser, product, from_=first.pk, to=second.pk)
    assert changed(page) == {"Tags": ("blue red", "blue green")}
    (difference,) = page.context["comparison"].changed
    assert [(kind, label.text) for kind, label in difference.members] == [
        ("same", "blue"),
        ("removed", "red"),
        ("added", "green"),
    ]
    assert "+ green" not in str(difference.before)
    assert '<ins class="audittrail-member">' in str(difference.after)


def test_related_rows_are_compared_as_well(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    kept, gone = (Order.objects.create(customer=customer, reference=r) for r in ("A1", "A2"))
    first = newest()
    gone.delete()
    Order.objects.create(customer=customer, reference="A3")
    Order.objects.filter(pk=kept.pk).update(reference="A1b")
    orders = compare(as_superuser, customer, from_=first.pk).context["comparison"].related[-1]
    assert orders.label == "Orders"
    assert {
        row.text: (row.operation, {one.label: sides(one) for one in row.differences})
        for row in orders.rows
    } == {
        "A1b": ("U", {"Reference": ("A1", "A1b")}),
        "A2": ("D", {"Reference": ("A2", "not there"), "Details": ("{}", "not there")}),
        "A3": ("I", {"Reference": ("not there", "A3"), "Details": ("not there", "{}")}),
    }


def test_inherited_fields(as_superuser) -> None:
    employee = Employee.objects.create(name="Ada", salary=1)
    with transaction.atomic():
        Person.objects.update(name="Bea")
        Employee.objects.update(salary=2)
    found = changed(compare(as_superuser, employee))
    assert found == {"Name": ("Ada", "Bea"), "Salary": ("1.00", "2.00")}


def test_masked_fields_changed_but_never_into_what(as_superuser, monkeypatch) -> None:
    options = tracking.Options(mask=("email",))
    monkeypatch.setitem(tracking._registered, Customer, options)
    customer = Customer.objects.create(name="Ada", email="secret@x.example")
    first = newest().pk
    Customer.objects.update(email="other@x.example")
    second = newest().pk
    Customer.objects.update(name="Bea")
    for page in (
        compare(as_superuser, customer, from_=first, to=second),
        compare(as_superuser, customer, from_=second),
        as_superuser.get(address(customer)),
        as_superuser.get(address(customer, first)),
    ):
        assert "secret@" not in text_of(page) and "other@" not in text_of(page)
    assert changed(compare(as_superuser, customer, to=second)) == {
        "Email": ("•••", "••• changed; what it holds is not shown")
    }
    assert unchanged(compare(as_superuser, customer, from_=second))["Email"] == "•••"


def test_moments_that_are_none(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    page = compare(as_superuser, customer, from_=4711)
    assert page.status_code == 404
    assert "There is no revision 4711" in text_of(page)
    for nonsense in ("yesterday", "2026-13-01", "1e5", "9" * 30, "-1"):
        page = compare(as_superuser, customer, from_=nonsense)
        assert page.status_code == 404
        assert nonsense in text_of(page)


def test_before_tracking_began(as_superuser) -> None:
    Customer.objects.create(pk=1, name="Ada")
    with connection.cursor() as cursor:
        cursor.execute("SELECT audittrail.reset_history()")
    Tag.objects.create(name="first")
    first = newest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_customer' AND until_version IS NULL"
        )
    try:
        Tag.objects.create(name="second")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT audittrail.track('testapp_customer')")
    Customer.objects.update(name="Bea")
    page = compare(as_superuser, Customer.objects.get(), from_=first.pk)
    assert "does not go back that far" in text_of(page)
    assert changed(compare(as_superuser, Customer.objects.get())) == {"Name": ("Ada", "Bea")}

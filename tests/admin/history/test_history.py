"""History of an object: every revision that changed it or what belongs to it, with what it changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from audittrail import history
from audittrail.admin.history import timeline
from tests.admin.histories import address, changed, shown, told
from tests.admin.reading import text_of
from tests.builders.sending import newest, sql
from tests.testapp.models import (
    Country,
    Customer,
    CustomerProfile,
    Document,
    Employee,
    Membership,
    Order,
    Organization,
    Person,
    Pizzeria,
    Product,
    Specimen,
    Tag,
    TaggedNote,
    VipCustomer,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_history_button_of_the_admin_leads_here(as_superuser) -> None:
    tag = Tag.objects.create(name="a")
    url = reverse("admin:testapp_tag_history", args=[tag.pk])
    assert url in text_of(as_superuser.get(f"/admin/testapp/tag/{tag.pk}/change/"))
    page = as_superuser.get(url)
    assert page.templates[0].name == "audittrail/admin/history.html"
    assert page.context["title"] == "History"


def test_an_object_from_its_insertion_to_its_deletion(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    url = address(customer)
    Customer.objects.update(name="Bea", vip=True)
    customer.delete()
    page = as_superuser.get(url)
    assert told(page) == [
        ("D", {"Name": "Bea", "Email": "empty", "Vip": "Yes"}),
        ("U", {"Name": "Ada became Bea", "Vip": "No became Yes"}),
        ("I", {"Name": "Ada", "Email": "empty", "Vip": "No"}),
    ]
    assert page.context["subject"].is_deleted
    assert "This object was deleted" in text_of(page)
    assert page.context["subtitle"] == "Bea"


def test_who_when_why_and_from_where(as_superuser) -> None:
    ada = User.objects.create(username="ada")
    with history.context(user=ada, reason="New shop", method="POST", path="/shop/", ticket=4711):
        customer = Customer.objects.create(name="Ada")
    text = text_of(as_superuser.get(address(customer)))
    for said in ("<bdi>ada</bdi></a>", "New shop", "Request", "POST /shop/", "4711", "just now"):
        assert said in text
    (entry,) = as_superuser.get(address(customer)).context["entries"]
    assert entry.when.machine in text


def test_changes_of_one_transaction_are_one_entry_and_its_steps_are_told(as_superuser) -> None:
    customer = Customer.objects.create(name="a")
    with transaction.atomic():
        Customer.objects.update(name="b")
        Customer.objects.update(name="c")
    entry, _ = as_superuser.get(address(customer)).context["entries"]
    assert [str(block.differences[0].new) for block in entry.blocks] == [
        '<bdi class="audittrail-value">b</bdi>',
        '<bdi class="audittrail-value">c</bdi>',
    ]


def test_many_to_many_rows_stand_in_the_same_timeline_by_their_names_of_then(as_superuser) -> None:
    product = Product.objects.create(name="Bread")
    red, blue = (Tag.objects.create(name=name) for name in ("red", "blue"))
    product.tags.set([red, blue])
    Tag.objects.filter(pk=red.pk).update(name="crimson")
    product.tags.remove(red)
    blue.delete()
    page = as_superuser.get(address(product))
    assert [changes for _, changes in told(page)][:3] == [
        {"Tags": "blue"},
        {"Tags": "crimson"},
        {"Tags": "blue red"},
    ]
    assert [
        [(kind, label.text) for kind, label in entry.blocks[0].differences[0].members]
        for entry in page.context["entries"][:3]
    ] == [[("removed", "blue")], [("removed", "crimson")], [("added", "blue"), ("added", "red")]]


def test_rows_that_were_removed_and_added_in_one_transaction_have_not_changed(as_superuser) -> None:
    product, red = Product.objects.create(name="Bread"), Tag.objects.create(name="red")
    product.tags.add(red)
    with transaction.atomic():
        product.tags.clear()
        product.tags.add(red)
        Product.objects.update(name="Loaf")
    assert told(as_superuser.get(address(product)))[0] == ("U", {"Name": "Bread became Loaf"})


def test_inlines_stand_in_the_same_timeline(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(customer=customer, reference="A1")
    CustomerProfile.objects.create(customer=customer, bio="old")
    with transaction.atomic():
        Customer.objects.update(name="Bea")
        Order.objects.update(reference="A2")
    CustomerProfile.objects.update(bio="new")
    order.delete()
    assert told(as_superuser.get(address(customer)))[:-1] == [
        (
            "",
            {
                "− Order A2: Reference": "A2",  # noqa: RUF001
                "− Order A2: Details": "{}",  # noqa: RUF001
            },
        ),
        ("", {"~ Customer profile new: Bio": "old became new"}),
        ("U", {"Name": "Ada became Bea", "~ Order A2: Reference": "A1 became A2"}),
        ("", {"+ Customer profile old: Bio": "old"}),
        ("", {"+ Order A1: Reference": "A1", "+ Order A1: Details": "{}"}),
    ]


def test_a_row_that_moves_to_another_object_is_told_in_both_histories(as_superuser) -> None:
    ada, bea = (Customer.objects.create(name=name) for name in ("Ada", "Bea"))
    order = Order.objects.create(customer=ada, reference="A1")
    Order.objects.filter(pk=order.pk).update(customer=bea)
    Order.objects.filter(pk=order.pk).update(reference="B1")
    left, joined = (as_superuser.get(address(customer)) for customer in (ada, bea))
    assert told(left)[0] == ("", {"~ Order A1: Customer": "Ada became Bea"})
    assert [changes for _, changes in told(joined)][:2] == [
        {"~ Order B1: Reference": "A1 became B1"},
        {"~ Order A1: Customer": "Ada became Bea"},
    ]
    assert len(told(left)) == 3


def test_a_through_model_with_data_is_told_by_its_inline(as_superuser) -> None:
    person, organization = Person.objects.create(name="Ada"), Organization.objects.create(name="X")
    membership = Membership.objects.create(person=person, organization=organization)
    Membership.objects.update(role="chair")
    membership.delete()
    changes = [changes for _, changes in told(as_superuser.get(address(person)))]
    name = f"Membership {person.pk} in {organization.pk}"
    assert changes[1] == {f"~ {name}: Role": "member became chair"}
    assert changes[2] == {f"+ {name}: Organization": "X", f"+ {name}: Role": "member"}
    assert len(changes) == 4


def test_generic_inlines_stand_in_the_same_timeline(as_superuser) -> None:
    country, other = Country.objects.create(code="NO", name="Norway"), Tag.objects.create(name="a")
    note = TaggedNote.objects.create(target=country, text="cold")
    TaggedNote.objects.create(target=other, text="elsewhere")
    TaggedNote.objects.filter(pk=note.pk).update(text="warm")
    assert [changes for _, changes in told(as_superuser.get(address(country)))][:2] == [
        {"~ Tagged note warm: Text": "cold became warm"},
        {"+ Tagged note cold: Text": "cold"},
    ]


def test_inherited_columns_belong_to_the_object(as_superuser) -> None:
    employee = Employee.objects.create(name="Ada", salary=1)
    Person.objects.update(name="Bea")
    Employee.objects.update(salary=2)
    employee.friends.add(Person.objects.create(name="Cyd"))
    url = address(employee)
    employee.delete()
    deleted, befriended, paid, renamed, inserted = told(as_superuser.get(url))
    assert inserted == ("I", {"Name": "Ada", "Email": "empty", "Salary": "1.00"})
    assert renamed == ("U", {"Name": "Ada became Bea"})
    assert paid[1] == {"Salary": "1.00 became 2.00"}
    assert befriended[1] == {"Friends": "Cyd"}
    assert deleted[0] == "D"
    assert deleted[1] == {"Name": "Bea", "Email": "empty", "Salary": "2.00", "Friends": "Cyd"}


def test_three_tables_of_inheritance(as_superuser) -> None:
    pizzeria = Pizzeria.objects.create(name="Da Vinci", oven_degrees=450)
    with transaction.atomic():
        Pizzeria.objects.update(name="Da Gino", serves_soup=True)
    changed, _ = told(as_superuser.get(address(pizzeria)))
    assert changed == ("U", {"Name": "Da Vinci became Da Gino", "Serves soup": "No became Yes"})


def test_a_proxy_has_the_history_of_its_model(as_superuser) -> None:
    customer = VipCustomer.objects.create(name="Ada")
    Customer.objects.update(name="Bea")
    assert told(as_superuser.get(address(customer)))[0] == ("U", {"Name": "Ada became Bea"})


def test_related_rows_are_those_that_the_model_admin_names(as_superuser, monkeypatch) -> None:
    model_admin = type(admin.site.get_model_admin(Organization))
    monkeypatch.setattr(model_admin, "audittrail_related", ["children"], raising=False)
    parent = Organization.objects.create(name="Parent")
    Organization.objects.create(name="Child", parent=parent)
    changes = told(as_superuser.get(address(parent)))[0][1]
    assert changes == {"+ Organization Child: Name": "Child"}
    monkeypatch.setattr(model_admin, "audittrail_related", [], raising=False)
    assert len(told(as_superuser.get(address(parent)))) == 1


def test_an_object_that_existed_before_tracking_began(as_superuser) -> None:
    Customer.objects.create(pk=1, name="Ada")
    sql("SELECT audittrail.reset_history()")
    customer = Customer.objects.get()
    page = as_superuser.get(address(customer))
    assert told(page) == [("B", {})]
    assert "It was there before its changes were recorded" in text_of(page)
    assert "Changes have been recorded since" in text_of(page)
    Customer.objects.update(name="Bea")
    assert told(as_superuser.get(address(customer)))[0] == ("U", {"Name": "Ada became Bea"})


def test_an_object_without_any_version_yet(as_superuser) -> None:
    Customer.objects.create(pk=1, name="Ada")
    with history.editing(reason="As if its baseline were still to come"):
        Customer.history.versions.all().delete()
    page = as_superuser.get("/admin/testapp/customer/1/history/")
    assert told(page) == []
    assert "No change of this object has been recorded yet" in text_of(page)


@pytest.mark.parametrize("key", ["4711", "x", "99999999999999999999999", "1_2F2"])
def test_what_never_was_is_not_found(as_superuser, key) -> None:
    assert as_superuser.get(f"/admin/testapp/customer/{key}/history/").status_code == 404


def test_keys_of_every_kind(as_superuser) -> None:
    for obj in (Product.objects.create(name="Bread"), Country.objects.create(code="/_", name="X")):
        assert told(as_superuser.get(address(obj)))[0][0] == "I"


def test_pages_go_by_key_in_the_order_of_commits(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(timeline, "SIZE", 4)
    customer = Customer.objects.create(name="0")
    for number in range(1, 10):
        Customer.objects.update(name=f"{number}")
    seen: list[Any] = []
    forth: list[Any] = []
    query: Any = ""
    while query is not None:
        page = as_superuser.get(f"{address(customer)}{query}")
        seen.append([changes["Name"].split()[-1] for _, changes in told(page)])
        query = page.context["page"].older
    assert seen == [["9", "8", "7", "6"], ["5", "4", "3", "2"], ["1", "0"]]
    while (query := page.context["page"].newer) is not None:
        page = as_superuser.get(f"{address(customer)}{query}")
        forth.append([changes["Name"].split()[-1] for _, changes in told(page)])
    assert forth == [["5", "4", "3", "2"], ["9", "8", "7", "6"]]
    for nonsense in (
        "?before=x",
        "?before=[-99999999999999999999]",
        "?before=[99999999999999999999]",
        "?after=[1, 2]",
    ):
        assert len(told(as_superuser.get(f"{address(customer)}{nonsense}"))) == 4


def test_a_long_transaction_stands_where_it_was_committed(
    as_superuser, connect, monkeypatch
) -> None:
    monkeypatch.setattr(timeline, "SIZE", 3)
    customer = Customer.objects.create(name="Ada")
    first, second = (
        Order.objects.create(customer=customer, reference=name) for name in ("A1", "A2")
    )
    other = connect()
    with other.cursor() as cursor:
        cursor.execute("UPDATE testapp_order SET reference = 'long' WHERE id = %s", [second.pk])
        for number in range(8):
            Order.objects.filter(pk=first.pk).update(reference=f"n{number}")
        other.commit()
    names: list[str] = []
    query: Any = ""
    while query is not None:
        page = as_superuser.get(f"{address(customer)}{query}")
        names += [next(iter(changes.values())).split()[-1] for _, changes in told(page)]
        query = page.context["page"].older
    assert names[:9] == ["long", *(f"n{number}" for number in reversed(range(8)))]
    assert len(names) == 12
    forth: list[str] = []
    while page.context["page"].newer is not None:
        page = as_superuser.get(f"{address(customer)}{page.context['page'].newer}")
        found = [next(iter(changes.values())).split()[-1] for _, changes in told(page)]
        forth = found + forth
    assert forth == names[: len(forth)]
    assert len(forth) >= 9


def test_a_revision_with_very_many_rows_is_cut_and_the_others_are_found(
    as_superuser, monkeypatch
) -> None:
    monkeypatch.setattr(timeline, "READ", 20)
    customer = Customer.objects.create(name="Ada")
    Order.objects.bulk_create(
        Order(customer=customer, reference=f"{number}") for number in range(100)
    )
    Order.objects.update(placed_at=timezone.now())
    Customer.objects.update(name="Bea")
    seen: list[int] = []
    query: Any = ""
    while query is not None:
        page = as_superuser.get(f"{address(customer)}{query}")
        seen += [one.entry.number for one in page.context["entries"]]
        query = page.context["page"].older
    assert len(seen) == len(set(seen)) == 4
    assert seen == sorted(seen, reverse=True)
    assert "There are further changes in this revision" in text_of(
        as_superuser.get(address(customer))
    )


def test_filters(as_superuser) -> None:
    ada, bea = (User.objects.create(username=name) for name in ("ada", "bea"))
    with history.context(user=ada):
        customer = Customer.objects.create(name="a")
        Order.objects.create(customer=customer, reference="A1")
    with history.context(user=bea):
        Customer.objects.update(name="b")
        Customer.objects.update(email="b@x.example")
        Order.objects.all().delete()

    def found(query: str) -> list[str]:
        entries = as_superuser.get(f"{address(customer)}?{query}").context["entries"]
        return [
            "".join(f"{block.operation}{block.label[:5]}" for block in one.blocks)
            for one in entries
        ]

    everything = ["DOrder", "U", "U", "IOrder", "I"]
    assert found("") == everything
    assert found("user=ada") == found(f"user={ada.pk}") == ["IOrder", "I"]
    assert found("user=nobody") == []
    assert found("operation=U") == ["U", "U"]
    assert found("operation=D") == ["DOrder"]
    assert found("field=name") == ["U", "I"]
    assert found("field=email") == ["U", "I"]
    assert found("field=rows:order") == ["DOrder", "IOrder"]
    assert found("field=name&user=bea&operation=U") == ["U"]
    moment = Customer.history.versions.filter(operation="I").get().revision.committed_at
    stamp = (moment + timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    assert found(f"since={stamp}") == everything[:-1]
    assert found(f"until={stamp}") == everything[-1:]
    assert found("since=2001-01-01T00:00&until=2002-01-01T00:00") == []
    assert found("until=2002-01-01T00:00") == []


def test_filters_that_make_no_sense_are_named(as_superuser) -> None:
    customer = Customer.objects.create(name="a")
    for query in ("since=yesterday", "field=nothing", "operation=X"):
        page = as_superuser.get(f"{address(customer)}?{query}")
        assert told(page) == []
        assert "Please correct the filters" in text_of(page)
    page = as_superuser.get(f"{address(customer)}?operation=D")
    assert "No change fits these filters" in text_of(page)


def test_fields_whose_values_only_their_text_tells_apart_can_be_filtered(as_superuser) -> None:
    specimen = Specimen.objects.create(name="s", data={"a": 1})
    sql("""UPDATE testapp_specimen SET data = '{"a": 1.00}'""")
    Specimen.objects.update(flag=True)
    for field, operations in (("data", ["U", "I"]), ("flag", ["U"]), ("matrix", [])):
        page = as_superuser.get(f"{address(specimen)}?field={field}")
        assert [operation for operation, _ in told(page)] == operations


def test_each_entry_leads_on(as_superuser) -> None:
    customer = Customer.objects.create(name="a")
    inserted = newest().pk
    Customer.objects.update(name="b")
    updated = newest().pk
    base = address(customer)
    last, first = as_superuser.get(base).context["entries"]
    links = [{link.text: link.url for link in one.actions} for one in (last, first)]
    assert links[0]["View as it was"] == f"{base}{updated}/"
    assert links[0]["Compare with previous"] == f"{base}compare/?to={updated}"
    assert "Compare with now" not in links[0]
    assert links[1]["Compare with now"] == f"{base}compare/?from={inserted}"
    text = text_of(as_superuser.get(base))
    assert f'action="{base}compare/"' in text
    assert f'name="from" value="{inserted}" checked' in text
    assert f'name="to" value="{updated}" checked' in text


def test_what_the_admin_itself_has_logged_is_not_lost(as_superuser) -> None:
    tag = Tag.objects.create(name="a")
    as_superuser.post(f"/admin/testapp/tag/{tag.pk}/change/", {"name": "b"})
    page = as_superuser.get(address(tag))
    (link,) = page.context["tools"]
    log = as_superuser.get(link.url)
    assert "Changed Name" in text_of(log)
    assert "audittrail" not in log.templates[0].name


def test_a_foreign_key_to_what_was_deleted_has_its_name_of_then(as_superuser) -> None:
    una, vic = (User.objects.create(username=name) for name in ("una", "vic"))
    document = Document.objects.create(owner=una, title="t")
    Document.objects.update(owner=vic)
    User.objects.filter(pk=una.pk).update(username="una-renamed")
    User.objects.filter(pk=vic.pk).delete()
    changes = [changes for _, changes in told(as_superuser.get(address(document)))]
    assert changes[0] == {"Owner": "vic became none"}
    assert changes[1] == {"Owner": "una became vic"}
    assert changes[2]["Owner"] == "una"


def test_reading_history_writes_nothing(as_superuser) -> None:
    customer = Customer.objects.create(name="a")
    Customer.objects.update(name="b")
    latest = newest().pk
    with connection.execute_wrapper(_refusing_writes):
        for page in ("", f"{latest}/", "compare/", f"compare/?to={latest}"):
            assert as_superuser.get(f"{address(customer)}{page}").status_code == 200
        for page in ("", f"{latest}/", "compare/"):
            assert as_superuser.post(f"{address(customer)}{page}").status_code == 405
    assert newest().pk == latest


def _refusing_writes(execute: Any, statement: str, *rest: Any) -> Any:
    assert statement.lstrip().upper().startswith(("SELECT", "WITH", "(")), statement
    return execute(statement, *rest)


def test_who_travels_sees_the_history_up_to_then(as_superuser, settings) -> None:
    customer = Customer.objects.create(name="a")
    Order.objects.create(customer=customer, reference="A1")
    first = newest()
    Customer.objects.update(name="b")
    then = newest()
    Customer.objects.update(name="c")
    customer.delete()
    url = f"/admin/testapp/customer/{Customer.history.versions.first().id}/audittrail/"
    machine = reverse("admin:audittrail_time_machine")
    assert as_superuser.post(machine, {"revision": then.pk}).status_code == 302
    page = as_superuser.get(url)
    assert told(page)[0] == ("U", {"Name": "a became b"})
    assert len(told(page)) == 3
    assert not page.context["subject"].is_deleted
    assert "Compare with now" not in [link.text for link in page.context["entries"][0].actions]
    compared = as_superuser.get(f"{url}compare/?from={first.pk}")
    assert changed(compared) == {"Name": ("a", "b")}
    assert shown(as_superuser.get(f"{url}{first.pk}/"))["Name"] == "a"

"""`history.redact`: no version holds what was redacted, everything else stays, and what was done is recorded."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from audittrail import history
from audittrail.capture import tracking, verify
from audittrail.exceptions import EditingError, NotTrackedError
from audittrail.models import Revision
from audittrail.revisions import redacting
from audittrail.revisions.redacting import RedactedTable
from audittrail.testing import close_revision
from tests.builders.sending import sql
from tests.testapp.models import (
    Clash,
    Country,
    Customer,
    Employee,
    Order,
    OrderLine,
    Person,
    Product,
    Specimen,
    TaggedNote,
)

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "Erasure request 4712"


def held(model: Any, *names: str) -> list[Any]:
    return list(history.of(model).versions.in_order().values_list("operation", *names))


def assert_in_step() -> None:
    for recorded, findings in verify.verify():
        assert findings == [], recorded.table


def dump() -> str:
    """Return all that history holds, the revisions included, as text."""
    names = sql(
        "SELECT format('audittrail.%I', history_name) FROM audittrail.tracked_table"
        " UNION ALL SELECT 'audittrail.revision'"
    )
    parts = (f"SELECT to_jsonb(h)::text FROM {name} h" for (name,) in names)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return "\n".join(sorted(text for (text,) in cursor.fetchall()))


@pytest.fixture
def ada() -> Customer:
    """Give a customer with three versions, who is renamed but whose live row holds no address any more; and another customer."""
    customer = Customer.objects.create(name="Ada", email="ada@example.org")
    Customer.objects.create(name="Grace", email="grace@example.org")
    customer.name = "Ada L."
    customer.save()
    customer.email = ""
    customer.save()
    return customer


def test_every_version_of_the_row_loses_the_value_and_nothing_else(ada: Customer) -> None:
    done = history.redact(ada, ["email"], value="", reason=REASON)
    assert done.tables == (RedactedTable("testapp_customer", ("email",), 1, 2),)
    assert held(Customer, "name", "email") == [
        ("I", "Ada", ""), ("I", "Grace", "grace@example.org"), ("U", "Ada L.", ""), ("U", "Ada L.", ""),
    ]  # fmt: skip
    assert_in_step()


def test_an_object_that_is_deleted_loses_it_to_null() -> None:
    customer = Customer.objects.create(name="Ada", email="ada@example.org")
    pk = customer.pk
    Customer.objects.all().delete()
    (gone,) = Customer.history.deleted()
    history.redact(gone, ["name", "email"], reason=REASON)
    assert held(Customer, "id", "name", "email") == [("I", pk, None, None), ("D", pk, None, None)]


def test_a_live_row_that_still_holds_it_is_refused(ada: Customer) -> None:
    before = dump()
    with pytest.raises(
        EditingError,
        match=r"1 live row of \'testapp_customer\' still hold.*\(\d+\).*pass live=True",
    ):
        history.redact(ada, ["name"], reason=REASON)
    with pytest.raises(EditingError, match="2 live rows"):
        history.redact(Customer, ["name"], reason=REASON)
    assert dump() == before


def test_the_live_row_can_be_overwritten_too(ada: Customer) -> None:
    with history.context(user=User.objects.create_user("clerk")):
        done = history.redact(ada, {"name": "redacted", "email": ""}, reason=REASON, live=True)
    assert done.live == 1
    ada.refresh_from_db()
    assert (ada.name, ada.email) == ("redacted", "")
    assert held(Customer, "name")[-1] == ("U", "redacted")
    assert "Ada" not in dump()
    assert_in_step()
    record = Revision.objects.newest()
    assert record == ada.history.versions.last().revision or record.pk == max(
        v.revision_id for v in ada.history.versions.all()
    )
    assert (record.reason, record.committed_by.username) == (REASON, "clerk")


def test_what_can_not_be_in_the_live_row_is_refused_in_words(ada: Customer) -> None:
    before = dump()
    with pytest.raises(EditingError, match='Nothing was redacted: null value in column "email"'):
        history.redact(ada, ["email"], reason=REASON, live=True)
    with pytest.raises(EditingError, match="value too long"):
        history.redact(ada, {"name": "x" * 101}, reason=REASON, live=True)
    with pytest.raises(EditingError, match="value too long"):
        history.redact(Customer, {"name": "x" * 101}, pks=[0, ada.pk], reason=REASON)
    assert dump() == before


def test_it_is_recorded_without_the_values(ada: Customer) -> None:
    clerk = User.objects.create_user("clerk")
    history.redact(ada, ["email"], value="", reason=REASON, user=clerk, ticket=4712)
    record = Revision.objects.newest()
    assert (record.reason, record.committed_by, record.context["ticket"]) == (REASON, clerk, 4712)
    assert record.context["corrected"] == ["testapp_customer_history"]
    assert record.context["redacted"] == [
        {"table": "testapp_customer", "columns": ["email"], "rows": 1, "versions": 2, "keys": [[str(ada.pk)]]}
    ]  # fmt: skip
    assert "ada@example.org" not in dump()


def test_what_holds_nothing_any_more_leaves_no_revision(ada: Customer) -> None:
    history.redact(ada, ["email"], value="", reason=REASON)
    count = Revision.objects.count()
    assert history.redact(ada, ["email"], value="", reason=REASON).versions == 0
    assert history.redact(Customer.objects.none(), ["email"], reason=REASON).versions == 0
    assert Revision.objects.count() == count


def test_a_dry_run_counts_and_shows_and_changes_nothing(ada: Customer) -> None:
    before = dump()
    planned = history.redact(ada, ["name", "email"], reason=REASON, dry_run=True)
    (table,) = planned.tables
    assert (planned.dry_run, table.rows, table.versions, table.live) == (True, 1, 3, 1)
    assert [(s.key, s.operation, s.values["email"]) for s in table.samples] == [
        ((ada.pk,), "I", "ada@example.org"), ((ada.pk,), "U", "ada@example.org"), ((ada.pk,), "U", ""),
    ]  # fmt: skip
    assert dump() == before


def test_a_dry_run_does_not_show_what_is_masked(ada: Customer, monkeypatch) -> None:
    options = tracking.Options(mask=("email",))
    monkeypatch.setitem(tracking._registered, Customer, options)
    (table,) = history.redact(ada, ["name", "email"], reason=REASON, dry_run=True).tables
    assert {name for sample in table.samples for name in sample.values} == {"name"}
    assert table.versions == 3


def test_a_dry_run_does_not_show_what_made_room_for_a_masked_column(large: int) -> None:
    name = "n" * 60
    sql(f"ALTER TABLE large ADD COLUMN {name} text")
    sql(f"UPDATE large SET {name} = 'secret'")
    sql(f"ALTER TABLE large ALTER COLUMN {name} TYPE int USING 0")
    sql(f"UPDATE large SET {name} = 1")
    (table,) = history.redact("large", {name: 2, "name": "b"}, reason=REASON, dry_run=True).tables
    assert any(f"{'n' * 50}_until_1" in one.values for one in table.samples)
    samples = [redacting._shown(one.values, frozenset({name})) for one in table.samples]
    assert {column for shown in samples for column in shown} == {"name"}


def test_several_in_one_transaction_are_one_revision(ada: Customer) -> None:
    order = Order.objects.create(customer=ada, reference="Ada's", details={"to": "Ada"})
    order.delete()
    with transaction.atomic():
        history.redact(ada, ["name"], value="x", live=True, reason=REASON)
        history.redact(
            Order.history.versions.filter(customer_id=ada.pk),
            ["reference", "details"],
            reason=REASON,
        )
    record = Revision.objects.newest()
    assert [part["table"] for part in record.context["redacted"]] == [
        "testapp_customer",
        "testapp_order",
    ]
    assert "Ada" not in dump()
    assert_in_step()


def targets(ada: Customer) -> dict[str, Any]:
    return {
        "object": ada,
        "objects": [ada],
        "queryset": Customer.objects.filter(name__startswith="Ada"),
        "past": Customer.history(revision=Revision.objects.newest()).filter(name__startswith="Ada"),
        "past object": ada.history(Revision.objects.newest()),
        "sliced": Customer.objects.order_by("name")[:1],
        "versions": Customer.history.versions.filter(email="ada@example.org"),
        "version": ada.history.versions.first(),
    }


@pytest.mark.parametrize("kind", ["object", "objects", "queryset", "past", "past object", "sliced", "versions", "version"])  # fmt: skip
def test_rows_can_be_meant_in_many_ways(ada: Customer, kind: str) -> None:
    history.redact(targets(ada)[kind], ["email"], value="", reason=REASON)
    assert [email for _, email in held(Customer, "email")] == ["", "grace@example.org", "", ""]


@pytest.mark.parametrize(
    "target", [Customer, "testapp.Customer", "testapp_customer", "testapp_customer_history"]
)
def test_rows_can_be_meant_by_their_keys(ada: Customer, target: Any) -> None:
    history.redact(target, ["email"], pks=[ada.pk], value="", reason=REASON)
    assert [email for _, email in held(Customer, "email")] == ["", "grace@example.org", "", ""]
    history.redact(target, ["email"], value="", live=True, reason=REASON)
    assert {email for _, email in held(Customer, "email")} == {""}
    assert_in_step()


def test_composite_keys() -> None:
    product = Product.objects.create(name="p")
    order = Order.objects.create(customer=Customer.objects.create(name="c"), reference="r")
    lines = [
        OrderLine.objects.create(order=order, number=n, product=product, quantity=7) for n in (1, 2)
    ]
    history.redact(lines[0], {"quantity": 0}, live=True, reason=REASON)
    history.redact(OrderLine, {"quantity": 1}, pks=[(order.pk, 2)], live=True, reason=REASON)
    assert held(OrderLine, "number", "quantity") == [
        ("I", 1, 0),
        ("I", 2, 1),
        ("U", 1, 0),
        ("U", 2, 1),
    ]
    with pytest.raises(
        EditingError, match=r"pks holds \(5,\), but a primary key here has 2 values"
    ):
        history.redact(OrderLine, {"quantity": 1}, pks=[5], reason=REASON)


def test_keys_of_other_types() -> None:
    product = Product.objects.create(name="secret")
    country = Country.objects.create(code="a'", name="secret")
    product.delete()
    country.delete()
    history.redact(Product.history.versions.all(), ["name"], reason=REASON)
    history.redact(Country, ["name"], pks=["a'"], reason=REASON)
    assert "secret" not in dump()


def test_inherited_fields_are_redacted_where_they_are() -> None:
    employee = Employee.objects.create(name="Ada", email="a@example.org", salary=5)
    other = Person.objects.create(name="Grace")
    employee.delete()
    done = history.redact(Employee.history.deleted(), ["name", "salary", "email"], reason=REASON)
    assert {table.table: (table.columns, table.versions) for table in done.tables} == {
        "testapp_person": (("email", "name"), 2),
        "testapp_employee": (("salary",), 2),
    }
    assert held(Person, "name") == [("I", None), ("I", other.name), ("D", None)]


def test_all_of_a_person() -> None:
    employee = Employee.objects.create(name="Ada", email="a@example.org", salary=5)
    employee.delete()
    history.redact(Employee.history.deleted(), "__all__", reason=REASON)
    assert held(Employee, "person_ptr_id", "salary")[0][2] is None
    assert held(Person, "name", "email") == [("I", None, None), ("D", None, None)]


FILLED = {
    "name": "secret", "small": 1, "big": 2, "real": 1.5, "exact": "1.5", "flag": True, "day": date(2020, 1, 1),
    "address": "127.0.0.1", "token": "11111111-1111-1111-1111-111111111111", "data": {"a": [1]}, "blob": b"\x00x",
    "file": "f", "numbers": [1, 2], "matrix": [["a", "b"]], "int_range": (1, 5), "date_range": (date(2020, 1, 1), None),
}  # fmt: skip


def test_values_of_every_type() -> None:
    specimen = Specimen.objects.create(name="x")
    specimen.delete()
    everything = Specimen.history.versions.all()
    history.redact(everything, FILLED, reason=REASON)
    (told,) = {tuple(map(str, row)) for row in everything.values_list("name", "small", "exact", "day", "data", "numbers", "matrix", "token")}  # fmt: skip
    assert told == (
        "secret", "1", "1.5000000000", "2020-01-01", "{'a': [1]}", "[1, 2]", "[['a', 'b']]", FILLED["token"],
    )  # fmt: skip
    assert history.redact(everything, FILLED, reason=REASON).versions == 0
    history.redact(everything, "__all__", reason=REASON)
    assert "secret" not in dump().lower()


def test_what_is_computed_from_it_goes_with_it() -> None:
    specimen = Specimen.objects.create(name="secret")
    specimen.name = "public"
    specimen.save()
    history.redact(specimen, {"name": "public"}, reason=REASON)
    assert held(Specimen, "name", "shout") == [("I", "public", None), ("U", "public", "PUBLIC")]
    assert_in_step()
    history.redact(specimen, {"name": "x"}, live=True, reason=REASON)
    assert held(Specimen, "name", "shout")[-1] == ("U", "x", "X")
    assert_in_step()
    with pytest.raises(EditingError, match="'shout' is computed from other columns"):
        history.redact(specimen, ["shout"], reason=REASON)


def test_columns_named_like_our_own() -> None:
    clash = Clash.objects.create(version=1, revision_id=2, operation="I", row_version=3)
    history.redact(
        clash, {"version": 8, "operation": "U", "row_version": 9}, live=True, reason=REASON
    )
    assert held(Clash, "row_version", "row_operation", "row_row_version") == [
        ("I", 8, "U", 9),
        ("U", 8, "U", 9),
    ]
    assert_in_step()


def test_closed_versions_stay_closed(ada: Customer) -> None:
    sql(
        "SELECT audittrail.close_versions(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_customer'"
    )
    closed = (
        "SELECT version, superseded FROM audittrail.testapp_customer_history ORDER BY version, id"
    )
    before, moments = sql(closed), list(Revision.objects.order_by("committed"))
    history.redact(ada, {"email": "-"}, live=True, reason=REASON)
    assert sql(closed)[: len(before)] == before
    told = [Customer.history(revision=moment).get(pk=ada.pk).email for moment in moments]
    assert told == ["-"] * len(moments)


def test_a_baseline_that_is_not_complete(large: int) -> None:
    with pytest.raises(EditingError, match="3 live rows of 'large'"):
        history.redact("large", ["name"], reason=REASON)
    history.redact("large", ["name"], value="-", live=True, reason=REASON)
    assert {name for (name,) in sql("SELECT name FROM audittrail.large_history")} == {"-"}
    assert sql("SELECT audittrail.verify(%s)", large) == []


@pytest.fixture
def large():
    """Give the registry's number of a table whose baseline is not complete."""
    sql("CREATE TABLE large (id int PRIMARY KEY, name text, phone text)")
    sql("INSERT INTO large VALUES (1, 'a', '1'), (2, 'b', '2'), (3, 'c', '3')")
    sql("SELECT audittrail.track('large', baseline_limit => 0)")
    yield sql("SELECT id FROM audittrail.tracked_table WHERE table_name = 'large'")[0][0]
    sql("DROP TABLE IF EXISTS large")
    sql(
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'large' AND until_version IS NULL"
    )
    sql("DELETE FROM audittrail.tracked_table WHERE table_name = 'large'")
    sql("DROP TABLE audittrail.large_history")


def test_columns_that_are_gone_and_copies_of_others(large: int) -> None:
    sql("UPDATE large SET name = 'secret', phone = 'secret'")
    sql("ALTER TABLE large ALTER COLUMN name TYPE int USING 0")
    sql("ALTER TABLE large DROP COLUMN phone")
    sql("UPDATE large SET name = 1")
    assert "secret" in dump()
    with pytest.raises(EditingError, match="holds no 'nothing'; it has name, name_until_1, phone"):
        history.redact("large", ["nothing"], reason=REASON)
    history.redact("large", {"name": 1}, reason=REASON)
    history.redact("large", ["phone"], reason=REASON)
    assert "secret" not in dump()
    assert sql("SELECT audittrail.verify(%s)", large) == []


def test_a_table_of_many_columns(large: int) -> None:
    for number in range(120):
        sql(f"ALTER TABLE large ADD COLUMN c{number} text")
    sql("UPDATE large SET " + ", ".join(f"c{number} = 'secret'" for number in range(120)))
    sql("DELETE FROM large")
    (table,) = history.redact("large", "__all__", reason=REASON, dry_run=True).tables
    assert len(table.samples[-1].values) == 122
    history.redact("large", "__all__", reason=REASON)
    assert "secret" not in dump()


def test_a_table_that_is_gone(large: int) -> None:
    sql("UPDATE large SET name = 'secret'")
    sql("DROP TABLE large")
    history.redact("large", "__all__", pks=[1, 2], reason=REASON)
    history.redact("large", "__all__", pks=["3"], reason=REASON)
    assert "secret" not in dump()


def test_a_column_that_is_excluded_by_now(large: int) -> None:
    sql("UPDATE large SET name = 'secret' WHERE id = 1")
    sql("SELECT audittrail.track('large', '{name}')")
    history.redact("large", ["name"], pks=[1], reason=REASON)
    assert "secret" not in dump()
    assert sql("SELECT name FROM large WHERE id = 1") == [("secret",)]


@pytest.mark.parametrize(
    ("target", "fields", "options", "message"),
    [
        (Customer, ["email"], {"reason": " "}, "say in words why"),
        (Customer, [], {}, r"fields is \[\]; name the fields to redact"),
        (Customer, "email", {}, "fields is 'email'; give a list of names, such as"),
        (Customer, ["id"], {}, "'id' is part of the primary key"),
        (Customer, ["nothing"], {}, "holds no 'nothing'; it has email, name, vip"),
        (Customer, ["favourites"], {}, r"many-to-many.*Customer\.favourites\.through"),
        (Customer, ["orders"], {}, "'orders' of testapp.Customer is not a column"),
        (TaggedNote, ["target"], {}, "'target' of testapp.TaggedNote is not a column"),
        (Customer, 5, {}, r"fields is 5; give a list of names, such as \['email'\]"),
        (Customer, ["email"], {"pks": "17"}, "pks is '17'; give a list"),
        (Customer, ["email"], {"pks": 17}, "pks is 17; give a list"),
        (Customer, {"vip": "perhaps"}, {}, "'perhaps' can't be a value of testapp.Customer.vip: “perhaps” value must be [^.]*[.] Give another"),
        (Customer, ["email"], {"pks": ["x"]}, "'x' can't be a value of testapp.Customer.id: [^.]* but got 'x'[.] Give another"),
        (17, ["email"], {}, "17 does not say whose history"),
        ([], ["email"], {}, "does not say whose history"),
        (User, ["password"], {}, "holds no 'password'"),
        ("testapp_customer", ["email"], {"pks": [1, (1, 2)]}, r"told apart by \(id\), not by \(1, 2\)"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(target: Any, fields: Any, options: Any, message: str) -> None:
    with pytest.raises(EditingError, match=message):
        history.redact(target, fields, **{"reason": REASON, **options})


def test_pks_beside_objects_are_refused(ada: Customer) -> None:
    with pytest.raises(EditingError, match=r"pks is given beside Customer .*give it with a model"):
        history.redact(ada, ["email"], pks=[1], reason=REASON)
    with pytest.raises(
        EditingError, match=r"not all of one model .*testapp\.Customer in 'default'"
    ):
        history.redact([ada, Person.objects.create(name="p")], ["name"], reason=REASON)


def test_what_has_no_history_is_said_so() -> None:
    with pytest.raises(NotTrackedError, match="no history of 'nowhere'"):
        history.redact("nowhere", ["email"], reason=REASON)
    with pytest.raises(NotTrackedError, match=r"no history of 'sessions\.Session'"):
        history.redact("sessions.Session", ["session_data"], reason=REASON)


# Revisions


@pytest.fixture
def requests() -> list[Any]:
    """Give a user's two revisions, with what requests leave in them."""
    user = User.objects.create_user("ada")
    for path in ("/customers/ada/", "/x/"):
        with history.context(
            user=user, reason="Ada asked", path=path, remote_address="192.0.2.1", method="POST"
        ):
            Customer.objects.create(name="x")
    return list(Revision.objects.by_user(user).order_by("committed"))


def test_what_revisions_say_of_a_user(requests) -> None:
    user = requests[0].committed_by
    planned = history.redact(Revision.objects.by_user(user), "__all__", reason=REASON, dry_run=True)
    assert planned.versions == 2
    done = history.redact(Revision.objects.by_user(user), "__all__", reason=REASON)
    assert done.tables == (
        RedactedTable("revision", ("committed_by", "client_addr", "reason", "context", "db_user", "application_name"), 2, 2),
    )  # fmt: skip
    for revision in requests:
        revision.refresh_from_db()
        assert (revision.committed_by_id, revision.reason, revision.context) == (None, "", {})
        assert (revision.client_addr, revision.db_user, revision.application_name) == (None, "", "")
    record = Revision.objects.newest()
    assert record.context["redacted"] == [
        {"table": "revision", "columns": list(done.tables[0].columns), "rows": 2}
    ]
    assert "192.0.2.1" not in dump()


def test_single_keys_of_the_context_and_replacements(requests) -> None:
    history.redact(
        requests[0],
        {"context__path": None, "context__remote_address": None, "reason": "redacted"},
        reason=REASON,
    )
    revision = Revision.objects.get(pk=requests[0].pk)
    assert (revision.context, revision.reason) == ({"method": "POST"}, "redacted")
    assert Revision.objects.get(pk=requests[1].pk).context["path"] == "/x/"
    somebody = User.objects.create_user("somebody")
    history.redact(
        Revision,
        {"committed_by": somebody, "context": {"note": "redacted"}},
        pks=[requests[1].pk],
        reason=REASON,
    )
    revision = Revision.objects.get(pk=requests[1].pk)
    assert (revision.committed_by, revision.context) == (somebody, {"note": "redacted"})


def test_records_of_corrections_stay_in_the_context(requests) -> None:
    with history.editing("dated", user=requests[0].committed_by, secret="x"):
        Revision.objects.filter(pk=requests[0].pk).update(reason="y")
    history.redact(Revision.objects.by_user(requests[0].committed_by), ["context"], reason=REASON)
    assert Revision.objects.get(reason="dated").context == {"corrected": ["revision"]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (["committed_at"], "'committed_at' can't be redacted in revisions; committed_by"),
        (["context", "context__path"], "can be taken out, not given a value"),
        ({"context__path": "x"}, "can be taken out, not given a value"),
        ({"client_addr": "x"}, "Nothing was redacted: invalid input syntax for type inet"),
    ],
)
def test_bad_fields_of_revisions_are_refused(requests, fields: Any, message: str) -> None:
    before = dump()
    with pytest.raises(EditingError, match=message):
        history.redact(Revision, fields, reason=REASON)
    assert dump() == before


# Beside others


def test_who_writes_meanwhile_is_neither_waited_for_nor_refused(
    ada: Customer, second_connection
) -> None:
    writer = second_connection.cursor()
    writer.execute("UPDATE testapp_customer SET email = 'new@example.org' WHERE id = %s", [ada.pk])
    history.redact(ada, ["email"], value="", reason=REASON)
    second_connection.commit()
    assert held(Customer, "email")[-1] == ("U", "new@example.org")
    assert "ada@example.org" not in dump()
    assert_in_step()


@pytest.mark.django_db(transaction=False)
def test_it_may_be_called_in_a_test_case() -> None:
    customer = Customer.objects.create(name="Ada")
    close_revision()
    history.redact(customer, {"name": "x"}, live=True, reason=REASON)
    revision = close_revision()
    assert revision is not None
    assert json.dumps(revision.context["redacted"])
    assert held(Customer, "name") == [("I", "x"), ("U", "x")]


def test_psql_can_do_it_too(ada: Customer) -> None:
    with transaction.atomic():
        told = sql(
            "SELECT rows, versions FROM audittrail.tracked_table t,"
            " audittrail.redact_versions(t.id, '{email}', '{NULL}', ARRAY[ARRAY[%s]]) WHERE t.table_name = 'testapp_customer'",
            str(ada.pk),
        )  # fmt: skip
    assert told == [(1, 3)]


def test_objects_of_several_databases_are_told_apart(ada: Customer) -> None:
    stranger = Customer(pk=5, name="Eve")
    stranger._state.db = "other"
    with pytest.raises(
        EditingError,
        match=r"not all of one model and one database \(testapp\.Customer in 'default', testapp\.Customer in 'other'\)",
    ):
        history.redact([ada, stranger], ["email"], reason=REASON)


def test_a_context_that_is_not_json_is_refused(requests: list[Any]) -> None:
    with pytest.raises(
        EditingError, match=r"The context can't become \{1, 2\}: .* Give a dictionary"
    ):
        history.redact(Revision, {"context": {1, 2}}, reason=REASON)


def test_what_a_column_held_under_another_type_is_known_by_its_new_name(large: int) -> None:
    sql("UPDATE large SET name = 'secret name', phone = 'secret phone'")
    sql("ALTER TABLE large ALTER COLUMN name TYPE int USING 0, ALTER COLUMN phone TYPE int USING 0")
    sql("UPDATE large SET name = 1")
    sql(
        "ALTER TABLE large RENAME COLUMN name TO other; ALTER TABLE large RENAME COLUMN phone TO name;"
        "ALTER TABLE large RENAME COLUMN other TO phone"
    )
    sql("UPDATE large SET name = 2, phone = 2")
    history.redact("large", {"phone": 2}, reason=REASON)
    assert "secret name" not in dump()
    assert "secret phone" in dump()
    history.redact("large", {"name": 2}, reason=REASON)
    assert "secret phone" not in dump()

"""Objects of a past queryset come back: what changed goes back, what was deleted is inserted, the rest is left alone."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from audittrail import history
from audittrail.exceptions import (
    MomentError,
    NotTrackedError,
    PastIsReadOnlyError,
    RestoreConflictError,
    RestoreError,
    StalePlanError,
    TrackedLaterError,
)
from audittrail.models import Revision
from audittrail.testing import assert_no_new_history
from tests.builders import world
from tests.builders.sending import newest
from tests.restore.truth import content, verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_lines_of_the_mission(created: Revision) -> None:
    """The example of the product's mission, with people for users."""
    user_model, organization = m.Person, m.Organization
    foo = organization.objects.create(name="foo")
    user = user_model.objects.create(name="bar")
    m.Membership.objects.create(person=user, organization=foo)
    rev = newest()
    user.name = "Someone else"
    user.save()
    user.organizations.clear()
    user_model.objects.create(name="baroness").delete()

    assert user_model.history(revision=rev).filter(organizations__name="foo").get() == user
    user_model.history(revision=rev).filter(name__ilike="bar").restore()
    user.refresh_from_db()
    assert user.name == "bar"
    user_model.objects.filter(pk=user.pk).update(name="changed again", email="new@example.org")
    user.organizations.clear()
    queryset = user_model.history(revision=rev).filter(pk=user.pk)
    queryset.restore(fields=["name", "organizations"])
    user.refresh_from_db()
    assert (user.name, user.email) == ("bar", "new@example.org")
    assert list(user.organizations.all()) == [foo]
    rev.restore_all()
    rev.rollback_all_later_revisions()
    user.refresh_from_db()
    assert user.email == ""


def test_what_changed_goes_back_and_what_was_deleted_comes_back() -> None:
    kept = m.Customer.objects.create(name="Kept", email="kept@example.org")
    changed = m.Customer.objects.create(name="Changed", vip=True)
    deleted = m.Customer.objects.create(name="Deleted")
    rev = newest()
    m.Customer.objects.filter(pk=changed.pk).update(name="Other", vip=False)
    m.Customer.objects.filter(pk=deleted.pk).delete()
    later = m.Customer.objects.create(name="Later")
    plan = m.Customer.history(revision=rev).all().restore()
    assert plan.counts == {"inserted": 1, "updated": 1, "deleted": 0}
    assert sorted(m.Customer.objects.values_list("pk", "name", "vip")) == [
        (kept.pk, "Kept", False),
        (changed.pk, "Changed", True),
        (deleted.pk, "Deleted", False),
        (later.pk, "Later", False),
    ]
    made = newest()
    operations = made.get_changed_objects(m.Customer).values_list("pk", "history_operation")
    assert sorted(operations) == [(changed.pk, "U"), (deleted.pk, "I")]
    assert made.context["restored"] == {
        "kind": "restore", "model": "testapp.Customer", "revision": rev.pk, "as_of": rev.committed_at.isoformat(),
        "inserted": 1, "updated": 1, "deleted": 0,
    }  # fmt: skip


def test_a_restore_that_changes_nothing_makes_no_revision(created: Revision) -> None:
    with assert_no_new_history():
        assert m.Customer.history(revision=created).all().restore().is_empty
        assert m.Customer.history(revision=created).none().restore().is_empty


def test_the_plan_tells_rows_fields_and_values() -> None:
    person = m.Person.objects.create(name="Ada")
    gone = m.Person.objects.create(name="Bea", email="bea@example.org")
    rev = newest()
    m.Person.objects.filter(pk=person.pk).update(name="Zed")
    gone_pk = gone.pk
    gone.delete()
    with assert_no_new_history():
        plan = m.Person.history(revision=rev).all().restore(dry_run=True)
    (table,) = plan.tables
    assert (table.model, table.inserted, table.updated, table.complete) == (m.Person, 1, 1, True)
    insert, update = sorted(table.rows, key=lambda row: row.action)
    assert (insert.action, insert.key) == ("I", (gone_pk,))
    assert {change.column: change.new for change in insert.changes} == {
        "id": gone_pk, "name": "Bea", "email": "bea@example.org",
    }  # fmt: skip
    assert [(c.column, c.old, c.new) for c in update.changes] == [("name", "Zed", "Ada")]
    (note,) = plan.notes
    assert note.kind == "changed since" and str(newest().pk - 1) is not None
    assert not plan.carried_out
    assert plan.carry_out().carried_out
    assert m.Person.objects.get(pk=person.pk).name == "Ada"


def test_a_plan_that_is_stale_is_refused_with_the_new_one() -> None:
    person = m.Person.objects.create(name="Ada")
    rev = newest()
    m.Person.objects.update(name="Bea")
    plan = m.Person.history(revision=rev).all().restore(dry_run=True)
    m.Person.objects.update(name="Cyd")
    with assert_no_new_history(), pytest.raises(StalePlanError) as caught:
        plan.carry_out()
    (change,) = caught.value.plan.tables[0].rows[0].changes
    assert (change.old, change.new) == ("Cyd", "Ada")
    caught.value.plan.carry_out()
    person.refresh_from_db()
    assert person.name == "Ada"


def test_inherited_fields_and_parents_come_back(created: Revision) -> None:
    pizzeria = m.Pizzeria.objects.get()
    before = content()
    m.Pizzeria.objects.update(name="Other", serves_soup=True, oven_degrees=1)
    m.Pizzeria.history(revision=created).restore(fields=["name"])
    pizzeria.refresh_from_db()
    assert (pizzeria.name, pizzeria.serves_soup, pizzeria.oven_degrees) == ("Napoli", True, 1)
    m.Pizzeria.history(revision=created).restore()
    assert content() == before
    pizzeria.delete()
    assert not m.Place.objects.filter(name="Napoli").exists()
    m.Pizzeria.history(revision=created).restore()
    assert content() == before


@pytest.mark.parametrize(
    "model",
    [m.Product, m.Customer, m.VipCustomer, m.OrderLine, m.Order, m.Specimen, m.Drawing,
     m.Invoice, m.Keyword, m.Clash, m.LongName, m.Quoted, m.Capital, m.Person,
     m.Restaurant, m.Document, m.Seat, m.TaggedNote],
    ids=lambda model: model.__name__,
)  # fmt: skip
def test_every_kind_of_table_comes_back(created: Revision, model: Any) -> None:
    tables = {f._meta.db_table for f in [model, *model._meta.get_parent_list()]}
    tables |= {f.remote_field.through._meta.db_table for f in model._meta.many_to_many}
    before = content(tables=tables)
    world.change()
    plan = history.of(model)(created).restore(with_related=True)
    assert plan.conflicts == ()
    assert content(tables=tables) == before
    assert verified() == []


def test_many_to_many_rows_are_the_ones_of_then(created: Revision) -> None:
    person = m.Person.objects.get(name="Ada")
    friends = set(person.friends.values_list("pk", flat=True))
    other = m.Person.objects.get(name="Eve")
    person.friends.set([other])
    m.Person.history(revision=created).filter(pk=person.pk).restore(fields=["friends"])
    assert set(person.friends.values_list("pk", flat=True)) == friends
    assert not other.friends.exists(), "a symmetrical relation goes back on both sides"


def test_a_through_models_own_fields_go_back(created: Revision) -> None:
    membership = m.Membership.objects.filter(role="chief").first()
    assert membership is not None
    person = membership.person
    m.Membership.objects.filter(person=person).update(role="nobody")
    m.Person.history(revision=created).filter(pk=person.pk).restore(fields=["organizations"])
    membership.refresh_from_db()
    assert membership.role == "chief"


def test_a_pair_that_was_related_anew_is_not_in_the_way(created: Revision) -> None:
    product = m.Product.objects.get(name="Product 3")
    tags = list(product.tags.all())
    product.tags.clear()
    product.tags.add(*tags[:1])
    m.Product.history(revision=created).filter(pk=product.pk).restore()
    assert sorted(product.tags.values_list("pk")) == sorted((tag.pk,) for tag in tags)


def test_missing_references_come_back_with_what_refers_to_them() -> None:
    root = m.Organization.objects.create(name="Root", country=m.Country.objects.create(code="FI"))
    branch = m.Organization.objects.create(name="Branch", parent=root)
    leaf = m.Organization.objects.create(name="Leaf", parent=branch)
    rev = newest()
    m.Organization.objects.all().delete()
    m.Country.objects.all().delete()
    past = m.Organization.history(revision=rev).filter(name="Leaf")
    with assert_no_new_history(), pytest.raises(RestoreConflictError, match="parent_id") as caught:
        past.restore()
    (conflict,) = caught.value.plan.conflicts
    assert (conflict.kind, conflict.key) == ("missing reference", (str(leaf.pk),))
    plan = past.restore(with_related=True)
    assert plan.inserted == 4
    assert {o.name for o in m.Organization.objects.all()} == {"Root", "Branch", "Leaf"}
    assert m.Country.objects.get().code == "FI"


def test_skipping_leaves_out_what_can_not_come_back() -> None:
    fine = m.Organization.objects.create(name="Fine")
    country = m.Country.objects.create(code="FI")
    bad = m.Organization.objects.create(name="Bad", country=country)
    m.Organization.objects.create(name="Child", parent=bad)
    rev = newest()
    m.Organization.objects.all().delete()
    country.delete()
    plan = m.Organization.history(revision=rev).restore(on_conflict="skip")
    assert list(m.Organization.objects.all()) == [fine]
    assert len(plan.conflicts) == 2, "the child of what is left out is left out, too"


def test_swapped_unique_values_go_back() -> None:
    a, b, c = (m.Seat.objects.create(label=label, position=i) for i, label in enumerate("abc"))
    rev = newest()
    with transaction.atomic():
        m.Seat.objects.filter(pk=a.pk).update(label="x")
        m.Seat.objects.filter(pk=b.pk).update(label="a", position=0)
        m.Seat.objects.filter(pk=c.pk).update(label="b", position=1)
        m.Seat.objects.filter(pk=a.pk).update(label="c", position=2)
    m.Seat.history(revision=rev).restore()
    assert list(m.Seat.objects.order_by("pk").values_list("label", "position")) == [
        ("a", 0), ("b", 1), ("c", 2),
    ]  # fmt: skip
    assert verified() == []


def test_a_unique_value_that_another_row_has_by_now_is_a_conflict() -> None:
    seat = m.Seat.objects.create(label="a", position=1)
    rev = newest()
    m.Seat.objects.filter(pk=seat.pk).update(label="b")
    m.Seat.objects.create(label="a", position=2)
    with assert_no_new_history(), pytest.raises(RestoreConflictError, match="seat_label") as caught:
        m.Seat.history(revision=rev).restore()
    assert [conflict.kind for conflict in caught.value.plan.conflicts] == ["unique"]


def test_an_exclusion_constraint_is_a_conflict() -> None:
    booking = m.Booking.objects.create(
        title="a", during=DateRange(date(2026, 1, 1), date(2026, 2, 1))
    )
    rev = newest()
    booking.delete()
    m.Booking.objects.create(title="b", during=DateRange(date(2026, 1, 5), date(2026, 1, 6)))
    with assert_no_new_history(), pytest.raises(RestoreConflictError, match="booking_overlap"):
        m.Booking.history(revision=rev).restore()


def test_a_check_that_was_added_since_is_a_conflict() -> None:
    product = m.Product.objects.create(name="Odd", stock=-5)
    rev = newest()
    m.Product.objects.update(stock=5)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_product ADD CONSTRAINT in_stock CHECK (stock >= 0)")
    try:
        with assert_no_new_history(), pytest.raises(RestoreConflictError, match="in_stock"):
            m.Product.history(revision=rev).filter(pk=product.pk).restore()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE testapp_product DROP CONSTRAINT in_stock")


def test_keys_come_back_and_sequences_stay_ahead() -> None:
    invoice = m.Invoice.objects.create(total=1)
    rev = newest()
    invoice_pk = invoice.pk
    invoice.delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_invoice ALTER number RESTART WITH 1")
    m.Invoice.history(revision=rev).restore()
    assert m.Invoice.objects.get().pk == invoice_pk
    assert m.Invoice.objects.create(total=2).pk > invoice_pk


def test_an_excluded_column_gets_its_default_and_the_plan_says_so() -> None:
    group = Group.objects.create(name="editors")
    user = User.objects.create_user("una", password="secret")
    user.groups.add(group)
    rev = newest()
    user.delete()
    plan = User.history(revision=rev).restore()
    assert [note.kind for note in plan.notes] == ["default"]
    user = User.objects.get()
    assert user.password == "" and list(user.groups.all()) == [group]
    user.set_password("new")
    user.first_name = "Una"
    user.save()
    User.history(revision=rev).restore()
    user.refresh_from_db()
    assert user.first_name == "" and user.check_password("new"), "the password is left alone"


def test_a_default_is_asked_for_only_where_a_row_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = User.objects.create_user("una", password="secret")
    rev = newest()
    User.objects.filter(pk=user.pk).update(username="other")

    def failing() -> str:
        raise LookupError("no site is chosen")

    monkeypatch.setattr(User._meta.get_field("username"), "default", failing)
    monkeypatch.setattr(User._meta.get_field("password"), "default", failing)
    for name in ("username", "password"):
        monkeypatch.delitem(vars(User._meta.get_field(name)), "_get_default", raising=False)
    User.history(revision=rev).restore()
    assert User.objects.get().username == "una"
    user.delete()
    with pytest.raises(RestoreError, match=r"auth\.User\.password .* raises LookupError: no site"):
        User.history(revision=rev).restore()
    assert not User.objects.exists()


def test_user_triggers_fire_and_may_refuse(created: Revision) -> None:
    m.Capital.objects.update(name="Changed")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'not on a Sunday'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON {connection.ops.quote_name(m.Capital._meta.db_table)}
                FOR EACH ROW EXECUTE FUNCTION refuse()"""
        )
    try:
        with (
            assert_no_new_history(),
            pytest.raises(RestoreError, match=r"not on a Sunday\. Nothing was changed"),
        ):
            m.Capital.history(revision=created).restore()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse() CASCADE")


def test_rows_that_a_trigger_leaves_out_are_not_passed_over(created: Revision) -> None:
    m.Product.objects.update(stock=1000)
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RETURN NULL; END $$;
            CREATE TRIGGER pass_over BEFORE UPDATE ON testapp_product
                FOR EACH ROW WHEN (NEW.stock = 3) EXECUTE FUNCTION pass_over()"""
        )
    try:
        with assert_no_new_history(), pytest.raises(RestoreError, match="Only 4 of 5 rows"):
            m.Product.history(revision=created).restore(fields=["stock"])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION pass_over() CASCADE")


def test_a_restore_within_a_transaction_is_part_of_it(created: Revision) -> None:
    m.Customer.objects.update(name="x")
    with transaction.atomic():
        m.Customer.history(revision=created).restore()
        transaction.set_rollback(True)
    assert set(m.Customer.objects.values_list("name", flat=True)) == {"x"}
    with transaction.atomic():
        m.Tag.objects.create(name="same-transaction")
        m.Customer.history(revision=created).restore()
        m.Product.history(revision=created).restore()
    assert newest().get_changed_objects(m.Tag).count() == 1
    assert newest().context["restored"]["model"] == "testapp.Customer"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda past: past.restore(fields=["nmae"]), RestoreError, "no field 'nmae'; it has"),
        (lambda past: past.restore(fields="name"), RestoreError, r"\['name'\]"),
        (lambda past: past.restore(fields=["id"]), RestoreError, "primary key"),
        (lambda past: past.restore(fields=["orders"]), RestoreError, "rows of another model"),
        (lambda past: past[:2].restore(), RestoreError, "sliced"),
        (lambda past: past.union(past).restore(), RestoreError, "is a union"),
        (lambda past: past.values("name").restore(), RestoreError, "gives values"),
        (lambda past: past.undelete(), RestoreError, r"history\.deleted\(\)"),
        (lambda past: past.restore(on_conflict="override"), RestoreError, "'refuse', 'skip'"),
        (lambda past: past.update(name="x"), PastIsReadOnlyError, r"restore\("),
        (lambda past: past.get(name="Zoe").save(), PastIsReadOnlyError, r"restore\("),
    ],
)  # fmt: skip
def test_bad_calls_are_refused(created: Revision, call: Any, error: type, text: str) -> None:
    m.Customer.objects.update(vip=False)
    with assert_no_new_history(), pytest.raises(error, match=text):
        call(m.Customer.history(revision=created).all())


def test_excluded_and_generated_fields_can_not_be_restored(created: Revision) -> None:
    with pytest.raises(RestoreError, match="excluded from history"):
        User.history(revision=created).restore(fields=["password"])
    with pytest.raises(RestoreError, match="the database generates it"):
        m.Drawing.history(revision=created).restore(fields=["area"])


def test_a_model_that_is_not_tracked_or_was_not_then(created: Revision) -> None:
    from django.contrib.sessions.models import Session

    with pytest.raises(NotTrackedError):
        history.of(Session)(created).restore()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_tag'"
        )
        m.Tag.objects.create(name="unrecorded")
        cursor.execute("SELECT audittrail.track('testapp_tag')")
    with pytest.raises(TrackedLaterError, match="since"):
        m.Tag.history(revision=created).restore()
    with pytest.raises(RestoreConflictError) as caught:
        created.restore_all()
    assert [c.kind for c in caught.value.plan.conflicts] == ["not tracked then"]
    created.restore_all(on_conflict="skip")
    assert m.Tag.objects.filter(name="unrecorded").exists()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_database_restores_itself() -> None:
    m.Tag.objects.using("other").create(name="there")
    rev = newest("other")
    m.Tag.objects.using("other").all().delete()
    m.Tag.objects.create(name="here")
    plan = m.Tag.history(revision=rev).restore()
    assert plan.database == "other"
    assert m.Tag.objects.using("other").get().name == "there"
    assert m.Tag.objects.get().name == "here"
    with pytest.raises(MomentError, match="of database 'other'"):
        m.Tag.history(revision=rev, using="default").restore()


def test_composite_and_uuid_keys_are_told_in_plans(created: Revision) -> None:
    m.Product.objects.filter(pk=uuid.UUID(int=5)).update(price=Decimal(1))
    plan = m.Product.history(revision=created).restore(dry_run=True)
    assert plan.tables[0].rows[0].key == (uuid.UUID(int=5),)
    line = m.OrderLine.objects.first()
    assert line is not None
    m.OrderLine.objects.filter(pk=line.pk).update(quantity=500)
    plan = m.OrderLine.history(revision=created).restore(dry_run=True)
    assert plan.tables[0].rows[0].key == line.pk

"""Within a test's transaction, which never commits, versions and revisions are as they will be outside."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import TestCase

from audittrail import history
from audittrail.capture import servercode
from audittrail.exceptions import NotTrackedError
from audittrail.ledger import entering
from audittrail.models import Revision
from audittrail.testing import (
    assert_history,
    assert_no_new_history,
    close_revision,
    new_revision,
    reset_history,
)
from tests.testapp.models import Customer, LogLine, Organization, Product, Tag

pytestmark = pytest.mark.django_db


def test_versions_and_the_open_revision_are_visible() -> None:
    customer = Customer.objects.create(name="Ada")
    version = customer.history.versions.get()
    assert (version.operation, version.name) == ("I", "Ada")
    assert Revision.objects.get() == version.revision
    assert version.revision.committed is None
    assert not Revision.objects.committed().exists()


def test_everything_is_one_revision_until_it_is_closed() -> None:
    customer = Customer.objects.create(name="Ada")
    Customer.objects.update(name="Ada L.")
    first = close_revision()
    customer.refresh_from_db()
    customer.delete()
    second = close_revision()
    assert first is not None and second is not None
    assert list(Customer.history.versions.in_order().values_list("operation", "revision_id")) == [
        ("I", first.pk),
        ("U", first.pk),
        ("D", second.pk),
    ]
    assert first.committed and second.committed and first.committed < second.committed
    assert list(Revision.objects.newest_first()) == [second, first]


def test_closing_gives_none_when_nothing_has_changed() -> None:
    assert close_revision() is None
    Customer.objects.create(name="Ada")
    assert close_revision() is not None
    assert close_revision() is None


def test_a_block_is_a_revision_of_its_own() -> None:
    before = Customer.objects.create(name="before")
    with new_revision() as made:
        inside = Customer.objects.create(name="inside")
    after = Customer.objects.create(name="after")
    assert made.revision == inside.history.versions.get().revision
    revisions = {c.history.versions.get().revision_id for c in (before, inside, after)}
    assert len(revisions) == 3


def test_a_block_without_changes_has_no_revision() -> None:
    with new_revision() as made:
        Customer.objects.update(name="nobody")
    assert made.revision is None


def test_a_block_that_fails_leaves_nothing() -> None:
    def fail() -> None:
        with new_revision():
            Customer.objects.create(name="Ada")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert_history(Customer)
    assert not Revision.objects.exists()


def test_each_block_has_its_own_context() -> None:
    ada = User.objects.create(username="ada")
    grace = User.objects.create(username="grace")
    with history.context(user=ada, reason="hired"), new_revision() as hired:
        customer = Customer.objects.create(name="Charles")
    with history.context(user=grace, ticket=17), new_revision() as renamed:
        customer.name = "Charlie"
        customer.save()
    assert hired.revision is not None and renamed.revision is not None
    assert (hired.revision.committed_by, hired.revision.reason) == (ada, "hired")
    assert (renamed.revision.committed_by, renamed.revision.context) == (grace, {"ticket": 17})


def test_immediate_constraints_do_not_end_the_revision() -> None:
    # Django's own test case checks constraints so at its end, and so does loaddata in between.
    Customer.objects.create(name="Ada")
    connection.check_constraints()
    Customer.objects.create(name="Grace")
    assert Revision.objects.get().committed is None
    assert close_revision() is not None


def test_a_savepoint_that_is_rolled_back_leaves_no_trace() -> None:
    customer = Customer.objects.create(name="Ada")
    close_revision()
    with transaction.atomic():
        customer.name = "Grace"
        customer.save()
        transaction.set_rollback(True)
    assert_history(customer, "I")
    assert close_revision() is None


def test_assert_history_gives_the_versions() -> None:
    tag = Tag.objects.create(name="red")
    tag.name = "blue"
    tag.save()
    first, second = assert_history(tag, "I", "U")
    assert (first.name, second.name) == ("red", "blue")
    assert_history(Tag, "I", "U")


def test_assert_history_says_what_it_found() -> None:
    tag = Tag.objects.create(name="red")
    with pytest.raises(AssertionError) as caught:
        assert_history(tag, "I", "U")
    text = str(caught.value)
    assert f"History of Tag {tag.pk} is I, expected I, U" in text
    assert f"testapp.Tag {tag.pk} @" in text
    with pytest.raises(AssertionError, match="is I, expected empty"):
        assert_history(tag)


def test_assert_history_rejects_what_is_no_operation() -> None:
    with pytest.raises(ValueError, match="'X' is not a valid Operation"):
        assert_history(Tag, "X")


def test_assert_history_of_an_untracked_model_says_so() -> None:
    with pytest.raises(NotTrackedError, match=r"testapp.LogLine is not tracked"):
        assert_history(LogLine, "I")


def test_assert_no_new_history_of_anything() -> None:
    Customer.objects.create(name="Ada")
    with assert_no_new_history():
        list(Customer.objects.all())
        Customer.objects.update(name="Ada")
    with pytest.raises(AssertionError, match=r"block made revision \d+;"), assert_no_new_history():
        Customer.objects.update(name="Grace")


def test_assert_no_new_history_of_some_models() -> None:
    with assert_no_new_history(Customer, Product):
        Tag.objects.create(name="red")
    with (
        pytest.raises(AssertionError, match=r"made 2 versions of testapp\.Customer"),
        assert_no_new_history(Customer),
    ):
        Customer.objects.bulk_create([Customer(name="a"), Customer(name="b")])


def test_reset_makes_what_is_there_the_baseline() -> None:
    tag = Tag.objects.create(name="red")
    tag.delete()
    kept = Tag.objects.create(name="blue")
    reset_history()
    assert_history(Tag, "B")
    kept.name = "green"
    kept.save()
    assert_history(kept, "B", "U")


def test_many_to_many_rows_have_their_history_too() -> None:
    product = Product.objects.create(name="chair")
    product.tags.add(Tag.objects.create(name="red"))
    product.tags.clear()
    assert_history(Product.tags.through, "I", "D")


class TestClassData(TestCase):
    """Each test begins with the history that `setUpTestData` has left, whatever the others do."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.organization = Organization.objects.create(name="Analysts")
        cls.made = close_revision()

    def test_it_has_its_own_revision(self) -> None:
        assert assert_history(self.organization, "I")[0].revision == self.made
        self.organization.name = "Engineers"
        self.organization.save()
        versions = assert_history(self.organization, "I", "U")
        assert versions[1].revision != self.made

    def test_another_test_sees_no_more_than_it(self) -> None:
        assert_history(self.organization, "I")
        Organization.objects.all().delete()
        assert_history(Organization, "I", "D")

    def test_requests_of_the_client_are_recorded(self) -> None:
        admin = User.objects.create_superuser("root", password="x")
        self.client.force_login(admin)
        close_revision()
        with new_revision() as made:
            self.client.post(
                f"/admin/auth/user/{admin.pk}/password/", {"password1": "Kl8!aaaa", "password2": ""}
            )
            self.client.post("/admin/auth/group/add/", {"name": "editors"})
        assert made.revision is not None
        assert made.revision.committed_by == admin
        assert made.revision.context["path"] == "/admin/auth/group/add/"


def test_a_reset_leaves_history_guarded() -> None:
    for _time in range(2):
        reset_history()
        Tag.objects.all().delete()
        tag = Tag.objects.create(name="red")
        with (
            pytest.raises(DatabaseError, match="history cannot be changed"),
            transaction.atomic(),
        ):
            tag.history.versions.update(name="blue")


def test_after_a_reset_the_server_code_is_what_is_installed() -> None:
    """The capture functions say since when a table is tracked, and the triggers of the ledger go with it."""
    assert servercode.deviations(connection) == []
    Tag.objects.create(name="red")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audittrail.begin_ledger(), audittrail.note_layout(id, 0)"
            " FROM audittrail.tracked_table WHERE table_name = 'testapp_tag'"
        )
    assert servercode.deviations(connection) == []
    reset_history()
    assert servercode.deviations(connection) == []


@pytest.mark.django_db(transaction=True)
def test_after_a_reset_history_and_ledger_begin_anew() -> None:
    for name in ("red", "blue"):
        tag = Tag.objects.create(name=name)
        entering.begin()
        entering.enter()
        assert servercode.deviations(connection) == []
        reset_history()
        assert entering.head(connection) is None
        assert servercode.deviations(connection) == []
        tag.delete()
        assert_history(Tag, "B", "D")

"""In a TestCase, a transaction that never commits, everything is recorded and can be looked at."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import TestCase

from audittrail import history
from audittrail.models import Revision
from audittrail.testing import (
    assert_history,
    assert_no_new_history,
    close_revision,
    new_revision,
)
from tests.testapp.models import Customer, Order, Product, Tag


class WithinATestCase(TestCase):
    customer: Customer

    @classmethod
    def setUpTestData(cls) -> None:
        cls.customer = Customer.objects.create(name="c")
        close_revision()

    def test_versions_are_visible_at_once(self) -> None:
        tag = Tag.objects.create(name="a")
        Tag.objects.update(name="b")
        tag.delete()
        tag.pk = Tag.history.versions.first().id  # type: ignore[attr-defined]
        first, second, third = assert_history(tag, "I", "U", "D")
        assert [v.name for v in (first, second, third)] == ["a", "b", "b"]
        assert first.revision == second.revision == third.revision
        assert first.revision.committed is None

    def test_a_closed_revision_has_its_place_and_the_next_change_opens_another(self) -> None:
        tag = Tag.objects.create(name="a")
        first = close_revision()
        assert close_revision() is None
        Tag.objects.update(name="b")
        second = close_revision()
        assert first is not None
        assert second is not None
        assert first.committed is not None
        assert second.committed is not None
        assert first.committed < second.committed
        assert [v.revision for v in assert_history(tag, "I", "U")] == [first, second]

    def test_a_block_is_a_revision_with_its_context(self) -> None:
        with history.context(reason="why", user=8), new_revision() as made:
            Tag.objects.create(name="a")
        assert made.revision is not None
        assert (made.revision.reason, made.revision.committed_by_id) == ("why", 8)
        with new_revision() as made:
            Tag.objects.filter(name="none").update(name="x")
        assert made.revision is None

    def test_a_savepoint_rolled_back_leaves_nothing(self) -> None:
        with assert_no_new_history(), transaction.atomic():
            Tag.objects.create(name="a")
            transaction.set_rollback(True)

    def test_no_new_history_of_a_model(self) -> None:
        with assert_no_new_history(Tag):
            Customer.objects.create(name="d")
        with (
            pytest.raises(AssertionError, match=r"made 1 version of testapp\.Tag"),
            assert_no_new_history(Tag),
        ):
            Tag.objects.create(name="a")

    def test_data_of_the_class_has_its_history_in_each_test(self) -> None:
        assert_history(self.customer, "I")
        self.customer.name = "changed"
        self.customer.save()
        assert_history(self.customer, "I", "U")

    def test_a_wrong_expectation_says_what_is_there(self) -> None:
        with pytest.raises(AssertionError, match=r"is I, expected I, U"):
            assert_history(self.customer, "I", "U")


@pytest.mark.django_db
class TestWithPytest:
    def test_cascades_and_relations(self) -> None:
        customer = Customer.objects.create(name="c")
        order = Order.objects.create(customer=customer, reference="r")
        customer.favourites.add(Product.objects.create(name="Tea"))
        customer.delete()
        order.pk = Order.history.versions.first().id  # type: ignore[attr-defined]
        assert_history(order, "I", "D")
        assert_history(Customer.favourites.through, "I", "D")

    def test_revisions_count_from_the_start_of_the_test(self) -> None:
        assert Revision.objects.count() == 0
        with new_revision():
            Tag.objects.create(name="a")
        with new_revision():
            Tag.objects.create(name="b")
        assert Revision.objects.committed().count() == 2

"""After a pruning, what is kept is told as before, and nothing is invented about what went."""

from __future__ import annotations

from typing import Any

import pytest

from audittrail import history
from audittrail.diff.database import ObjectCounts
from audittrail.diff.steps import ObjectHistory
from audittrail.diff.versions import version_changes
from audittrail.exceptions import TrackedLaterError
from audittrail.models import Revision
from tests.diff.telling import told
from tests.testapp.models import Employee, Person, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def revisions(transactional_db: None) -> list[Any]:
    """Give the revisions in which a product got the names "a" to "e", with a tag from "b" on."""
    product = Product.objects.create(name="a")
    made = [Revision.objects.newest()]
    for name in "bcde":
        Product.objects.update(name=name)
        made.append(Revision.objects.newest())
        if name == "b":
            product.tags.add(Tag.objects.create(name="t"))
    return made


def test_moments_that_are_kept(revisions: list[Any]) -> None:
    _, b, c, d, e = revisions
    product = Product.objects.get()
    before = told(product.history.diff(c)), told(product.history.compare(c, d).changes)
    assert before == ([("name", "c", "d"), ("name", "d", "e")], [("name", "c", "d")])
    history.prune(c)
    assert (told(product.history.diff(c)), told(product.history.compare(c, d).changes)) == before
    assert told(product.history.diff()) == before[0]
    assert {name: one.new for name, one in product.history.last_changes().items()} == {"name": "e"}
    assert c.compare(e).counts == {Product: ObjectCounts(updated=1)}
    for question in (product.history.diff, product.history.compare, Product.history.compare):
        with pytest.raises(TrackedLaterError, match=r"is kept only since .* was pruned on"):
            question(b)


def test_versions_that_are_kept_beyond_the_cutoff(revisions: list[Any]) -> None:
    _, b, c, d, _ = revisions
    product = Product.objects.get()
    history.prune(d, keep_last=3)
    found = version_changes(Product.history.versions.in_order())
    assert [told(one.changes) for one in found] == [[], [("name", "c", "d")], [("name", "d", "e")]]
    # A page may ask for revisions from before the cutoff; of the first that is left it isn't known what it changed.
    kept = list(ObjectHistory(Product, product.pk, "default").revisions().order_by("committed"))
    assert [revision.pk for revision in kept][-2:] == [d.pk, revisions[4].pk]
    pages = ObjectHistory(Product, product.pk, "default").changes(kept)
    assert [(page.operation, told(page.changes)) for page in pages if page.revision.pk >= c.pk] == [
        ("", []),
        ("U", [("name", "c", "d")]),
        ("U", [("name", "d", "e")]),
    ]
    assert all(page.operation != "I" for page in pages)
    assert b.pk not in [revision.pk for revision in kept]


def test_inherited_parts_that_were_pruned() -> None:
    employee = Employee.objects.create(name="a", salary=1)
    Person.objects.update(name="b")
    Employee.objects.filter(pk=employee.pk).update(salary=2)
    cutoff: Any = Revision.objects.newest()
    Person.objects.update(name="c")
    history.prune(cutoff, keep_last=1)
    revisions = ObjectHistory(Employee, employee.pk, "default").revisions()
    pages = ObjectHistory(Employee, employee.pk, "default").changes(revisions.order_by("committed"))
    assert [told(page.changes) for page in pages if page.operation] == [[("name", "b", "c")]]

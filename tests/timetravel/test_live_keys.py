"""Rows of the past are picked out by the keys that a query of the present has, whatever that query is."""

from __future__ import annotations

from typing import Any

import pytest

from audittrail.models import Revision
from audittrail.timetravel.live_keys import has_live_key, keys_as_text
from tests.builders.sending import newest
from tests.testapp.models import Document

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before() -> Revision:
    """Give the revision before titles were changed, and a document deleted."""
    for title in ("a 100%", "b 100%", "c"):
        Document.objects.create(title=title)
    found = newest()
    Document.objects.filter(title="c").update(title="c 100%")
    Document.objects.filter(title="b 100%").delete()
    return found


def titles(documents: Any, queryset: Any) -> list[str]:
    text = keys_as_text(queryset)
    assert text is not None
    found = documents.filter(has_live_key(Document, [text, text]))
    return sorted(found.values_list("title", flat=True))


@pytest.mark.parametrize(
    "pick",
    [
        lambda found: found.order_by("title").distinct(),
        lambda found: found.order_by("title", "body").distinct()[:9],
        lambda found: found.order_by("title").distinct("title"),
        lambda found: found.extra(select={"more": "1"}, order_by=["more"]),
        lambda found: found.union(found.all()).order_by("title"),
    ],
    ids=["distinct", "sliced", "distinct on", "extra", "union"],
)
def test_a_query_that_is_ordered_gives_its_keys_alone(before: Revision, pick: Any) -> None:
    """With DISTINCT, Django selects what a query is ordered by as well."""
    now = Document.objects.filter(title__startswith="c")
    assert titles(Document.history(revision=before), pick(now)) == ["c"]
    then = Document.history(revision=before).filter(title__startswith="a")
    assert titles(Document.history(revision=before), pick(then)) == ["a 100%"]


@pytest.mark.parametrize("prefix", ["a", "100%"])
def test_a_query_of_the_present_is_picked_out_by_a_text_with_percent_signs(
    before: Revision, prefix: str
) -> None:
    """Parameters are put into the statement that asks, with and without any of its own."""
    marked = Document.objects.filter(title__contains="100%")
    assert titles(Document.objects.all(), marked) == ["a 100%", "c 100%"]
    some = Document.objects.exclude(title__startswith=prefix)
    assert titles(some, marked) == ["a 100%", "c 100%"][prefix == "a" :]

"""A search finds what a look at everything would find, in whatever windows it goes, and asks a bounded number of queries."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audittrail import history
from audittrail.admin.lists import model_changes, searching
from audittrail.admin.lists.searching import Search
from audittrail.admin.permissions import readers
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.readers import Reader
from audittrail.models import Revision
from tests.admin.reading import REVISIONS
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Tag

pytestmark = pytest.mark.django_db(transaction=True)

MODELS = (Tag, Country, Customer)


def reader(user: User, *models: Any) -> Reader:
    """Return a reader who sees some models, all if none are named."""
    request: Any = RequestFactory().get("/")
    request.user = user
    reading = Reader(admin.site, request, "default")
    if models:
        seen = {model: VisibleModel(model) for model in models}
        reading.__dict__["visible"] = seen
        reading.__dict__["sees_everything"] = False
    return reading


def make_history(plan: list[set[int]]) -> dict[int, set[Any]]:
    """Make a revision for each entry of a plan, which changes the models that it names; return them by number."""
    made = {}
    for number, chosen in enumerate(plan):
        with transaction.atomic(), history.context(reason=f"odd {number}" if number % 2 else ""):
            for index in chosen:
                model = MODELS[index]
                model.objects.create(**{"code" if model is Country else "name": f"{number}"[-2:]})
        made[newest().pk] = {MODELS[index] for index in chosen}
    return made


@pytest.fixture
def narrow_windows(monkeypatch) -> None:
    monkeypatch.setattr(readers, "SMALL", -1)
    monkeypatch.setattr(searching, "FIRST_WINDOW", 2)
    monkeypatch.setattr(searching, "GROWTH", 2)
    monkeypatch.setattr(searching, "FEW", 3)
    monkeypatch.setattr(searching, "PATIENCE", 1000)
    monkeypatch.setattr(model_changes, "RANGES", 2)
    monkeypatch.setattr(model_changes, "GAP", 1)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("is_slow", [False, True])
def test_windows_leave_nothing_out(superuser, narrow_windows, size, is_slow) -> None:
    plan = [{0}, {1}, {0, 1}, {2}, {2}, {2}, {1, 2}, {0}, {2}, {2}, {2}, {2}, {0, 2}, {1}, {2}]
    made = make_history(plan)
    reading = reader(superuser, Tag, Country)
    wanted = [pk for pk in sorted(made, reverse=True) if made[pk] & {Tag, Country}]
    span = reading.revisions
    search = Search(reading, span, span.filter(reason__contains="o"), is_slow=is_slow)
    odd = [pk for pk in wanted if Revision.objects.get(pk=pk).reason]
    for asked, expected in ((Search(reading, span, span, is_slow=is_slow), wanted), (search, odd)):
        found = [entry.revision.pk for part in asked.everything(size) for entry in part]
        assert found == expected


def test_one_goes_forwards_as_well_as_back(superuser, narrow_windows) -> None:
    made = make_history([{0}, {2}, {2}, {2}, {0}, {2}, {0}, {2}, {2}, {0}])
    reading = reader(superuser, Tag)
    search = Search(reading, reading.revisions, reading.revisions)
    tags = [pk for pk in sorted(made) if Tag in made[pk]]
    first = Revision.objects.get(pk=tags[0])
    found = search.find(2, (first.committed_at, first.committed), is_newer=True)
    assert [entry.revision.pk for entry in found.entries] == tags[1:3]
    found = search.find(9, found.position, is_newer=True)
    assert [entry.revision.pk for entry in found.entries] == tags[3:]
    assert found.is_done


@pytest.mark.parametrize(("limit", "value"), [("PATIENCE", -1), ("WINDOWS", 1)])
def test_a_search_stops_when_patience_ends_and_goes_on_from_there(
    superuser, narrow_windows, monkeypatch, limit, value
) -> None:
    monkeypatch.setattr(searching, limit, value)
    made = make_history([{0}, *([{2}] * 9)])
    reading = reader(superuser, Tag)
    search = Search(reading, reading.revisions, reading.revisions)
    found = search.find(5, None)
    entries, steps = found.entries, 1
    while not found.is_done:
        found = search.find(5, found.position)
        entries, steps = entries + found.entries, steps + 1
    assert [entry.revision.pk for entry in entries] == [min(made)]
    assert steps > 2


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ranges=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 5000)).map(lambda r: (r[0], r[0] + r[1])),
        max_size=200,
    )
)
def test_merged_ranges_cover_all_of_them(ranges) -> None:
    joined = model_changes.merged(ranges)
    assert len(joined) <= model_changes.RANGES
    assert joined == sorted(joined)
    for low, high in ranges:
        assert any(begin <= low and high <= end for begin, end in joined)


def test_touches_count_rows_by_model_and_operation(superuser) -> None:
    with transaction.atomic():
        a = Tag.objects.create(name="a")
        Tag.objects.create(name="b")
        a.name = "aa"
        a.save()
    Country.objects.create(code="XX")
    reading = reader(superuser)
    tags, country = Revision.objects.order_by("id")[1:3]
    found = model_changes.model_changes(reading, [tags, country])
    assert [(touch.model, dict(touch.counts)) for touch in found[tags.pk]] == [
        (Tag, {"I": 2, "U": 1})
    ]
    assert [touch.model for touch in found[country.pk]] == [Country]


def test_very_many_versions_are_not_counted(superuser, monkeypatch) -> None:
    monkeypatch.setattr(model_changes, "COUNTED", 20)
    monkeypatch.setattr(model_changes, "MANY", 7)
    Tag.objects.create(name="a")
    Tag.objects.bulk_create(Tag(name=f"t{number}") for number in range(50))
    revisions = [*Revision.objects.order_by("-id")[:2]]
    with CaptureQueriesContext(connection) as captured:
        found = model_changes.model_changes(reader(superuser, Tag), revisions)
    assert [found[revision.pk][0].counts["I"] for revision in revisions] == [7, 1]
    assert found[revisions[0].pk][0].is_more
    assert len(captured) <= 3
    assert "7+" in str(found[revisions[0].pk][0].badges[0])


def test_the_number_of_queries_does_not_grow_with_the_content(
    as_superuser, staff, log_in, django_assert_max_num_queries
) -> None:
    viewer = log_in(staff("ada", "testapp.view_tag", "testapp.view_customer"))
    counts: dict[str, list[int]] = defaultdict(list)
    for rounds in (2, 40):
        for number in range(rounds):
            user = User.objects.create_user(f"u{rounds}-{number}")
            with history.context(user=user), transaction.atomic():
                Tag.objects.create(name=f"{rounds}-{number}")
                Customer.objects.create(name="c")
                Country.objects.update_or_create(code=f"{number % 9}")
        for name, client in (("superuser", as_superuser), ("viewer", viewer)):
            for query in ("", "?q=u2", "?model=testapp.tag", "?user=u2-1", "?operation=I"):
                client.get(REVISIONS + query)
                with CaptureQueriesContext(connection) as captured:
                    client.get(REVISIONS + query)
                counts[name + query].append(len(captured))
    # Whether there is anybody to find in the history of users is one query.
    assert {name: pair for name, pair in counts.items() if pair[1] > pair[0] + 1} == {}
    assert max(max(pair) for pair in counts.values()) < 25


def test_no_query_counts_all_revisions(as_superuser) -> None:
    Tag.objects.create(name="a")
    with CaptureQueriesContext(connection) as captured:
        as_superuser.get(REVISIONS)
    for query in captured.captured_queries:
        if "COUNT(" in query["sql"].upper() and "revision" in query["sql"]:
            assert "LIMIT" in query["sql"] or "GROUP BY" in query["sql"]


def test_reading_writes_nothing(as_superuser) -> None:
    Tag.objects.create(name="a")
    as_superuser.get(REVISIONS)
    with CaptureQueriesContext(connection) as captured:
        as_superuser.get(REVISIONS)
        as_superuser.get("/admin/")
    statements = [query["sql"].lstrip("( \n").upper() for query in captured.captured_queries]
    assert [text for text in statements if not text.startswith(("SELECT", "WITH"))] == []

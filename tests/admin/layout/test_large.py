"""No page takes a time that grows faster than what it shows, or fails because that is large or at the end of the calendar."""

from __future__ import annotations

import random
from itertools import product as pairs
from typing import Any

import pytest

from audittrail.admin.display import excerpts
from audittrail.admin.display.coarse import size_of
from audittrail.admin.display.excerpts import Room, changed_parts, shortened
from audittrail.diff import sequences
from tests.admin.histories import address, plain
from tests.admin.reading import REVISIONS
from tests.builders.sending import newest
from tests.testapp.models import Document, Specimen, Tag

pytestmark = pytest.mark.django_db(transaction=True)

TAG = "/admin/testapp/tag/audittrail/deleted/"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often the comparison of sequences looks at a pair of their items."""
    counted = [0]
    reached = sequences._reached

    def counting(*args: Any) -> int:
        counted[0] += 1
        return reached(*args)

    monkeypatch.setattr(sequences, "_reached", counting)
    return counted


def words(number: int, seed: int) -> list[str]:
    drawn = random.Random(seed)
    return [f"w{drawn.randrange(10**6)}" for _ in range(number)]


LARGE: dict[str, tuple[Any, Any]] = {
    "one line": (" ".join(words(250_000, 1)), " ".join(words(250_000, 2))),
    "lines": ("\n".join(words(250_000, 1)), "\n".join(words(250_000, 2))),
    "list": (list(range(100_000)), list(range(1, 100_001))),
    "object": ({f"k{n}": n for n in range(50_000)}, {f"k{n}": n + 1 for n in range(50_000)}),
}

FITTING: dict[str, tuple[Any, Any]] = {
    "words": (" ".join(words(6_000, 1)), " ".join(words(6_000, 2))),
    "signs": ("a b " * 12_000, "b a " * 12_000),
    "lines of words": ("\n".join(["a b c d"] * 6_000), "\n".join(["a c b d"] * 6_000)),
    "lists": tuple(  # type: ignore[dict-item]
        [[random.Random(seed + n).randrange(3) for n in range(65)] for _ in range(70)]
        for seed in (1, 2)
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_larger_than_the_limit_is_told_coarsely(name, steps) -> None:
    old, new = LARGE[name]
    parts = changed_parts(old, new, Room())
    assert steps == [0]
    assert {part.kind for part in parts} >= {"removed", "added"}
    assert sum(len(part.text) for part in shortened(parts)) < 100_000


@pytest.mark.parametrize("name", FITTING)
def test_what_fits_is_compared_in_few_steps(name, steps) -> None:
    old, new = FITTING[name]
    assert size_of(old, 50_000) <= 50_000
    changed_parts(old, new, Room())
    assert steps[0] <= 2 * excerpts.STEPS


def test_a_page_compares_only_so_much(settings, steps) -> None:
    settings.AUDITTRAIL_COMPARED_SIZE = 1_000
    room = Room()
    exact = 0
    for _ in range(10):
        before = steps[0]
        changed_parts("a b " * 200, "b a " * 200, room)
        exact += steps[0] > before
    assert exact == excerpts.VALUES + 1


def test_the_coarse_difference_of_texts_is_that_of_their_lines(settings) -> None:
    settings.AUDITTRAIL_COMPARED_SIZE = 10
    old, new = "first line\nsecond\nthird line\n", "first line\nseconds\nthird line\n"
    found = [
        (part.kind, part.text) for part in changed_parts(old + "x" * 50, new + "x" * 50, Room())
    ]
    assert ("removed", "second\n") in found and ("added", "seconds\n") in found
    made = {
        kind: "".join(text for k, text in found if k in (kind, "same"))
        for kind in ("removed", "added")
    }
    assert made == {"removed": old + "x" * 50, "added": new + "x" * 50}


def test_large_values_on_all_pages(as_superuser) -> None:
    one = Specimen.objects.create(name="large", data=LARGE["object"][0])
    first = newest().pk
    Specimen.objects.update(data=LARGE["object"][1])
    Specimen.objects.update(data=LARGE["list"][0])
    text = ""
    for page in ("", "compare/", f"compare/?from={first}", f"{first}/", f"{first}/restore/"):
        response = as_superuser.get(address(one) + page)
        assert response.status_code == 200, page
        text += response.content.decode()
    assert "SHA-256" in text
    document = Document.objects.create(title="t", body=LARGE["lines"][0])
    Document.objects.update(body=LARGE["lines"][1])
    response = as_superuser.get(address(document))
    assert response.status_code == 200
    assert len(plain(response.content.decode())) < 200_000


ENDS = ("0001-01-01T00:00", "9999-12-31T23:59", "0001-01-01", "9999-12-31")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_the_ends_of_the_calendar(as_superuser, settings, zone) -> None:
    settings.TIME_ZONE = zone
    tag = Tag.objects.create(name="a")
    number = newest().pk
    gone = Tag.objects.create(name="b")
    gone.delete()
    for one, other in pairs(ENDS, ("", *ENDS)):
        for url, names in (
            (REVISIONS, ("since", "until")),
            (address(tag), ("since", "until")),
            (TAG, ("since", "until")),
            (f"{address(tag)}compare/", ("from", "to")),
        ):
            for first, second in (names, names[::-1]):
                given = {first: one, second: other}
                response = as_superuser.get(url, given)
                assert response.status_code in (200, 404), (url, given)
    for day, clock in pairs(("0001-01-01", "9999-12-31"), ("00:00", "23:59:59")):
        posted = {"date": day, "time": clock}
        response = as_superuser.post("/admin/audittrail/time-machine/", posted)
        assert response.status_code in (200, 302, 400)
        as_superuser.post("/admin/audittrail/time-machine/", {"leave": "1"})
    assert as_superuser.get(f"{address(tag)}{number}/").status_code == 200


def test_dates_of_rows_at_the_ends_of_the_calendar(as_superuser) -> None:
    one = Specimen.objects.create(name="ends", day="9999-12-31", moment="9999-12-31T23:59:59+00:00")
    Specimen.objects.update(day="0001-01-01", moment="0001-01-01T00:00:00+00:00")
    number = newest().pk
    for page in ("", "compare/", f"{number}/", f"{number}/restore/"):
        assert as_superuser.get(address(one) + page).status_code == 200, page


def test_searches_of_very_many_words_are_refused(as_superuser) -> None:
    Tag.objects.create(name="word").delete()
    for text in (" ".join(["word"] * 2_000), "w" * 100_000):
        for url in (TAG, "/admin/testapp/customer/audittrail/deleted/", REVISIONS):
            response = as_superuser.get(url, {"q": text})
            assert response.status_code == 200
    text = " ".join(["word"] * 2_000)
    response = as_superuser.get("/admin/testapp/customer/audittrail/deleted/", {"q": text})
    assert "Search for at most 32 words." in response.content.decode()

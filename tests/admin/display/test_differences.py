"""Differences are told whatever the values hold, and in no more time than pages have."""

from __future__ import annotations

import random
from typing import Any

import pytest

from audittrail.admin.display import coarse, excerpts, values
from audittrail.admin.display.coarse import size_of
from audittrail.admin.display.differences import Difference
from audittrail.admin.display.excerpts import Room, changed_parts, shortened
from audittrail.diff import sequences
from tests.admin.histories import address, plain
from tests.admin.hostile import SCRIPT
from tests.builders.sending import newest
from tests.testapp.models import Document, Specimen

pytestmark = pytest.mark.django_db(transaction=True)


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


@pytest.mark.parametrize("name", ["list", "object"])
def test_a_structure_that_is_compared_is_not_written_as_a_whole(
    as_superuser, monkeypatch, name
) -> None:
    written: list[int] = []

    def counted(value: Any) -> str:
        written.append(1)
        return coarse.coarse_text(value)

    monkeypatch.setattr(values, "coarse_text", counted)
    one = Specimen.objects.create(name="large", data=LARGE[name][0])
    first = newest().pk
    Specimen.objects.update(data=LARGE[name][1])
    response = as_superuser.get(f"{address(one)}compare/?from={first}")
    assert response.status_code == 200 and not written
    as_superuser.get(address(one))
    assert written == [1]  # as it was created


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
    assert "too large to be compared exactly" in response.content.decode()
    Document.objects.update(body="short")
    Document.objects.update(body="short, and compared word by word " * 20)
    last = as_superuser.get(address(document, "compare"))
    assert "too large to be compared exactly" not in last.content.decode()


def test_null_bytes_in_json_are_told_by_their_numbers() -> None:
    # A json column of PostgreSQL can hold them, though Django's JSONField makes jsonb ones.
    parts = changed_parts({"a": "\0<script>"}, {"a": ["\0", SCRIPT]}, Room())
    html = str(Difference("data", "Data", parts=parts))
    assert r"\u0000&lt;script&gt;" in html
    assert "\0" not in html and "<script" not in html

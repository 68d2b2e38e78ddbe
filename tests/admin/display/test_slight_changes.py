"""Changes that hardly show are named in a line, and do not drown the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audittrail.admin.display.excerpts import Room
from audittrail.admin.display.slight_changes import compared
from tests.admin.histories import address, changed, plain, told
from tests.admin.previews import carry_out
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import Document, Specimen

LINES = "\n".join(f"line {number} of a letter" for number in range(60))


def test_other_line_breaks_alone_are_named() -> None:
    found = compared(LINES.replace("\n", "\r\n"), LINES, Room())
    assert (found.parts, found.note) == ((), "only line breaks changed, from CRLF to LF")
    assert compared("a\rb", "a\nb", Room()).note == "only line breaks changed, from CR to LF"


def test_other_line_breaks_do_not_hide_the_words_that_changed() -> None:
    found = compared(LINES.replace("\n", "\r\n"), LINES.replace("line 7", "row 7"), Room())
    assert found.note == "line breaks changed as well, from CRLF to LF"
    assert [part.text for part in found.parts if part.kind != "same"] == ["line", "row"]


def test_a_line_more_is_told_as_such() -> None:
    found = compared(LINES, LINES + "\none more", Room())
    assert (found.note, found.parts[-1].text) == ("", "\none more")


def test_lost_fractions_of_a_second_are_named() -> None:
    was = datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert compared(was, was.replace(microsecond=0), Room()).note == (
        "only fractions of a second changed"
    )
    assert compared(was, was.replace(second=1), Room()).note == ""


@pytest.mark.django_db(transaction=True)
def test_pages_fold_what_hardly_shows(as_superuser) -> None:
    document = Document.objects.create(title="t", body=LINES.replace("\n", "\r\n"))
    number = newest().pk
    Document.objects.update(body=LINES)
    note = "only line breaks changed, from CRLF to LF"
    page = as_superuser.get(address(document))
    (_operation, changes), *_further = told(page)
    assert changes["Body"].startswith(note)
    assert f'<summary><span class="audittrail-quiet">{note}' in text_of(page)
    before, after = changed(as_superuser.get(address(document, "compare")))["Body"]
    assert before.startswith(note)
    assert after.startswith(note)
    url = address(document, number, "restore")
    assert "only line breaks changed, from LF to CRLF" in text_of(as_superuser.get(url))
    assert carry_out(as_superuser, url).status_code == 302
    document.refresh_from_db()
    assert document.body == LINES.replace("\n", "\r\n")


@pytest.mark.django_db(transaction=True)
def test_previews_tell_what_differs_in_long_values(as_superuser) -> None:
    document = Document.objects.create(title="t", body=LINES)
    number = newest().pk
    Document.objects.update(title="u", body=LINES + "\nend")
    page = as_superuser.get(address(document, number, "restore"))
    (row,) = page.context["preview"].tables[0].rows
    found = {change.label: change.difference for change in row.changes}
    assert found["Title"] is None, "both values say all"
    kinds = [(part.kind, part.text) for part in found["Body"].parts]
    assert kinds[-1] == ("removed", "\nend")
    assert plain(found["Body"].whole).startswith("All of it")
    assert plain(found["Body"].whole).count("line 30 of a letter") == 2
    choices = {choice.label: choice.difference for choice in page.context["choices"]}
    assert "end" in plain(choices["Body"].before)
    assert "end" not in plain(choices["Body"].after)


@pytest.mark.django_db(transaction=True)
def test_previews_tell_what_differs_in_structures(as_superuser) -> None:
    specimen = Specimen.objects.create(name="s", data={"a": {"b": 1, "c": [1, 2]}})
    number = newest().pk
    Specimen.objects.update(data={"a": {"b": 2, "c": [1, 2]}})
    page = as_superuser.get(address(specimen, number, "restore"))
    ((change,),) = [row.changes for row in page.context["preview"].tables[0].rows]
    parts = [part.text.strip() for part in change.difference.parts if part.kind != "same"]
    assert parts == ["b: 2", "b: 1"]

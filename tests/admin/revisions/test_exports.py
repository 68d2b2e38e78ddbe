"""Exports hold what is filtered, are made while they are sent, and are text for a spreadsheet too."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.admin.revisions import exports
from tests.admin.hostile import TEXTS
from tests.admin.reading import REVISIONS
from tests.builders.sending import newest
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = REVISIONS + "export/"


def body(response: Any) -> str:
    assert response.status_code == 200
    assert response.streaming
    return b"".join(response.streaming_content).decode()


def rows(response: Any) -> list[dict[str, str]]:
    csv.field_size_limit(10_000_000)
    return [*csv.DictReader(io.StringIO(body(response), newline=""))]


def test_csv_and_json_say_the_same(as_superuser, superuser) -> None:
    with history.context(user=superuser, reason="Because", method="POST", path="/x/", ticket=1):
        Tag.objects.create(name="a")
    revision = newest()
    response = as_superuser.get(EXPORT, {"format": "csv", "model": "testapp.tag"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="revisions-')
    [row] = rows(response)
    [record] = json.loads(
        body(as_superuser.get(EXPORT, {"format": "json", "model": "testapp.tag"}))
    )
    assert row["revision"] == str(revision.pk) and record["revision"] == revision.pk
    assert row["user"] == record["user"] == "root"
    assert row["reason"] == record["reason"] == "Because"
    assert row["origin"] == record["origin"] == "POST /x/"
    assert record["context"]["ticket"] == 1
    assert record["changes"] == {"testapp.Tag": {"insert": 1}}
    assert row["changes"] == "testapp.Tag: 1 insert"
    assert row["committed_at"] == revision.committed_at.isoformat()


def test_an_export_has_everything_that_is_filtered(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 3)
    made = []
    for number in range(10):
        Tag.objects.create(name=f"t{number}")
        made.append(str(newest().pk))
    query = {"model": "testapp.tag", "before": '["2020-01-01T00:00:00+00:00",1]'}
    assert [row["revision"] for row in rows(as_superuser.get(EXPORT, query))] == made[::-1]
    assert rows(as_superuser.get(EXPORT, {"reason": "nowhere"})) == []
    empty = as_superuser.get(EXPORT, {"reason": "nowhere", "format": "json"})
    assert json.loads(body(empty)) == []


def test_an_export_is_read_in_parts(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 2)
    for number in range(6):
        Tag.objects.create(name=f"t{number}")
    response = as_superuser.get(EXPORT, {"model": "testapp.tag"})
    parts = iter(response.streaming_content)
    next(parts)
    with CaptureQueriesContext(connection) as first:
        next(parts)
    with CaptureQueriesContext(connection) as rest:
        list(parts)
    assert len(first) < len(rest)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_cells_are_text_for_a_spreadsheet(as_superuser, text) -> None:
    user = User.objects.create(username=text[:150])
    with history.context(user=user, reason=text, method=text, path=text, note=text):
        Tag.objects.create(name="a")
    [row] = rows(as_superuser.get(EXPORT, {"model": "testapp.tag"}))
    for value in row.values():
        assert not value.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["reason"] in (text, f"'{text}")
    [record] = json.loads(
        body(as_superuser.get(EXPORT, {"model": "testapp.tag", "format": "json"}))
    )
    assert record["reason"] == record["context"]["note"] == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\t=1", "'\t=1"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("1-1", "1-1"),
        (None, ""),
        (17, "17"),
    ],
)
def test_formulas_are_disarmed(value, shown) -> None:
    assert exports.cell(value) == shown


def test_there_is_no_export_of_what_can_not_be_asked(as_superuser) -> None:
    assert as_superuser.get(EXPORT, {"since": "soon"}).status_code == 404
    assert as_superuser.get(EXPORT, {"format": "xlsx"}).status_code == 404
    assert as_superuser.post(EXPORT).status_code == 405

"""Export lists of revisions as CSV and JSON, made while they are sent: of any length, in little memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse
from django.utils import timezone

from audittrail.admin.display.authors import Author, authors
from audittrail.admin.display.origins import origin
from audittrail.admin.display.times import as_local
from audittrail.admin.lists.model_changes import ListedRevision
from audittrail.admin.lists.searching import Search
from audittrail.admin.permissions.readers import Reader
from audittrail.revisions.versions import Operation

#: Revisions that are read at a time.
CHUNK = 500

#: How cells begin that a spreadsheet takes for formulas (OWASP, "CSV Injection"), the full-width signs included.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001

COLUMNS: Final = (
    "revision", "committed_at", "user_key", "user", "reason", "source", "origin", "address",
    "database_user", "application_name", "context", "changes",
)  # fmt: skip


def export(search: Search, reader: Reader, kind: str) -> StreamingHttpResponse:
    """Return what a search finds as a download of a kind, one of `KINDS`."""
    lines, content_type = KINDS[kind]
    records = (record for chunk in search.everything(CHUNK) for record in _records(reader, chunk))
    response = StreamingHttpResponse(lines(records), content_type=content_type)
    day = as_local(timezone.now())
    response["Content-Disposition"] = f'attachment; filename="revisions-{day:%Y-%m-%d}.{kind}"'
    return response


def cell(value: Any) -> str:
    """Return a value as a cell that a spreadsheet shows as text, whatever it begins with."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _records(reader: Reader, entries: Iterable[ListedRevision]) -> Iterator[dict[str, Any]]:
    entries = [*entries]
    known: Mapping[Any, Author] = authors(
        reader.site, reader.request, [entry.revision for entry in entries]
    )
    for entry in entries:
        revision: Any = entry.revision
        author = known.get(revision.author_key)
        came = origin(revision)
        yield {
            "revision": revision.pk,
            "committed_at": revision.committed_at,
            "user_key": revision.committed_by_id,
            "user": author.text if author else None,
            "reason": revision.reason,
            "source": came.kind,
            "origin": came.text,
            "address": came.address,
            "database_user": revision.db_user,
            "application_name": revision.application_name,
            "context": revision.context,
            "changes": {
                touch.model._meta.label: {
                    Operation(operation).name.lower(): number
                    for operation, number in touch.counts.items()
                }
                for touch in entry.changes
            },
        }


class _Echo:
    def write(self, text: str) -> str:
        return text


def _csv(records: Iterator[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for record in records:
        record["committed_at"] = record["committed_at"].isoformat()
        record["context"] = _json_text(record["context"]) if record["context"] else ""
        record["changes"] = "; ".join(
            f"{label}: {', '.join(f'{number} {operation}' for operation, number in counts.items())}"
            for label, counts in record["changes"].items()
        )
        yield writer.writerow([cell(record[column]) for column in COLUMNS])


def _json(records: Iterator[dict[str, Any]]) -> Iterator[str]:
    separator = "["
    for record in records:
        yield f"{separator}\n{_json_text(record)}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


def _json_text(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


KINDS: Final[dict[str, tuple[Callable[[Iterator[dict[str, Any]]], Iterator[str]], str]]] = {
    "csv": (_csv, "text/csv; charset=utf-8"),
    "json": (_json, "application/json; charset=utf-8"),
}

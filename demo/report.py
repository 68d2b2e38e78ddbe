"""What each revision changed, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, QuerySet

from audittrail import history
from audittrail.models import Revision
from audittrail.revisions.versions import Operation
from demo.promises import NOTHING, Counts
from demo.registry.models import Country, Currency, Subdivision

MODELS = {"countries": Country, "subdivisions": Subdivision, "currencies": Currency}

#: In the order of `Counts`.
OPERATIONS = (Operation.INSERT, Operation.DELETE, Operation.UPDATE)


@dataclass(frozen=True)
class Line:
    """Hold one revision and what it changed, by the plural name of the model."""

    revision: Revision
    counts: Mapping[str, Counts]

    @property
    def day(self) -> date:
        """Give the day of its commit."""
        assert self.revision.committed_at is not None
        return self.revision.committed_at.date()


def changes() -> list[Line]:
    """Return all revisions in commit order with what they changed."""
    counted: dict[tuple[int, str], dict[str, int]] = {}
    for name, model in MODELS.items():
        versions = history.of(model).versions.values_list("revision_id", "operation")
        for revision_id, operation, number in versions.annotate(number=Count("version")):
            counted.setdefault((revision_id, name), {})[operation] = number
    lines = []
    revisions: QuerySet[Any] = (
        Revision.objects.committed().select_related("committed_by").order_by("committed")
    )
    for revision in revisions:
        counts: dict[str, Counts] = {}
        for name in MODELS:
            found = counted.get((revision.pk, name), {})
            inserted, deleted, updated = (found.get(operation, 0) for operation in OPERATIONS)
            counts[name] = (inserted, deleted, updated)
        lines.append(Line(revision, counts))
    return lines


def table(lines: Sequence[Line]) -> str:
    """Return the lines as text: who, when, from where, what (inserted, deleted, updated) and why."""
    heads = ["revision", "committed (UTC)", "by", "from", *MODELS, "reason"]
    rows = [
        [
            str(line.revision.pk),
            f"{line.revision.committed_at:%Y-%m-%d %H:%M}",
            line.revision.committed_by.username if line.revision.committed_by else "",
            _origin(line.revision),
            *(_spelled(line.counts[name]) for name in MODELS),
            line.revision.reason,
        ]
        for line in lines
    ]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    to_the_right = {0, *range(4, 4 + len(MODELS))}

    def text(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if column in to_the_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([text(heads), rule, *map(text, rows)])


def _origin(revision: Revision) -> str:
    context = revision.context
    if "path" in context:
        return "the admin"
    return context.get("command") or revision.application_name


def _spelled(counts: Counts) -> str:
    if counts == NOTHING:
        return "-"
    inserted, deleted, updated = counts
    return f"+{inserted} -{deleted} ~{updated}"

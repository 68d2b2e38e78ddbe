"""Show what changed in the fields of rows: values as people read them, named as of then, long texts word by word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.utils.text import Truncator, capfirst

from audittrail.admin import options, permissions
from audittrail.admin.naming import TooManyQueriesError, at_most
from audittrail.admin.readers import Reader
from audittrail.capture import tracking
from audittrail.diff.changes import FieldChange
from audittrail.diff.labels import ChangeLabels, labels
from audittrail.diff.text import TextPart, word_changes

#: Letters of a value that are shown, letters from which on words are compared, and up to which that is worth while.
SHOWN: Final = 300
LONG: Final = 40
COMPARED: Final = 20_000
#: Letters of an unchanged part that stay beside a change, and parts that are shown.
CONTEXT: Final = 40
PARTS: Final = 40
#: Queries for the names of all that a part of a page refers to; more can only be those of a project's own texts.
QUERIES: Final = 60


@dataclass(frozen=True)
class ShownChange:
    """A field's change as text. Of a masked field it is told that it changed, and nothing else."""

    label: str
    old: str = ""
    new: str = ""
    parts: Sequence[tuple[str, str]] = ()
    is_masked: bool = False


def shown_changes(
    reader: Reader, changes: Iterable[Sequence[FieldChange]]
) -> list[list[ShownChange]]:
    """Return how the changes of some rows are shown, for each row; in a few queries for all of them."""
    rows = [[*row] for row in changes]
    every = [change for row in rows for change in row]
    texts = iter(_labels(reader, every))
    return [[_shown(change, next(texts)) for change in row] for row in rows]


def _labels(reader: Reader, changes: Sequence[FieldChange]) -> list[ChangeLabels]:
    def may_see(model: type[models.Model]) -> bool:
        return _may_name(reader, model)

    try:
        with at_most(reader.database, QUERIES):
            return labels(changes, using=reader.database, may_see=may_see)
    except TooManyQueriesError:
        return labels(changes, using=reader.database, may_see=lambda model: False)


def _may_name(reader: Reader, model: type[models.Model]) -> bool:
    """Return whether any object of a model may be called by its name: others go by their keys."""
    concrete = model._meta.concrete_model or model
    if any(options.masked_fields(part) for part in (concrete, *concrete._meta.all_parents)):
        return False  # the name may be made of what is masked
    if tracking.is_tracked(concrete):
        visible = reader.visible.get(concrete)
        return visible is not None and not visible.owners and not reader.is_guarded(visible)
    site = reader.site
    return site.is_registered(concrete) and permissions.may_view(
        reader.request, site.get_model_admin(concrete)
    )


def _shown(change: FieldChange, texts: ChangeLabels) -> ShownChange:
    field: Any = change.field
    label = change.attribute if field is None else str(capfirst(str(field.verbose_name)))
    if change.masked:
        return ShownChange(label, is_masked=True)
    if LONG < max(len(texts.old), len(texts.new)) <= COMPARED and texts.old and texts.new:
        return ShownChange(label, parts=_shortened(word_changes(texts.old, texts.new)))
    return ShownChange(label, _short(texts.old), _short(texts.new))


def _short(text: str) -> str:
    # Cut first: Django's own way to the end of a very long text is a long one.
    return Truncator(text[: SHOWN + 1]).chars(SHOWN)


def _shortened(parts: Sequence[TextPart]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for position, part in enumerate(parts[:PARTS]):
        text = part.text
        if part.kind == "same" and len(text) > 2 * CONTEXT:
            begin = "" if position == 0 else text[:CONTEXT]
            end = "" if position == len(parts) - 1 else text[-CONTEXT:]
            text = f"{begin} … {end}"
        found.append((part.kind, _short(text)))
    return [*found, ("same", "…")] if len(parts) > PARTS else found

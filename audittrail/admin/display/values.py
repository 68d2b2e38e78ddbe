"""Show values as people read them: choices by their labels, related objects by their names, dates in words, long texts folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final

from django.template.defaultfilters import filesizeformat
from django.utils import formats
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audittrail import conf
from audittrail.admin.display.coarse import coarse_text, size_of
from audittrail.admin.display.object_text import MASK
from audittrail.admin.display.outlines import outline
from audittrail.admin.display.times import as_local
from audittrail.diff.display import choice_text, plain_text
from audittrail.diff.json_null import is_json_null

#: Letters of a text that are shown before it is folded, and that are shown unfolded where there is no room for more.
SHORT: Final = 300
FOLDED: Final = 5_000

#: Bytes of a binary value that are shown.
BYTES: Final = 32


@dataclass(frozen=True)
class ObjectLabel:
    """The name of an object, and the address of its history, None where the reader can't go."""

    text: str
    url: str | None = None


@dataclass(frozen=True)
class ShownValue:
    """A value as text; `labels` are the objects that it refers to. An empty one says so in quiet letters."""

    text: str
    is_empty: bool = False
    labels: Sequence[ObjectLabel] = ()
    #: Whether it is the label of a choice, of which only the whole says anything.
    is_choice: bool = False
    #: How many letters of it are there when it is unfolded.
    letters: int = FOLDED

    @property
    def is_label(self) -> bool:
        """Whether it stands for something else, and its letters mean nothing by themselves."""
        return bool(self.labels) or self.is_choice

    @property
    def is_long(self) -> bool:
        """Whether it is folded."""
        return len(self.text) > SHORT

    def __html__(self) -> SafeString:
        """Return it as HTML: long texts folded, all of them isolated from the direction of the text around."""
        if self.is_empty:
            return format_html('<span class="audittrail-nothing">{}</span>', self.text)
        if self.labels:
            return format_html_join(
                ", ",
                "{}",
                ((linked(label),) for label in self.labels),
            )
        if not self.is_long:
            return format_html('<bdi class="audittrail-value">{}</bdi>', self.text)
        return format_html(
            '<details class="audittrail-fold"><summary><bdi>{}</bdi> <span class="audittrail-quiet">{}</span></summary>{}</details>',
            Truncator(self.text[: SHORT + 1]).chars(SHORT // 2),
            self.size,
            self.unfolded,
        )

    __str__ = __html__

    @property
    def size(self) -> str:
        """How many letters it has, in words."""
        count = formats.number_format(len(self.text), force_grouping=True)
        return ngettext("(%(count)s character)", "(%(count)s characters)", len(self.text)) % {
            "count": count
        }

    @property
    def unfolded(self) -> SafeString:
        """As HTML, as much of it as is shown where there is room."""
        return format_html(
            '<bdi class="audittrail-value audittrail-value--long" tabindex="0" role="region" aria-label="{}">{}</bdi>',
            _("Text"),
            Truncator(self.text).chars(self.letters),
        )


def linked(label: ObjectLabel) -> SafeString:
    """Return the name of an object as HTML, as a link where it leads somewhere."""
    text = Truncator(label.text).chars(SHORT)
    if label.url:
        return format_html('<a href="{}"><bdi>{}</bdi></a>', label.url, text)
    return format_html("<bdi>{}</bdi>", text)


def shown(field: Any, value: Any, label: ObjectLabel | None = None) -> ShownValue:
    """Return how a value of a field is shown; takes the name of the object that it refers to, if it does."""
    if value is None:
        return ShownValue(_("none"), is_empty=True)
    if is_json_null(value):
        return ShownValue("null", is_empty=True)
    if label is not None:
        return ShownValue(label.text, labels=(label,))
    if (choice := choice_text(field, value)) is not None:
        return ShownValue(choice, is_choice=True)
    if isinstance(value, dict | list):
        # Made where it is told as a whole, which takes long of a large one.
        return ShownValue(SimpleLazyObject(lambda: as_text(value)))  # type: ignore[arg-type]
    text = as_text(value)
    if text == "":
        return ShownValue(_("empty"), is_empty=True)
    return ShownValue(text)


def shown_labels(labels: Sequence[ObjectLabel]) -> ShownValue:
    """Return how the objects of a many-to-many field are shown."""
    if not labels:
        return ShownValue(_("none"), is_empty=True)
    return ShownValue(", ".join(label.text for label in labels), labels=labels)


def masked() -> ShownValue:
    """Return what is shown in place of a value that is never shown."""
    return ShownValue(MASK)


def as_text(value: Any) -> str:
    """Return a value as a page shows it; where two that differ must not look the same, more exactly than `diff.display` does."""
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool):
        # Without marks between thousands, since it may be a code or the number of an invoice.
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes_text(bytes(value))
    if isinstance(value, dict | list):
        most = conf.compared_size()
        return coarse_text(value) if size_of(value, most) > most else outline(value)
    if hasattr(value, "lower_inc") and hasattr(value, "isempty"):
        return _range_text(value)
    return plain_text(value)


def moment_text(value: datetime) -> str:
    """Return a moment in the current time zone, as exactly as it is known: two that differ must not look the same."""
    local = as_local(value)
    day = formats.date_format(local, "DATE_FORMAT")
    clock = formats.date_format(local, "H:i:s.u" if local.microsecond else "H:i:s")
    return f"{day} {clock}"


def field_label(field: Any, attribute: str) -> str:
    """Return the name of a field as people read it; a column that no field of the model has any more goes by its own."""
    return str(capfirst(str(field.verbose_name))) if field is not None else attribute


def _bytes_text(value: bytes) -> str:
    shown = value[:BYTES].hex(" ")
    size = filesizeformat(len(value))
    return f"{shown}{' …' if len(value) > BYTES else ''} ({size})" if value else ""


def _range_text(value: Any) -> str:
    if value.isempty:
        return _("empty range")
    lower = "" if value.lower is None else as_text(value.lower)
    upper = "" if value.upper is None else as_text(value.upper)
    return f"{'[' if value.lower_inc else '('}{lower} – {upper}{']' if value.upper_inc else ')'}"  # noqa: RUF001 (a dash)

"""Show operations so that a sign, a border and a word tell them apart, and colour only helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audittrail.revisions.versions import Operation

#: Its sign, how the badge looks (`audittrail-badge--inserted`), and the word for what happened.
_LOOKS: dict[str, tuple[str, str, Any]] = {
    Operation.INSERT: ("+", "inserted", _("inserted")),
    Operation.UPDATE: ("~", "updated", _("updated")),
    Operation.DELETE: ("−", "deleted", _("deleted")),  # noqa: RUF001 (a minus sign, as wide as the plus)
    Operation.TRUNCATE: ("−", "deleted", _("truncated")),  # noqa: RUF001
    Operation.BASELINE: ("·", "baseline", _("existed before")),
}


#: The kinds of changes that filters offer; what was truncated was deleted.
CHOICES: Final = (
    (Operation.INSERT.value, _("Insert")),
    (Operation.UPDATE.value, _("Update")),
    (Operation.DELETE.value, _("Delete")),
)


@dataclass(frozen=True)
class Badge:
    """The badge of an operation, with a number of rows where there are several; `{{ badge }}` in a template."""

    operation: str
    count: int | None = None
    #: Whether there are more than `count`.
    is_more: bool = False

    @property
    def sign(self) -> str:
        """The sign of the operation."""
        return _look(self.operation)[0]

    @property
    def style(self) -> str:
        """How it looks: the modifier of its CSS class."""
        return _look(self.operation)[1]

    @property
    def label(self) -> str:
        """The word for what happened."""
        return str(_look(self.operation)[2])

    def __html__(self) -> SafeString:
        """Return the badge as HTML."""
        if self.count is None:
            shown, spoken = self.label, ""
        else:
            number = number_format(self.count, use_l10n=True, force_grouping=True)
            shown, spoken = f"{number}+" if self.is_more else number, self.label
        return format_html(
            '<span class="audittrail-badge audittrail-badge--{}"{}><span class="audittrail-badge__sign" aria-hidden="true">{}</span>{}{}</span>',
            self.style,
            format_html(' title="{}"', spoken) if spoken else "",
            self.sign,
            shown,
            format_html('<span class="visually-hidden"> {}</span>', spoken) if spoken else "",
        )

    __str__ = __html__


def _look(operation: str) -> tuple[str, str, Any]:
    return _LOOKS[operation or Operation.UPDATE]

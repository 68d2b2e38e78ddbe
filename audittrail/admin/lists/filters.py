"""What the filters of all lists have in common: their form, and the field for a moment."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext

#: How an address says a moment, in the current time zone.
MOMENT_FORMAT = "%Y-%m-%dT%H:%M"


class MomentInput(forms.DateTimeInput):
    """A field for a moment, which shows what was given in whatever form."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format=MOMENT_FORMAT)

    def format_value(self, value: Any) -> Any:
        """Return the moment as browsers want it."""
        try:
            found = parse_datetime(value) or parse_date(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        return found.strftime(MOMENT_FORMAT) if found else super().format_value(value)


class FilterForm(forms.Form):
    """The form of the filters."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})

    def clean(self) -> dict[str, Any]:
        """Check that the end is later than the beginning."""
        cleaned: dict[str, Any] = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since >= until:
            self.add_error("until", gettext("The end must be later than the beginning."))
        return cleaned

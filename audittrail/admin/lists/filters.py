"""What the filters of all lists have in common, with django-filter: their form, their addresses, the field for a moment."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Final

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import number_format
from django.utils.translation import gettext

from audittrail.admin.display.authors import find_keys
from audittrail.admin.display.times import RevisionTime, is_within_calendar
from audittrail.admin.layout.links import Link
from audittrail.admin.lists import paging
from audittrail.revisions.models import authors_here

#: How an address says a moment, in the current time zone.
MOMENT_FORMAT = "%Y-%m-%dT%H:%M"


#: Words and letters of a text that is searched for: each word is one more condition on each field.
WORDS: Final = 32
LETTERS: Final = 1_000


def few_words(text: str) -> None:
    """Raise `ValidationError` for a text of more words than are searched for."""
    if len(text.split()) > WORDS:
        raise ValidationError(
            gettext("Search for at most %(number)s words.") % {"number": number_format(WORDS)}
        )


def within_calendar(moment: date) -> None:
    """Raise `ValidationError` for a date or moment at the end of the calendar, beyond which there may be none."""
    if not is_within_calendar(moment):
        raise ValidationError(forms.DateTimeField.default_error_messages["invalid"], "invalid")


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


class MomentFilter(django_filters.DateTimeFilter):  # type: ignore[misc]
    """A filter by a moment; what it keeps, the list's search asks for."""

    def __init__(self, **options: Any) -> None:
        given = {"method": "keep", "widget": MomentInput(), "validators": [within_calendar]}
        super().__init__(**given, **options)


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


class ListFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What can be asked of a list; what the list's search asks for itself goes by the method `keep`."""

    #: The names of those that choose the list itself, and are no filters of it.
    choosing: ClassVar[tuple[str, ...]] = ()
    #: The parameters of an address that say where in the list a page begins: with other filters it begins anew.
    positions: ClassVar[tuple[str, ...]] = (paging.BEFORE, paging.AFTER)

    class Meta:
        form = FilterForm

    def __init__(self, *args: Any, **options: Any) -> None:
        self._users: dict[str, list[Any]] = {}
        super().__init__(*args, **options)

    @property
    def clear_url(self) -> str:
        """The query string without any filter."""
        return "?"

    def used(self) -> list[Link]:
        """Return the filters that are used, as people read them, each with the query string of the page without it."""
        given = {} if self.errors else self.form.cleaned_data
        return [
            Link(
                gettext("%(filter)s: %(value)s")
                % {"filter": self.form.fields[name].label, "value": self.text_of(name, value)},
                self.address(without=name),
            )
            for name, value in given.items()
            if value and name not in self.choosing
        ]

    def text_of(self, name: str, value: Any) -> str:
        """Return the value of a filter as people read it."""
        return RevisionTime(value).exact if name in ("since", "until") else str(value)

    def address(self, without: str = "", **values: Any) -> str:
        """Return the query string of the page without one filter, and with other values of some."""
        changed = self.data.copy()
        for name in (without, *values, *self.positions):
            changed.pop(name, None)
        changed.update({name: str(value) for name, value in values.items()})
        return f"?{changed.urlencode()}"

    def users(self, text: str) -> list[Any]:
        """Return the keys of the users that a text means, see `find_keys`; asked once for each text."""
        if text not in self._users:
            self._users[text] = find_keys(text)
        return self._users[text]

    def filter_user(self, queryset: Any, name: str, value: str) -> Any:
        """Keep the revisions of the users that a text means."""
        keys = self.users(value)
        return queryset.filter(authors_here(), committed_by__in=keys) if keys else queryset.none()

    def keep(self, queryset: Any, name: str, value: Any) -> Any:
        """Leave the queryset alone: the search asks for these."""
        return queryset

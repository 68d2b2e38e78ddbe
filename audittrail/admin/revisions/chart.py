"""The chart of activity: how many of the revisions that are searched for were committed when, each bar a filter itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import Trunc
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.lists.filters import MOMENT_FORMAT
from audittrail.admin.lists.searching import Search
from audittrail.admin.lists.windows import window
from audittrail.admin.revisions.filters import RevisionFilters

#: Revisions that a chart looks at, the newest ones of the time that is searched; fewer if it has to be asked what they changed.
LOOKED_AT = 50_000
ASKED = 20_000
BARS = 40
#: Bars between two labels, so that labels don't run into each other.
LABELLED = 5

#: Units of time, how long one is about, and the format of its name and of its label.
_UNITS: tuple[tuple[str, timedelta, str, str], ...] = (
    ("minute", timedelta(minutes=1), "H:i", "H:i"),
    ("hour", timedelta(hours=1), "H:i", "H:i"),
    ("day", timedelta(days=1), "DATE_FORMAT", "MONTH_DAY_FORMAT"),
    ("week", timedelta(weeks=1), "DATE_FORMAT", "MONTH_DAY_FORMAT"),
    ("month", timedelta(days=30), "YEAR_MONTH_FORMAT", "M Y"),
    ("quarter", timedelta(days=91), "YEAR_MONTH_FORMAT", "M Y"),
    ("year", timedelta(days=365), "Y", "Y"),
)


@dataclass(frozen=True)
class ChartBar:
    """The revisions of one unit of time: how many, a name for it, and the query string that shows them alone."""

    number: int
    name: str
    label: str
    url: str
    #: Of 100, at least 2 where there is a revision at all.
    height: int

    @property
    def top(self) -> int:
        """Where the bar begins, counted from above."""
        return 100 - self.height

    @property
    def count(self) -> str:
        """The number as people read it."""
        return number_format(self.number, use_l10n=True, force_grouping=True)


@dataclass(frozen=True)
class Chart:
    """Bars from the oldest to the newest, and since when, if older revisions were not looked at."""

    bars: list[ChartBar]
    since: RevisionTime | None

    @property
    def most(self) -> str:
        """The number that the highest bar stands for."""
        most = max(bar.number for bar in self.bars)
        return number_format(most, use_l10n=True, force_grouping=True)

    @property
    def filled(self) -> list[ChartBar]:
        """The bars that stand for revisions, the newest first."""
        return [bar for bar in reversed(self.bars) if bar.number]


def chart(filters: RevisionFilters) -> Chart | None:
    """Return the chart of what the filters find, None if there is nothing to show; takes two queries.

    Revisions of models whose rows have to be asked about one by one are not counted.
    """
    search = filters.search
    if search is None:
        return None
    if search.needs_versions:
        looked_at = window(search.span, ASKED, None)
    else:
        # An index finds the revisions of one user, however far back they lie, so the window is laid over what the filters find.
        revisions = search.span if search.is_slow else search.conditions
        looked_at = None if revisions.query.is_empty() else window(revisions, LOOKED_AT, None)
    if looked_at is None:
        return None
    counted = _countable(search, looked_at.ranges)
    if counted is None:
        return None
    if not looked_at.is_last:
        counted = counted.filter(**looked_at.condition)
    unit = _unit(looked_at.latest - looked_at.earliest)
    by_unit = counted.order_by().annotate(begin=Trunc("committed_at", unit[0])).values("begin")
    numbers = {_naive(row["begin"]): row["n"] for row in by_unit.annotate(n=Count("pk"))}
    if not numbers:
        return None
    since = None if looked_at.is_last else RevisionTime(looked_at.earliest)
    return Chart(_bars(filters, unit, numbers), since)


def _countable(search: Search, ranges: Any) -> Any:
    reader = search.reader
    models = [
        model
        for model, visible in reader.visible.items()
        if search.model in (None, model) and not reader.is_guarded(visible)
    ]
    if search.needs_versions and not models:
        return None
    if reader.are_small(models):
        ranges = ()
    return search.conditions.filter(search.touching(ranges, models))


def _unit(span: timedelta) -> tuple[str, timedelta, str, str]:
    for unit in _UNITS:
        if span / unit[1] < BARS - 1:
            return unit
    return _UNITS[-1]


def _bars(
    filters: RevisionFilters, unit: tuple[str, timedelta, str, str], numbers: dict[datetime, int]
) -> list[ChartBar]:
    name, _about, name_format, label_format = unit
    following = _following(name)
    bars: list[ChartBar] = []
    most, begin = max(numbers.values()), min(numbers)
    while begin <= max(numbers):
        end = following(begin)
        number = numbers.get(begin, 0)
        url = filters.address(
            since=begin.strftime(MOMENT_FORMAT), until=end.strftime(MOMENT_FORMAT)
        )
        shown = date_format(begin, name_format)
        if name == "week":
            shown = _("week of %(day)s") % {"day": shown}
        elif name == "quarter":
            shown = _("three months from %(month)s") % {"month": shown}
        elif name in ("minute", "hour"):
            shown = f"{date_format(begin, 'DATE_FORMAT')} {shown}"
        is_near_end = following(following(end)) > max(numbers)
        is_labelled = len(bars) % LABELLED == 0 and not (bars and is_near_end)
        label = date_format(begin, label_format) if is_labelled else ""
        height = max(round(100 * number / most), 2) if number else 0
        bars.append(ChartBar(number, shown, label, url, height))
        begin = end
    return bars


def _following(unit: str) -> Callable[[datetime], datetime]:
    months = {"month": 1, "quarter": 3, "year": 12}
    if unit not in months:
        step = next(about for name, about, *_formats in _UNITS if name == unit)
        return lambda begin: begin + step

    def later(begin: datetime) -> datetime:
        count = begin.month - 1 + months[unit]
        return begin.replace(year=begin.year + count // 12, month=count % 12 + 1)

    return later


def _naive(moment: datetime) -> datetime:
    return timezone.make_naive(moment) if timezone.is_aware(moment) else moment

"""What Django's admin shows differently to who travels: now is then, and a value that is not kept is not called empty."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, filters
from django.contrib.admin.helpers import AdminReadonlyField
from django.core.exceptions import FieldDoesNotExist
from django.db.models.query import QuerySet
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from audittrail.timetravel import machine
from audittrail.timetravel.compiler import is_withheld


class _Clock:
    """Django's module `timezone`, whose now is that of the traveller."""

    def now(self) -> datetime:
        journey = machine.current()
        return timezone.now() if journey is None else journey.time

    def __getattr__(self, name: str) -> Any:
        return getattr(timezone, name)


def install() -> None:
    """Let "Today" and "Past 7 days" of filters, and the log of recent actions, mean the moment; name what is not kept."""
    module: Any = filters
    if isinstance(module.timezone, _Clock):
        return
    module.timezone = _Clock()
    site: Any = AdminSite
    site.get_log_entries = _up_to_then(site.get_log_entries)
    readonly: Any = AdminReadonlyField
    readonly.contents = _naming_what_is_withheld(readonly.contents)


def _up_to_then(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def get_log_entries(self: AdminSite, request: Any) -> Any:
        entries = original(self, request)
        journey = machine.current()
        if journey is None or not isinstance(entries, QuerySet):
            return entries
        return entries.filter(action_time__lte=journey.time)

    return get_log_entries


def _naming_what_is_withheld(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def contents(self: Any) -> Any:
        if machine.current() is not None and _is_withheld(self.form.instance, self.field["field"]):
            return format_html("<em>{}</em>", _("not kept or not shown of the past"))
        return original(self)

    return contents


def _is_withheld(instance: Any, name: Any) -> bool:
    try:
        return isinstance(name, str) and is_withheld(instance._meta.get_field(name))
    except FieldDoesNotExist:
        return False  # a method

"""Forms of objects of the past: they offer, and list, what there was at the moment of the object."""

from __future__ import annotations

from functools import wraps
from inspect import signature
from typing import Any

from django.apps import apps
from django.forms.models import BaseInlineFormSet, BaseModelForm, ModelChoiceField

from audittrail.exceptions import MixedMomentsError
from audittrail.timetravel import machine
from audittrail.timetravel.moment import moment_of
from audittrail.timetravel.query import mixed
from audittrail.timetravel.queryset import moment_read


def install() -> None:
    """Extend Django's forms, once."""
    form: Any = BaseModelForm
    if hasattr(form.__init__, "__wrapped__"):
        return
    form.__init__ = _offering_the_past(form.__init__)
    formsets: list[Any] = [BaseInlineFormSet]
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.forms import BaseGenericInlineFormSet

        formsets.append(BaseGenericInlineFormSet)
    for formset in formsets:
        formset.__init__ = _listing_the_past(formset.__init__)


def _offering_the_past(live: Any) -> Any:
    @wraps(live)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        live(self, *args, **kwargs)
        moment = moment_of(self.instance)
        if moment is None:
            return
        for field in self.fields.values():
            if not isinstance(field, ModelChoiceField) or field.queryset is None:
                continue
            if machine.travels(field.queryset.model) and moment_read(field.queryset) is None:
                field.queryset = field.queryset.using(moment.alias)

    return __init__


def _listing_the_past(live: Any) -> Any:
    parameters = signature(live)

    @wraps(live)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        given = parameters.bind(self, *args, **kwargs).arguments
        moment = moment_of(given.get("instance"))
        if moment is None:
            live(self, *args, **kwargs)
            return
        queryset = given.get("queryset")
        if queryset is None:
            queryset = self.model._default_manager.using(moment.alias)
        elif moment_read(queryset) != moment:
            raise MixedMomentsError(mixed(moment))
        further = given.pop("kwargs", {})
        live(**given | {"queryset": queryset}, **further)

    return __init__

"""Where Django makes querysets for objects: those for objects of the past read as of the same moment.

The alias of a connection goes with an object, but not as far as needed: related managers, `Prefetch` and generic foreign keys make
querysets of the present first. Those methods of Django's are extended; for objects of the present they do what they did.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.apps import apps
from django.db.models import query as query_module
from django.db.models.fields import related_descriptors
from django.db.models.manager import BaseManager
from django.db.models.query import QuerySet

from audittrail.exceptions import MixedMomentsError
from audittrail.timetravel import machine
from audittrail.timetravel.managers import past_manager, past_related_manager
from audittrail.timetravel.moment import from_alias, moment_of
from audittrail.timetravel.query import mixed
from audittrail.timetravel.queryset import PastQuerySetMixin, moment_read, turn


def install() -> None:
    """Extend Django's methods, once."""
    live: Any = QuerySet
    if hasattr(live._add_hints, "__wrapped__"):
        return
    live._add_hints = _with_past_hints(live._add_hints)
    live.using = _using_past(live.using)
    manager: Any = BaseManager
    manager.db_manager = _managing_past(manager.db_manager)
    descriptor: Any = related_descriptors.ReverseManyToOneDescriptor
    descriptor.__get__ = _relating_past(descriptor.__get__)
    live._merge_sanity_check = _merging_one_moment(live._merge_sanity_check)
    module: Any = query_module
    module.prefetch_one_level = _with_copies(module.prefetch_one_level)
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes import fields

        # Django 6.1 has moved it from the field to its descriptor.
        owner: Any = getattr(fields, "GenericForeignKeyDescriptor", fields.GenericForeignKey)
        owner.get_prefetch_querysets = _prefetching_past(owner.get_prefetch_querysets)


def _with_past_hints(live: Any) -> Any:
    @wraps(live)
    def add_hints(self: Any, **hints: Any) -> None:
        live(self, **hints)
        if "instance" not in hints:
            return
        moment = moment_of(hints["instance"])
        if isinstance(self, PastQuerySetMixin):
            if moment != self.moment:
                raise MixedMomentsError(mixed(self.moment))
        elif moment is not None:
            # It is the related manager's own, or a copy of the one in a Prefetch.
            turn(self, moment)

    return add_hints


def _with_copies(live: Any) -> Any:
    """Let prefetching take copies of the querysets in a Prefetch: Django adds hints to them, and the Prefetch may be kept."""

    @wraps(live)
    def prefetch_one_level(instances: Any, prefetcher: Any, lookup: Any, level: int) -> Any:
        return live(instances, prefetcher, _copied(lookup), level)

    return prefetch_one_level


def _copied(lookup: Any) -> Any:
    # Not by copy(), with which Django takes the results away as for pickling.
    copy = object.__new__(type(lookup))
    copy.__dict__.update(lookup.__dict__)
    kept: Any = lookup.__dict__
    if kept.get("queryset") is not None:
        copy.__dict__["queryset"] = kept["queryset"]._chain()
    if kept.get("querysets"):  # of a GenericPrefetch
        copy.__dict__["querysets"] = [queryset._chain() for queryset in kept["querysets"]]
    return copy


def _using_past(live: Any) -> Any:
    @wraps(live)
    def using(self: Any, alias: Any) -> Any:
        if isinstance(alias, str) and machine.current() is not None and from_alias(alias) is None:
            alias = machine.alias_for(self.model, self._hints, alias) or alias
        queryset = live(self, alias)
        moment = from_alias(alias) if isinstance(alias, str) else None
        if moment is not None and not isinstance(self, PastQuerySetMixin):
            # Django has made a new one, which nobody has yet.
            turn(queryset, moment)
        return queryset

    using.queryset_only = False  # type: ignore[attr-defined]
    return using


def _managing_past(live: Any) -> Any:
    @wraps(live)
    def db_manager(self: Any, using: Any = None, hints: Any = None) -> Any:
        manager = live(self, using, hints)
        if manager._db is None and (moment := moment_of((hints or {}).get("instance"))) is not None:
            # To prefetch, Django 6.1 asks for the manager of an object, and gives its queryset no hints any more.
            manager._db = moment.alias
        return manager if from_alias(manager._db) is None else past_manager(manager)

    return db_manager


def _relating_past(live: Any) -> Any:
    @wraps(live)
    def related_manager(self: Any, instance: Any, cls: Any = None) -> Any:
        manager = live(self, instance, cls)
        moment = moment_of(instance)
        return manager if moment is None else past_related_manager(manager, moment)

    return related_manager


def _merging_one_moment(live: Any) -> Any:
    @wraps(live)
    def merge_sanity_check(self: Any, other: Any) -> None:
        moments = (moment_read(self), moment_read(other))
        if moments[0] != moments[1]:
            raise MixedMomentsError(mixed(moments[0] or moments[1]))
        if _scope(self) != _scope(other):
            raise MixedMomentsError(
                f"Querysets of what there was as of {moments[0]}, of what had been deleted and of what a revision changed can't be combined "
                "with each other by | or ^. Use pk__in, or evaluate one of them first, for example with list()."
            )
        live(self, other)

    return merge_sanity_check


def _scope(queryset: Any) -> Any:
    return getattr(queryset.query, "scope", None)


def _prefetching_past(live: Any) -> Any:
    @wraps(live)
    def get_prefetch_querysets(self: Any, instances: Any, querysets: Any = None) -> Any:
        moment = moment_of(instances[0]) if instances else None
        given = list(querysets or ())
        for queryset in given:
            if moment_read(queryset) != moment:
                raise MixedMomentsError(mixed(moment or moment_read(queryset)))
        if moment is not None:
            querysets = given + _of_other_types(self, instances, moment, given)
        return live(self, instances, querysets)

    return get_prefetch_querysets


def _of_other_types(holder: Any, instances: Any, moment: Any, given: list[Any]) -> list[Any]:
    """Return a queryset as of a moment for each type of object that the instances point to and none is given for."""
    field = getattr(holder, "field", holder)
    attname = field.model._meta.get_field(field.ct_field).attname
    numbers = {getattr(instance, attname) for instance in instances} - {None}
    types = [field.get_content_type(id=number, using=moment.alias) for number in numbers]
    models = {found.model_class() for found in types} - {None}
    missing = models - {queryset.model for queryset in given}
    return [model._base_manager.using(moment.alias) for model in missing]

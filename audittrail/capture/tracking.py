"""What is tracked: settings and `history.register`, resolved against the models of the project."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from audittrail import conf
from audittrail.exceptions import ConfigurationError


@dataclass(frozen=True)
class Options:
    """What `history.register` says about one model: names of fields. `index` is None for the default."""

    exclude: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    index: tuple[tuple[str, ...], ...] | None = None


_registered: dict[type[models.Model], Options] = {}


def register(
    model: type[models.Model],
    *,
    exclude: Sequence[str] = (),
    mask: Sequence[str] = (),
    ignore: Sequence[str] = (),
    index: Sequence[str | Sequence[str]] | None = None,
) -> None:
    """Track a model, whatever the settings' wildcards say, and set how.

    Takes a concrete model (managed or not) and names of its own fields: `exclude` are never stored, `mask` are
    stored but never shown, a change in `ignore` alone makes no version. By `index`, names or tuples of names, the
    past can be filtered fast; by default the foreign keys that the table itself has indexes on, and `manage.py audittrail
    maintain` builds them. A later call replaces an earlier one.

    Raises `ConfigurationError` for an abstract, proxy or swapped-out model, and for an unknown field.
    """
    given: object = model
    if not (isinstance(given, type) and issubclass(given, models.Model)):
        raise ConfigurationError(f"history.register takes a model class, not {model!r}.")
    if model._meta.abstract:
        raise ConfigurationError(
            f"{model.__name__} is abstract and has no table; register the models that inherit from it."
        )
    if model._meta.proxy:
        raise ConfigurationError(
            f"{model._meta.label} is a proxy; register the model whose table {model._meta.db_table!r} it shares."
        )
    if model._meta.swapped:
        raise ConfigurationError(
            f"{model._meta.label} has been swapped out; register {model._meta.swapped}, which stands for it."
        )
    indexes = None if index is None else _index_names(model, index)
    indexed = [name for names in indexes or () for name in names]
    for option, names in (
        ("exclude", exclude),
        ("mask", mask),
        ("ignore", ignore),
        ("index", indexed),
    ):
        given = names
        if not isinstance(given, list | tuple | set | frozenset):
            raise ConfigurationError(
                f"{option} of {model._meta.label} is {names!r}; give a list of field names."
            )
        for name in names:
            column_of(model, name, option)
    if stored := set(indexed) & set(exclude):
        raise ConfigurationError(
            f"index of {model._meta.label} names {min(stored)!r}, which is excluded, so that nothing of it is stored. Take it out of one of them."
        )
    _registered[model] = Options(tuple(exclude), tuple(mask), tuple(ignore), indexes)


def _index_names(
    model: type[models.Model], index: Sequence[str | Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    given: object = index
    if not isinstance(given, list | tuple | set | frozenset):
        raise ConfigurationError(
            f"index of {model._meta.label} is {index!r}; give a list of field names, or of tuples of them."
        )
    for names in index:
        given = names
        if not isinstance(given, str | list | tuple):
            raise ConfigurationError(
                f"index of {model._meta.label} has {names!r}; give names of fields, or tuples of them."
            )
    return tuple((names,) if isinstance(names, str) else tuple(names) for names in index)


def column_of(model: type[models.Model], name: str, option: str) -> str:
    """Return the column of a model's own field.

    Raises `ConfigurationError` if it has none of that name, or if it is part of the primary key and to be excluded.
    """
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if (
        not isinstance(field, models.Field)
        or field not in model._meta.local_fields
        or field.column is None
    ):
        known = ", ".join(sorted(f.name for f in model._meta.local_fields if f.column))
        raise ConfigurationError(
            f"{option} of {model._meta.label} names {name!r}, which is no column of {model._meta.db_table!r}; "
            f"it has {known}."
        )
    if option not in ("mask", "index") and field in model._meta.pk_fields:
        raise ConfigurationError(
            f"{option} of {model._meta.label} names {name!r}, which is part of the primary key: versions are found by it."
        )
    return field.column


def options_of(model: type[models.Model]) -> Options:
    """Return what is registered for a model, or what holds by default.

    By default the password of a user model is excluded and its `last_login` ignored.
    """
    if model in _registered:
        return _registered[model]
    if issubclass(model, AbstractBaseUser):
        own = {field.name for field in model._meta.local_fields}
        return Options(
            exclude=tuple(own & {"password"}),
            ignore=tuple(own & {"last_login"}),
        )
    return Options()


def is_registered(model: type[models.Model]) -> bool:
    """Return whether `history.register` was called for the model."""
    return model in _registered


def matches(model: type[models.Model], pattern: str) -> bool:
    """Return whether a label or wildcard such as `shop.*` means the model; labels ignore case in the model's name."""
    meta = model._meta
    app_label, dot, model_name = pattern.rpartition(".")
    if not dot:
        return fnmatchcase(meta.app_label, pattern)
    return fnmatchcase(meta.app_label, app_label) and fnmatchcase(
        meta.model_name or "", model_name.lower()
    )


def is_label(pattern: str) -> bool:
    """Return whether a pattern names one model by its full label, as `shop.Order` does, and is no wildcard or app."""
    return "." in pattern and not any(sign in pattern for sign in "*?[")


def candidates() -> Iterator[type[models.Model]]:
    """Yield every model with a table of its own: concrete, not swapped out, auto-created m2m models included."""
    for model in apps.get_models(include_auto_created=True):
        if not (model._meta.proxy or model._meta.swapped or model._meta.abstract):
            yield model


def concrete(model: type[models.Model]) -> type[models.Model]:
    """Return the model whose table a proxy shares, or the model itself."""
    return model._meta.concrete_model or model


def is_tracked(model: type[models.Model]) -> bool:
    """Return whether settings and registrations track the model's table; a proxy goes with its concrete model.

    An unmanaged model is tracked on request: when it is registered, or named by its full label.
    """
    model = concrete(model)
    if model._meta.app_label == "audittrail" or model._meta.abstract or model._meta.swapped:
        return False
    if model in _registered:
        return True
    wanted = [pattern for pattern in conf.models() if matches(model, pattern)]
    if not model._meta.managed:
        wanted = [pattern for pattern in wanted if is_label(pattern)]
    return bool(wanted) and not any(matches(model, pattern) for pattern in conf.exclude())


def why_left_out(model: type[models.Model]) -> str | None:
    """Return why settings leave a model out, None if they don't; our own models, and tables that Django does not manage, are not told of."""
    model = concrete(model)
    if is_tracked(model) or model._meta.app_label == "audittrail" or not model._meta.managed:
        return None
    for pattern in conf.exclude():
        if matches(model, pattern):
            return f"AUDITTRAIL_EXCLUDE has {pattern!r}"
    return "AUDITTRAIL_MODELS does not name it"


def tracked_models() -> list[type[models.Model]]:
    """Return the models whose tables are tracked, in the order of the apps."""
    return [model for model in candidates() if is_tracked(model)]


def unmatched(patterns: Iterable[str]) -> list[str]:
    """Return the patterns that mean no model of the project."""
    known = list(candidates())
    return [pattern for pattern in patterns if not any(matches(model, pattern) for model in known)]

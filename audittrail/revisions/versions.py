"""Versions: the captured images of a table's rows, as a read-only model for each tracked model."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.apps.registry import Apps, apps
from django.db import models, router
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.utils.translation import gettext_lazy as _

from audittrail.capture import tracking
from audittrail.capture.tables import history_name
from audittrail.exceptions import NotTrackedError
from audittrail.revisions.recorded import RecordedModel, RecordedQuerySet
from audittrail.revisions.stored_fields import stored_copy

#: Names that a version has of its own; a row's field of that name is called `row_<name>`.
OWN_NAMES = frozenset(
    {"version", "revision", "revision_id", "operation", "pk", "history", "objects"}
)

#: Version models are registered apart from the project's models, so that they get no migrations and no content types.
_registry = Apps()


class Operation(models.TextChoices):
    """How a version came about; the values are those of the column `operation`."""

    INSERT = "I", _("insert")
    UPDATE = "U", _("update")
    DELETE = "D", _("delete")
    TRUNCATE = "T", _("truncate")
    BASELINE = "B", _("baseline")


class RevisionDescriptor(ForwardManyToOneDescriptor):  # type: ignore[type-arg]
    """Read a version's revision from the version's own database, whatever the routers say of revisions."""

    def get_queryset(self, **hints: Any) -> Any:
        """Return the revisions of the instance's database."""
        queryset = super().get_queryset(**hints)
        return queryset.using(hints["instance"]._state.db) if "instance" in hints else queryset

    def get_prefetch_querysets(self, instances: Any, querysets: Any = None) -> Any:
        """Return how to prefetch from the instances' database."""
        given = querysets or [self.get_queryset(instance=instances[0])]
        return super().get_prefetch_querysets(instances, given)


class RevisionForeignKey(models.ForeignKey[Any, Any]):
    """A foreign key to a revision of the same database."""

    forward_related_accessor_class = RevisionDescriptor


class VersionQuerySet(RecordedQuerySet[Any]):
    """Versions of the rows of one table."""

    def in_order(self) -> VersionQuerySet:
        """Return the versions in the order in which the rows changed."""
        return self.order_by("version", *self.model.key_names)


class Version(RecordedModel):
    """One captured row image: `version` (a tick), `revision`, `operation`, and the row's own fields.

    The fields are those of the tracked model's table: a foreign key is its column (`owner_id`), since the object
    that it points to may have changed since; excluded columns are absent; every field may be None.
    """

    tracked_model: type[models.Model]
    key_names: tuple[str, ...]
    tick_paths = ("version", "revision__committed")
    time_path = ""

    objects = models.Manager.from_queryset(VersionQuerySet)()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        """Return which row this is a version of, and which version."""
        key = ", ".join(str(getattr(self, name)) for name in self.key_names)
        return f"{self.tracked_model._meta.label} {key} @ {self.version}"  # type: ignore[attr-defined]

    def __reduce__(self) -> Any:
        """Return how to unpickle: the class is made again from the tracked model."""
        return _unpickle, (self.tracked_model._meta.label_lower,), super().__reduce__()[2]


def _unpickle(label: str) -> Any:
    model: Any = version_model(apps.get_model(label))
    return model.__new__(model)


def version_model(model: type[models.Model]) -> type[Any]:
    """Return the version model of a tracked model; a proxy has that of its concrete model.

    Raises `NotTrackedError` if the model is not tracked.
    """
    concrete = tracking.concrete(model)
    if not tracking.is_tracked(concrete):
        raise NotTrackedError(
            f"{model._meta.label} is not tracked, so it has no history. Take it out of AUDITTRAIL_EXCLUDE or call "
            f"history.register({model.__name__}), then run manage.py migrate."
        )
    return _build(concrete, tracking.options_of(concrete).exclude)


@cache
def _build(model: type[models.Model], exclude: tuple[str, ...]) -> type[Any]:
    meta = model._meta
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for field in meta.local_concrete_fields:
        if field.column is None or field.name in exclude:
            continue
        stored = stored_copy(field)
        if stored is not None:
            name = names[field.attname] = version_name(field.attname)
            fields[name] = stored
    keys = tuple(names[field.attname] for field in meta.pk_fields)
    name = f"{model.__name__}Version"
    # By its name, since the model of revisions, in `models`, knows this module.
    revision = apps.get_model("audittrail", "Revision")
    if "revision" not in _registry.all_models["audittrail"]:
        _registry.register_model("audittrail", revision)
    return type(
        name,
        (Version,),
        {
            "__module__": model.__module__,
            "__qualname__": name,
            "version": models.BigIntegerField(_("version")),
            "revision": RevisionForeignKey(
                revision,
                verbose_name=_("revision"),
                on_delete=models.DO_NOTHING,
                db_constraint=False,
                db_column="revision_id",
                related_name="+",
            ),
            "operation": models.CharField(_("operation"), max_length=1, choices=Operation),
            "pk": models.CompositePrimaryKey("version", *keys),
            **fields,
            "tracked_model": model,
            "key_names": keys,
            "Meta": type(
                "Meta",
                (),
                {
                    "apps": _registry,
                    # Two apps may have models of one name.
                    "app_label": meta.app_label,
                    "managed": False,
                    "db_table": 'audittrail"."' + history_name(meta.db_table).replace('"', '""'),
                    "verbose_name": meta.verbose_name,
                    "verbose_name_plural": meta.verbose_name_plural,
                },
            ),
        },
    )


def version_name(name: str) -> str:
    """Return the name of the attribute of a version that holds a field of the row, by the field's `attname`."""
    base = name
    while base.startswith("row_"):
        base = base.removeprefix("row_")
    return f"row_{name}" if base in OWN_NAMES else name


def versions_of(model: type[models.Model], using: str | None = None) -> VersionQuerySet:
    """Return all versions of all rows of a model's table.

    Takes the database to ask; by default the one that the routers read the model from.

    Raises `NotTrackedError` if the model is not tracked.
    """
    alias = using or router.db_for_read(model)
    queryset: VersionQuerySet = version_model(model).objects.using(alias)
    return queryset


def versions_of_object(obj: models.Model, using: str | None = None) -> VersionQuerySet:
    """Return all versions of one object's row, found by its primary key.

    Raises `NotTrackedError` if its model is not tracked.
    """
    alias = using or obj._state.db or router.db_for_read(type(obj), instance=obj)
    queryset = versions_of(type(obj), alias)
    fields = tracking.concrete(type(obj))._meta.pk_fields
    values = [getattr(obj, field.attname) for field in fields]
    return queryset.filter(**dict(zip(queryset.model.key_names, values, strict=True)))

"""Rows that pages of other objects show: by an inline, or as a many-to-many field; and how each is tied to the object of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models

from audittrail.capture.tracking import concrete


@dataclass(frozen=True)
class Owner:
    """A ModelAdmin that shows rows of another model with its objects: by an inline, or else as its many-to-many field.

    `attribute` is that of a row which holds what names the object: its key, or the value of its field `target`. Rows of a generic
    inline belong to it only if their `content_type` is that of the object's model.
    """

    model_admin: ModelAdmin[Any]
    attribute: str
    inline: Any = None
    field: Any = None
    target: str = "pk"
    content_type: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes of a row that tie it to its object."""
        return (self.content_type, self.attribute) if self.content_type else (self.attribute,)

    def parent(self, values: Sequence[Any], using: str) -> Any:
        """Return what names the object of a row, None if it is no object of the ModelAdmin; takes the values of `names`."""
        if not self.content_type:
            return values[0]
        kind, key = values
        if kind != self._kind(using).pk:
            return None
        try:
            return self.model_admin.opts.pk.to_python(key)
        except ValidationError:
            return None  # a text that is no key of the model

    def lookup(self, obj: models.Model, using: str) -> Mapping[str, Any]:
        """Return by which values of `names` the rows of an object are found."""
        kind = {self.content_type: self._kind(using).pk} if self.content_type else {}
        return {**kind, self.attribute: getattr(obj, self.target)}

    def _kind(self, using: str) -> ContentType:
        return ContentType.objects.db_manager(using).get_for_model(self.model_admin.model)


def owner_by_key(model_admin: ModelAdmin[Any], field: Any, inline: Any) -> Owner:
    """Return how an inline shows the rows that a foreign key ties to the objects of a ModelAdmin."""
    to = field.target_field
    return Owner(
        model_admin, field.attname, inline, target="pk" if to.primary_key else str(to.attname)
    )


def owner_by_content_type(model_admin: ModelAdmin[Any], inline: Any) -> Owner:
    """Return how a generic inline shows the rows that a content type and a key tie to the objects of a ModelAdmin."""
    kind, key = (
        inline.model._meta.get_field(name) for name in (inline.ct_field, inline.ct_fk_field)
    )
    return Owner(model_admin, key.attname, inline, content_type=kind.attname)


def owners_by_inline(model_admin: ModelAdmin[Any], inline: Any) -> Iterator[Owner]:
    """Yield how an inline of a ModelAdmin ties its rows to the objects."""
    if hasattr(inline, "ct_field"):
        # Another foreign key of the rows to the same model does not make them rows of the page.
        yield owner_by_content_type(model_admin, inline)
        return
    named = getattr(inline, "fk_name", None)
    table: Any = concrete(inline.model)
    for field in table._meta.local_concrete_fields:
        target = getattr(field.remote_field, "model", None)
        # Another foreign key of the rows to the same model leads to an object whose page does not show them.
        if named not in (None, field.name):
            continue
        if isinstance(target, type) and issubclass(model_admin.model, target):
            yield owner_by_key(model_admin, field, inline)


def owner_by_field(model_admin: ModelAdmin[Any], field: Any) -> Owner:
    """Return how a ModelAdmin shows the rows of a many-to-many field with its objects."""
    through: Any = field.remote_field.through
    attribute = through._meta.get_field(field.m2m_field_name()).attname
    return Owner(model_admin, attribute, field=field)

"""Models made with other people's fields, managers and querysets."""

from __future__ import annotations

from django.db import models
from model_utils.models import SoftDeletableModel
from mptt.models import MPTTModel, TreeForeignKey
from psqlextra.models import PostgresModel
from safedelete.models import SOFT_DELETE_CASCADE, SafeDeleteModel
from taggit.managers import TaggableManager


class Book(models.Model):
    """A book with a title in two languages (django-modeltranslation) and tags (django-taggit)."""

    title = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=1)
    tags = TaggableManager(blank=True)

    def __str__(self) -> str:
        return self.title


class Line(models.Model):
    """A line of a shelf; the till has lines as well."""

    book = models.ForeignKey(Book, models.CASCADE, related_name="lines")
    place = models.IntegerField(default=1)

    def __str__(self) -> str:
        return f"Place {self.place}"


class Loan(SafeDeleteModel):  # type: ignore[misc]
    """A loan that stays when it is deleted (django-safedelete)."""

    _safedelete_policy = SOFT_DELETE_CASCADE

    book = models.ForeignKey(Book, models.CASCADE, related_name="loans")
    reader = models.CharField(max_length=50)


class Note(SoftDeletableModel):  # type: ignore[misc]
    """A note that stays when it is deleted (django-model-utils), with a generic queryset."""

    text = models.CharField(max_length=50)


class Counter(PostgresModel):  # type: ignore[misc]
    """A counter with the queryset of django-postgres-extra."""

    name = models.CharField(max_length=50, unique=True)
    value = models.IntegerField(default=0)


class Section(MPTTModel):  # type: ignore[misc]
    """A section of the shelf, in a tree of them (django-mptt)."""

    name = models.CharField(max_length=50)
    parent = TreeForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")


class Corner(Section):
    """A section with more of its own, in the same tree."""

    seats = models.IntegerField(default=1)

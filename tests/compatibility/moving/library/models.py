"""Models of which django-simple-history keeps records, each in a way of its own."""

# ruff: noqa: DJ008
from __future__ import annotations

import uuid

from django.db import models
from simple_history.models import HistoricalRecords


class Author(models.Model):
    """An ordinary model."""

    name = models.CharField(max_length=50)
    born = models.DateField(null=True)
    history = HistoricalRecords()


class Book(models.Model):
    """A model with columns of many types, one of them called otherwise in the database."""

    title = models.CharField(max_length=100, db_column="heading")
    author = models.ForeignKey(Author, models.CASCADE, null=True, related_name="books")
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    about = models.JSONField(default=dict, null=True)
    cover = models.FileField(blank=True)
    kept = models.BooleanField(default=True)
    seen = models.DateTimeField(null=True)
    history = HistoricalRecords()

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class Noted(models.Model):
    """What a project adds to the records of its own."""

    place = models.CharField(max_length=20, null=True)

    class Meta:
        abstract = True


class Shelf(models.Model):
    """A model with a key that is no number, and records with such keys and a column more."""

    code = models.UUIDField(primary_key=True, default=uuid.uuid4)
    floor = models.IntegerField()
    books = models.ManyToManyField(Book)
    history = HistoricalRecords(
        m2m_fields=[books], bases=[Noted], history_id_field=models.UUIDField(default=uuid.uuid4)
    )


class Place(models.Model):
    """A model from which another inherits."""

    street = models.CharField(max_length=30)
    history = HistoricalRecords()


class Branch(Place):
    """A model with columns in two tables."""

    opened = models.IntegerField(default=0)
    history = HistoricalRecords()


class Reader(models.Model):
    """A model of which a column is not recorded."""

    name = models.CharField(max_length=50)
    card = models.CharField(max_length=10, default="none")
    history = HistoricalRecords(excluded_fields=["card"])


class Later(models.Model):
    """A model that is tracked later than the others."""

    text = models.CharField(max_length=10)
    history = HistoricalRecords()

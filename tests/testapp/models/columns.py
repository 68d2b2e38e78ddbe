"""Columns of every type, and columns named like those of a history table."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import (
    ArrayField,
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    IntegerRangeField,
)
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F
from django.db.models.functions import Now, Upper


class Specimen(models.Model):
    """Have one column of each type; hstore is missing, since the embedded servers ship no extension for it."""

    name = models.CharField(max_length=100)
    small = models.SmallIntegerField(null=True)
    big = models.BigIntegerField(null=True)
    real = models.FloatField(null=True)
    exact = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    flag = models.BooleanField(null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    clock = models.TimeField(null=True)
    span = models.DurationField(null=True)
    address = models.GenericIPAddressField(null=True)
    token = models.UUIDField(null=True)
    data = models.JSONField(null=True)
    blob = models.BinaryField(null=True)
    file = models.FileField(upload_to="specimens", blank=True)
    numbers = ArrayField(models.IntegerField(), null=True)
    matrix = ArrayField(ArrayField(models.TextField(), size=2), null=True)
    int_range = IntegerRangeField(null=True)
    big_range = BigIntegerRangeField(null=True)
    decimal_range = DecimalRangeField(null=True)
    date_range = DateRangeField(null=True)
    moment_range = DateTimeRangeField(null=True)
    search = SearchVectorField(null=True)
    created = models.DateTimeField(db_default=Now())
    shout = models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=100), db_persist=True
    )

    def __str__(self) -> str:
        return self.name


class Clash(models.Model):
    """Have columns named like a history table's own, and like the names those would be given instead."""

    version = models.IntegerField(default=0)
    revision_id = models.IntegerField(default=0)
    operation = models.CharField(max_length=10, blank=True)
    row_version = models.IntegerField(default=0)
    doubled = models.GeneratedField(
        expression=F("version") * 2, output_field=models.IntegerField(), db_persist=True
    )

    def __str__(self) -> str:
        return f"{self.version}"


class Document(models.Model):
    """Belong to a user."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="documents"
    )
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.title

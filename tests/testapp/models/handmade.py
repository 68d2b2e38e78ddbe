"""Tables that SQL in a migration makes, because Django cannot: managed in name, or unmanaged."""

from __future__ import annotations

from django.db import models
from django.db.models import F

from .shop import Product


class Invoice(models.Model):
    """Have GENERATED ALWAYS AS IDENTITY as primary key, which refuses values from outside."""

    number = models.BigAutoField(primary_key=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.number}"


class Drawing(models.Model):
    """Have a stored generated column, and on PostgreSQL 18 a virtual one, `outline`, that only the table knows."""

    width = models.IntegerField()
    height = models.IntegerField()
    area = models.GeneratedField(
        expression=F("width") * F("height"), output_field=models.IntegerField(), db_persist=True
    )

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Review(models.Model):
    """Disappear by ON DELETE CASCADE in the database, behind Django's back."""

    product = models.ForeignKey(
        Product, models.DO_NOTHING, db_constraint=False, related_name="reviews"
    )
    stars = models.SmallIntegerField()

    def __str__(self) -> str:
        return "*" * self.stars


class Legacy(models.Model):
    """Be unmanaged, with types that Django has no field for (`Legacy.sql_columns` names them)."""

    code = models.CharField(max_length=20, primary_key=True)
    label = models.TextField(blank=True)

    sql_columns = (
        "raw_json",
        "spot",
        "size",
        "mood",
        "positive",
        "bits",
        "spans",
        "cost",
        "markup",
        "attributes",
    )

    class Meta:
        managed = False
        db_table = "legacy"

    def __str__(self) -> str:
        return self.code


class Measurement(models.Model):
    """Be unmanaged and partitioned: by year, one year again by sensor, and a default partition."""

    pk = models.CompositePrimaryKey("sensor", "taken_on")
    sensor = models.IntegerField()
    taken_on = models.DateField()
    value = models.FloatField()

    partitions = (
        "measurement_2024",
        "measurement_2025_even",
        "measurement_2025_odd",
        "measurement_default",
    )

    class Meta:
        managed = False
        db_table = "measurement"

    def __str__(self) -> str:
        return f"{self.sensor} on {self.taken_on}"


class LogLine(models.Model):
    """Be unmanaged and without a primary key in the database, whatever Django believes of `line`."""

    line = models.TextField(primary_key=True)
    level = models.IntegerField(default=0)

    class Meta:
        managed = False
        db_table = "log_line"

    def __str__(self) -> str:
        return self.line


class Shelf(models.Model):
    """Be unmanaged and in another schema, by the name trick that Django tolerates."""

    label = models.CharField(max_length=100)

    class Meta:
        managed = False
        db_table = 'warehouse"."the shelf'

    def __str__(self) -> str:
        return self.label

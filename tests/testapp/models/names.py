"""Tables and columns whose names need care."""

from __future__ import annotations

from django.db import models

from .shop import Customer, Tag


class Spaced(models.Model):
    """Have spaces in the names of the table and of columns."""

    name = models.CharField(max_length=100, db_column="the name")
    customer = models.ForeignKey(Customer, models.CASCADE, db_column="Customer Id", null=True)
    tags = models.ManyToManyField(Tag, blank=True)

    class Meta:
        db_table = "shop order items"

    def __str__(self) -> str:
        return self.name


class Quoted(models.Model):
    """Have both kinds of quotes in the name of the table; Django takes a double quote ready-made only."""

    name = models.CharField(max_length=100, db_column="it's a name")

    class Meta:
        db_table = '"o\'clock ""shop"" (x); --"'

    def __str__(self) -> str:
        return self.name


class LongName(models.Model):
    """Have names of PostgreSQL's full 63 bytes, multi-byte letters included."""

    name = models.CharField(max_length=100, db_column="column_" + "n" * 56)
    other = models.CharField(max_length=100, db_column="column_" + "n" * 55 + "o", blank=True)

    class Meta:
        db_table = "table_with_a_name_that_is_as_long_as_postgresql_permits_äöü"

    def __str__(self) -> str:
        return self.name


class Capital(models.Model):
    """Have capital letters, and a column that differs from another by them alone."""

    name = models.CharField(max_length=100, db_column="Name")
    lower = models.CharField(max_length=100, db_column="name", blank=True)

    class Meta:
        db_table = "ShopCapital"

    def __str__(self) -> str:
        return self.name


class Keyword(models.Model):
    """Be named by reserved words."""

    order = models.IntegerField(db_column="order")
    table = models.CharField(max_length=100, db_column="table", blank=True)
    user = models.CharField(max_length=100, db_column="user", blank=True)
    new = models.CharField(max_length=100, blank=True)
    old = models.CharField(max_length=100, blank=True)

    class Meta:
        db_table = "select"

    def __str__(self) -> str:
        return self.table

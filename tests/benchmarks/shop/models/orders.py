"""The same table of orders several times: untracked, and tracked in each of the ways that are compared."""

from __future__ import annotations

from typing import Any

import pghistory
from django.conf import settings
from django.db import models


class Customer(models.Model):
    """Be what orders refer to; tracked by nobody."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Store(models.Model):
    """Be what orders refer to; tracked by nobody."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class OrderColumns(models.Model):
    """Give the columns and indexes that all the tables of orders have."""

    code = models.CharField(max_length=20, unique=True)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+")
    store = models.ForeignKey(Store, models.PROTECT, related_name="+")
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    status = models.CharField(max_length=12)
    placed_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    tax = models.DecimalField(max_digits=12, decimal_places=2)
    paid = models.BooleanField()
    email = models.EmailField()
    shipping_address = models.TextField()
    note = models.TextField(blank=True)

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["status", "placed_at"])]

    def __str__(self) -> str:
        return self.code


class LineColumns(models.Model):
    """Give the columns that all the tables of lines have: what Django looks through before it deletes an order."""

    number = models.PositiveIntegerField()
    product = models.CharField(max_length=30)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.product


class UntrackedOrder(OrderColumns):
    """Be the measure of the others."""


class TrackedOrder(OrderColumns):
    """Be tracked by audittrail."""


class BareOrder(OrderColumns):
    """Be tracked by the triggers of `bare_triggers.sql`."""


def tracked_by_pghistory(level: str) -> Any:
    """Return a decorator of a model: django-pghistory tracks it at a level, "ROW" or "STATEMENT"."""
    chosen = {"ROW": pghistory.Row, "STATEMENT": pghistory.Statement}[level]
    events = (pghistory.InsertEvent, pghistory.UpdateEvent, pghistory.DeleteEvent)
    return pghistory.track(*(event(level=chosen) for event in events))


@tracked_by_pghistory("STATEMENT")
class StatementOrder(OrderColumns):
    """Be tracked by django-pghistory's statement-level triggers."""


@tracked_by_pghistory("ROW")
class RowOrder(OrderColumns):
    """Be tracked by django-pghistory's row-level triggers, its default."""


class UntrackedLine(LineColumns):
    """Be a line of an order."""

    order = models.ForeignKey(UntrackedOrder, models.CASCADE, related_name="lines")


class TrackedLine(LineColumns):
    """Be a line of an order."""

    order = models.ForeignKey(TrackedOrder, models.CASCADE, related_name="lines")


class BareLine(LineColumns):
    """Be a line of an order."""

    order = models.ForeignKey(BareOrder, models.CASCADE, related_name="lines")


class StatementLine(LineColumns):
    """Be a line of an order."""

    order = models.ForeignKey(StatementOrder, models.CASCADE, related_name="lines")


class RowLine(LineColumns):
    """Be a line of an order."""

    order = models.ForeignKey(RowOrder, models.CASCADE, related_name="lines")

"""An app with a model that is called as one of another app is, and with models that other packages keep a history of as well."""

from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords


class Line(models.Model):
    """A line of a receipt; shelves have lines as well."""

    amount = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.amount}"


class Reverted(models.Model):
    """What django-reversion keeps versions of, by the admin."""

    name = models.TextField()

    def __str__(self) -> str:
        return self.name


class Recorded(models.Model):
    """What django-simple-history keeps a table of."""

    name = models.TextField()
    history = HistoricalRecords()

    def __str__(self) -> str:
        return self.name

"""An app with a model that is called as one of another app is."""

from __future__ import annotations

from django.db import models


class Line(models.Model):
    """A line of a receipt; shelves have lines as well."""

    amount = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.amount}"

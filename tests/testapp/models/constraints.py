"""Tables whose constraints bind the order of writes."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Deferrable


class Seat(models.Model):
    """Have a unique constraint checked at once and one checked at commit."""

    label = models.CharField(max_length=10)
    position = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["label"], name="seat_label"),
            models.UniqueConstraint(
                fields=["position"], name="seat_position", deferrable=Deferrable.DEFERRED
            ),
        ]

    def __str__(self) -> str:
        return self.label


class Booking(models.Model):
    """Exclude overlapping ranges; only ranges, since btree_gist is not on every server."""

    title = models.CharField(max_length=100)
    during = DateRangeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="booking_overlap", expressions=[("during", RangeOperators.OVERLAPS)]
            ),
        ]

    def __str__(self) -> str:
        return self.title

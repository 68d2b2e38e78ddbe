"""A narrow table several times: what a write costs where the row itself costs little."""

from __future__ import annotations

from django.db import models

from tests.benchmarks.shop.models.orders import Customer, tracked_by_pghistory


class Label(models.Model):
    """Be what parcels are given; tracked by nobody."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class ParcelColumns(models.Model):
    """Give the columns and indexes that all the tables of parcels have: nine columns, two indexes besides the key's."""

    code = models.CharField(max_length=20, unique=True)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+")
    status = models.CharField(max_length=12)
    weight = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    packed = models.BooleanField()
    address = models.TextField()
    updated_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.code


class LabellingColumns(models.Model):
    """Give what all the tables between parcels and labels have."""

    label = models.ForeignKey(Label, models.CASCADE, related_name="+")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.label)


class UntrackedParcel(ParcelColumns):
    """Be the measure of the others."""

    labels = models.ManyToManyField(Label, through="UntrackedLabelling", related_name="+")


class TrackedParcel(ParcelColumns):
    """Be tracked by audittrail."""

    labels = models.ManyToManyField(Label, through="TrackedLabelling", related_name="+")


class BareParcel(ParcelColumns):
    """Be tracked by the triggers of `bare_triggers.sql`."""

    labels = models.ManyToManyField(Label, through="BareLabelling", related_name="+")


@tracked_by_pghistory("STATEMENT")
class StatementParcel(ParcelColumns):
    """Be tracked by django-pghistory's statement-level triggers."""

    labels = models.ManyToManyField(Label, through="StatementLabelling", related_name="+")


@tracked_by_pghistory("ROW")
class RowParcel(ParcelColumns):
    """Be tracked by django-pghistory's row-level triggers, its default."""

    labels = models.ManyToManyField(Label, through="RowLabelling", related_name="+")


class UntrackedLabelling(LabellingColumns):
    """Be a label of a parcel."""

    parcel = models.ForeignKey(UntrackedParcel, models.CASCADE, related_name="+")


class TrackedLabelling(LabellingColumns):
    """Be a label of a parcel."""

    parcel = models.ForeignKey(TrackedParcel, models.CASCADE, related_name="+")


class BareLabelling(LabellingColumns):
    """Be a label of a parcel."""

    parcel = models.ForeignKey(BareParcel, models.CASCADE, related_name="+")


@tracked_by_pghistory("STATEMENT")
class StatementLabelling(LabellingColumns):
    """Be a label of a parcel."""

    parcel = models.ForeignKey(StatementParcel, models.CASCADE, related_name="+")


@tracked_by_pghistory("ROW")
class RowLabelling(LabellingColumns):
    """Be a label of a parcel."""

    parcel = models.ForeignKey(RowParcel, models.CASCADE, related_name="+")

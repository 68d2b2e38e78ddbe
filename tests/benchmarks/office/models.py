"""Orders, with what the admin shows beside them: a customer, lines, tags."""

from __future__ import annotations

from django.db import models


class Customer(models.Model):
    """Be who orders."""

    name = models.CharField(max_length=100)
    email = models.EmailField()

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """Be what orders are found by."""

    name = models.SlugField()

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """Have a field of each kind that is shown in a way of its own."""

    class Status(models.TextChoices):
        """How far it has come."""

        NEW = "new", "New"
        PAID = "paid", "Paid"
        SENT = "sent", "Sent"
        BACK = "back", "Sent back"

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="orders")
    status = models.CharField(max_length=4, choices=Status.choices, default=Status.NEW)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    placed_at = models.DateTimeField()
    gift = models.BooleanField(default=False)
    note = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)

    def __str__(self) -> str:
        return f"order {self.pk}"


class Line(models.Model):
    """Be part of an order."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    article = models.CharField(max_length=100)
    quantity = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.quantity} {self.article}"

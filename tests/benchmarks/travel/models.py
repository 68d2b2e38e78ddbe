"""A shop with ten tables that an order leads to, all of them tracked."""

from __future__ import annotations

from django.db import models

from audittrail import history


class Named(models.Model):
    """Give a name and a number that changes."""

    name = models.CharField(max_length=50)
    revised = models.IntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Country(Named):
    """Be where regions are."""


class Region(Named):
    """Be where cities are."""

    country = models.ForeignKey(Country, models.PROTECT)


class City(Named):
    """Be where customers and warehouses are."""

    region = models.ForeignKey(Region, models.PROTECT)


class Department(Named):
    """Be what categories and employees belong to."""


class Category(Named):
    """Be what products belong to."""

    department = models.ForeignKey(Department, models.PROTECT)


class Product(Named):
    """Be what is ordered."""

    category = models.ForeignKey(Category, models.PROTECT)
    price = models.DecimalField(max_digits=12, decimal_places=2)


class Employee(Named):
    """Be who handles orders."""

    department = models.ForeignKey(Department, models.PROTECT)


class Warehouse(Named):
    """Be where orders are sent from."""

    city = models.ForeignKey(City, models.PROTECT)


class Customer(Named):
    """Be who orders."""

    city = models.ForeignKey(City, models.PROTECT)
    email = models.EmailField()


class Order(models.Model):
    """Be ordered, paid, shipped: one of a million, each with three versions."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="orders")
    product = models.ForeignKey(Product, models.PROTECT)
    employee = models.ForeignKey(Employee, models.PROTECT)
    warehouse = models.ForeignKey(Warehouse, models.PROTECT)
    batch = models.IntegerField(db_index=True)
    status = models.CharField(max_length=12)
    placed_at = models.DateTimeField(db_index=True)
    updated_at = models.DateTimeField()
    total = models.DecimalField(max_digits=12, decimal_places=2)
    paid = models.BooleanField()
    address = models.TextField()
    note = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"order {self.pk}"


# What the benchmark filters and orders by, beside the foreign keys, which are indexed by default.
history.register(
    Order, index=["customer", "product", "employee", "warehouse", "batch", "placed_at"]
)

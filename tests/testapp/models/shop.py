"""Ordinary tables: every kind of key, relation and inheritance."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Country(models.Model):
    """Have a string as primary key, and notes by a generic relation."""

    code = models.CharField(max_length=2, primary_key=True)
    name = models.CharField(max_length=100)
    notes = GenericRelation("TaggedNote")

    def __str__(self) -> str:
        return self.name


class Organization(models.Model):
    """Refer to itself and to a string key."""

    name = models.CharField(max_length=100, unique=True)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    country = models.ForeignKey(Country, models.PROTECT, null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    """Have many-to-many relations with a through model, with itself, and be inherited from."""

    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)
    organizations = models.ManyToManyField(
        Organization, through="Membership", related_name="members", blank=True
    )
    friends = models.ManyToManyField("self", blank=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """Carry data on a many-to-many relation."""

    person = models.ForeignKey(Person, models.CASCADE)
    organization = models.ForeignKey(Organization, models.CASCADE)
    role = models.CharField(max_length=50, default="member")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "organization"], name="one_membership")
        ]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.organization_id}"


class Employee(Person):
    """Inherit through a second table."""

    salary = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))


class Place(models.Model):
    """Be the root of a chain of three tables."""

    name = models.CharField(max_length=100)
    address = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class Restaurant(Place):
    """Inherit with a parent link of its own name."""

    place = models.OneToOneField(Place, models.CASCADE, parent_link=True, primary_key=True)
    serves_soup = models.BooleanField(default=False)


class Pizzeria(Restaurant):
    """Inherit from what inherits."""

    oven_degrees = models.PositiveSmallIntegerField(default=450)


class Tag(models.Model):
    """Be the target of an auto-created many-to-many table."""

    name = models.SlugField(unique=True)

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """Have a UUID as primary key and an auto-created many-to-many table."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    stock = models.IntegerField(default=0)
    tags = models.ManyToManyField(Tag, related_name="products", blank=True)

    def __str__(self) -> str:
        return self.name


class Customer(models.Model):
    """Be an ordinary table with a proxy and a one-to-one companion."""

    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)
    vip = models.BooleanField(default=False)
    favourites = models.ManyToManyField(Product, related_name="admirers", blank=True)

    def __str__(self) -> str:
        return self.name


class VipCustomer(Customer):
    """Be a proxy."""

    class Meta:
        proxy = True


class CustomerProfile(models.Model):
    """Have a foreign key as primary key."""

    customer = models.OneToOneField(
        Customer, models.CASCADE, primary_key=True, related_name="profile"
    )
    bio = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.bio


class Order(models.Model):
    """Refer to a customer and hold JSON."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    reference = models.CharField(max_length=20, unique=True)
    placed_at = models.DateTimeField(null=True, blank=True)
    details = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.reference


class OrderLine(models.Model):
    """Have a composite primary key."""

    pk = models.CompositePrimaryKey("order_id", "number")
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    product = models.ForeignKey(Product, models.PROTECT, related_name="lines")
    quantity = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.order_id}/{self.number}"


class TaggedNote(models.Model):
    """Refer to any object by a generic foreign key."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.TextField()
    target = GenericForeignKey("content_type", "object_id")
    text = models.TextField()

    def __str__(self) -> str:
        return self.text

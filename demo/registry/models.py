"""The register, with its codes as primary keys, and what is proposed to change in it; nothing here knows of history."""

from django.conf import settings
from django.db import models


class Country(models.Model):
    """A country of ISO 3166-1."""

    alpha_2 = models.CharField("alpha-2 code", max_length=2, primary_key=True)
    alpha_3 = models.CharField("alpha-3 code", max_length=3, unique=True)
    numeric = models.CharField("numeric code", max_length=3, unique=True)
    name = models.CharField(max_length=100)
    official_name = models.CharField(max_length=100, blank=True)
    common_name = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "countries"

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Subdivision(models.Model):
    """A province, state, district, ... of ISO 3166-2."""

    code = models.CharField(max_length=6, primary_key=True)
    country = models.ForeignKey(Country, models.CASCADE, related_name="subdivisions")
    # A subdivision is not withdrawn while others are listed under it; together with them it may be.
    parent = models.ForeignKey(
        "self", models.RESTRICT, null=True, blank=True, related_name="children"
    )
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=50)

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        """Return name and code, since names are not unique."""
        return f"{self.name} ({self.code})"


class Currency(models.Model):
    """A currency of ISO 4217."""

    alpha_3 = models.CharField("alpha-3 code", max_length=3, primary_key=True)
    numeric = models.CharField("numeric code", max_length=3)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["alpha_3"]
        verbose_name_plural = "currencies"

    def __str__(self) -> str:
        """Return name and code."""
        return f"{self.name} ({self.alpha_3})"


class Proposal(models.Model):
    """A change of the register that somebody proposes, and what became of it."""

    class Status(models.TextChoices):
        """How far it has come."""

        DRAFT = "draft", "Draft"
        REVIEW = "review", "Under review"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"

    title = models.CharField(max_length=200)
    country = models.ForeignKey(Country, models.CASCADE, related_name="proposals")
    subdivisions = models.ManyToManyField(Subdivision, blank=True, related_name="proposals")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    urgent = models.BooleanField(default=False)
    text = models.TextField()
    sources = models.JSONField(default=dict, blank=True)
    decided_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class Comment(models.Model):
    """What somebody says of a proposal."""

    proposal = models.ForeignKey(Proposal, models.CASCADE, related_name="comments")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    text = models.TextField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        """Return the beginning of the text."""
        return self.text[:50]

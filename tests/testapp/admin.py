"""The test models in the default admin site, as a project would have them: nothing here knows of history."""

from __future__ import annotations

from django.contrib import admin

from . import models


class OrderLineInline(admin.TabularInline):
    """Show the lines of an order, whose composite key keeps them from having a ModelAdmin."""

    model = models.OrderLine
    extra = 0


class MembershipInline(admin.TabularInline):
    """Show memberships, which have no ModelAdmin of their own."""

    model = models.Membership
    extra = 0


@admin.register(models.Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["reference", "customer"]
    search_fields = ["reference"]
    inlines = [OrderLineInline]


@admin.register(models.Person)
class PersonAdmin(admin.ModelAdmin):
    inlines = [MembershipInline]


admin.site.register(
    [
        models.Country,
        models.Customer,
        models.CustomerProfile,
        models.Document,
        models.Drawing,
        models.Employee,
        models.Organization,
        models.Pizzeria,
        models.Place,
        models.Product,
        models.Restaurant,
        models.Specimen,
        models.Tag,
        models.TaggedNote,
        models.VipCustomer,
    ]
)

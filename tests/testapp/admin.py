"""The test models in the default admin site, as a project would have them: nothing here knows of history."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.contenttypes.admin import GenericTabularInline

from tests.testapp import models


class NoteInline(GenericTabularInline):
    """Be reached by a generic foreign key."""

    model = models.TaggedNote
    extra = 0


class MembershipInline(admin.TabularInline):
    """Be the through model of a many-to-many relation."""

    model = models.Membership
    extra = 0


class OrderLineInline(admin.TabularInline):
    """Have a composite key, which keeps it from having a ModelAdmin."""

    model = models.OrderLine
    extra = 0


class OrderInline(admin.TabularInline):
    """Refer to the customer."""

    model = models.Order
    extra = 0


class ProfileInline(admin.StackedInline):
    """Have the customer as its primary key."""

    model = models.CustomerProfile


@admin.register(models.Country)
class CountryAdmin(admin.ModelAdmin):
    list_display = ("code", "name")
    search_fields = ("code", "name")
    inlines = (NoteInline,)


@admin.register(models.Organization)
class OrganizationAdmin(admin.ModelAdmin):
    list_display = ("name", "parent", "country")
    list_filter = ("country",)
    search_fields = ("name",)
    autocomplete_fields = ("parent", "country")


@admin.register(models.Person)
class PersonAdmin(admin.ModelAdmin):
    list_display = ("name", "email")
    search_fields = ("name", "email")
    filter_horizontal = ("friends",)
    inlines = (MembershipInline,)


@admin.register(models.Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "price", "stock")
    list_filter = ("tags",)
    search_fields = ("name",)
    filter_horizontal = ("tags",)
    readonly_fields = ("id",)
    fieldsets = (
        (None, {"fields": ("name", ("price", "stock"))}),
        ("Filing", {"classes": ("collapse",), "fields": ("tags", "id")}),
    )


@admin.register(models.Customer)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ("name", "email", "vip")
    list_filter = ("vip",)
    search_fields = ("name", "email")
    autocomplete_fields = ("favourites",)
    inlines = (ProfileInline, OrderInline)


@admin.register(models.Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("reference", "customer", "placed_at")
    date_hierarchy = "placed_at"
    search_fields = ("reference",)
    autocomplete_fields = ("customer",)
    inlines = (OrderLineInline,)


@admin.register(models.Document)
class DocumentAdmin(admin.ModelAdmin):
    list_display = ("title", "owner")
    raw_id_fields = ("owner",)


admin.site.register(
    [
        models.Booking,
        models.Capital,
        models.Clash,
        models.CustomerProfile,
        models.Drawing,
        models.Employee,
        models.Invoice,
        models.Keyword,
        models.Legacy,
        models.LongName,
        models.Pizzeria,
        models.Place,
        models.Quoted,
        models.Restaurant,
        models.Review,
        models.Seat,
        models.Shelf,
        models.Spaced,
        models.Specimen,
        models.Tag,
        models.TaggedNote,
        models.VipCustomer,
    ]
)

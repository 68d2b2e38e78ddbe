"""The orders in the admin, with nothing said about history."""

from __future__ import annotations

from django.contrib import admin

from tests.benchmarks.office.models import Customer, Line, Order, Tag


class LineInline(admin.TabularInline):
    """Be in the order's form, and so in its history."""

    model = Line
    extra = 0


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """Be listed with customers."""

    list_display = ("id", "customer", "status", "total", "placed_at")
    list_filter = ("status", "gift")
    list_select_related = ("customer",)
    search_fields = ("note",)
    autocomplete_fields = ("customer", "tags")
    inlines = (LineInline,)


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    """Be sought."""

    list_display = ("name", "email")
    search_fields = ("name",)


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    """Be sought."""

    search_fields = ("name",)

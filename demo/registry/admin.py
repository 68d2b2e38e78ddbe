"""The register and its proposals in the admin; nothing here knows of history."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest

from demo.registry.models import Comment, Country, Currency, Proposal, Subdivision

TYPES_OFFERED = 20


class RegisterAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Keep the code of an object: another code is another object."""

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show the fields in the model's order, whether they can be changed or not."""
        return [field.name for field in self.opts.concrete_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Add the primary key when the object exists already."""
        fixed = [str(name) for name in super().get_readonly_fields(request, obj)]
        return fixed if obj is None else [*fixed, obj._meta.pk.name]


class TypeFilter(admin.SimpleListFilter):
    """Choose among the commonest types of subdivisions; there are far too many to list all."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the types that most subdivisions have."""
        types = model_admin.get_queryset(request).order_by().values_list("type")
        counted = types.annotate(number=Count("pk")).order_by("-number", "type")
        return [(name, name) for name, _ in counted[:TYPES_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen type."""
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Country)
class CountryAdmin(RegisterAdmin):
    """Countries by name."""

    list_display = ("name", "alpha_2", "alpha_3", "numeric", "official_name")
    list_filter = (
        ("official_name", admin.EmptyFieldListFilter),
        ("common_name", admin.EmptyFieldListFilter),
    )
    search_fields = ("name", "official_name", "common_name", "=alpha_2", "=alpha_3", "=numeric")


@admin.register(Subdivision)
class SubdivisionAdmin(RegisterAdmin):
    """Subdivisions by code."""

    list_display = ("code", "name", "type", "country", "parent")
    list_filter = (("parent", admin.EmptyFieldListFilter), TypeFilter)
    list_select_related = ("country", "parent")
    search_fields = ("code", "name", "country__name")
    autocomplete_fields = ("country", "parent")


@admin.register(Currency)
class CurrencyAdmin(RegisterAdmin):
    """Currencies by code."""

    list_display = ("alpha_3", "name", "numeric")
    search_fields = ("name", "=alpha_3", "=numeric")


class CommentInline(admin.TabularInline):  # type: ignore[type-arg]
    """Comments with the proposal that they are about."""

    model = Comment
    extra = 1


@admin.register(Proposal)
class ProposalAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Proposals with their comments."""

    list_display = ("title", "country", "status", "urgent", "decided_on")
    list_filter = ("status", "urgent")
    search_fields = ("title", "text")
    autocomplete_fields = ("country", "subdivisions")
    fieldsets = (
        (None, {"fields": ("title", "text")}),
        ("What it is about", {"fields": ("country", "subdivisions", "sources")}),
        ("What became of it", {"fields": (("status", "urgent"), "decided_on")}),
    )
    inlines = (CommentInline,)

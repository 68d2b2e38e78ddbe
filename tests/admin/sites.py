"""Sites beside the default one, made the ways in which projects make them, and the URLs of all."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from tests.testapp.models import Customer, Document, Order, Tag


class SupportSite(admin.AdminSite):
    """Have URLs and an index of its own, as custom sites do."""

    site_header = "Support"

    def get_urls(self) -> list[Any]:
        own = path("hello/", self.admin_view(lambda request: HttpResponse("hello")), name="hello")
        return [own, *super().get_urls()]

    def index(self, request: Any, extra_context: Any = None) -> Any:
        return super().index(request, {"greeting": "Welcome", **(extra_context or {})})


class ThemedSite(admin.AdminSite):
    """Have an index that does not ask Django's, as themes do."""

    def index(self, request: Any, extra_context: Any = None) -> Any:
        context = {**self.each_context(request), "title": "A theme", **(extra_context or {})}
        return TemplateResponse(request, "admin/index.html", context)


class OwnDocuments(admin.ModelAdmin):
    """Show each user the own documents only, by the object-level hooks."""

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        allowed = super().has_view_permission(request, obj)
        return allowed and (obj is None or obj.owner_id == request.user.pk)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.owner_id == request.user.pk)


class OpenOrders(admin.ModelAdmin):
    """Leave rows out of the queryset, as many projects do, and annotate it."""

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).filter(reference__startswith="open")


class TagAdmin(admin.ModelAdmin):
    """Override the views that audittrail extends."""

    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": "All the tags"})

    def history_view(self, request: Any, object_id: str, extra_context: Any = None) -> Any:
        return super().history_view(request, object_id, {"title": "A tag's history"})


support = SupportSite(name="support")
support.register(Customer)
support.register(Document, OwnDocuments)
support.register(Order, OpenOrders)
support.register(Tag, TagAdmin)

themed = ThemedSite(name="themed")
themed.register(Tag)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("support/", support.urls),
    path("themed/", themed.urls),
]

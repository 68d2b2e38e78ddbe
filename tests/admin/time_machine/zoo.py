"""A site with every kind of thing that ModelAdmins do, none of which knows of history."""

from __future__ import annotations

import csv
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.admin import GenericTabularInline
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Sum
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path

from tests.testapp import models as m


class ZooSite(admin.AdminSite):
    """Have pages of its own."""

    site_header = "Zoo"

    def get_urls(self) -> list[Any]:
        return [
            path("report/", self.admin_view(self.report), name="report"),
            path("rendered/", self.admin_view(self.rendered), name="rendered"),
            path("json/", self.admin_view(self.as_json), name="json"),
            path("stream/", self.admin_view(self.stream), name="stream"),
            path("async/", self.asynchronous, name="async"),
            path("write/", self.admin_view(self.write), name="write"),
            *super().get_urls(),
        ]

    def report(self, request: Any) -> Any:
        """Query when the template is rendered, and with SQL."""
        template = engines["django"].from_string(
            "{% extends 'admin/base_site.html' %}{% block content %}{{ total }}"
            "{% for customer in customers %}<p>{{ customer }} {{ customer.orders.count }}</p>{% endfor %}{% endblock %}"
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(price) FROM testapp_product WHERE stock >= %s", [0])
            [total] = cursor.fetchone()
        context = {"customers": m.Customer.objects.order_by("name"), "total": total}
        return TemplateResponse(request, template, {**self.each_context(request), **context})

    def rendered(self, request: Any) -> Any:
        context = {**self.each_context(request), "title": m.Tag.objects.count()}
        return render(request, "admin/base_site.html", context)

    def as_json(self, request: Any) -> Any:
        return JsonResponse(list(m.Country.objects.order_by("code").values()), safe=False)

    def stream(self, request: Any) -> Any:
        return StreamingHttpResponse(
            (f"{order}: {order.customer}\n" for order in m.Order.objects.order_by("pk")),
            content_type="text/plain",
        )

    async def asynchronous(self, request: Any) -> Any:
        user = await request.auser()
        names = [customer.name async for customer in m.Customer.objects.order_by("name")]
        return JsonResponse({"names": names, "user": user.username, "email": user.email})

    def write(self, request: Any) -> Any:
        way = request.POST["way"]
        if way == "orm":
            m.Tag.objects.create(name="written")
        elif way == "using":
            m.Tag(name="written").save(using="default")
        elif way == "sql":
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO testapp_tag (name) VALUES ('written')")
        elif way == "raw":
            with connection.connection.cursor() as cursor:
                cursor.execute("INSERT INTO testapp_tag (name) VALUES ('written')")
        elif way == "function":
            with connection.cursor() as cursor:
                cursor.execute("SELECT write_tag()")
        elif way == "untracked":
            m.LogLine.objects.create(line="written")
        elif way == "own data":
            request.user.documents.create(title="written")
        elif way == "user":
            request.user.save()
        elif way == "session":
            request.session["kept"] = "yes"
            request.session.save()
        return HttpResponse("written")


zoo = ZooSite(name="zoo")


class SoupFilter(admin.SimpleListFilter):
    title = "soup"
    parameter_name = "soup"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        counted = model_admin.get_queryset(request).values_list("serves_soup")
        return [(str(value), f"{value} ({n})") for value, n in counted.annotate(n=Count("pk"))]

    def queryset(self, request: Any, queryset: Any) -> Any:
        if self.value() == "logged":
            return queryset.filter(name__in=list(queryset.filter(name__in=m.LogLine.objects.all())))
        return queryset.filter(serves_soup=self.value() == "True") if self.value() else queryset


class LineInline(admin.TabularInline):
    model = m.OrderLine
    extra = 1
    readonly_fields = ["price"]

    def price(self, line: Any) -> Any:
        return line.product.price * line.quantity


class MembershipInline(admin.StackedInline):
    model = m.Membership
    extra = 0
    autocomplete_fields = ["organization"]
    show_change_link = True

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).select_related("organization__parent")


class NoteInline(GenericTabularInline):
    model = m.TaggedNote
    extra = 0


class ProfileInline(admin.StackedInline):
    model = m.CustomerProfile


class OrderInline(admin.TabularInline):
    model = m.Order
    fk_name = "customer"
    extra = 0
    fields = ["reference", "placed_at"]


@admin.register(m.Order, site=zoo)
class OrderAdmin(admin.ModelAdmin):
    ordering = ["pk"]
    list_display = ["reference", "customer", "customer_email", "things", "lines_by_sql", "is_gift"]
    list_filter = [
        "placed_at",
        "customer",
        "customer__vip",
        ("customer", admin.RelatedOnlyFieldListFilter),
        ("placed_at", admin.EmptyFieldListFilter),
        ("reference", admin.AllValuesFieldListFilter),
    ]
    list_select_related = ["customer"]
    search_fields = ["reference", "customer__name", "lines__product__name"]
    date_hierarchy = "placed_at"
    raw_id_fields = ["customer"]
    inlines = [LineInline]
    readonly_fields = ["neighbours"]
    actions = ["as_csv", "counted", "touch", "log"]
    show_facets = admin.ShowFacets.ALWAYS

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).annotate(things=Sum("lines__quantity"))

    @admin.display(ordering="customer__email")
    def customer_email(self, order: Any) -> Any:
        return order.customer.email

    @admin.display(ordering="things")
    def things(self, order: Any) -> Any:
        return order.things

    def lines_by_sql(self, order: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM testapp_orderline WHERE order_id = %s", [order.pk])
            return cursor.fetchone()[0]

    @admin.display(boolean=True)
    def is_gift(self, order: Any) -> Any:
        return order.details.get("gift", False)

    def neighbours(self, order: Any) -> Any:
        others = m.Order.objects.filter(customer=order.customer_id).exclude(pk=order.pk)
        return ", ".join(others.order_by("pk").values_list("reference", flat=True)) or "none"

    @admin.action(description="Export")
    def as_csv(self, request: Any, queryset: Any) -> Any:
        response = HttpResponse(content_type="text/csv")
        writer = csv.writer(response)
        for order in queryset.prefetch_related(
            Prefetch("lines", m.OrderLine.objects.order_by("number"))
        ):
            writer.writerow([order.reference, order.customer.name, *map(str, order.lines.all())])
        return response

    @admin.action(description="Count")
    def counted(self, request: Any, queryset: Any) -> None:
        self.message_user(request, f"{queryset.count()} of {m.Order.objects.count()}")

    @admin.action(description="Touch")
    def touch(self, request: Any, queryset: Any) -> None:
        queryset.update(reference=F("reference"))

    @admin.action(description="Log")
    def log(self, request: Any, queryset: Any) -> None:
        m.LogLine.objects.create(line="acted")


@admin.register(m.Customer, site=zoo)
class CustomerAdmin(admin.ModelAdmin):
    ordering = ["pk"]
    list_display = ["name", "orders_count", "spent", "vip"]
    list_editable = ["vip"]
    list_filter = ["vip", ("profile", admin.EmptyFieldListFilter), "favourites"]
    search_fields = ["^name", "=email", "favourites__tags__name"]
    filter_horizontal = ["favourites"]
    inlines = [ProfileInline, OrderInline]

    def get_queryset(self, request: Any) -> Any:
        products = m.Product.objects.filter(lines__order__customer=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(orders_n=Count("orders", distinct=True), buys=Exists(products))
            .filter(Q(buys=True) | Q(pk__in=m.Customer.objects.filter(vip=False)))
        )

    @admin.display(ordering="orders_n")
    def orders_count(self, customer: Any) -> Any:
        return f"{customer.orders_n} {customer.buys}"

    def spent(self, customer: Any) -> Any:
        total = F("quantity") * F("product__price")
        return m.OrderLine.objects.filter(order__customer=customer).aggregate(s=Sum(total))["s"]


@admin.register(m.Organization, site=zoo)
class OrganizationAdmin(admin.ModelAdmin):
    ordering = ["pk"]
    list_display = ["name", "parent", "country", "members_named"]
    list_filter = [("country", admin.RelatedOnlyFieldListFilter), "parent"]
    search_fields = ["name", "members__name"]
    autocomplete_fields = ["parent", "country"]

    def members_named(self, organization: Any) -> Any:
        return ", ".join(sorted(person.name for person in organization.members.all()))

    def get_search_results(self, request: Any, queryset: Any, term: str) -> Any:
        found, _may_repeat = super().get_search_results(request, queryset, term)
        return found | self.model.objects.filter(country__name__icontains=term or "-"), True


@admin.register(m.Person, site=zoo)
class PersonAdmin(admin.ModelAdmin):
    ordering = ["pk"]
    inlines = [MembershipInline]
    filter_vertical = ["friends"]
    list_display = ["name", "email", "organizations_count"]

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).prefetch_related("organizations", "friends")

    def organizations_count(self, person: Any) -> Any:
        return len(person.organizations.all()) * 10 + len(person.friends.all())


@admin.register(m.Country, site=zoo)
class CountryAdmin(admin.ModelAdmin):
    ordering = ["pk"]
    inlines = [NoteInline]
    search_fields = ["name"]


@admin.register(m.Document, site=zoo)
class DocumentAdmin(admin.ModelAdmin):
    """Have an object-level rule of its own, that of the present."""

    ordering = ["pk"]
    list_display = ["title", "owner"]

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return not Group.objects.filter(name="readers", user=request.user).exists()

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: Any) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(m.Restaurant, site=zoo)
class RestaurantAdmin(admin.ModelAdmin):
    ordering = ["pk"]
    list_filter = [SoupFilter]
    list_display = ["name", "address", "serves_soup"]


@admin.register(m.Product, site=zoo)
class ProductAdmin(admin.ModelAdmin):
    ordering = ["pk"]


zoo.register([m.Employee, m.Pizzeria, m.Specimen, m.Tag, m.TaggedNote, m.VipCustomer, m.LogLine])
zoo.register(User, UserAdmin)
zoo.register(Group, GroupAdmin)

urlpatterns = [path("admin/", admin.site.urls), path("zoo/", zoo.urls)]

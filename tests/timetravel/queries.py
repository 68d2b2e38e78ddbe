"""A broad body of queries, after Django's documentation of querysets, each a function of "how to get all objects of a model"."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.contrib.postgres.aggregates import ArrayAgg, BoolOr, JSONBAgg, StringAgg
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import (
    Avg,
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    FloatField,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    StdDev,
    Subquery,
    Sum,
    Value,
    When,
    Window,
    prefetch_related_objects,
)  # fmt: skip
from django.db.models.fields.json import KT
from django.db.models.functions import (
    Cast,
    Coalesce,
    Concat,
    DenseRank,
    ExtractYear,
    FirstValue,
    Greatest,
    Lag,
    Length,
    Lower,
    NullIf,
    RowNumber,
    Substr,
    TruncDay,
    TruncMonth,
    Upper,
)  # fmt: skip

from tests.testapp.models import (
    Capital,
    Clash,
    Country,
    Customer,
    CustomerProfile,
    Document,
    Drawing,
    Employee,
    Invoice,
    Keyword,
    LongName,
    Membership,
    Order,
    OrderLine,
    Organization,
    Person,
    Pizzeria,
    Place,
    Product,
    Quoted,
    Restaurant,
    Review,
    Seat,
    Spaced,
    Specimen,
    Tag,
    TaggedNote,
    VipCustomer,
)  # fmt: skip

#: Gives a queryset with all objects of a model.
All = Callable[[Any], Any]
Query = Callable[[All], Any]

MODELS = [
    Capital, Clash, Country, Customer, CustomerProfile, Document, Drawing, Employee, Invoice, Keyword, LongName, Membership,
    Order, OrderLine, Organization, Person, Pizzeria, Place, Product, Quoted, Restaurant, Review, Seat, Spaced, Specimen, Tag, TaggedNote,
    VipCustomer, User, Group,
]  # fmt: skip

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def related(objects: Any, *paths: str) -> list[Any]:
    """Return what follows from objects along attributes, lists of objects at their ends sorted."""
    rows = []
    for found in objects:
        row = [found.pk]
        for path in paths:
            value: Any = found
            for name in path.split("."):
                value = getattr(value, name, None)
            row.append(
                sorted(str(item) for item in value.all()) if hasattr(value, "all") else value
            )
        rows.append(row)
    return sorted(rows, key=repr)


def prefetched(objects: list[Any], *lookups: str) -> list[Any]:
    """Return objects with what is related to them."""
    prefetch_related_objects(objects, *lookups)
    return objects


def attempt(function: Callable[[], Any]) -> str:
    """Return the name of the error that a function raises."""
    try:
        function()
    except Exception as error:  # noqa: BLE001 - which one is the question
        return type(error).__name__
    return ""


FILTERS: list[Query] = [
    *(lambda q, model=model: q(model) for model in MODELS),
    lambda q: q(Customer).filter(name="Zoe"),
    lambda q: q(Customer).exclude(name="Zoe"),
    lambda q: q(Customer).filter(Q(name="Zoe") | Q(name__startswith="Y"), ~Q(email="")),
    lambda q: q(Customer).filter(Q(vip=True) ^ Q(name="Zoe")),
    lambda q: q(Customer).filter(name__iexact="zoe"),
    lambda q: q(Customer).filter(name__contains="a"),
    lambda q: q(Customer).filter(name__icontains="A"),
    lambda q: q(Customer).filter(name__in=["Zoe", "Xia", "%s", "100%"]),
    lambda q: q(Customer).filter(name__in=[]),
    lambda q: q(Customer).filter(name__regex=r"^[WX]i."),
    lambda q: q(Customer).filter(name__iregex=r"^[wx]"),
    lambda q: q(Customer).filter(name__endswith="e", email__istartswith="ZOE"),
    lambda q: q(Customer).filter(email__contains="%"),
    lambda q: q(Product).filter(price__gt=10, stock__lte=9),
    lambda q: q(Product).filter(price__range=(10, 30)),
    lambda q: q(Specimen).filter(flag__isnull=True),
    lambda q: q(Specimen).filter(flag=None),
    lambda q: q(Specimen).filter(day__year=2026, day__month=1, day__day__gte=2),
    lambda q: q(Specimen).filter(day__week_day=6),
    lambda q: q(Specimen).filter(moment__date=date(2026, 1, 5)),
    lambda q: q(Specimen).filter(moment__hour__gt=9).filter(clock__hour__lt=12),
    lambda q: q(Specimen).filter(numbers__contains=[1]),
    lambda q: q(Specimen).filter(numbers__overlap=[2, 9], numbers__len=2),
    lambda q: q(Specimen).filter(numbers__0=1),
    lambda q: q(Specimen).filter(int_range__contains=5),
    lambda q: q(Specimen).filter(int_range__overlap=(0, 2)),
    lambda q: q(Specimen).filter(data__a=1),
    lambda q: q(Specimen).filter(data__b__1=2),
    lambda q: q(Specimen).filter(data__has_key="a"),
    lambda q: q(Specimen).filter(data__contains={"a": 1}),
    lambda q: q(Specimen).filter(data__isnull=True),
    lambda q: q(Specimen).filter(search="stone"),
    lambda q: q(Specimen).filter(name__search="stones"),
    lambda q: q(Specimen).annotate(rank=SearchRank("search", SearchQuery("stone"))).values_list("name", "rank").order_by("name"),
    lambda q: q(Document).annotate(s=SearchVector("title", "body")).filter(s=SearchQuery("history")).values("title"),
    lambda q: q(Order).filter(details__note__to__startswith="Someone"),
    lambda q: q(Order).filter(details__codes__contains=[1]).order_by(KT("details__note__to"), "pk"),
    lambda q: q(Order).values("details__note__to", "details__gift"),
    lambda q: q(OrderLine).filter(pk=(1, 1)),
    lambda q: q(OrderLine).filter(pk__in=[(1, 1), (2, 1), (9, 9)]),
    lambda q: q(OrderLine).order_by("-pk"),
    lambda q: q(User).filter(username__in=["una", "vic"], is_staff=True),
    lambda q: q(Product).filter(price=F("stock") * 10 / 3),
    lambda q: q(Product).filter(price__gt=F("stock")),
    lambda q: q(Customer).extra(select={"loud": "upper(name)"}, where=["vip"], order_by=["name"]).values("loud"),
    lambda q: q(Customer).extra(tables=["testapp_customerprofile"], where=["testapp_customerprofile.customer_id = testapp_customer.id"]),
    lambda q: q(Customer).none(),
    lambda q: q(Customer).filter(Exists(q(Order).filter(customer=OuterRef("pk"), details__gift=True))),
]  # fmt: skip

RELATIONS: list[Query] = [
    lambda q: q(Order).filter(customer__name="Yan"),
    lambda q: q(Customer).filter(orders__reference="R10"),
    lambda q: q(Customer).filter(orders__lines__product__name="Product 2").distinct(),
    lambda q: q(Customer).exclude(orders__reference="R10"),
    lambda q: q(Customer).exclude(orders__lines__quantity=2),
    lambda q: q(Customer).filter(profile__bio__contains="1"),
    lambda q: q(Customer).filter(profile__isnull=True),
    lambda q: q(CustomerProfile).filter(customer__vip=True),
    lambda q: q(Product).filter(tags__name="cheap"),
    lambda q: q(Product).filter(tags__name="cheap").filter(tags__name="new"),
    lambda q: q(Product).filter(tags=None),
    lambda q: q(Tag).filter(products__price__gte=20).distinct(),
    lambda q: q(Product).filter(admirers__name="Yan"),
    lambda q: q(Person).filter(organizations__name="Branch 1"),
    lambda q: q(Organization).filter(members__name="Dan", membership__role="chief"),
    lambda q: q(Person).filter(friends__name="Ada"),
    lambda q: q(Organization).filter(parent__parent__name="Root"),
    lambda q: q(Organization).filter(children__children__name="Leaf"),
    lambda q: q(Organization).filter(country__name="Italy", parent__country="FR"),
    lambda q: q(Country).filter(organization__name__startswith="Branch").distinct(),
    lambda q: q(Country).filter(notes__text="Note 1"),
    lambda q: q(Country).annotate(n=Count("notes")).values_list("code", "n"),
    lambda q: q(TaggedNote).filter(content_type__model="country"),
    lambda q: q(Employee).filter(name="Worker 1", salary__gt=0),
    lambda q: q(Person).filter(employee__salary__gt=1000),
    lambda q: q(Restaurant).filter(address__startswith="2"),
    lambda q: q(Pizzeria).filter(serves_soup=False, name="Napoli"),
    lambda q: q(Place).filter(restaurant__pizzeria__oven_degrees__gt=400),
    lambda q: q(Place).filter(restaurant=None),
    lambda q: q(VipCustomer).filter(vip=True, orders__details__gift=True),
    lambda q: q(User).filter(groups__name="editors"),
    lambda q: q(Group).filter(user__username="wes"),
    lambda q: q(Group).filter(permissions__isnull=False).distinct(),
    lambda q: q(Document).filter(owner__username="una"),
    lambda q: q(Document).filter(owner=None),
    lambda q: q(Spaced).filter(customer__name="Zoe", tags__name="new"),
    lambda q: q(Review).filter(product__name="Product 0"),
    lambda q: q(Membership).filter(organization__country__code="FR", person__email=""),
    lambda q: q(OrderLine).filter(order__customer__profile__bio="Bio 1"),
    lambda q: q(Customer).alias(first=FilteredRelation("orders", condition=Q(orders__reference__endswith="0"))).filter(first__isnull=False),
    lambda q: related(q(Order), "customer.name", "customer.profile.bio", "lines"),
    lambda q: related(q(Order).select_related("customer__profile"), "customer.name", "customer.profile.bio"),
    lambda q: related(q(Customer).select_related("profile"), "profile.bio"),
    lambda q: related(q(Organization).select_related("parent__country", "country"), "parent.name", "parent.country.name", "country"),
    lambda q: related(q(Organization), "parent.parent.name", "children", "members", "country.name"),
    lambda q: related(q(Customer).prefetch_related("orders", "favourites__tags"), "orders", "favourites"),
    lambda q: related(q(Customer).prefetch_related("orders__lines__product__tags"), "orders"),
    lambda q: related(q(Customer).prefetch_related(Prefetch("orders", q(Order).filter(details__gift=True), to_attr="gifts")), "name"),
    lambda q: [[str(o) for o in c.gifts] for c in q(Customer).prefetch_related(Prefetch("orders", q(Order).order_by("pk"), to_attr="gifts")).order_by("pk")],
    lambda q: [[str(o) for o in c.two] for c in q(Customer).prefetch_related(Prefetch("orders", q(Order).order_by("-pk")[:2], to_attr="two")).order_by("pk")],
    lambda q: related(q(Customer).prefetch_related("profile"), "profile.bio", "profile.customer.name"),
    lambda q: related(q(Place).prefetch_related("restaurant__pizzeria"), "restaurant.pizzeria.oven_degrees"),
    lambda q: related(q(Product).prefetch_related("tags", "admirers", "lines__order"), "tags", "admirers", "lines"),
    lambda q: related(q(Person).prefetch_related("organizations", "friends", "membership_set"), "organizations", "friends", "membership_set"),
    lambda q: related(q(Person), "organizations", "friends", "employee.salary"),
    lambda q: related(q(TaggedNote), "target", "content_type.model"),
    lambda q: related(q(TaggedNote).prefetch_related("target"), "target.name"),
    lambda q: related(q(TaggedNote).prefetch_related(GenericPrefetch("target", [q(Country).filter(code="FR"), q(Customer)])), "target"),
    lambda q: related(q(Country).prefetch_related("notes"), "notes"),
    lambda q: related(q(Country), "notes", "organization_set"),
    lambda q: related(q(Place), "restaurant.pizzeria.oven_degrees", "restaurant.serves_soup"),
    lambda q: related(q(Pizzeria), "place.name", "restaurant_ptr.place.address"),
    lambda q: related(q(User).prefetch_related("groups__permissions", "documents"), "groups", "documents"),
    lambda q: related(q(Group), "user_set", "permissions"),
    lambda q: related(q(Document).select_related("owner"), "owner.username", "owner.documents"),
    lambda q: q(Specimen).order_by("pk").first().get_next_by_created(),
    lambda q: [c.orders.count() + c.favourites.filter(stock__gt=0).count() for c in q(Customer).order_by("pk")],
    lambda q: [list(c.orders.values_list("reference", flat=True).order_by("pk")) for c in q(Customer).order_by("pk")],
    lambda q: [list(c.orders.filter(lines__in=q(OrderLine).filter(quantity=2)).order_by("pk")) for c in q(Customer).order_by("pk")],
    lambda q: [c.orders.all().union(q(Order).filter(reference="R00")).count() for c in q(Customer).order_by("pk")],
    lambda q: [c.orders.aggregate(n=Sum("lines__quantity")) for c in q(Customer).order_by("pk")],
    lambda q: related(prefetched(list(q(Customer)), "orders"), "orders"),
]  # fmt: skip

AGGREGATES: list[Query] = [
    lambda q: q(Product).aggregate(Sum("price"), Avg("stock"), Max("price"), Min("name"), n=Count("*")),
    lambda q: q(Product).aggregate(d=StdDev("stock"), spread=Max("price") - Min("price")),
    lambda q: q(Order).aggregate(n=Count("customer", distinct=True), g=Count("pk", filter=Q(details__gift=True))),
    lambda q: q(OrderLine).aggregate(total=Sum(F("quantity") * F("product__price"))),
    lambda q: q(Customer).annotate(n=Count("orders")).values_list("name", "n"),
    lambda q: q(Customer).annotate(n=Count("orders", distinct=True), m=Count("favourites", distinct=True)).order_by("pk"),
    lambda q: q(Customer).annotate(n=Count("orders")).filter(n__gt=1),
    lambda q: q(Customer).annotate(n=Count("orders")).aggregate(Avg("n"), Max("n")),
    lambda q: q(User).annotate(n=Count("groups")).order_by("-n", "pk"),
    lambda q: q(User).annotate(n=Count("groups")).filter(n__gte=1).count(),
    lambda q: q(Order).values("customer__name").annotate(n=Count("pk"), last=Max("placed_at")).order_by("customer__name"),
    lambda q: q(OrderLine).values("product__name").annotate(total=Sum("quantity")).filter(total__gt=1).order_by("product__name"),
    lambda q: q(Organization).values("country").annotate(n=Count("members")).order_by("country"),
    lambda q: q(Membership).values_list("role").annotate(Count("pk")).order_by("role"),
    lambda q: q(Product).annotate(names=StringAgg("tags__name", Value(","), order_by="tags__name")).values_list("name", "names").order_by("name"),
    lambda q: q(Product).annotate(names=ArrayAgg("tags__name", filter=Q(tags__isnull=False), default=Value([]))).values_list("name", flat=True).order_by("name"),
    lambda q: q(Customer).aggregate(any=BoolOr("vip"), all=JSONBAgg("vip", order_by="pk")),
    lambda q: q(Order).annotate(month=TruncMonth("placed_at")).values("month").annotate(n=Count("pk")).order_by("month"),
    lambda q: q(Customer).annotate(total=Coalesce(Sum("orders__lines__quantity"), 0)).order_by("total", "pk").values("name", "total"),
    lambda q: q(Customer).count(),
    lambda q: q(Customer).filter(vip=True).exists(),
    lambda q: q(Customer).filter(name="nobody").exists(),
    lambda q: q(Product).order_by("pk")[1:3].aggregate(Sum("price")),
    lambda q: q(Product).distinct().aggregate(Count("pk")),
    lambda q: q(Product).values("stock").distinct().count(),
    lambda q: q(Product).order_by("pk")[:3].count(),
    lambda q: q(Employee).aggregate(Sum("salary"), n=Count("name")),
    lambda q: q(Customer).aggregate(n=Count("pk", filter=Exists(q(Order).filter(customer=OuterRef("pk"))))),
    lambda q: q(Country).aggregate(n=Count("notes")),
    lambda q: q(Organization).annotate(depth=Count("children")).values_list("name", "depth").order_by("name"),
]  # fmt: skip

EXPRESSIONS: list[Query] = [
    lambda q: q(Product).annotate(value=F("price") * F("stock")).values_list("name", "value").order_by("name"),
    lambda q: q(Customer).annotate(label=Concat("name", Value(" <"), "email", Value(">"), output_field=CharField())).values("label"),
    lambda q: q(Customer).annotate(short=Lower(Substr("name", 1, 2)), n=Length("email"), up=Upper("name")).values("short", "n", "up"),
    lambda q: q(Product).annotate(kind=Case(When(price__gt=20, then=Value("dear")), When(stock=0, then=Value("none")), default=Value("fair"))).values("name", "kind"),
    lambda q: q(Product).annotate(most=Greatest("price", Cast("stock", FloatField()), output_field=FloatField()), n=NullIf("stock", Value(0))).values("most", "n"),
    lambda q: q(Order).annotate(day=TruncDay("placed_at"), year=ExtractYear("placed_at")).values("day", "year").order_by("pk"),
    lambda q: q(Order).annotate(late=ExpressionWrapper(Q(placed_at__gt=NOON), output_field=BooleanField())).values("reference", "late"),
    lambda q: q(Order).annotate(to=KT("details__note__to")).values_list("to", flat=True).order_by("to"),
    lambda q: q(Customer).annotate(last=Subquery(q(Order).filter(customer=OuterRef("pk")).order_by("-pk").values("reference")[:1])).values("name", "last"),
    lambda q: q(Customer).annotate(has=Exists(q(Order).filter(customer=OuterRef("pk")))).values_list("name", "has"),
    lambda q: q(Customer).filter(~Exists(q(Order).filter(customer=OuterRef("pk")))),
    lambda q: q(Customer).annotate(refs=ArraySubquery(q(Order).filter(customer=OuterRef("pk")).order_by("pk").values("reference"))).values("name", "refs"),
    lambda q: q(Customer).filter(pk__in=q(Order).filter(lines__quantity__gt=1).values("customer")),
    lambda q: q(Customer).filter(orders__in=q(Order).filter(reference="R21")),
    lambda q: q(Product).filter(price=q(Product).order_by("-price").values("price")[:1]),
    lambda q: q(Product).filter(price__gt=Subquery(q(Product).filter(pk=OuterRef("pk")).values("stock"))),
    lambda q: q(Customer).annotate(n=Subquery(q(Order).filter(customer=OuterRef("pk")).values("customer").annotate(c=Count("pk")).values("c"))).values("name", "n"),
    lambda q: q(Customer).filter(Exists(q(Order).filter(customer=OuterRef("pk")).filter(Exists(q(OrderLine).filter(order=OuterRef("pk"), quantity=3))))),
    lambda q: q(OrderLine).annotate(n=Window(RowNumber(), partition_by="order", order_by="number")).values("order", "number", "n"),
    lambda q: q(Product).annotate(r=Window(DenseRank(), order_by=F("stock").desc()), before=Window(Lag("name"), order_by="name")).values("name", "r", "before"),
    lambda q: q(Product).annotate(first=Window(FirstValue("name"), order_by="price")).filter(first="Product 0").values("name"),
    lambda q: q(Order).annotate(n=Window(Count("pk"), partition_by="customer")).filter(n=2),
    lambda q: q(Product).order_by(F("stock").desc(nulls_last=True), "name"),
    lambda q: q(Specimen).order_by(F("flag").asc(nulls_first=True), "pk"),
    lambda q: q(Customer).order_by(Lower("name").desc()),
    lambda q: q(Customer).order_by(Exists(q(Order).filter(customer=OuterRef("pk"))).desc(), "pk"),
    lambda q: q(Customer).alias(n=Count("orders")).filter(n=1),
    lambda q: q(Customer).annotate(x=Value("x", output_field=CharField()), n=Value(1, output_field=IntegerField())).values("x", "n", "pk"),
    lambda q: q(Order).annotate(t=Coalesce("placed_at", Value(NOON), output_field=DateTimeField())).values("t").order_by("t"),
    lambda q: q(Clash).values("version", "revision_id", "operation", "row_version", "doubled"),
    lambda q: q(Keyword).order_by("order").values("order", "table", "user"),
]  # fmt: skip

SETS: list[Query] = [
    lambda q: q(Customer).filter(name="Zoe") | q(Customer).filter(name="Yan"),
    lambda q: q(Customer).filter(vip=True) & q(Customer).filter(name="Zoe"),
    lambda q: q(Customer).filter(vip=True) ^ q(Customer).filter(name="Zoe"),
    lambda q: q(Customer).filter(orders__reference="R00") | q(Customer).filter(orders__reference="R10"),
    lambda q: q(Customer).filter(name="Zoe").union(q(Customer).filter(name="Yan")),
    lambda q: q(Customer).filter(name="Zoe").union(q(Customer), all=True).order_by("name"),
    lambda q: q(Customer).union(q(Customer).filter(name="Yan")).count(),
    lambda q: q(Customer).intersection(q(Customer).filter(vip=True)),
    lambda q: q(Customer).difference(q(Customer).filter(vip=True)).order_by("-name")[:2],
    lambda q: q(Customer).values_list("name").union(q(Product).values_list("name")).order_by("name"),
    lambda q: q(Customer).values("name", "pk").union(q(Person).values("name", "pk")).order_by("name", "pk")[2:5],
    lambda q: q(User).union(q(User).filter(is_staff=True)),
    lambda q: q(Customer).filter(pk__in=q(Customer).filter(name="Zoe").union(q(Customer).filter(name="Yan")).values("pk")),
    lambda q: q(Order).union(q(Order).filter(pk=1), q(Order).filter(pk=2)).values_list("reference", flat=True).order_by("reference"),
    lambda q: q(Customer).none().union(q(Customer).filter(name="Zoe")),
    lambda q: q(Order).order_by("customer", "-pk").distinct("customer"),
    lambda q: q(Product).values("stock").distinct(),
    lambda q: q(OrderLine).values_list("product__name", flat=True).distinct().order_by("product__name"),
    lambda q: q(Product).order_by("name")[1:4],
    lambda q: q(Product).order_by("name")[::2],
    lambda q: q(Product).order_by("name")[2],
    lambda q: q(Product).reverse().order_by("-stock").reverse(),
]  # fmt: skip

RESULTS: list[Query] = [
    lambda q: q(Customer).values(),
    lambda q: q(Customer).values("pk", "orders__reference"),
    lambda q: q(Customer).values("name", lower=Lower("name")),
    lambda q: q(Customer).values_list(),
    lambda q: q(Customer).values_list("name", flat=True),
    lambda q: [tuple(row) for row in q(Customer).values_list("name", "vip", named=True).order_by("pk")],
    lambda q: q(OrderLine).values("pk", "quantity"),
    lambda q: q(Customer).in_bulk([1, 2, 99]),
    lambda q: q(Customer).in_bulk(),
    lambda q: q(Organization).in_bulk(["Root", "Leaf"], field_name="name"),
    lambda q: q(Specimen).dates("day", "month"),
    lambda q: q(Specimen).dates("day", "day", order="DESC"),
    lambda q: q(Order).datetimes("placed_at", "hour"),
    lambda q: q(Customer).get(name="Zoe"),
    lambda q: attempt(lambda: q(Customer).get(name="nobody")),
    lambda q: attempt(lambda: q(Customer).get()),
    lambda q: q(Customer).first(),
    lambda q: q(Customer).last(),
    lambda q: q(Customer).order_by("name").first(),
    lambda q: q(Order).latest("placed_at"),
    lambda q: q(Order).earliest("placed_at", "pk"),
    lambda q: q(Customer).contains(q(Customer).order_by("pk").first()),
    lambda q: [c.name for c in q(Customer).order_by("pk").only("name")],
    lambda q: [(c.get_deferred_fields(), c.email) for c in q(Customer).order_by("pk").only("name")],
    lambda q: [(c.vip, c.email) for c in q(Customer).order_by("pk").defer("email", "vip")],
    lambda q: [o.customer.email for o in q(Order).select_related("customer").only("customer__name").order_by("pk")],
    lambda q: [p.address for p in q(Pizzeria).defer("address", "serves_soup")],
    lambda q: [o.name for o in q(Customer).order_by("pk").iterator()],
    lambda q: [o.name for o in q(Customer).order_by("pk").iterator(chunk_size=1)],
    lambda q: related(q(Customer).prefetch_related("orders").iterator(chunk_size=2), "orders"),
    lambda q: list(q(Customer).values_list("name").order_by("pk").iterator(chunk_size=2)),
    lambda q: [c.name for c in q(Customer).raw("SELECT * FROM testapp_customer WHERE vip = %s ORDER BY id", [True])],
    lambda q: [c.name for c in q(Customer).raw('SELECT id, "name" FROM "testapp_customer" ORDER BY 1')],
    lambda q: [c.total for c in q(Customer).raw("WITH t AS (SELECT customer_id, count(*) n FROM testapp_order GROUP BY 1) SELECT c.*, t.n AS total FROM testapp_customer c JOIN t ON t.customer_id = c.id ORDER BY c.id")],
    lambda q: [o.depth for o in q(Organization).raw("WITH RECURSIVE tree (id, name, depth) AS (SELECT id, name, 0 FROM testapp_organization WHERE parent_id IS NULL UNION ALL SELECT o.id, o.name, depth + 1 FROM testapp_organization o JOIN tree ON o.parent_id = tree.id) SELECT * FROM tree ORDER BY depth, id")],
    lambda q: [c.orders.count() for c in q(Customer).raw("SELECT * FROM testapp_customer c ORDER BY c.id").prefetch_related("orders")],
    lambda q: bool(q(Customer)),
    lambda q: len(q(Customer)),
    lambda q: q(TaggedNote).filter(content_type__in=list(ContentType.objects.filter(model="country"))),
    lambda q: [c.__class__.__name__ for c in q(VipCustomer).filter(name="Zoe")],
    lambda q: q(Person).complex_filter({"name": "Ada"}),
    lambda q: q(Order).filter(customer=q(Customer).get(name="Yan")),
    lambda q: q(Order).filter(customer__in=list(q(Customer).filter(vip=True))),
    lambda q: q(Customer).filter(orders=q(Order).get(reference="R00")),
]  # fmt: skip

QUERIES = [*FILTERS, *RELATIONS, *AGGREGATES, *EXPRESSIONS, *SETS, *RESULTS]

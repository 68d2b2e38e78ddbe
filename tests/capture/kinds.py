"""Every kind of table, each with three rows, a change, and the rows of other tables that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.db import connection, models

from tests.capture.truth import ident

Values = dict[str, object]


class Expression(str):
    """Be SQL as it stands, not a value."""


def literal(value: object) -> str:
    """Write a value as SQL."""
    if isinstance(value, Expression):
        return value
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


@dataclass(frozen=True)
class Kind:
    """A table with sample data, in SQL. The first two rows are there before a write; the third is to come."""

    what: str
    label: str
    rows: tuple[Values, Values, Values]
    change: Values
    needs: tuple[tuple[str, Values], ...] = ()
    key: tuple[str, ...] = ("id",)
    always_identity: bool = False

    def __str__(self) -> str:
        return self.what

    @property
    def model(self) -> type[models.Model]:
        """Give the model of the table."""
        return apps.get_model(self.label)

    @property
    def table(self) -> str:
        """Give the table's name as SQL."""
        return connection.ops.quote_name(self.model._meta.db_table)

    @property
    def inherits(self) -> bool:
        """Say whether the model has its other columns in a parent's table."""
        return bool(self.model._meta.parents)

    def where(self, *numbers: int) -> str:
        """Give the condition for the rows of these numbers."""
        one = (
            " AND ".join(f"{ident(c)} = {literal(self.rows[n][c])}" for c in self.key)
            for n in numbers
        )
        return "(" + " OR ".join(f"({condition})" for condition in one) + ")"

    def columns(self) -> str:
        """Give the column list of an INSERT."""
        return "(" + ", ".join(ident(column) for column in self.rows[0]) + ")"

    def overriding(self) -> str:
        """Give the clause that lets an INSERT set an identity column."""
        return "OVERRIDING SYSTEM VALUE" if self.always_identity else ""

    def values(self, number: int) -> str:
        """Give the values of a row for an INSERT."""
        return "(" + ", ".join(literal(self.rows[number][c]) for c in self.rows[0]) + ")"

    def insert(self, *numbers: int, then: str = "") -> str:
        """Give the INSERT of the rows of these numbers, with a clause behind it."""
        values = ", ".join(self.values(number) for number in numbers)
        return (
            f"INSERT INTO {self.table} {self.columns()} {self.overriding()} VALUES {values} {then}"
        )

    def assignments(self, values: Values | None = None) -> str:
        """Give the SET list of the change, or of other values."""
        return ", ".join(
            f"{ident(column)} = {literal(value)}"
            for column, value in (self.change if values is None else values).items()
        )

    def same_values(self) -> str:
        """Give a SET list that changes nothing."""
        kept = self.key if self.always_identity else ()
        return ", ".join(f"{ident(c)} = {ident(c)}" for c in self.rows[0] if c not in kept)

    def conflict_target(self) -> str:
        """Give the target of ON CONFLICT for the primary key."""
        return "(" + ", ".join(map(ident, self.key)) + ")"


def needed(label: str, **values: object) -> tuple[str, Values]:
    """Name a row of another table that must be there first."""
    return label, values


PEOPLE = tuple(needed("testapp.Person", id=n, name=f"p{n}", email="") for n in (1, 2, 3))
PLACES = tuple(needed("testapp.Place", id=n, name=f"place {n}", address="") for n in (1, 2, 3))
RESTAURANTS = tuple(needed("testapp.Restaurant", place_id=n, serves_soup=False) for n in (1, 2, 3))
TAGS = tuple(needed("testapp.Tag", id=n, name=f"tag{n}") for n in (1, 2, 3))
UUIDS = tuple(f"00000000-0000-4000-8000-{n:012}" for n in (1, 2, 3))
PRODUCTS = tuple(
    needed("testapp.Product", id=uuid, name="Tea", price="1.50", stock=3) for uuid in UUIDS
)
CUSTOMERS = tuple(
    needed("testapp.Customer", id=n, name=f"c{n}", email="c@example.org", vip=False)
    for n in (1, 2, 3)
)
ORGANIZATIONS = tuple(needed("testapp.Organization", id=n, name=f"o{n}") for n in (1, 2, 3))
ORDERS = tuple(
    needed("testapp.Order", id=n, customer_id=n, reference=f"r{n}", details="{}") for n in (1, 2, 3)
)
SPACED = tuple(needed("testapp.Spaced", **{"id": n, "the name": f"s{n}"}) for n in (1, 2, 3))
GROUPS = tuple(needed("auth.Group", id=n, name=f"g{n}") for n in (1, 2, 3))
PERMISSION = Expression("(SELECT min(id) FROM auth_permission)")
OTHER_PERMISSION = Expression("(SELECT max(id) FROM auth_permission)")


def user(number: int, **values: object) -> Values:
    """Give the columns of a user."""
    return {
        "id": number,
        "username": f"user{number}",
        "password": "secret",
        "first_name": "Ada",
        "last_name": "",
        "email": "ada@example.org",
        "is_superuser": False,
        "is_staff": False,
        "is_active": True,
        "date_joined": "2025-01-01 12:00:00.123456+02",
        **values,
    }


USERS = tuple(("auth.User", user(number)) for number in (1, 2, 3))


def numbered(first: str = "id", /, **values: object) -> tuple[Values, Values, Values]:
    """Give three rows that differ by their number, which `{n}` in a text stands for."""

    def one(n: int) -> Values:
        return {
            first: n,
            **{k: v.format(n=n) if type(v) is str else v for k, v in values.items()},
        }

    return one(1), one(2), one(3)


def specimen(number: int) -> Values:
    """Give one value of each type, near the end of its range where it has one."""
    return {
        "id": number,
        "name": "straße 'quoted' \\ 東京",
        "small": -32768,
        "big": 9223372036854775807,
        "real": "1e-308",
        "exact": "12345678901234567890.0123456789",
        "flag": True,
        "day": "0001-01-01",
        "moment": "9999-12-31 23:59:59.999999+00",
        "clock": "23:59:59.999999",
        "span": "-3 days 04:05:06.000007",
        "address": "2001:db8::1",
        "token": UUIDS[0],
        "data": '{"a": [1, 1.5, -0.25, null, "x"], "b": {"deep": "\\u00e9"}}',
        "blob": "\\x0001ff27",
        "file": "specimens/a.txt",
        "numbers": "{1,NULL,3}",
        "matrix": '{{a,NULL},{"b,c","\\"d\\""}}',
        "int_range": "[1,10)",
        "big_range": "(,5)",
        "decimal_range": "[1.10,2.20]",
        "date_range": "empty",
        "moment_range": "[2025-01-01 00:00+00,)",
        "search": "'a':1A 'b':2",
        "created": "2025-01-01 12:00:00.000001+00",
    }


KINDS = (
    Kind(
        "string key",
        "testapp.Country",
        (
            {"code": "aa", "name": "Aland"},
            {"code": "bb", "name": "Borduria"},
            {"code": "cc", "name": ""},
        ),
        {"name": "Élan 'd' \\x"},
        key=("code",),
    ),
    Kind(
        "self reference",
        "testapp.Organization",
        numbered(name="o{n}", parent_id=None),
        {"parent_id": 1},
    ),
    Kind(
        "parent of inheritance", "testapp.Person", numbered(name="p{n}", email=""), {"name": "Eve"}
    ),
    Kind(
        "many-to-many with itself",
        "testapp.Person_friends",
        numbered(from_person_id="{n}", to_person_id=1),
        {"to_person_id": 3},
        PEOPLE,
    ),
    Kind(
        "through model",
        "testapp.Membership",
        numbered(person_id="{n}", organization_id=1, role="member"),
        {"role": "chair", "organization_id": 2},
        PEOPLE + ORGANIZATIONS,
    ),
    Kind(
        "inherited table",
        "testapp.Employee",
        numbered("person_ptr_id", salary="10.50"),
        {"salary": "11.50"},
        PEOPLE,
        ("person_ptr_id",),
    ),
    Kind("root of a chain", "testapp.Place", numbered(name="x", address="y"), {"address": "z"}),
    Kind(
        "parent link of its own name",
        "testapp.Restaurant",
        numbered("place_id", serves_soup=False),
        {"serves_soup": True},
        PLACES,
        ("place_id",),
    ),
    Kind(
        "end of a chain",
        "testapp.Pizzeria",
        numbered("restaurant_ptr_id", oven_degrees=450),
        {"oven_degrees": 500},
        PLACES + RESTAURANTS,
        ("restaurant_ptr_id",),
    ),
    Kind(
        "unique column",
        "testapp.Tag",
        numbered(name="tag{n}"),
        {"name": Expression("gen_random_uuid()")},
    ),
    Kind(
        "UUID key",
        "testapp.Product",
        (
            {"id": UUIDS[0], "name": "Tea", "price": "1.50", "stock": 1},
            {"id": UUIDS[1], "name": "Tea", "price": "1.50", "stock": 1},
            {"id": UUIDS[2], "name": "Tea", "price": "1.50", "stock": 1},
        ),
        {"price": "2.00", "stock": -1},
    ),
    Kind(
        "auto-created many-to-many table",
        "testapp.Product_tags",
        numbered(product_id=UUIDS[0], tag_id="{n}"),
        {"product_id": UUIDS[1]},
        PRODUCTS + TAGS,
    ),
    Kind(
        "ordinary table",
        "testapp.Customer",
        numbered(name="c{n}", email="c@example.org", vip=False),
        {"name": "x", "vip": True},
    ),
    Kind(
        "many-to-many to a UUID key",
        "testapp.Customer_favourites",
        numbered(customer_id="{n}", product_id=UUIDS[0]),
        {"product_id": UUIDS[2]},
        CUSTOMERS + PRODUCTS,
    ),
    Kind(
        "foreign key as key",
        "testapp.CustomerProfile",
        numbered("customer_id", bio="long"),
        {"bio": "longer " * 2000},
        CUSTOMERS,
        ("customer_id",),
    ),
    Kind(
        "foreign key and JSON",
        "testapp.Order",
        numbered(customer_id="{n}", reference="r{n}", details="[1]", placed_at=None),
        {"details": "[1.0]", "placed_at": "2025-06-01 00:00+00"},
        CUSTOMERS,
    ),
    Kind(
        "composite key",
        "testapp.OrderLine",
        (
            {"order_id": 1, "number": 1, "product_id": UUIDS[0], "quantity": 1},
            {"order_id": 1, "number": 2, "product_id": UUIDS[0], "quantity": 1},
            {"order_id": 2, "number": 1, "product_id": UUIDS[0], "quantity": 1},
        ),
        {"quantity": 7},
        CUSTOMERS + ORDERS + PRODUCTS,
        ("order_id", "number"),
    ),
    Kind(
        "generic foreign key",
        "testapp.TaggedNote",
        numbered(
            content_type_id=Expression("(SELECT min(id) FROM django_content_type)"),
            object_id="1",
            text="note",
        ),
        {"text": "changed"},
    ),
    Kind(
        "spaces in names",
        "testapp.Spaced",
        numbered(**{"the name": "s{n}", "Customer Id": None}),
        {"the name": "t", "Customer Id": 1},
        CUSTOMERS,
    ),
    Kind(
        "many-to-many of a name with spaces",
        "testapp.Spaced_tags",
        numbered(spaced_id="{n}", tag_id=1),
        {"tag_id": 2},
        SPACED + TAGS,
    ),
    Kind(
        "quotes in names",
        "testapp.Quoted",
        numbered(**{"it's a name": "q{n}"}),
        {"it's a name": "it's"},
    ),
    Kind(
        "names of 63 bytes",
        "testapp.LongName",
        numbered(**{"column_" + "n" * 56: "l{n}", "column_" + "n" * 55 + "o": ""}),
        {"column_" + "n" * 55 + "o": "o"},
    ),
    Kind(
        "capital letters",
        "testapp.Capital",
        numbered(Name="N{n}", name="n{n}"),
        {"Name": "n", "name": "N"},
    ),
    Kind(
        "reserved words",
        "testapp.Keyword",
        numbered(order="{n}", table="t", user="u", new="n", old="o"),
        {"new": "o", "old": "n", "user": "postgres"},
    ),
    Kind(
        "every type",
        "testapp.Specimen",
        (
            specimen(1),
            {**dict.fromkeys(specimen(2)), "id": 2, "name": "", "file": "", "created": "epoch"},
            specimen(3),
        ),
        {
            "name": "Ünï",
            "data": '{"a": 1.00}',
            "blob": "\\x",
            "exact": "0.0000000001",
            "real": "-0",
            "numbers": "{}",
            "span": "1 day",
            "moment": "1970-01-01 00:00+00",
        },
    ),
    Kind(
        "columns named like those of history",
        "testapp.Clash",
        numbered(version="1{n}", revision_id="2{n}", operation="U", row_version="3{n}"),
        {"version": 5, "revision_id": 6, "operation": "I", "row_version": 7},
    ),
    Kind(
        "foreign key to users",
        "testapp.Document",
        numbered(owner_id=None, title="t{n}", body=""),
        {"owner_id": 1, "body": "b" * 10_000},
        USERS,
    ),
    Kind(
        "unique constraints",
        "testapp.Seat",
        numbered(label="s{n}", position="{n}"),
        {"label": Expression("left(gen_random_uuid()::text, 10)")},
    ),
    Kind(
        "exclusion constraint",
        "testapp.Booking",
        (
            {"id": 1, "title": "a", "during": "[2025-01-01,2025-02-01)"},
            {"id": 2, "title": "b", "during": "[2025-02-01,2025-03-01)"},
            {"id": 3, "title": "c", "during": "[2025-03-01,)"},
        ),
        {"title": "z"},
    ),
    Kind(
        "identity always",
        "testapp.Invoice",
        (
            {"number": 901, "total": "1.00"},
            {"number": 902, "total": "1.00"},
            {"number": 903, "total": "1.00"},
        ),
        {"total": "2.50"},
        key=("number",),
        always_identity=True,
    ),
    Kind(
        "generated columns, stored and virtual",
        "testapp.Drawing",
        numbered(width="{n}", height=2),
        {"width": 10},
    ),
    Kind(
        "foreign key that cascades",
        "testapp.Review",
        numbered(product_id=UUIDS[0], stars=3),
        {"stars": 4},
        PRODUCTS,
    ),
    # The embedded servers are built without libxml, so the column of type xml stays empty.
    Kind(
        "unmanaged, with types of its own",
        "testapp.Legacy",
        (
            {
                "code": "a",
                "label": "one",
                "raw_json": '{"a":  1, "a": 1.0}',
                "spot": "(1,2.5)",
                "size": "(1,2.50)",
                "mood": "so-so",
                "positive": 3,
                "bits": "1010",
                "spans": "{[1,3),[5,)}",
                "cost": "12.34",
                "markup": None,
                "attributes": "{{a,b},{c,d}}",
            },
            dict.fromkeys(
                (
                    "label",
                    "raw_json",
                    "spot",
                    "size",
                    "mood",
                    "positive",
                    "bits",
                    "spans",
                    "cost",
                    "markup",
                    "attributes",
                ),
            )
            | {"code": "b", "label": ""},
            {
                "code": "c",
                "label": "",
                "raw_json": "null",
                "spot": None,
                "size": "(,)",
                "mood": "sad",
                "positive": 1,
                "bits": "",
                "spans": "{}",
                "cost": "-1",
                "markup": None,
                "attributes": "{}",
            },
        ),
        {"label": "changed", "raw_json": '{"a": 1}', "spot": "(0,0)", "mood": "glad"},
        key=("code",),
    ),
    Kind(
        "partitioned",
        "testapp.Measurement",
        (
            {"sensor": 1, "taken_on": "2024-05-01", "value": "0.1"},
            {"sensor": 2, "taken_on": "2025-05-01", "value": "1e300"},
            {"sensor": 1, "taken_on": "1999-01-01", "value": "Infinity"},
        ),
        {"value": "0.30000000000000004"},
        key=("sensor", "taken_on"),
    ),
    Kind("other schema", "testapp.Shelf", numbered(label="shelf {n}"), {"label": "x"}),
    Kind("user", "auth.User", (user(1), user(2), user(3)), {"first_name": "Grace"}),
    Kind(
        "table of a third-party app",
        "auth.Group",
        numbered(name="g{n}"),
        {"name": Expression("gen_random_uuid()")},
    ),
    Kind(
        "users and groups",
        "auth.User_groups",
        numbered(user_id="{n}", group_id=1),
        {"group_id": 2},
        USERS + GROUPS,
    ),
    Kind(
        "users and permissions",
        "auth.User_user_permissions",
        numbered(user_id="{n}", permission_id=PERMISSION),
        {"permission_id": OTHER_PERMISSION},
        USERS,
    ),
    Kind(
        "groups and permissions",
        "auth.Group_permissions",
        numbered(group_id="{n}", permission_id=PERMISSION),
        {"permission_id": OTHER_PERMISSION},
        GROUPS,
    ),
)

BY_LABEL: dict[str, Kind] = {kind.label: kind for kind in KINDS}

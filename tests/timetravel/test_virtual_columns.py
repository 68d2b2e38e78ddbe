"""Columns that PostgreSQL 18 generates when they are read: in the past, from the past row."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.db.models import F
from django.db.models.functions import Upper
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone

from audittrail import history
from audittrail.exceptions import TimeTravelError
from tests.admin.histories import shown
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create


@pytest.fixture
def lines(shop: Workshop) -> Any:
    """Give a workshop with a table of lines that has virtual columns, the revision that filled it, and the one that changed it."""
    if connection.pg_version < 180000:
        pytest.skip("virtual generated columns are PostgreSQL 18's")
    total = models.GeneratedField(
        expression=F("price") * F("number"), output_field=models.IntegerField(), db_persist=False
    )
    loud = models.GeneratedField(
        expression=Upper("version"), output_field=models.TextField(), db_persist=False
    )
    shop.migrate(
        create(
            "Line",
            ("price", models.IntegerField()),
            ("number", models.IntegerField(default=1)),
            ("version", models.TextField(default="v")),
            ("secret", models.IntegerField(default=7)),
            ("total", total),
            ("loud", loud),
        )
    )
    with transaction.atomic():
        shop.Line.objects.create(pk=1, price=3, number=2)
        shop.Line.objects.create(pk=2, price=5, number=2, version="w")
    first = newest()
    with transaction.atomic():
        shop.Line.objects.filter(pk=1).update(price=4)
        shop.Line.objects.filter(pk=2).delete()
    return shop, first, newest()


def test_a_virtual_column_is_generated_from_the_past_row(lines: Any) -> None:
    shop, first, second = lines
    then = history.of(shop.Line)(revision=first)
    assert list(then.order_by("pk").values_list("total", "loud")) == [(6, "V"), (10, "W")]
    assert [line.total for line in then.order_by("-total")] == [10, 6]
    assert then.filter(total__gt=6, loud="W").get().pk == 2
    assert then.aggregate(n=models.Sum("total")) == {"n": 16}
    assert [line.total for line in history.of(shop.Line)(revision=second)] == [8]
    with history.travelling(first):
        assert shop.Line.objects.get(pk=1).total == 6
        assert shop.sql("SELECT total FROM workshop_line ORDER BY 1") == [(6,), (10,)]


def test_rows_that_were_changed_or_deleted_have_theirs(lines: Any) -> None:
    shop, first, second = lines
    assert [line.total for line in history.of(shop.Line).deleted()] == [10]
    changed = {line.pk: line.total for line in second.get_changed_objects(shop.Line)}
    assert changed == {1: 8, 2: 10}
    assert history.of(shop.Line)(revision=first).filter(total=10).restore().inserted == 1
    assert shop.Line.objects.get(pk=2).total == 10


def test_psql_reads_virtual_columns_of_the_past(lines: Any) -> None:
    shop, first, second = lines
    rows = "SELECT id, total, loud FROM audittrail.as_of(NULL::workshop_line, %s) ORDER BY id"
    assert shop.sql(rows, [first.committed_at]) == [(1, 6, "V"), (2, 10, "W")]
    assert shop.sql(rows, [second.committed_at]) == [(1, 8, "V")]


def test_an_expression_that_is_changed_is_noticed(lines: Any) -> None:
    shop, first, _ = lines
    then = history.of(shop.Line)(revision=first)
    assert then.get(pk=1).total == 6
    shop.sql("ALTER TABLE workshop_line ALTER COLUMN total SET EXPRESSION AS (price + number)")
    assert then.get(pk=1).total == shop.Line.objects.get(pk=1).total - 1 == 5


def test_what_is_generated_from_an_excluded_column_is_not_known(lines: Any) -> None:
    shop, *_ = lines
    history.register(shop.Line, exclude=["price"])
    shop.sync()
    shop.Line.objects.filter(pk=1).update(number=9)
    line = history.of(shop.Line)(revision=newest()).get(pk=1)
    assert (line.price, line.total, line.loud) == (None, None, "V")
    with pytest.raises(TimeTravelError, match="total"):
        history.of(shop.Line)(revision=newest()).filter(total=1).count()
    ((total,),) = shop.sql(
        "SELECT total FROM audittrail.as_of(NULL::workshop_line, %s)", [newest().committed_at]
    )
    assert total is None


def test_a_domain_is_read_as_of_a_time(shop: Workshop) -> None:
    shop.sql("CREATE DOMAIN amount AS numeric(8, 2) CHECK (VALUE >= 0)")
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.sql("ALTER TABLE workshop_item ADD COLUMN price amount")
    shop.sync()
    shop.sql("INSERT INTO workshop_item (name, price) VALUES ('pen', 2.5)")
    first = newest()
    shop.sql("UPDATE workshop_item SET price = 3")
    rows = "SELECT name, price FROM audittrail.as_of(NULL::workshop_item, %s)"
    assert [(name, float(price)) for name, price in shop.sql(rows, [first.committed_at])] == [
        ("pen", 2.5)
    ]
    assert [float(price) for _, price in shop.sql(rows, [newest().committed_at])] == [3.0]


def test_pages_and_differences_of_a_model_with_virtual_columns(lines: Any) -> None:
    """What is generated when it is read is not recorded: no difference lists it, pages show it as the past row gives it."""
    shop, first, second = lines
    changes = shop.Line.history.diff(pk=1, from_revision=first, to_revision=second)
    assert [(change.attribute, change.old, change.new) for change in changes] == [("price", 3, 4)]
    counts = first.compare(second).counts[shop.Line]
    assert (counts.updated, counts.deleted) == (1, 1)
    site = admin.AdminSite(name="admin")
    site.register(shop.Line)
    urls: Any = ModuleType("urls_of_lines")
    urls.urlpatterns = [path("admin/", site.urls)]
    client = Client()
    cookies = "django.contrib.sessions.backends.signed_cookies"
    with override_settings(ROOT_URLCONF=urls, SESSION_ENGINE=cookies):
        client.force_login(User.objects.create_superuser("root", last_login=timezone.now()))
        own = (
            f"audittrail/{page}"
            for page in ("", f"{first.pk}/", f"{first.pk}/restore/", f"compare/?from={first.pk}")
        )
        for page in ("history/", *own):
            response = client.get(f"/admin/workshop/line/1/{page}")
            assert response.status_code == 200, (page, response.status_code)
        version = client.get(f"/admin/workshop/line/1/audittrail/{first.pk}/")
        assert shown(version)["Total"] == "6"
        assert client.get(f"/admin/audittrail/revisions/{second.pk}/").status_code == 200
        assert client.get("/admin/workshop/line/audittrail/deleted/").status_code == 200
    plan = shop.Line.history(revision=first).filter(pk=1).restore()
    assert plan.updated == 1
    assert shop.Line.objects.get(pk=1).total == 6

"""`show`: the code that records a table's changes, in statements that make it."""

from __future__ import annotations

import pytest
from django.core.management import CommandError

from tests.builders.workshop import Workshop


def test_a_table_is_named_as_the_database_does_or_by_its_model(items: Workshop) -> None:
    shown = items.command("show", "workshop_item")
    assert shown.startswith(
        "-- Table public.workshop_item, history in audittrail.workshop_item_history\n"
    )
    assert items.command("show", "workshop.Item") == shown


def test_what_is_shown_makes_the_same_again(items: Workshop) -> None:
    shown = items.command("show", "workshop_item")
    functions = "insert", "update", "delete", "truncate", "weave"
    assert shown.count("CREATE OR REPLACE FUNCTION") == len(functions)
    assert shown.count("CREATE TRIGGER") == 4
    for name in functions:
        items.sql(f"DROP FUNCTION audittrail.workshop_item_history_{name} CASCADE")
    items.psql(shown)
    for name in functions:  # "show" knows nothing of privileges
        items.sql(f"REVOKE ALL ON FUNCTION audittrail.workshop_item_history_{name} FROM PUBLIC")
    items.assert_in_step()
    items.Item.objects.create(name="new")
    assert items.command("show", "workshop_item") == shown


def test_what_is_shown_of_a_partitioned_table_makes_the_same_again(items: Workshop) -> None:
    items.psql(
        "CREATE TABLE parcel (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE parcel_1 PARTITION OF parcel FOR VALUES FROM (0) TO (9);"
        "SELECT audittrail.track('parcel');"
    )
    shown = items.command("show", "parcel")
    items.psql(
        "SELECT format('DROP FUNCTION %s CASCADE', oid::regprocedure) FROM pg_proc WHERE proname LIKE 'parcel_history_%'\n\\gexec\n"
        + shown
    )
    assert items.command("show", "parcel") == shown
    items.psql("DROP TABLE parcel")
    items.sync()


def test_a_table_in_two_schemas_is_shown_twice(items: Workshop) -> None:
    items.psql(
        'CREATE SCHEMA other; CREATE TABLE other.workshop_item ("k$1" int PRIMARY KEY);'
        "SELECT audittrail.track('other.workshop_item', wanted_history => 'other_item_history');"
    )
    shown = items.command("show", "workshop_item")
    assert "-- Table other.workshop_item, history in audittrail.other_item_history\n" in shown
    assert "-- Table public.workshop_item, history in audittrail.workshop_item_history\n" in shown
    items.sql("DROP SCHEMA other CASCADE")
    items.sync()


@pytest.mark.parametrize("name", ["workshop_other", "workshop.Other", "auth.NoModel", "a.b.c", ""])
def test_what_is_not_tracked(items: Workshop, name: str) -> None:
    with pytest.raises(CommandError) as caught:
        items.command("show", name)
    assert caught.value.returncode == 1
    assert str(caught.value) == (
        f"{name!r} is not a tracked table of database 'default', nor the model of one; "
        "manage.py audittrail status lists them."
    )

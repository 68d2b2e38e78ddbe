"""A table is its schema and its name: which one a statement reads in the past is decided by the search_path, as it is in the present."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel import registry
from tests.builders.sending import newest, sql

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMAS = ("one", "two")


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    """Make a table of one name in two schemas, and give a revision after which its rows have changed in both."""
    for schema in SCHEMAS:
        sql(f"CREATE SCHEMA {schema}")
        sql(f"CREATE TABLE {schema}.place (id bigint PRIMARY KEY, name text)")
        sql(f"SELECT audittrail.track('{schema}.place')")
        sql(f"INSERT INTO {schema}.place VALUES (1, 'old {schema}')")
    yield newest()
    sql("DROP SCHEMA one, two CASCADE")
    end_tracking()
    registry.forget()


def end_tracking() -> None:
    sql(
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table"
        " WHERE table_name = 'place' AND until_version IS NULL"
    )


@contextmanager
def searching(*path: str) -> Iterator[None]:
    sql(f"SET search_path = {', '.join(path)}")
    try:
        yield
    finally:
        sql("RESET search_path")


def names(revision: Any) -> list[tuple[Any, ...]]:
    return sql("SELECT name FROM place", using=f"default@{revision.committed}")


def tells_its_path() -> bool:
    connection.ensure_connection()
    return connection.connection.info.parameter_status("search_path") is not None


def histories() -> dict[str, str]:
    return dict(
        sql(
            "SELECT schema_name, history_name FROM audittrail.tracked_table WHERE table_name = 'place' AND until_version IS NULL"
        )
    )


def test_tables_of_one_name_have_histories_of_their_own(before: Any) -> None:
    assert histories() == {"one": "one.place_history", "two": "two.place_history"}
    for schema in SCHEMAS:
        sql(f"UPDATE {schema}.place SET name = 'new {schema}'")
        sql(f"SELECT audittrail.track('{schema}.place')")
        found = sql(f'SELECT name FROM audittrail."{schema}.place_history" ORDER BY version')
        assert found == [(f"old {schema}",), (f"new {schema}",)]
    assert histories() == {"one": "one.place_history", "two": "two.place_history"}


def test_a_third_table_of_the_name_does_not_take_what_others_were_called(before: Any) -> None:
    sql("CREATE TABLE public.place (id bigint PRIMARY KEY)")
    try:
        sql("SELECT audittrail.track('public.place')")
        assert histories()["public"] == "public.place_history"
    finally:
        sql("DROP TABLE public.place")


def test_a_table_does_not_go_on_in_the_history_of_one_that_another_schema_had(before: Any) -> None:
    sql("DROP TABLE one.place, two.place")
    end_tracking()
    sql("CREATE TABLE one.place (id bigint PRIMARY KEY, name text)")
    sql("SELECT audittrail.track('one.place')")
    assert histories() == {"one": "place_history"}
    assert sql("SELECT count(*) FROM audittrail.place_history") == [(0,)]


def test_the_past_is_that_of_the_schema_which_the_present_would_be_of(before: Any) -> None:
    for schema in SCHEMAS:
        sql(f"UPDATE {schema}.place SET name = 'new {schema}'")
    for schema in (*SCHEMAS, *SCHEMAS):
        with searching(schema, "public"):
            assert names(before) == [(f"old {schema}",)]
            assert names(newest()) == [(f"new {schema}",)]
    with searching("two", "one"):
        assert names(before) == [("old two",)]
    with pytest.raises(TimeTravelError, match="'place' is not"):
        names(before)


def test_no_transaction_reads_another_schema(before: Any) -> None:
    with transaction.atomic():
        for schema in SCHEMAS:
            sql(f"SET LOCAL search_path = {schema}")
            if schema == "one" or tells_its_path():
                assert names(before) == [(f"old {schema}",)]
            else:
                with pytest.raises(TimeTravelError):
                    names(before)


@isolate_apps("tests.testapp")
def test_versions_are_those_of_the_schema(before: Any) -> None:
    class PlaceOfSchema(models.Model):
        id = models.BigIntegerField(primary_key=True)
        name = models.TextField()

        class Meta:
            app_label = "testapp"
            db_table = "place"

        def __str__(self) -> str:
            return self.name

    history.register(PlaceOfSchema)
    versions = history.of(PlaceOfSchema).versions
    for schema in (*SCHEMAS, *SCHEMAS):
        with searching(schema):
            if tells_its_path():
                assert [version.name for version in versions.all()] == [f"old {schema}"]
            else:
                # No history table has the name that it would have if there were one table of the name.
                with pytest.raises(DatabaseError):
                    list(versions.all())

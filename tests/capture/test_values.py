"""A version is made exactly when a stored value changes, and holds exactly what the row held."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from audittrail.capture import tracking
from tests.capture.truth import Witness
from tests.capture.ways import sql
from tests.testapp.models import Drawing, Legacy

Made = Callable[[str], Witness]

# A type, a value, another way to write or to have it, and whether that is another value.
PAIRS = [
    ("int", "1", "1", False),
    ("int", None, None, False),
    ("int", None, "0", True),
    ("text", None, "", True),
    ("text", "a", "A", True),
    ("text", "\u00e9", "e\u0301", True),  # composed and decomposed
    ("text", "a ", "a", True),
    ("char(5)", "a ", "a", False),
    ('text COLLATE "C"', "a", "a", False),
    ("numeric", "1", "1.00", True),
    ("numeric", "1.00", "1.00", False),
    ("numeric(5,2)", "1", "1.00", False),
    ("numeric", "NaN", "NaN", False),
    ("float8", "0", "-0", True),
    ("float8", "NaN", "NaN", False),
    ("float8", "0.1", "0.10000000000000001", False),
    ("json", "1", "1.0", True),
    ("json", '{"a":1}', '{"a": 1}', True),
    ("json", '{"a":1}', '{"a":1}', False),
    ("json", None, "null", True),
    ("jsonb", "1", "1.0", True),
    ("jsonb", '{"a": [1]}', '{"a": [1.00]}', True),
    ("jsonb", '{"a":1,"b":2}', '{"b": 2, "a": 1}', False),
    ("timestamptz", "2025-01-01 12:00+00", "2025-01-01 13:00+01", False),
    ("timestamptz", "infinity", "-infinity", True),
    ("interval", "1 mon", "30 days", True),
    ("interval", "24 hours", "1 day", True),
    ("int4range", "[1,2]", "[1,3)", False),
    ("numrange", "[1,2]", "[1.0,2]", True),
    ("numeric[]", "{1,2}", "{1.0,2}", True),
    ("int[]", "{1,2}", "[0:1]={1,2}", True),
    ("bytea", "\\x00", "\\x0000", True),
    ("bit varying", "01", "010", True),
    ("inet", "10.0.0.1", "10.0.0.1/32", False),
    ("inet", "10.0.0.1/8", "10.0.0.1/32", True),
    ("uuid", "00000000-0000-4000-8000-00000000000A", "00000000-0000-4000-8000-00000000000a", False),
    ("point", "(0,0)", "(-0,0)", True),
    ("box", "(1,1),(0,0)", "(0,0),(1,1)", False),
    ("polygon", "((0,0),(1,1),(1,0))", "((1,1),(1,0),(0,0))", True),
    ("circle", "<(0,0),1>", "<(1,1),1>", True),
    ("tsvector", "'a':1", "'a':2", True),
    ("money", "1.00", "1", False),
    ("boolean", "t", "yes", False),
    ("pair", "(1,1.0)", "(1,1.00)", True),
    ("pair", "(,)", None, True),
    ("mood", "glad", "sad", True),
    ("positive", "1", "1.00", True),
    ("pg_lsn", "0/0", "0/1", True),
    ("oid", "1", "1", False),
    ("jsonpath", "$.a", "$.b", True),
    ('"char"', "a", "b", True),
    ("name", "a", "a", False),
]


@pytest.mark.parametrize(
    ("kind", "old", "new", "changes"), PAIRS, ids=[f"{k}: {o} to {n}" for k, o, n, _ in PAIRS]
)
def test_what_counts_as_a_change(
    made: Made, kind: str, old: str | None, new: str | None, changes: bool
) -> None:
    def value(text: str | None) -> str:
        return "NULL" if text is None else "'" + text.replace("'", "''") + "'"

    witness = made(f"""
        CREATE TYPE pair AS (a int, b numeric);
        CREATE TYPE mood AS ENUM ('glad', 'sad');
        CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
        CREATE TABLE thing (id int PRIMARY KEY, held {kind});
        INSERT INTO thing VALUES (1, {value(old)}), (2, {value(new)});
    """)
    with witness.watching() as watch:
        sql(f"UPDATE thing SET held = {value(new)}")
    assert watch.recorded.operations == ({"thing": "U"} if changes else {})


def test_large_values_are_stored_whole_and_compared_whole(made: Made) -> None:
    witness = made("""
        CREATE TABLE thing (id int PRIMARY KEY, large text, small int);
        INSERT INTO thing SELECT 1, string_agg(md5(n::text), ''), 0 FROM generate_series(1, 5000) n;
    """)
    with witness.watching():
        sql("UPDATE thing SET small = 1")
    with witness.watching() as watch:
        sql("UPDATE thing SET large = large || ''")
    assert watch.recorded.versions == ()
    with witness.watching() as watch:
        sql("UPDATE thing SET large = overlay(large PLACING '!' FROM 100000)")
    assert len(watch.recorded.versions) == 1


def test_only_the_rows_that_change_get_a_version(made: Made) -> None:
    witness = made("""
        CREATE TABLE thing (id int PRIMARY KEY, held int);
        INSERT INTO thing SELECT n, n % 3 FROM generate_series(1, 30) n;
    """)
    with witness.watching() as watch:
        sql("UPDATE thing SET held = 2")
    assert watch.recorded.operations == {"thing": "U" * 20}


def test_passwords_of_users_are_not_stored(witness: Witness) -> None:
    user = User.objects.create_user("ada", password="secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(h)::text FROM audittrail.auth_user_history h")
        (text,) = cursor.fetchone()
    assert "ada" in text
    assert "password" not in text
    assert user.password not in text


def test_a_new_password_alone_makes_no_version(witness: Witness) -> None:
    user = User.objects.create_user("ada", password="secret")
    user.set_password("other")
    with witness.watching() as watch:
        user.save()
    assert watch.recorded.versions == ()


def test_an_ignored_column_makes_no_version_but_is_in_those_that_others_make(
    witness: Witness,
) -> None:
    user = User.objects.create_user("ada")
    moment = timezone.now()
    user.last_login = moment
    with witness.watching() as watch:
        user.save(update_fields=["last_login"])
    assert watch.recorded.versions == ()
    user.first_name = "Ada"
    with witness.watching() as watch:
        user.save()
    assert watch.recorded.operations == {"auth_user": "U"}
    assert User.history.versions.get(operation="U").last_login == moment  # type: ignore[attr-defined]
    User.objects.update(last_login=None)
    with witness.watching() as watch:
        user.delete()
    assert watch.recorded.versions[0].image["last_login"] is None


def test_a_masked_column_is_stored(witness: Witness) -> None:
    with witness.watching() as watch:
        Legacy.objects.create(code="a", label="masked")
    assert tracking.options_of(Legacy).mask == ("label",)
    assert watch.recorded.versions[0].image["label"] == "masked"


def test_generated_columns_are_stored_unless_they_are_virtual(witness: Witness) -> None:
    with witness.watching() as watch:
        drawing = Drawing.objects.create(width=3, height=4)
    image = watch.recorded.versions[0].image
    assert (image["width"], image["area"]) == ("3", "12")
    assert "outline" not in image
    with witness.watching() as watch:
        Drawing.objects.filter(pk=drawing.pk).update(width=5)
    assert watch.recorded.versions[0].image["area"] == "20"


def test_columns_that_triggers_or_defaults_fill_are_as_they_ended_up(made: Made) -> None:
    witness = made("""
        CREATE TABLE thing (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, made timestamptz DEFAULT clock_timestamp(),
                            token uuid DEFAULT gen_random_uuid(), number serial, held int DEFAULT 7);
    """)
    with witness.watching() as watch:
        sql("INSERT INTO thing DEFAULT VALUES")
    assert None not in watch.recorded.versions[0].image.values()

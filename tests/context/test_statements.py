"""Every statement that a connection sends carries the context, and nothing else about it changes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import ProgrammingError, connection, connections, transaction
from django.db.backends.postgresql.psycopg_any import sql
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audittrail.revisions import cursors
from audittrail.revisions.context import context
from audittrail.revisions.cursors import prefixed
from tests.context.probes import Log, arriving, said

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

psycopg3_only = settings.DRIVER == "psycopg"
SAID = {"user": "5", "reason": "why"}


def raw() -> Any:
    """Return a cursor of the driver, past all of Django's wrappers."""
    connection.ensure_connection()
    return connection.connection.cursor()


def test_without_a_context_the_text_is_untouched() -> None:
    text = "SELECT  current_query() -- as it is"
    with connection.cursor() as cursor:
        cursor.execute(text)
        assert cursor.fetchone()[0] == text


@pytest.mark.parametrize("kind", ["text", "bytes", "composed"])
def test_statements_in_every_form_carry_the_context(kind: str) -> None:
    query = {
        "text": "SELECT current_query(), %s",
        "bytes": b"SELECT current_query(), %s",
        "composed": sql.SQL("SELECT current_query(), {}").format(sql.Placeholder()),
    }[kind]
    with context(user=5, reason="why"), connection.cursor() as cursor:
        cursor.execute(query, ["50 % {of} ?"])
        statement, parameter = cursor.fetchone()
    assert said(statement) == SAID
    assert parameter == "50 % {of} ?"


def test_a_template_string_carries_the_context() -> None:
    class Template(tuple[str, ...]):
        """Have the shape of PEP 750's, which Python has from 3.14 on."""

        interpolations = ("x",)

        def __new__(cls, *parts: str) -> Template:
            return super().__new__(cls, parts)

    assert prefixed("/*c*/ ", Template("SELECT ", "x"), None) == ("/*c*/ ", "SELECT ", "x")


def test_named_parameters_and_percent_signs_mean_the_same_with_a_context(log: Log) -> None:
    with context(reason="100 % sure %s %(x)s"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO log (note) VALUES (%(x)s || ' %%')", {"x": "named"})
        cursor.execute("INSERT INTO log (note) VALUES ('no parameters: %')")
    assert log() == [
        ("named %", {"reason": "100 % sure %s %(x)s"}),
        ("no parameters: %", {"reason": "100 % sure %s %(x)s"}),
    ]


def test_executemany_carries_the_context(log: Log) -> None:
    with context(user=5, reason="why"), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO log (note) VALUES (%s)", [["a"], ["b"], ["c"]])
        assert cursor.rowcount in (1, 3)
    assert log() == [(note, SAID) for note in "abc"]


def test_several_statements_at_once_carry_the_context(log: Log) -> None:
    with context(user=5, reason="why"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO log (note) VALUES ('a'); INSERT INTO log (note) VALUES ('b')")
    assert log() == [("a", SAID), ("b", SAID)]


def test_functions_that_write_carry_the_context(log: Log) -> None:
    with context(user=5, reason="why"), connection.cursor() as cursor:
        cursor.execute("SELECT take_note(%s)", ["select"])
        cursor.execute("WITH w AS (INSERT INTO log (note) VALUES ('with')) SELECT 1")
        cursor.execute("DO $$ BEGIN PERFORM take_note('do'); END $$")
        assert cursor.callproc("take_note", ["callproc"]) == ["callproc"]
        assert cursor.fetchall() == [("callproc",)]
    assert log() == [(note, SAID) for note in ("select", "with", "do", "callproc")]


def test_callproc_without_parameters_carries_the_context() -> None:
    with context(user=5, reason="why"), connection.cursor() as cursor:
        assert cursor.callproc("current_query") is None
        assert said(cursor.fetchone()[0]) == SAID


def test_copy_carries_the_context(log: Log) -> None:
    with context(user=5, reason="why"):
        if psycopg3_only:
            with connection.cursor() as cursor, cursor.copy("COPY log (note) FROM stdin") as copy:
                copy.write_row(["copied"])
        else:
            with connection.cursor() as cursor:
                cursor.copy_expert("COPY log (note) FROM stdin", io.StringIO("copied\n"))
    assert log() == [("copied", SAID)]


def test_the_driver_used_directly_carries_the_context(log: Log) -> None:
    with context(user=5, reason="why"):
        connection.ensure_connection()
        if psycopg3_only:
            connection.connection.execute("INSERT INTO log (note) VALUES ('connection')")
            assert [said(row[0]) for row in raw().stream("SELECT current_query()")] == [SAID]
        else:
            from psycopg2.extras import execute_values

            execute_values(raw(), "INSERT INTO log (note) VALUES %s", [["a"], ["b"]])
    assert {said for _, said in [(note, str(context)) for note, context in log()]} == {str(SAID)}


def test_what_django_shows_of_a_statement_is_without_the_context() -> None:
    with CaptureQueriesContext(connection) as captured, context(user=5, reason="why"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", ["x"])
        with pytest.raises(Exception, match="nowhere"), connection.cursor() as cursor:
            cursor.execute("SELECT %s FROM nowhere", ["x"])
        User.objects.filter(pk=1).first()
    texts = [query["sql"] for query in captured]
    assert texts[:2] == ["SELECT 'x'", "SELECT 'x' FROM nowhere"]
    assert texts[2].startswith('SELECT "auth_user"."id"')


def test_savepoints_and_rollbacks_work_in_a_context(log: Log) -> None:
    def lose(cursor: Any) -> None:
        with transaction.atomic():
            cursor.execute("SELECT take_note('lost')")
            cursor.execute("SELECT * FROM nowhere")

    with context(user=5, reason="why"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT take_note('kept')")
        with pytest.raises(ProgrammingError, match="nowhere"):
            lose(cursor)
        cursor.execute("SELECT take_note('after')")
    assert log() == [("kept", SAID), ("after", SAID)]


def test_server_side_cursors_read_in_a_context() -> None:
    User.objects.create(username="ann")
    with context(user=5, reason="why"):
        assert [user.username for user in User.objects.iterator(chunk_size=1)] == ["ann"]
        with transaction.atomic():
            assert [user.username for user in User.objects.iterator(chunk_size=1)] == ["ann"]


def test_installing_again_changes_nothing() -> None:
    connection.ensure_connection()
    factory = connection.connection.cursor_factory
    cursors.install(connection=connection)
    assert connection.connection.cursor_factory is factory
    assert isinstance(raw(), factory)


def test_a_cursor_factory_that_is_no_class_is_reported() -> None:
    connection.ensure_connection()
    usual = connection.connection.cursor_factory
    try:
        connection.connection.cursor_factory = lambda *args, **kwargs: usual(*args, **kwargs)
        with pytest.warns(RuntimeWarning, match="'default' makes its cursors with <function"):
            cursors.install(connection=connection)
    finally:
        connection.connection.cursor_factory = usual


def test_a_cursor_class_of_the_user_keeps_what_it_adds() -> None:
    from django.db.backends.postgresql.base import Cursor

    class Counting(Cursor):  # type: ignore[misc, valid-type]
        count = 0

        def execute(self, *args: Any, **kwargs: Any) -> Any:
            type(self).count += 1
            return super().execute(*args, **kwargs)

    with _options(cursor_factory=Counting), context(user=5, reason="why"):
        assert arriving() == SAID
        assert isinstance(raw(), Counting)
        assert type(raw()).count >= 1


if psycopg3_only:

    def test_server_side_binding_carries_the_context(log: Log) -> None:
        with _options(server_side_binding=True, prepare_threshold=0):
            for number in (1, 2):
                with context(reason=str(number)), connection.cursor() as cursor:
                    cursor.execute("INSERT INTO log (note) VALUES (%s)", ["one"])
                    cursor.executemany("INSERT INTO log (note) VALUES (%s)", [["two"], ["three"]])
                with CaptureQueriesContext(connection) as shown, connection.cursor() as cursor:
                    cursor.execute("SELECT %s::text", ["shown"])
                assert shown[0]["sql"] == "SELECT 'shown'::text"
        expected = [(note, number) for number in "12" for note in ("one", "two", "three")]
        assert log() == [(note, {"reason": number}) for note, number in expected]

else:

    def test_what_psycopg2_composes_by_itself_carries_the_context(log: Log) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                'CREATE TEMP TABLE "odd ""name" (note text, s text DEFAULT current_query())'
            )
        plain, inside = raw(), raw()
        plain.copy_from(io.StringIO("a\nNULL\n"), 'odd "name', null="NULL", columns=["note"])
        assert plain.callproc("version", {}) == {}
        with context(user=5, reason="why"):
            inside.copy_from(io.StringIO("b\\tx\n''\n"), 'odd "name', null="''", columns=["note"])
            inside.copy_from(io.StringIO("c|d\n"), 'odd "name', "|")
            assert inside.callproc("take_note", {"note": "100 %"}) == {"note": "100 %"}
        inside.execute('SELECT * FROM "odd ""name"')
        rows = [(note, said(s) if s != "d" else s) for note, s in inside.fetchall()]
        assert rows == [("a", None), (None, None), ("b\tx", SAID), (None, SAID), ("c", "d")]
        assert log() == [("100 %", SAID)]


def test_each_database_gets_the_context() -> None:
    with context(user=5, reason="why"):
        assert arriving("default") == SAID
        assert arriving("other") == SAID


HOSTILE = [
    "*/; DROP TABLE log; --",
    "/* open",
    "/*audittrail:{}*/",
    "'; $$ \" \\ \\u0000 \\\\u0000",
    "%s %% %(x)s {} {x} ? $1 :name ;",
    "a\x00b",
    "\ud800 \udfff",
    "🙈 مرحبا \u202e\u200f\u2028\u2029 \r\n\t\x01\x7f\x85",
    "x" * 100_000,
]


def kept(text: str) -> str:
    """Return the text as PostgreSQL can store it."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


@given(text=st.text(st.characters(exclude_categories=())))
@hypothesis_settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("binding", [None, ["%s"]])
def test_any_text_arrives_unchanged(text: str, binding: list[str] | None) -> None:
    with context(reason=text, thing=[text], **{"k" + text: text}), connection.cursor() as cursor:
        cursor.execute("SELECT current_query()" + ("" if binding is None else ", %s"), binding)
        statement, *parameters = cursor.fetchone()
        parsed = said(statement) or {}
        assert statement.split("*/ ", 1)[0].isascii() and parameters == (binding or [])
        assert parsed.get("reason", "") == kept(text)
        assert parsed["thing"] == [kept(text)] and parsed["k" + kept(text)] == kept(text)
        cursor.execute("SELECT %s::jsonb -> 'thing' ->> 0", [statement[13:].split("*/ ", 1)[0]])
        assert cursor.fetchone()[0] == kept(text)


for _text in HOSTILE:
    test_any_text_arrives_unchanged = example(text=_text)(test_any_text_arrives_unchanged)


class _options:  # noqa: N801 - reads as a statement
    """Connect the default database anew with these OPTIONS."""

    def __init__(self, **options: object) -> None:
        self.options = options

    def __enter__(self) -> None:
        connection.close()
        self.before = connections["default"].settings_dict["OPTIONS"]
        connections["default"].settings_dict["OPTIONS"] = {**self.before, **self.options}
        self._forget_features()

    def __exit__(self, *error: object) -> None:
        connection.close()
        connections["default"].settings_dict["OPTIONS"] = self.before
        self._forget_features()

    def _forget_features(self) -> None:
        vars(connection.features).pop("uses_server_side_binding", None)
        vars(connection.features).pop("max_query_params", None)

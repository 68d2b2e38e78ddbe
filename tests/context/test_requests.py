"""A request records who makes it and where it comes from, whatever kind of view answers it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from audittrail.middleware import RevisionContextMiddleware
from audittrail.revisions.context import comment
from tests.context import views
from tests.context.probes import Log, said

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
OURS = "audittrail.middleware.RevisionContextMiddleware"


@pytest.fixture(autouse=True)
def site() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="tests.context.views", MIDDLEWARE=[*SESSIONS, OURS]):
        yield


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann")


def logged_in(user: User, kind: type[Any] = Client) -> Any:
    client = kind()
    client.force_login(user)
    return client


def test_a_request_records_who_and_where_from(ann: User, log: Log) -> None:
    logged_in(ann).post(
        "/write?q=1", headers={"X-Request-ID": "abc-123"}, REMOTE_ADDR="2001:db8::1"
    )
    assert log() == [
        (
            "view",
            {
                "user": str(ann.pk),
                "method": "POST",
                "path": "/write",
                "request_id": "abc-123",
                "remote_address": "2001:db8::1",
            },
        )
    ]
    assert comment() == ""


def test_an_anonymous_request_names_no_user(log: Log) -> None:
    Client().post("/write")
    [(_, context)] = log()
    assert context and "user" not in context and context["path"] == "/write"


def test_a_request_that_only_reads_does_not_look_for_the_user(ann: User, log: Log) -> None:
    client = logged_in(ann)
    with CaptureQueriesContext(connection) as queries:
        client.get("/read")
    assert len(queries) == 1 and "auth_group" in queries[0]["sql"]


def test_a_write_looks_for_the_user_once(ann: User, log: Log) -> None:
    client = logged_in(ann)
    with CaptureQueriesContext(connection) as queries:
        client.post("/write")
    tables = [re.search(r"django_session|auth_user|take_note", q["sql"])[0] for q in queries]  # type: ignore[index]
    assert tables == ["django_session", "auth_user", "take_note"]


def test_the_user_is_who_it_is_at_the_moment_of_the_write(ann: User, log: Log) -> None:
    Client().post("/log-in")
    assert [(note, (said or {}).get("user")) for note, said in log()] == [
        ("before", None),
        ("after", str(ann.pk)),
    ]


def test_a_user_authenticated_inside_the_view_is_seen(ann: User, log: Log) -> None:
    answer = Client().post("/api", headers={"Authorization": "ann"})
    assert answer.headers["X-User"] == "ann"
    Client().post("/api")
    assert [(said or {}).get("user") for _, said in log()] == [str(ann.pk), None]


def test_a_site_without_authentication_is_recorded(log: Log) -> None:
    with override_settings(MIDDLEWARE=[OURS]):
        Client().post("/write")
    [(_, context)] = log()
    assert context and "user" not in context and context["method"] == "POST"


def test_the_user_of_a_token_counts_if_this_site_could_have_it(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    Client().post("/stateless?pk=77")
    Client().post("/stateless?pk=not-a-number")
    assert [(said or {}).get("user") for _, said in log()] == ["77", None]
    assert "'not-a-number'" in caplog.text and "names no user" in caplog.text


@pytest.mark.parametrize("given", ["", "x" * 201, "a\x07b", "   "])
def test_a_request_id_that_is_unfit_is_replaced(given: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", recorded(headers={"X-Request-ID": given})["request_id"])


def test_the_header_of_the_request_id_can_be_chosen() -> None:
    with override_settings(AUDITTRAIL_REQUEST_ID_HEADER="X-Correlation"):
        assert recorded(headers={"X-Correlation": "x" * 200})["request_id"] == "x" * 200


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, None, "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (2, "203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8::9]:4711", "2001:db8::9"),
        (1, "2001:DB8:0::9", "2001:db8::9"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "unknown", None),
        (1, "203.0.113.9, <script>", None),
    ],
)
def test_the_address_is_the_one_that_a_trusted_proxy_saw(
    trusted: int, forwarded: str | None, expected: str | None
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with override_settings(AUDITTRAIL_TRUSTED_PROXY_COUNT=trusted):
        found = recorded(headers=headers, REMOTE_ADDR="192.0.2.1")
    assert found.get("remote_address") == expected


def test_a_socket_without_an_address_is_left_out() -> None:
    assert "remote_address" not in recorded(REMOTE_ADDR="")


def test_a_failing_view_ends_the_context(log: Log) -> None:
    with pytest.raises(ZeroDivisionError):
        Client().get("/fail")
    assert comment() == ""


def test_a_streaming_response_is_made_within_the_context(ann: User, log: Log) -> None:
    answer = logged_in(ann).get("/stream")
    assert comment() == ""
    assert b"".join(answer.streaming_content) == b"firstsecond"  # type: ignore[arg-type]
    assert [(note, (said or {}).get("user")) for note, said in log()] == [
        ("first", str(ann.pk)),
        ("second", str(ann.pk)),
    ]


def test_an_async_streaming_response_is_made_within_the_context(ann: User, log: Log) -> None:
    client = logged_in(ann, AsyncClient)

    async def fetch() -> bytes:
        answer = await client.get("/stream-async")
        return b"".join([part async for part in answer.streaming_content])

    assert async_to_sync(fetch)() == b"firstsecond"
    assert [(said or {}).get("path") for _, said in log()] == ["/stream-async"] * 2
    assert [(said or {}).get("user") for _, said in log()] == [str(ann.pk)] * 2


def test_a_file_is_left_to_the_server() -> None:
    answer: Any = RevisionContextMiddleware(views.file)(RequestFactory().get("/file"))
    assert answer.file_to_stream is not None
    answer.close()


def test_an_async_view_is_recorded_with_the_user_it_found(ann: User, log: Log) -> None:
    client = logged_in(ann, AsyncClient)
    with CaptureQueriesContext(connection) as queries:
        async_to_sync(client.post)("/write-async")
    assert [(said or {}).get("user") for _, said in log()] == [str(ann.pk)]
    assert sum("auth_user" in query["sql"] for query in queries) == 1


def test_requests_answered_together_never_mix(log: Log) -> None:
    users = {name: User.objects.create(username=name) for name in ("ann", "bob", "cy")}
    clients = {name: logged_in(user, AsyncClient) for name, user in users.items()}

    async def all_at_once() -> None:
        views.meeting = views.Meeting(len(users))
        await asyncio.gather(*(client.post(f"/meet/{name}") for name, client in clients.items()))

    async_to_sync(all_at_once)()
    entries = log()
    assert sorted(note for note, _ in entries[:3]) == ["ann", "bob", "cy"]
    assert len(entries) == 6
    for note, context in entries:
        assert context and context["path"] == f"/meet/{note}"
        assert context["user"] == str(users[note].pk)


def test_the_middleware_is_async_exactly_where_the_next_one_is() -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(comment())

    middleware = RevisionContextMiddleware(answer)
    assert iscoroutinefunction(middleware)
    response: Any = asyncio.run(middleware(AsyncRequestFactory().get("/here")))  # type: ignore[arg-type]
    assert (said(response.content.decode() + "x") or {})["path"] == "/here"
    assert not iscoroutinefunction(RevisionContextMiddleware(lambda request: HttpResponse()))


def recorded(**request: Any) -> dict[str, Any]:
    """Return what the middleware says of a request."""
    middleware = RevisionContextMiddleware(lambda request: HttpResponse(comment()))
    response: Any = middleware(RequestFactory().get("/", **request))
    return said(response.content.decode() + "x") or {}

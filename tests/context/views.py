"""Views that write in the ways views do, for the tests of the middleware."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import login
from django.contrib.auth.models import Group, User
from django.db import connection
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.testapp.models import Tag


def take_note(note: str) -> None:
    """Write to the log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT take_note(%s)", [note])


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(list(Group.objects.all())))


def write(request: HttpRequest) -> HttpResponse:
    take_note("view")
    return HttpResponse()


def log_in(request: HttpRequest) -> HttpResponse:
    take_note("before")
    login(request, User.objects.get(username="ann"))
    take_note("after")
    return HttpResponse()


def fail(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


class Stateless:
    """Be the user that a token names, without a row."""

    is_authenticated = True
    is_anonymous = False

    def __init__(self, pk: object) -> None:
        self.pk = pk


def stateless(request: HttpRequest) -> HttpResponse:
    request.user = Stateless(request.GET["pk"])  # type: ignore[assignment]
    return write(request)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        for part in ("first", "second"):
            take_note(part)
            yield part

    return StreamingHttpResponse(parts())


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        for part in ("first", "second"):
            await sync_to_async(take_note)(part)
            yield part

    return StreamingHttpResponse(parts())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"))


async def write_async(request: HttpRequest) -> HttpResponse:
    await request.auser()  # type: ignore[attr-defined]
    await sync_to_async(take_note)("async view")
    return HttpResponse()


class Meeting:
    """Let requests wait for each other in the middle of their views."""

    def __init__(self, size: int) -> None:
        self.missing = size
        self.complete = asyncio.Event()

    async def join(self) -> None:
        self.missing -= 1
        if not self.missing:
            self.complete.set()
        await self.complete.wait()


meeting = Meeting(0)


async def meet(request: HttpRequest, name: str) -> HttpResponse:
    await sync_to_async(take_note)(name)
    await meeting.join()
    await sync_to_async(take_note)(name)
    return HttpResponse()


def tag(request: HttpRequest) -> HttpResponse:
    Tag.objects.create(name="sync")
    return HttpResponse()


async def tag_async(request: HttpRequest) -> HttpResponse:
    await Tag.objects.acreate(name="async")
    return HttpResponse()


class Token(BaseAuthentication):
    """Take the user's name for a token."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        name = request.headers.get("Authorization")
        return (User.objects.get(username=name), None) if name else None


class Api(APIView):
    authentication_classes = (Token,)

    def post(self, request: Request) -> Response:
        take_note("api")
        return Response(headers={"X-User": str(request.user)})


class TagApi(APIView):
    authentication_classes = (Token,)

    def post(self, request: Request) -> Response:
        Tag.objects.create(name="api")
        return Response()


urlpatterns: list[Any] = [
    path("read", read),
    path("write", write),
    path("log-in", log_in),
    path("fail", fail),
    path("stateless", stateless),
    path("stream", stream),
    path("stream-async", stream_async),
    path("file", file),
    path("write-async", write_async),
    path("meet/<name>", meet),
    path("api", Api.as_view()),
    path("tag/sync", tag),
    path("tag/async", tag_async),
    path("tag/api", TagApi.as_view()),
]

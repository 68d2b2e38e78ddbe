"""Record who makes the request that changes data, and where it came from."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.utils.functional import LazyObject, empty

from audittrail import conf
from audittrail.revisions.context import Context, context
from audittrail.revisions.inside import async_inside, inside
from audittrail.revisions.users import CurrentUser

#: Longer request ids than this are not taken over.
REQUEST_ID_LENGTH = 200


class RevisionContextMiddleware:
    """Record user, method, path, request id and remote address with the changes of a request.

    The user is `request.user` at the moment of the write: a login inside the view counts, and a
    request that only reads never loads its user. Works without `AuthenticationMiddleware`; where
    there is one, place it after that. Sync and async; a streaming response has the context while
    its content is made.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request within its context."""
        recorded = request_context(request)
        if self.is_async:
            return self._answer_async(request, recorded)
        with recorded:
            response: HttpResponseBase = self.get_response(request)
        return _streaming_inside(recorded, response)

    async def _answer_async(self, request: HttpRequest, recorded: Context) -> HttpResponseBase:
        with recorded:
            response: HttpResponseBase = await self.get_response(request)
        return _streaming_inside(recorded, response)


def request_context(request: HttpRequest) -> Context:
    """Return the context that a request's changes are recorded with."""
    metadata = {
        "method": request.method,
        "path": request.path,
        "request_id": _request_id(request),
        "remote_address": _remote_address(request),
    }
    return context(
        user=CurrentUser(lambda: _user(request)),
        **{name: value for name, value in metadata.items() if value is not None},
    )


def _user(request: HttpRequest) -> object:
    user = getattr(request, "user", None)
    if isinstance(user, LazyObject) and user._wrapped is empty:
        # `await request.auser()` finds the user as well, and keeps it apart from `request.user`.
        return getattr(request, "_acached_user", user)
    return user


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get(conf.request_id_header(), "").strip()
    if given and len(given) <= REQUEST_ID_LENGTH and given.isprintable():
        return given
    return uuid4().hex


def _remote_address(request: HttpRequest) -> str | None:
    trusted = conf.trusted_proxy_count()
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if trusted else ""
    if not forwarded.strip():
        return _address(request.META.get("REMOTE_ADDR", ""))
    # Each trusted proxy appends the address that called it. Anybody may have sent what stands
    # left of these.
    hops = forwarded.split(",")
    return _address(hops[-min(trusted, len(hops))])


def _address(given: str) -> str | None:
    text = given.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _streaming_inside(recorded: Context, response: HttpResponseBase) -> HttpResponseBase:
    # A file is left alone: it writes nothing, and the server may send it by itself.
    if (
        not isinstance(response, StreamingHttpResponse)
        or getattr(response, "file_to_stream", None) is not None
    ):
        return response
    content: Any = response.streaming_content
    if response.is_async:
        response.streaming_content = async_inside(
            lambda: recorded, (part async for part in content)
        )
    else:
        response.streaming_content = inside(lambda: recorded, (part for part in content))
    return response

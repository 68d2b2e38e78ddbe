"""One request of somebody who travels: its view and its response run as of the moment, and what can't be shown is said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers
from django.utils.text import capfirst

from audittrail.admin.time_machine import banner
from audittrail.admin.time_machine.chosen import Chosen
from audittrail.admin.time_machine.read_only import MISSING
from audittrail.admin.time_machine.refusals import PastRefusal
from audittrail.exceptions import AuditTrailError, PastIsReadOnlyError
from audittrail.revisions.inside import async_inside, inside
from audittrail.timetravel import machine, obstacles

SAFE: Final = ("GET", "HEAD", "OPTIONS", "TRACE")

#: How audittrail's own functions in the database begin their messages.
_OURS: Final = "audittrail: "

#: Ends of the names of views that only write.
_WRITING: Final = ("_add", "_delete", "_password_change")


class Trip:
    """A request, where it travels, and what its pages can't show of it."""

    def __init__(self, site: AdminSite, request: HttpRequest, moment: Chosen) -> None:
        self.site = site
        self.request = request
        self.moment = moment
        self.model_admin: Any = None
        self.journey: machine.Journey | None = None

    def answer(self, view: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Return the response of a view as of the moment."""
        self.model_admin = getattr(view, "model_admin", None)
        with self._travelling() as journey:
            self.journey = journey
            try:
                self._require_possible(view)
                response = view(self.request, *args, **kwargs)
            except (AuditTrailError, PermissionDenied, DatabaseError) as error:
                response = self._refusal(error)
        return self.finished(response)

    async def aanswer(self, view: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Return the response of an asynchronous view as of the moment."""
        with self._travelling() as journey:
            self.journey = journey
            try:
                response = await view(self.request, *args, **kwargs)
            except (AuditTrailError, PermissionDenied, DatabaseError) as error:
                response = self._refusal(error)
        return self.finished(response)

    def finished(self, response: Any) -> Any:
        """Return a response that is as of the moment to its end, and says so."""
        if not isinstance(response, HttpResponseBase):
            return response
        add_never_cache_headers(response)
        render: Any = getattr(response, "render", None)
        if callable(render) and not getattr(response, "is_rendered", True):
            unrendered: Any = response
            unrendered.render = lambda: self._rendered(unrendered)
            return response
        if response.streaming:
            return self._streaming(response)
        return self._with_banner(response)

    def _travelling(self) -> AbstractContextManager[machine.Journey]:
        is_strict = self.request.method not in SAFE
        return machine.travelling(self.moment.revision, strict=is_strict, at=self.moment.at)

    def _rendered(self, response: Any) -> Any:
        del response.render  # the one in `finished`; a response may be kept
        with machine.again(self.journey):
            try:
                result = response.render()
            except (AuditTrailError, PermissionDenied, DatabaseError) as error:
                result = self._refusal(error).render()
        return self._with_banner(result)

    def _streaming(self, response: Any) -> Any:
        if getattr(response, "file_to_stream", None) is not None:
            return response
        content = response.streaming_content
        if response.is_async:
            response.streaming_content = async_inside(
                lambda: machine.again(self.journey), (part async for part in content)
            )
        else:
            response.streaming_content = inside(
                lambda: machine.again(self.journey), (part for part in content)
            )
        return response

    def _with_banner(self, response: Any) -> Any:
        model = None if self.model_admin is None else self.model_admin.model
        banner.put(
            response,
            self.request,
            self.site,
            self.moment,
            missing=tuple(self.request.__dict__.get(MISSING, ())),
            withheld=() if model is None else self._withheld(model),
            as_now=capfirst(model._meta.verbose_name_plural)
            if model is not None and self.journey is not None and obstacles.is_shown_as_now(model)
            else "",
        )
        return response

    def _withheld(self, model: Any) -> tuple[str, ...]:
        with machine.again(self.journey):
            return tuple(capfirst(str(f.verbose_name)) for f in obstacles.withheld_fields(model))

    def _require_possible(self, view: Callable[..., Any]) -> None:
        """Raise the error for a page that can't be shown as of the moment, or would do nothing but write."""
        if getattr(view, "audittrail_writes", False):
            raise PastIsReadOnlyError("This page changes the present.")
        if self.model_admin is None:
            return
        obstacles.require_known(self.model_admin.model)
        action = self.request.POST.get("action") if self._url_name.endswith("_changelist") else None
        if action and action not in self.model_admin.get_actions(self.request):
            raise PastIsReadOnlyError(f"The action {action!r} is not there in the time machine.")

    def _refusal(self, error: Exception) -> Any:
        if isinstance(error, DatabaseError) and not str(error).startswith(_OURS):
            raise error
        if isinstance(error, PermissionDenied):
            if not self._only_writes():
                raise error
            error = PastIsReadOnlyError(
                "Nothing can be added, changed or deleted in the time machine."
            )
        for connection in connections.all(initialized_only=True):
            # With ATOMIC_REQUESTS an error that leaves a view undoes the request; this one is answered with a page instead.
            if connection.in_atomic_block and connection.settings_dict["ATOMIC_REQUESTS"]:
                connection.set_rollback(True)
        return PastRefusal(self.site, self.request, self.model_admin, self.moment.time, error)

    def _only_writes(self) -> bool:
        return self.request.method not in SAFE or self._url_name.endswith(_WRITING)

    @property
    def _url_name(self) -> str:
        match = self.request.resolver_match
        return (match.url_name if match else None) or ""

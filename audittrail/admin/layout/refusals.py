"""Why something is not done, in the reader's language: what the other stages and the database say, without values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final

from django.contrib.admin import AdminSite, ModelAdmin
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.layout.responses import model_breadcrumbs, page_response
from audittrail.capture.locking import sqlstate
from audittrail.exceptions import (
    AuditTrailError,
    LockedError,
    MomentError,
    NotGrantedError,
    PastIsReadOnlyError,
    TimeTravelError,
    TrackedLaterError,
    UnsettledError,
)
from audittrail.timetravel import machine

View = Callable[..., HttpResponseBase]

#: SQLSTATEs of read_only_sql_transaction, insufficient_privilege, query_canceled, lock_not_available.
READ_ONLY: Final = "25006"
NOT_ALLOWED: Final = "42501"
CANCELED: Final = "57014"
LOCKED: Final = "55P03"


@dataclass(frozen=True)
class Refusal:
    """What is said instead of a preview, with the status of the response, and what the API said."""

    text: str
    status: int = 409
    detail: str = ""


def refusing(
    view: View, errors: tuple[type[Exception], ...] = (AuditTrailError, DatabaseError)
) -> View:
    """Return a view of a page that says clearly why something is not done, where it would end in one of some errors."""

    @wraps(view)
    def wrapped(owner: Any, request: HttpRequest, *args: Any, **captured: Any) -> HttpResponseBase:
        try:
            return view(owner, request, *args, **captured)
        except errors as error:
            found = refusal_of(error)
            if found is None:
                raise
            return refused(owner, request, found)

    return wrapped


def require_present() -> None:
    """Raise `PastIsReadOnlyError` while somebody travels: what is brought back is brought back in the present."""
    if machine.current() is not None:
        raise PastIsReadOnlyError("Return to the present first: the past can only be looked at.")


def refused(
    owner: ModelAdmin[Any] | AdminSite, request: HttpRequest, refusal: Refusal
) -> HttpResponseBase:
    """Return the page that says why something is not done; what the API said, which may name anything, to superusers alone."""
    if not getattr(request.user, "is_superuser", False):
        refusal = replace(refusal, detail="")
    breadcrumbs = [] if isinstance(owner, AdminSite) else model_breadcrumbs(owner)
    context = {"title": _("Nothing was done"), "refusal": refusal, "breadcrumbs": breadcrumbs}
    return page_response(owner, request, "refusal", context, status=refusal.status)


def refusal_of(error: Exception) -> Refusal | None:
    """Return what to say about an error; None for one that is a fault of ours, or of the project's."""
    if isinstance(error, LockedError):
        return _locked()
    if isinstance(error, NotGrantedError):
        text = _(
            "The role by which this site uses the database may not read history. Whoever owns history can grant it: "
            "manage.py audittrail grant."
        )
        return Refusal(text, 503, str(error))
    cause = error.__cause__
    if isinstance(cause, DatabaseError):
        # The database's own message is not shown, since it may hold values of rows.
        return Refusal(_refused_by_database(cause), 409)
    if isinstance(error, DatabaseError):
        return _of_database(error)
    if isinstance(error, UnsettledError):
        text = _(
            "Transactions are just being committed, so it can't be said yet what holds. Nothing was done; try again in a moment."
        )
        return Refusal(text, 503)
    if isinstance(error, TrackedLaterError):
        return Refusal(
            _(
                "Something of it was not tracked then, so what it held is not known. Nothing was done."
            ),
            409,
            str(error),
        )
    if isinstance(error, MomentError):
        return Refusal(
            _("There is no such state to go back to any more. Nothing was done."), 409, str(error)
        )
    if isinstance(error, PastIsReadOnlyError):
        text = _("Nothing can be brought back in the time machine. Return to the present first.")
        return Refusal(text, 409)
    if isinstance(error, TimeTravelError):
        return Refusal(_("This is not possible here. Nothing was done."), 409, str(error))
    if isinstance(error, AuditTrailError):
        return Refusal(_("It can't be done, and nothing was done."), 409, str(error))
    return None


def _locked() -> Refusal:
    text = _(
        "The rows, or a table, are locked by others at the moment. Nothing was done; try again in a moment."
    )
    return Refusal(text, 503)


def _of_database(error: DatabaseError) -> Refusal | None:
    state = sqlstate(error)
    if state == READ_ONLY:
        text = _(
            "A preview writes temporary tables, which this database does not permit: it can only be read, as replicas can. "
            "Nothing was done; open the page where the database can be written."
        )
        return Refusal(text, 409)
    if state == NOT_ALLOWED:
        text = _("The role by which this site uses the database may not do this. Nothing was done.")
        return Refusal(text, 403)
    if state == CANCELED:
        text = _("It took longer than the database permits, and was cancelled. Nothing was done.")
        return Refusal(text, 503)
    if state == LOCKED:
        return _locked()
    return None


def _refused_by_database(cause: DatabaseError) -> str:
    diagnosis: Any = getattr(cause.__cause__, "diag", None)
    name = getattr(diagnosis, "constraint_name", None)
    if name:
        return _(
            "The database refused it, because of the constraint %(name)s. Nothing was done."
        ) % {"name": name}
    return _("The database refused it. Nothing was done.")

"""Say who changes data, why and from where: the context that a revision records.

The context of a block of code is an immutable state in a context variable, so threads and
coroutines never see each other's. Nothing is sent when a context begins or ends: each statement
carries it as a comment (see `cursors`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import Enum
from types import TracebackType
from typing import Any, Final, TypeVar

from django.utils.functional import Promise

from audittrail.exceptions import ContextError
from audittrail.revisions import users
from audittrail.revisions.inside import decorated
from audittrail.revisions.payload import encoded, json_text, storable

F = TypeVar("F", bound=Callable[..., Any])

#: Names that metadata can't use: the product keeps them for what it records itself.
RESERVED_PREFIX: Final = "audittrail"


#: Metadata that says of which tenant the user is, where tenants have users of their own: their keys are the same.
USER_SCHEMA: Final = f"{RESERVED_PREFIX}_user_schema"

#: Metadata that lets the database refuse every change of what is tracked (`parse_context`).
READ_ONLY: Final = f"{RESERVED_PREFIX}_read_only"

#: Metadata that says what was given as the user and can't be one.
UNRECORDED_USER: Final = f"{RESERVED_PREFIX}_user"


class _Unset(Enum):
    UNSET = "not given"


_UNSET: Final = _Unset.UNSET


@dataclass(frozen=True, slots=True, eq=False)
class ContextState:
    """What an active context says, the contexts around it included."""

    user: object
    reason: str | None
    metadata: Mapping[str, str]
    tenant: str | None = None
    outer: ContextState | None = None
    opened_by: object = None
    comments: dict[object, str] = field(default_factory=dict)

    def comment(self, may_query: Callable[[], bool] = lambda: True) -> str:
        """Return the comment for a statement.

        `may_query` is asked only when the user isn't known yet; if it says no, the comment names no
        user.
        """
        key = self.key(may_query)
        try:
            return self.comments[key]
        except KeyError:
            text = self.comments[key] = self._encoded(key)
            return text

    def key(self, may_query: Callable[[], bool]) -> str | users.Unrecorded | None:
        """Return the key of the user; `may_query` is as in `comment`."""
        user = self.user
        # Asked at each statement; as a rule the user is known already.
        return user if user is None or type(user) is str else self._late_key(user, may_query)

    def _encoded(self, key: str | users.Unrecorded | None) -> str:
        if isinstance(key, users.Unrecorded):
            metadata = {**self.metadata, UNRECORDED_USER: json_text(UNRECORDED_USER, key.text)}
            return encoded(None, self.reason, metadata)
        if key is None or self.tenant is None:
            return encoded(key, self.reason, self.metadata)
        told = json_text(USER_SCHEMA, self.tenant)
        return encoded(key, self.reason, {**self.metadata, USER_SCHEMA: told})

    def _late_key(
        self, user: object, may_query: Callable[[], bool]
    ) -> str | users.Unrecorded | None:
        found = users.found(user)
        if users.is_pending(found):
            if not may_query():
                return None
            # Finding the user may send statements: those carry this context without its user.
            with _activated(replace(self, user=None, comments={})):
                users.resolve(found)
        return users.late_key(found)


# One variable for everything, so that a copy (a task's, `sync_to_async`'s) is always consistent.
_active: ContextVar[ContextState | None] = ContextVar("audittrail_context", default=None)

#: Return the present state, or None: what each statement asks first.
active: Final = _active.get


def comment() -> str:
    """Return the SQL comment that says the present context, or "" without one.

    It is ASCII, holds no placeholder characters, ends with a space, and is to stand at the very
    start of a statement. A user who isn't known yet is asked for, which may run a query.
    """
    state = _active.get()
    return "" if state is None else state.comment()


class Context:
    """One context, to enter with `with` or to put on a function; made by `context`."""

    def __init__(self, user: object, reason: object, metadata: Mapping[str, object]) -> None:
        if reason is not _UNSET and not isinstance(reason, str | Promise | None):
            raise ContextError(
                f"The reason of a context must be a string or None, not {reason!r}. "
                "Give other details by names of their own, such as context(ticket=17)."
            )
        for name in metadata:
            if name.startswith(RESERVED_PREFIX):
                raise ContextError(
                    f"The context metadata {name!r} has a reserved name. "
                    f"Choose one that does not begin with {RESERVED_PREFIX!r}."
                )
        self._user = user
        self._reason = reason
        self._metadata = metadata
        #: The tenant whose user is meant, if that is not to be the present one when the context is entered.
        self.tenant: str | None = None
        self._last: ContextState | None = None

    def __enter__(self) -> None:
        outer = _active.get()
        tenant = None if self._user is _UNSET else self.tenant or users.tenant()
        if outer is not None or not users.is_constant(self._user):
            # The state refers to the outer one. If it were kept for the next time, a request that has ended would stay in memory.
            state = self._merged(outer, tenant)
        elif (kept := self._last) is not None and kept.tenant == tenant:
            state = kept
        else:
            # A decorated function enters at each call: the state is kept, so that its comment is made once.
            state = self._last = self._merged(None, tenant)
        _active.set(state)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The state names the one outside it, which holds again now. A token kept here would not do:
        # several tasks may be inside one object, and a token is useless where a framework ends the
        # block in a copy of the context variables.
        state = _active.get()
        while state is not None and state.opened_by is not self:
            state = state.outer
        if state is not None:
            _active.set(state.outer)

    def __call__(self, function: F) -> F:
        """Return the function with this context around its body."""
        return decorated(function, lambda: self)

    def _merged(self, outer: ContextState | None, tenant: str | None) -> ContextState:
        user: object
        if self._user is not _UNSET:
            user = users.known(self._user)
        else:
            user = None if outer is None else outer.user
            tenant = None if outer is None else outer.tenant
        if self._reason is not _UNSET:
            reason = None if self._reason is None else storable(str(self._reason))
        else:
            reason = None if outer is None else outer.reason
        metadata = {
            **({} if outer is None else outer.metadata),
            **{storable(name): json_text(name, value) for name, value in self._metadata.items()},
        }
        return ContextState(user, reason, metadata, tenant, outer, self)


def context(*, user: object = _UNSET, reason: object = _UNSET, **metadata: object) -> Context:
    """Record who changes data, why, and anything else, with the revisions of a block or a function.

    `user` is a user, a primary key or None. A zero-argument callable or a lazy object is asked at
    the first statement that may write, never for a plain read. `reason` is a string. Every other
    name becomes a key of `Revision.context` and takes what `DjangoJSONEncoder` can write. What
    PostgreSQL can't store in text (NUL, lone surrogates) is replaced by U+FFFD.

    Use it as `with context(...)`, in coroutines too, or as a decorator of functions, coroutine
    functions, generators and asynchronous generators; a generator has it only while its own body
    runs. An inner context adds to the outer one and wins where both speak; `user=None` and
    `reason=None` take back what the outer one says. A revision takes the context of the first write
    of its transaction; later writes add what is missing.

    Raises `ContextError` for a reason that is not a string, a user that can't be one, and metadata
    that is not JSON or has a reserved name (one that begins with "audittrail").
    """
    return Context(user, reason, metadata)


@contextmanager
def _activated(state: ContextState) -> Iterator[None]:
    token = _active.set(state)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def read_only(refuses: bool) -> Iterator[None]:
    """Let the database refuse to change what is tracked, whatever tries to, inside a `with` block; False takes that back."""
    outer = _active.get() or ContextState(None, None, {})
    if (READ_ONLY in outer.metadata) == refuses:
        yield
        return
    metadata = {name: text for name, text in outer.metadata.items() if name != READ_ONLY}
    if refuses:
        metadata[READ_ONLY] = json_text(READ_ONLY, True)
    state = replace(outer, metadata=metadata, outer=outer, opened_by=None, comments={})
    with _activated(state):
        yield

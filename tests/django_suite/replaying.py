"""Ask again, as of the newest revision, whatever a test of Django's asks the present, and note where the answers differ.

Each SELECT that is sent is sent once more inside `travelling`; each queryset that is evaluated is evaluated once more as of the
revision, as `Model.history(revision=...)` with the same filters, and inside `travelling`; and from the first of its objects every relation
is followed, and compared with where the present object leads. A test's own transaction is one open revision: it is closed before each question.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, Final

from django.db import DatabaseError, connections, models
from django.db.backends.utils import CursorWrapper
from django.db.models.query import QuerySet

from audittrail.capture import install as installation
from audittrail.capture import tracking
from audittrail.exceptions import AuditTrailError
from audittrail.models import Revision
from audittrail.timetravel import machine, registry
from audittrail.timetravel.moment import Moment, from_alias
from audittrail.timetravel.queryset import turned
from tests.django_suite import answers

#: How many objects of a queryset are followed to what they are related with.
FOLLOWED: Final = 2

#: What was asked again, and how often the answer was the same.
_same: Counter[str] = Counter()

#: What differs: kind, test, question, what was expected, what was got; and what was refused, by kind, test and reason.
_different: list[dict[str, str]] = []
_refused: list[dict[str, str]] = []

_asking = False


def install(databases: Iterable[Any]) -> None:
    """Watch Django's cursors and querysets; takes the connections of the test databases."""
    cursor: Any = CursorWrapper
    queryset: Any = QuerySet
    cursor._execute = _watching_statements(cursor._execute)
    queryset._fetch_all = _watching_querysets(queryset._fetch_all)
    for name in ("count", "exists", "aggregate"):
        setattr(queryset, name, _watching_answers(name, getattr(queryset, name)))
    for db in databases:
        make_a_revision(db)


def outcome() -> dict[str, Any]:
    """Return what was the same, what was different, and what was refused."""
    return {"same": dict(_same), "different": _different, "refused": _refused}


def _watching_statements(live: Any) -> Any:
    @wraps(live)
    def execute(self: Any, sql: Any, params: Any, *ignored: Any) -> Any:
        result = live(self, sql, params, *ignored)
        if isinstance(sql, str) and not _asking:
            if answers.changes_schema(sql):
                registry.forget()
            elif answers.is_repeatable(sql) and (revision := _newest(self.db)) is not None:
                _ask_statement(self.db, revision, sql, params)
        return result

    return execute


def _ask_statement(db: Any, revision: Revision, sql: str, params: Any) -> None:
    with _again("statement", db, sql) as note:
        expected = _rows(db, sql, params)
        with machine.travelling(revision):
            found = _rows(db, sql, params)
        note(answers.compare_rows(expected, found))


def _rows(db: Any, sql: str, params: Any) -> list[Any]:
    with db.connection.cursor() as raw:
        raw.execute(sql, params)
        return list(raw.fetchall()) if raw.description else []


def _watching_querysets(live: Any) -> Any:
    @wraps(live)
    def fetch_all(self: Any) -> None:
        if self.__dict__["_result_cache"] is not None or not _is_told(self):
            live(self)
            return
        again = _unrelated(self)
        live(self)
        db = connections[self.db]
        if (revision := _newest(db)) is None:
            return
        _ask_both(
            db,
            revision,
            again,
            list,
            lambda found: answers.compare_objects(
                self._result_cache, found, self.query, self._known_related_objects
            ),
        )
        for given in [it for it in self._result_cache[:FOLLOWED] if isinstance(it, models.Model)]:
            _follow(db, revision, given)

    return fetch_all


def _watching_answers(name: str, live: Any) -> Any:
    """Watch a method of querysets that gives one answer."""

    @wraps(live)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_told(self):
            return live(self, *args, **kwargs)
        again = _unrelated(self)
        answer = live(self, *args, **kwargs)
        db = connections[self.db]
        if (revision := _newest(db)) is not None:
            _ask_both(
                db,
                revision,
                again,
                lambda queryset: getattr(queryset, name)(*args, **kwargs),
                lambda found: answers.compare_rows([answer], [found]),
            )
        return answer

    return method


def _is_told(queryset: Any) -> bool:
    """Return whether a queryset reads the present of a tracked model, now."""
    model = queryset.model
    return not (
        _asking
        or queryset._result_cache is not None
        or queryset._for_write
        or queryset.query.select_for_update
        or model is None
        or model._meta.app_label == "audittrail"
        or not tracking.is_tracked(model)
        or from_alias(queryset.db) is not None
    )


def _unrelated(queryset: Any) -> Any:
    """Return a copy of a queryset that does not belong to an object of the present.

    To compile a union with an order adds columns to it, and to a dictionary that Django shares among its copies, which can't be
    compiled any more then: so this copy has its own.
    """
    again = queryset.using(queryset.db)
    if again.query.combinator and again.query.selected is not None:
        again.query.selected = dict(again.query.selected)
    again._prefetch_related_lookups = ()
    again._known_related_objects, again._hints = {}, {}
    return again


def _ask_both(db: Any, revision: Revision, again: Any, ask: Any, compare: Any) -> None:
    """Ask a queryset as of a revision, and again while travelling to it."""
    assert revision.committed is not None
    with _again("history", db, str(again.model)) as note:
        note(compare(ask(turned(_unrelated(again), Moment(db.alias, revision.committed)))))
    with _again("travelling", db, str(again.model)) as note, machine.travelling(revision):
        note(compare(ask(_unrelated(again))))


def _follow(db: Any, revision: Revision, given: models.Model) -> None:
    """Compare where an object of the past leads with where the present one does."""
    model = type(given)
    if model._meta.concrete_model is None or given.pk is None:
        return
    assert revision.committed is not None
    moment = Moment(db.alias, revision.committed)
    with _again("objects", db, repr(model)) as note:
        present = model._base_manager.using(db.alias).filter(pk=given.pk).first()
        past = model._base_manager.using(moment.alias).filter(pk=given.pk).first()
        if present is None or past is None:
            note(None if present is past else f"{present!r} {past!r}")
            return
        for relation in answers.relations_of(model, db):
            expected, found = (answers.led_to(it, relation) for it in (present, past))
            note(answers.compare_related(relation, expected, found))


def make_a_revision(db: Any) -> None:
    """Make a revision after the tables of a test database are tracked, so that there is a moment at which they are."""
    from django.contrib.auth.models import Group

    groups = Group.objects.using(db.alias)
    groups.create(name="audittrail")
    groups.filter(name="audittrail").delete()


def _newest(db: Any) -> Any:
    """Return the newest revision of a database, after the open one is closed; None if there is none, or it can't be asked now."""
    if db.vendor != "postgresql" or from_alias(db.alias) is not None or machine.current():
        return None
    if db.needs_rollback or db.connection is None or db.alias not in connections.settings:
        return None
    with _unnoticed(db), suppress(DatabaseError), _kept(db):
        if not installation.is_installed(db):
            return None
        with db.connection.cursor() as raw:
            raw.execute("SELECT audittrail.close_revision()")
        return Revision.objects.using(db.alias).newest_first().first()
    return None


@contextmanager
def _again(kind: str, db: Any, question: str) -> Iterator[Any]:
    """Ask in a savepoint; give a function that notes a difference, or None."""
    test = os.environ.get("SUITE_TEST", "")

    def note(difference: str | None) -> None:
        if difference is None:
            _same[kind] += 1
        else:
            _different.append(
                {
                    "kind": kind,
                    "test": test,
                    "question": question[:1500],
                    "difference": difference[:1500],
                }
            )

    with _unnoticed(db):
        try:
            with _kept(db):
                yield note
        except AuditTrailError as error:
            _refused.append(
                {
                    "kind": kind,
                    "test": test,
                    "question": question[:1500],
                    "reason": f"{type(error).__name__}: {error}"[:600],
                }
            )
        except Exception as error:  # noqa: BLE001 (whatever goes wrong is a difference)
            note(f"{type(error).__name__}: {error}")


@contextmanager
def _unnoticed(db: Any) -> Iterator[None]:
    """Keep our own questions out of Django's log of queries and the test's wrappers."""
    global _asking
    debug, wrappers = db.force_debug_cursor, db.execute_wrappers
    _asking, db.force_debug_cursor, db.execute_wrappers = True, False, []
    log = list(db.queries_log)
    try:
        yield
    finally:
        _asking, db.force_debug_cursor, db.execute_wrappers = False, debug, wrappers
        db.queries_log.clear()
        db.queries_log.extend(log)


@contextmanager
def _kept(db: Any) -> Iterator[None]:
    """Leave the test's transaction as it was, whatever happens."""
    if db.get_autocommit():
        yield
        return
    with db.connection.cursor() as raw:
        raw.execute("SAVEPOINT audittrail_suite")
    try:
        yield
    except BaseException:
        with db.connection.cursor() as raw:
            raw.execute("ROLLBACK TO SAVEPOINT audittrail_suite")
        raise
    finally:
        with db.connection.cursor() as raw:
            raw.execute("RELEASE SAVEPOINT audittrail_suite")

"""Help for the tests of projects that use audittrail: close revisions within a test, and look at what was recorded.

A `TestCase` is one transaction that never commits, so all of it is one open revision. `close_revision()` ends that
revision where the test says so, and the next change opens another. pytest has all of this as fixtures, see
`audittrail.pytest_plugin`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from audittrail.capture import install
from audittrail.history import of
from audittrail.models import Revision
from audittrail.revisions.versions import Operation
from audittrail.revisions.wording import counted, named
from audittrail.timetravel import registry

__all__ = [
    "FreshHistory",
    "assert_history",
    "assert_no_new_history",
    "close_revision",
    "new_revision",
    "reset_history",
]


def close_revision(using: str = DEFAULT_DB_ALIAS) -> Revision | None:
    """Close the open revision of this transaction and return it; None if nothing was changed since the last."""
    registry.forget()  # the test may have changed the schema in its transaction
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT audittrail.close_revision()")
        (number,) = cursor.fetchone()
    revisions: Any = Revision.objects.using(using)
    return None if number is None else revisions.get(pk=number)


class NewRevision:
    """The revision of a `new_revision` block, once the block has ended; None if it changed nothing."""

    revision: Revision | None = None


@contextmanager
def new_revision(using: str = DEFAULT_DB_ALIAS) -> Iterator[NewRevision]:
    """Make the block a revision of its own within a test's transaction.

    Gives an object whose `revision` is set at the end.
    """
    result = NewRevision()
    with transaction.atomic(using=using):
        close_revision(using)
        yield result
        result.revision = close_revision(using)


def assert_history(target: models.Model | type[models.Model], *operations: str) -> list[Any]:
    """Assert which operations the history of an object, or of all objects of a model, consists of, in order.

    Takes the values of `Operation`, such as "I", "U". Returns the versions, for a closer look.
    """
    versions = list(of(target).versions.in_order().select_related("revision"))
    expected = [Operation(operation) for operation in operations]
    found = [Operation(version.operation) for version in versions]
    assert found == expected, (
        f"History of {named(target)} is {_spelled(found)}, expected {_spelled(expected)}:\n"
        + "\n".join(f"  {version.operation} {version}" for version in versions)
    )
    return versions


@contextmanager
def assert_no_new_history(
    *models_: type[models.Model], using: str = DEFAULT_DB_ALIAS
) -> Iterator[None]:
    """Assert that the block makes no version of the given models, or no revision at all if none is given."""
    if not models_:
        close_revision(using)
        yield
        made = close_revision(using)
        assert made is None, f"The block made revision {made}; it was to change nothing."
        return
    counts = {model: of(model).versions.using(using).count() for model in models_}
    yield
    for model, count in counts.items():
        now = of(model).versions.using(using).count()
        label = model._meta.label
        assert now == count, f"The block made {counted(now - count, 'version')} of {label}."


def reset_history(using: str = DEFAULT_DB_ALIAS) -> None:
    """Empty the history of a test database: for test cases that commit and flush their tables.

    Tracking begins anew, with what the tables hold now as baseline. Never call it on a database that matters.
    """
    registry.forget()
    connection = connections[using]
    if install.is_installed(connection) and install.has_functions(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT audittrail.reset_history()")


class FreshHistory:
    """Begin each test of a test case without history: to put before `TransactionTestCase` or another class of Django's.

    Those test cases commit, and empty the tables between tests, but not their history. What the tables hold when the
    test begins is the baseline. A `setUp` of the class's own calls `super().setUp()` first.
    """

    databases: ClassVar[Any]

    def setUp(self) -> None:
        """Empty the history of the test's databases."""
        for alias in connections:
            if self.databases == "__all__" or alias in self.databases:
                reset_history(alias)
        super().setUp()  # type: ignore[misc]


def _spelled(operations: list[Operation]) -> str:
    return ", ".join(operations) or "empty"

"""The jobs that are killed: what each of them does, and what has to be true of its database before."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connections, transaction

from audittrail import history
from audittrail.capture import baseline, closing, sync
from audittrail.models import Revision

#: The alias of the database, in the process of the client.
ALIAS = "crash"

#: How many rows each transaction of `capture` inserts.
ENTRIES = 10


@dataclass(frozen=True)
class Job:
    """Something to do in a database: the SQL that prepares it, and the work, which is told a function to report with."""

    work: Callable[[Callable[[str], None]], None]
    prepare: str = ""


def capture(report: Callable[[str], None]) -> None:
    """Commit one transaction after the other, and report each commit, until somebody puts an end to it."""
    for number in itertools.count():
        with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
            cursor.execute(f'SET LOCAL audittrail.context = \'{{"reason": "capture {number}"}}\'')
            cursor.execute(
                "INSERT INTO entry SELECT %s * 1000 + n, %s, n FROM generate_series(1, %s) n",
                [number, number, ENTRIES],
            )
            cursor.execute("UPDATE entry SET amount = -amount WHERE id = %s * 1000 + 1", [number])
            cursor.execute(
                "UPDATE account SET amount = amount + 1 WHERE id %% 100 = %s", [number % 100]
            )
        report(f"committed {number}")


def _revision(reason: str) -> Revision:
    revisions = Revision.objects.using(ALIAS)
    found: Revision = revisions.get(reason=reason)  # type: ignore[assignment]
    return found


def maintain(report: Callable[[str], None]) -> None:
    closing.close(ALIAS, batch_size=100)


def prune(report: Callable[[str], None]) -> None:
    history.prune(_revision("three"), using=ALIAS, batch_size=100)


def restore_all(report: Callable[[str], None]) -> None:
    _revision("two").restore_all()


def backfill(report: Callable[[str], None]) -> None:
    baseline.backfill(ALIAS, batch_size=50)


def redact(report: Callable[[str], None]) -> None:
    history.redact(
        "account",
        ["owner"],
        value="redacted",
        live=True,
        reason="crash",
        using=ALIAS,
        pks=range(1, 200),
    )


def synchronise(report: Callable[[str], None]) -> None:
    sync.sync(ALIAS)


#: Tables whose triggers were off while they were written, and whose columns have changed since.
OUT_OF_STEP = """
ALTER TABLE account DISABLE TRIGGER audittrail_update;
UPDATE account SET amount = 0 WHERE id % 7 = 0;
ALTER TABLE branch ADD COLUMN place text DEFAULT 'here';
ALTER TABLE entry RENAME COLUMN run TO series;
DROP TRIGGER audittrail_insert ON branch;
INSERT INTO branch SELECT n, 'passed by' FROM generate_series(900, 920) n;
DROP TRIGGER audittrail_delete ON large;
"""

JOBS = {
    "capture": Job(capture),
    "maintain": Job(maintain),
    "prune": Job(prune),
    "restore_all": Job(restore_all),
    "backfill": Job(backfill),
    "redact": Job(redact),
    "sync": Job(synchronise, OUT_OF_STEP),
}

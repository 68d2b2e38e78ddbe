"""Compare tables with the last versions of their rows, and the triggers with what they should be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audittrail import conf
from audittrail.capture.locking import patiently
from audittrail.capture.registry import RegistryEntry, registry
from audittrail.capture.sync import LOCK_ATTEMPTS


@dataclass(frozen=True)
class Inconsistency:
    """Something that is not as it should be: its kind, how many rows it concerns, and the key of one of them."""

    table: str
    kind: str
    rows: int = 0
    example: str = ""

    @property
    def can_be_recorded(self) -> bool:
        """Whether `repair` makes it agree again."""
        return self.kind in ("missing", "extra", "different")

    def __str__(self) -> str:
        """Return the finding as a sentence."""
        rows = f"{self.rows} row{'' if self.rows == 1 else 's'}"
        match self.kind:
            case "missing":
                return f"{self.table}: {rows} without a version, such as {self.example}"
            case "extra":
                return f"{self.table}: {rows} in history that the table does not hold, such as {self.example}"
            case "different":
                return f"{self.table}: {rows} with other values than the last version, such as {self.example}"
            case "repeated":
                keys = f"{self.rows} key{'' if self.rows == 1 else 's'}"
                return (
                    f"{self.table}: {keys} that several rows have, such as {self.example}, in tables that inherit from it: history takes them "
                    "for one row. Give each row a key of its own, then run verify --repair"
                )
            case "orphaned":
                versions = f"{self.rows} version{'' if self.rows == 1 else 's'}"
                return (
                    f"{self.table}: {versions} whose revision is missing, such as revision {self.example}: history was restored in part. "
                    "Restore the whole dump into an empty database"
                )
            case _:
                return f"{self.table}: {self.kind}"


def verify(
    using: str = DEFAULT_DB_ALIAS, *, tables: frozenset[str] = frozenset()
) -> Iterator[tuple[RegistryEntry, list[Inconsistency]]]:
    """Yield each tracked table of a database with what was found wrong with its history.

    Takes the database and the names of tables (all by default). Each table is read in one snapshot, and nobody is
    locked out.
    """
    connection = connections[using]
    for recorded in registry(connection, tables):
        if recorded.until_at is not None:
            continue
        if not recorded.exists:
            yield recorded, [Inconsistency(recorded.table, "the table is gone; run sync")]
            continue
        findings = [Inconsistency(recorded.table, fault) for fault in recorded.faults]
        if recorded.replaced:
            problem = "another table has its name by now, of which nothing is recorded; run sync"
            findings.append(Inconsistency(recorded.table, problem))
        if not recorded.in_step:
            problem = "its columns or capture functions are out of step; run sync"
            findings.append(Inconsistency(recorded.table, problem))
        else:
            with transaction.atomic(using=using), connection.cursor() as cursor:
                cursor.execute(
                    "SELECT kind, rows, example FROM audittrail.verify(%s)", [recorded.id]
                )
                findings += [Inconsistency(recorded.table, *row) for row in cursor.fetchall()]
        yield recorded, findings


def repair(recorded: RegistryEntry, using: str = DEFAULT_DB_ALIAS) -> int:
    """Record the differences between a table and its history as versions of now, and return how many there were.

    Raises `LockedError` if the table stays locked by others.
    """

    def work(cursor: Any) -> int:
        cursor.execute("SELECT audittrail.repair(%s)", [recorded.id])
        return int(cursor.fetchone()[0])

    return patiently(
        connections[using],
        work,
        timeout=conf.lock_timeout(),
        attempts=LOCK_ATTEMPTS,
        refusal=f"Table {recorded.table!r} stayed locked by other transactions; nothing was recorded. Try again at a "
        "quieter time, or raise AUDITTRAIL_LOCK_TIMEOUT.",
    )

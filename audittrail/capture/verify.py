"""Compare tables with the last versions of their rows, and the triggers with what they should be."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audittrail.capture.sync import registry


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: its kind, how many rows it concerns, and the key of one of them."""

    table: str
    kind: str
    rows: int = 0
    example: str = ""

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
            case _:
                return f"{self.table}: {self.kind}"


def verify(
    using: str = DEFAULT_DB_ALIAS, *, tables: frozenset[str] = frozenset()
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each tracked table of a database with what was found wrong with its history.

    Takes the database and the names of tables (all by default). Reads one snapshot, and locks nobody out.
    """
    connection = connections[using]
    for recorded in registry(connection):
        if recorded.until_at is not None or (tables and recorded.table not in tables):
            continue
        findings: list[Finding] = []
        if not recorded.exists:
            findings.append(Finding(recorded.table, "the table is gone; run sync"))
            yield recorded.table, findings
            continue
        findings += [Finding(recorded.table, fault) for fault in recorded.faults]
        if not recorded.in_step:
            findings.append(
                Finding(
                    recorded.table, "its columns or capture functions are out of step; run sync"
                )
            )
        else:
            with transaction.atomic(using=using), connection.cursor() as cursor:
                cursor.execute(
                    "SELECT kind, rows, example FROM audittrail.verify(%s)", [recorded.id]
                )
                findings += [Finding(recorded.table, *row) for row in cursor.fetchall()]
        yield recorded.table, findings

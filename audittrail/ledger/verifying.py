"""Verify that history is what it was when it was entered, and that what was entered is what digests say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

from audittrail.capture import servercode
from audittrail.ledger import contents, erasures
from audittrail.ledger.digests import Digest
from audittrail.ledger.entering import head
from audittrail.ledger.findings import Compared, Finding, Renamed, Report
from audittrail.ledger.recomputing import Recomputed, recompute
from audittrail.revisions.wording import spelled

#: Ticks of which versions are compared at once.
TICKS: Final = 50_000

#: By how much a machine's clock may be set back without being noticed.
TOLERANCE: Final = timedelta(minutes=1)


def verify(
    using: str = DEFAULT_DB_ALIAS,
    *,
    against: Sequence[Digest] = (),
    report: Callable[[str, float], None] = lambda what, share: None,
) -> Report:
    """Recompute the ledger of a database from its history, and return what differs.

    Takes digests that were kept elsewhere: only with them it is certain that the ledger itself is what it was. Everything is read in
    one snapshot, and nobody is locked out. `report` is told what is looked at, and how much of that is done.
    """
    connection = connections[using]
    result = Report()
    result.findings += [
        Finding("server code", str(found)) for found in servercode.deviations(connection)
    ]
    reached = head(connection)
    if reached is None:
        result.findings += [_gone(digest, "the database has no ledger") for digest in against]
        result.digests += [_compared(digest, agrees=False) for digest in against]
        return result
    outermost = not connection.in_atomic_block
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # Not even an operator is looked for where somebody may have put others.
        cursor.execute("SELECT pg_catalog.current_setting('search_path')")
        (search_path,) = cursor.fetchone()
        cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        reached = head(connection)
        assert reached is not None
        result.size = reached.size
        tables = contents.tables(cursor)
        result.findings += _guarded(
            using, "The registry", lambda: contents.contradictions(cursor, tables)
        )
        result.findings += _guarded(
            using, "The ledger", lambda: contents.irregularities(cursor, tables)
        )
        for done, table in enumerate(tables):
            report(table.name, done / len(tables))
            look = partial(contents.differences, cursor, table, reached.committed, TICKS)
            result.findings += _guarded(using, table.name, look)
        found, told = erasures.explained(cursor, tables)
        result.findings += found
        result.erasures += told
        cursor.execute("SELECT * FROM audittrail.ledger_renamed_labels() ORDER BY 1, 2, 3, 4")
        result.renamed += [Renamed(*row) for row in cursor.fetchall()]
        recomputed = recompute(
            cursor, reached.size, against, lambda share: report("the tree", share)
        )
        result.findings += recomputed.findings
        _compare(result, str(reached.id), recomputed, against)
        result.findings += _dated_back(cursor, against)
        cursor.execute(
            "SELECT r.id, r.committed_at, (SELECT count(*) FROM audittrail.revision n WHERE n.committed > %s)"
            " FROM audittrail.ledger_entry e LEFT JOIN audittrail.revision r ON r.id = e.version"
            " WHERE e.position = %s AND e.kind = 'R'",
            [reached.committed, reached.size - 1],
        )
        row = cursor.fetchone() or (None, None, 0)
        result.through, result.through_at, later = row
        covered = max((digest.size for digest in against), default=0)
        result.beyond = max(reached.size - covered, 0) + later
        cursor.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [search_path])
    if against:
        _note_outcome(using, against, result)
    return result


def _guarded(using: str, what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a look finds; what can't even be looked at, because somebody has rebuilt it, is a finding as well."""
    found: list[Finding] = []
    try:
        with transaction.atomic(using=using):
            found.extend(look())
    except DatabaseError as error:
        problem = str(error).partition("\n")[0]
        found.append(Finding("unreadable", f"{what} can't be compared: {problem}", None, what))
    return found


def _compare(
    result: Report, database: str, recomputed: Recomputed, against: Sequence[Digest]
) -> None:
    for digest in against:
        if digest.statement["database"] != database:
            result.findings.append(_gone(digest, f"the ledger here is another one ({database})"))
        elif digest.size > result.size:
            through = digest.statement.get("through") or {}
            result.findings.append(
                _gone(
                    digest,
                    f"the ledger has only {result.size} of its {digest.size} revisions: an older state of the database was restored, "
                    f"or revisions through {through.get('revision')} ({through.get('committed_at')}) were removed",
                )
            )
        agrees = recomputed.roots.get(digest.size) == digest.root
        result.digests.append(
            _compared(digest, agrees=agrees and digest.statement["database"] == database)
        )


def _dated_back(cursor: Any, against: Sequence[Digest]) -> Iterator[Finding]:
    """Yield the revisions that came after a digest and say that they were committed well before the last one in it."""
    latest = max(against, key=lambda digest: digest.size, default=None)
    through = None if latest is None else latest.statement.get("through")
    if not through or not through.get("committed_at"):
        return
    cursor.execute(
        "SELECT id, committed_at FROM audittrail.revision WHERE committed > %s AND committed_at < %s::timestamptz - %s ORDER BY committed",
        [through["committed"], through["committed_at"], TOLERANCE],
    )
    for number, at in cursor.fetchall():
        text = f"Revision {number} came after {latest}, and says that it was committed before that, {spelled(at)}"
        yield Finding("revision dated back", text, number, "revision", str(number))


def _gone(digest: Digest, problem: str) -> Finding:
    return Finding("digest", f"{digest} does not agree: {problem}")


def _compared(digest: Digest, *, agrees: bool) -> Compared:
    return Compared(digest.source, digest.size, digest.statement["time"], agrees)


def _note_outcome(using: str, against: Sequence[Digest], result: Report) -> None:
    """Note for people who look at revisions through when they are verified, or that they differ; nothing follows from it."""
    if any(finding.kind == "server code" for finding in result.findings):
        return  # whoever writes may run triggers that others have made
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege('audittrail.digest', 'INSERT'), pg_is_in_recovery()"
        )
        may_write, replica = cursor.fetchone()
        if not may_write or replica:
            return
        for digest in against:
            if not result.is_clean:
                cursor.execute(
                    "UPDATE audittrail.digest SET differed_at = clock_timestamp() WHERE size = %s AND root = decode(%s, 'hex')",
                    [digest.size, digest.root.hex()],
                )
                continue
            through: dict[str, Any] = digest.statement.get("through") or {}
            cursor.execute(
                "INSERT INTO audittrail.digest (size, root, through, through_at, made_at, public_key, verified_at)"
                " VALUES (%s, decode(%s, 'hex'), %s, %s, %s, %s, clock_timestamp())"
                " ON CONFLICT (size, root) DO UPDATE SET verified_at = EXCLUDED.verified_at",
                [
                    *(digest.size, digest.root.hex(), through.get("committed") or 0),
                    *(through.get("committed_at"), digest.statement["time"]),
                    digest.statement.get("public_key", ""),
                ],
            )

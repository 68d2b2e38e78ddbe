"""A round: random tables, random statements, and after each the question whether the last versions are the rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from tests.entangled.schemas import KEYS, random_schema
from tests.entangled.writes import TABLES, change, disturbance, statement, truncate
from tests.histories.clients import code
from tests.histories.record import fetch

#: SQLSTATE classes of errors that an application may well get: data, constraints, triggers, concurrency, policies,
#: and the plan that an application's own trigger has kept of a column that has got another type.
EXPECTED = ("21", "22", "23", "27", "40", "42501", "42804", "55", "0A")
#: Levels of transactions; "" for a statement by itself.
ISOLATION = ("", "", "", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
TRACKED = tuple(table for table in KEYS if table != "heir")


class WrongHistoryError(AssertionError):
    """What history said that was not so, after which statements."""


def play(connect: Callable[[], Any], seed: int, statements: int) -> int:
    """Run a round in a fresh database that `connect` opens, in autocommit; return how many statements were carried out.

    Raises `WrongHistoryError` with the script of the round as soon as history is not what the tables are.
    """
    dice = Random(seed)
    writer, other = connect(), connect()
    version = int(fetch(writer, "SHOW server_version_num")[0][0]) // 10000
    schema = random_schema(dice)
    script = [f"-- seed {seed}"]
    #: Why audittrail may refuse a write of the transaction that is going on.
    refusals: list[str] = []
    #: Whether another session has changed a table by now, which the next that writes to it follows.
    changed = False
    #: Tables whose rows a change has given other values, with the ticks between which it did.
    revalued: list[tuple[str, int, int]] = []

    def run(connection: Any, text: str) -> bool:
        script.append(text + ";")
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
        except Exception as error:
            script.append(f"--   {code(error)} {str(error).splitlines()[0]}")
            told = str(error).split("CONTEXT")[0]
            if "audittrail" in told:
                expected = code(error) == "40001" and any(reason in told for reason in refusals)
            else:
                expected = code(error).startswith(EXPECTED)
            if not expected:
                raise WrongHistoryError("\n".join(script)) from error
            return False
        return True

    def let_other(number: int, table: str) -> None:
        """Let another session do something that an old snapshot does not show; note what may be refused then."""
        nonlocal changed
        what = dice.randint(0, 7)
        if what < 2:
            changed |= run(other, change(dice, number))
        elif what == 2:
            run(other, truncate(dice, table, version))
            refusals.append("may have deleted")
        else:
            run(other, disturbance(dice, version, table))
        if changed:
            refusals.append("has been changed")

    def revalue() -> None:
        """Let another session give the rows of a table other values with another type, and write to it in the same transaction."""
        nonlocal changed
        table = dice.choice(TRACKED)
        clock = "SELECT last_value FROM audittrail.clock"
        ((type_name, before),) = fetch(
            other,
            f"SELECT format_type(atttypid, NULL), ({clock}) FROM pg_attribute"
            f" WHERE attrelid = '{table}'::regclass AND attname = 'n'",
        )
        # History follows what was changed before: a type that comes back with other values is not noticed.
        run(other, f"UPDATE {table} SET n = n WHERE false")
        wanted = "int" if type_name == "bigint" else "bigint"
        texts = (
            f"ALTER TABLE {table} ALTER n TYPE {wanted} USING n + 20",
            statement(dice, version, table),
            f"UPDATE {table} SET n = n WHERE false",
        )
        if run(other, "; ".join(texts)):
            changed = True
            revalued.append((table, before, fetch(other, clock)[0][0]))

    for text in schema.statements:
        run(writer, text)
    done = 0
    for number in range(statements):
        if dice.randint(0, 12) == 0:
            if dice.randint(0, 2):
                changed |= run(other, change(dice, number))
            else:
                revalue()
            check(writer, script, "another session's change", revalued)
        isolation = dice.choice(ISOLATION)
        if not isolation:
            if schema.has_policies:
                run(writer, "SET ROLE application")
            done += run(writer, statement(dice, version))
            if schema.has_policies:
                run(writer, "RESET ROLE")
            check(writer, script, "a statement", revalued)
            continue
        run(writer, f"BEGIN ISOLATION LEVEL {isolation}")
        run(writer, "SELECT 1")
        refusals = [] if isolation == "READ COMMITTED" else ["could remove rows"]
        table = dice.choice(TABLES)
        for turn in range(dice.choice([0, 0, 1, 2])):
            let_other(number + statements * (turn + 1), table)
        if dice.randint(0, 1):
            run(writer, f"SET CONSTRAINTS ALL {dice.choice(['DEFERRED', 'IMMEDIATE'])}")
        for turn in range(dice.randint(1, 5)):
            run(writer, "SAVEPOINT s")
            text = statement(dice, version, table)
            if dice.randint(0, 14) == 0:
                text = change(dice, number + statements * (turn + 3))
                changed = True
                # What the snapshot may not show of a table that this transaction itself changes or brings in step.
                refusals.extend(("may not see rows", "has been truncated"))
            if run(writer, text):
                done += 1
                # At the lower level an old snapshot does not see what others have done since.
                if isolation == "READ COMMITTED":
                    check(
                        writer, script, "a statement in a transaction", revalued, shared_keys=True
                    )
                if dice.randint(0, 4) == 0:
                    run(writer, "ROLLBACK TO s")
            else:
                run(writer, "ROLLBACK TO s")
        if not run(writer, dice.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"])):
            run(writer, "ROLLBACK")
        refusals = []
        check(writer, script, "a transaction", revalued)
    for table in TRACKED:
        for _ in range(3):
            run(
                other,
                f"SELECT audittrail.backfill_batch(id, 100) FROM audittrail.tracked_table WHERE table_name = '{table}'",
            )
        run(other, f"SELECT audittrail.track('{table}')")
    check(writer, script, "the end", revalued)
    found = fetch(
        writer,
        "SELECT t.table_name, v.* FROM audittrail.tracked_table t, audittrail.verify(t.id) v",
    )
    if found:
        raise WrongHistoryError("\n".join([*script, f"verify: {found}"]))
    return done


def check(
    connection: Any,
    script: list[str],
    when: str,
    revalued: list[tuple[str, int, int]],
    *,
    shared_keys: bool = False,
) -> None:
    """See that the last version of each key is its row, and that its versions follow from one another.

    Of what is `revalued` history may begin anew, and a version need not hold what the one before it held.
    With `shared_keys` rows of `place` may have the same key for a while: one of them is the last version.
    """
    for table in TRACKED:
        key = KEYS[table]
        spans = [(low, high) for name, low, high in revalued if name == table]
        ((names, complete, since),) = fetch(
            connection,
            "SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a JOIN pg_attribute h ON h.attname = a.attname"
            f" WHERE a.attrelid = '{table}'::regclass AND h.attrelid = 'audittrail.{table}_history'::regclass"
            " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),"
            f" t.baseline_complete, t.since_version FROM audittrail.tracked_table t WHERE t.table_name = '{table}'",
        )
        # A column that has been added since has its values in history with the next write.
        names = [name for name in names if not name.startswith("c_")]
        values = f"ARRAY[{', '.join(f'{name}::text' for name in names)}]"
        places = [names.index(name) for name in key]
        rows: dict[tuple[Any, ...], list[Any]] = {}
        for (row,) in fetch(connection, f"SELECT {values} FROM {table}"):
            rows.setdefault(tuple(row[place] for place in places), []).append(row)
        chains: dict[tuple[Any, ...], list[Any]] = {}
        for operation, row, tick in fetch(
            connection,
            f"SELECT operation::text, {values}, version FROM audittrail.{table}_history ORDER BY version",
        ):
            chains.setdefault(tuple(row[place] for place in places), []).append(
                (operation, row, tick)
            )
        for one in rows.keys() | chains.keys():
            told = chains.get(one, [])
            last = told[-1][1] if told and told[-1][0] not in "DT" else None
            present = rows.get(one, [])
            if not complete and not any(tick >= since or not spans for *_, tick in told):
                continue
            if last not in present and (last is not None or present):
                _complain(
                    script,
                    when,
                    f"{table} {one}: the last version is {last}, the row {present}",
                    told,
                )
            if len(present) > 1 and not (shared_keys and table == "place"):
                _complain(script, when, f"{table} {one} has two rows", told)
            for (before, old, _), (after, new, tick) in pairwise(told):
                gone = before in "DT"
                # A row that had no version when its values changed is told when history begins anew once more.
                is_revalued = after == "B" or any(low <= tick <= high for low, high in spans)
                if spans and is_revalued and not gone and after != "I":
                    continue
                # No other change of a table gives its rows other values, so a baseline repeats what was told.
                if (after == "I") != gone or (after in "DTB" and old != new):
                    _complain(
                        script,
                        when,
                        f"{table} {one}: {after} {new} comes after {before} {old}",
                        told,
                    )


def _complain(script: list[str], when: str, what: str, told: list[Any]) -> None:
    raise WrongHistoryError(
        "\n".join([*script, f"-- after {when}: {what}", *(f"--   {version}" for version in told)])
    )

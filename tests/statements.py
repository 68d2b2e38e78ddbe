"""Hold each statement of a test run against PostgreSQL's own grammar: what time travel takes for its tables, and what they are.

Whatever time travel analyses is held in every run. `--hold-statements` holds all that Django's cursors send as well, turned to the
past or not; it prints how many different ones there were (in each worker, where several run tests). A difference fails the test that sent the statement.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from audittrail.timetravel import statement
from audittrail.timetravel.tokens import cut
from tests.timetravel import oracle

#: The statements that were looked at, and whether they were sent without parameters.
_looked_at: set[tuple[str, bool]] = set()
_judged = 0
#: The same numbers of each worker of pytest-xdist that has ended: SELECTs that were held, and statements.
_of_workers: list[tuple[int, int]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hold-statements", action="store_true", help="hold every statement that is sent against PostgreSQL's grammar"
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    statement.analyse = lru_cache(4096)(_held_analyse)  # type: ignore[assignment]
    if config.getoption("hold_statements"):
        connection_created.connect(_watch, dispatch_uid="tests.statements")


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A worker of pytest-xdist prints nothing: its numbers go to the process that started it.
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["held_statements"] = (_judged, len(_looked_at))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    _of_workers.append(getattr(node, "workeroutput", {}).get("held_statements", (0, 0)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("hold_statements"):
        numbers = _of_workers or [(_judged, len(_looked_at))]
        judged, sent = (sum(each) for each in zip(*numbers, strict=True))
        terminalreporter.write_line(
            f"{judged} SELECTs of {sent} statements were held against PostgreSQL's grammar"
        )


def pytest_unconfigure() -> None:
    statement.analyse = _analyse


_analyse = statement.analyse


def _held_analyse(text: str, escapes: bool = False) -> statement.Reading:
    found = _analyse.__wrapped__(text, escapes)
    if not escapes and found.position >= 0:
        for sent in (text, oracle.without_placeholders(text)):
            try:
                tables = oracle.tables_of_tree(sent)
            except oracle.NotJudgedError:
                continue
            names = {cut(name) for name in found.tables}
            assert {(None, name) for name in names} == tables, text
            break
    return found


def _watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor == "postgresql" and _hold not in connection.execute_wrappers:
        connection.execute_wrappers.append(_hold)


def _hold(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    if isinstance(sql, str) and (key := (sql, params is None)) not in _looked_at:
        _looked_at.add(key)
        text = sql if params is None else oracle.without_placeholders(sql)
        try:
            tables = oracle.tables_of_tree(text)
        except oracle.WritesError:
            assert oracle.writes_as_read(sql), sql
        except oracle.NotJudgedError:
            pass
        else:
            global _judged
            _judged += 1
            assert oracle.tables_as_read(sql) == tables, sql
    return execute(sql, params, many, context)

"""The stages import in one direction only."""

from __future__ import annotations

import sys
from collections.abc import Container
from pathlib import Path

import pytest

from tests.structure.tree import PACKAGE, ROOT, imported_names, module_name, python_files

STAGES = ("capture", "revisions", "timetravel", "diff", "restore", "admin")
# What every stage may use, and which therefore uses no stage.
FOUNDATION = ("conf", "exceptions")
# What belongs to the web, which only the admin and the middleware know.
WEB = (
    "django.contrib.admin",
    "django.forms",
    "django.http",
    "django.shortcuts",
    "django.template",
    "django.urls",
    "django.views",
)


def import_graph() -> dict[str, set[str]]:
    """Return for each module of audittrail which others it imports, inside functions and for type checkers included."""
    modules = {module_name(path): path for path in python_files(PACKAGE)}
    return {
        name: {
            found
            for _line, imported in imported_names(path)
            if (found := module_of(imported, modules)) and found != name
        }
        for name, path in modules.items()
    }


def module_of(imported: str, modules: Container[str]) -> str:
    """Return which of the modules an imported name is, or is defined in; "" if in none."""
    while imported and imported not in modules:
        imported = imported.rpartition(".")[0]
    return imported


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or by way of others."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        pending = [start]
        while pending:
            for name in graph[pending.pop()] - found:
                found.add(name)
                pending.append(name)
        return found

    closure = {name: reached(name) for name in graph}
    groups = {
        tuple(sorted(other for other in closure[name] if name in closure[other]))
        for name in graph
        if name in closure[name]
    }
    return [list(group) for group in sorted(groups)]


def part_of(name: str) -> str:
    """Return the stage or top-level module of audittrail that the dotted `name` belongs to, "" if none."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "audittrail" else ""


def forbidden(importer: str, imported: str) -> str | None:
    """Return the rule that `importer` breaks by importing `imported` (dotted names), None if it may."""
    here, there = part_of(importer), part_of(imported)
    if there == "admin" and here != "admin":
        return "nothing imports the admin"
    if here in FOUNDATION and there and there not in (*FOUNDATION, "__version__"):
        return "conf and exceptions stand below all stages"
    if here == "migrations" and there and "models" in imported.split("."):
        return "migrations never import live models"
    if here in STAGES:
        if there in STAGES and STAGES.index(there) > STAGES.index(here):
            return f"{here} comes before {there}"
        if there and there not in (*STAGES, *FOUNDATION, "__version__"):
            return "a stage imports earlier stages, conf and exceptions only"
        if here != "admin" and imported.startswith(WEB):
            return "only the admin knows the web"
    return None


def test_no_module_imports_what_comes_after_it() -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{line}: {imported}: {rule}"
        for path in python_files(PACKAGE)
        for line, imported in imported_names(path)
        if (rule := forbidden(module_name(path), imported))
    ]
    assert broken == []


def test_no_modules_import_each_other() -> None:
    # Where two need each other, what they share moves below both. An import inside a function would only hide the circle.
    assert cycles(import_graph()) == []


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}
    assert cycles(graph) == [["a", "b", "c"]]
    assert "audittrail.capture.sync" in import_graph()["audittrail.apps"], "imported in a function"


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("audittrail.capture.sync", "audittrail.revisions.models"),
        ("audittrail.capture.sync", "audittrail.models.Revision"),
        ("audittrail.revisions.accessor", "audittrail.history"),
        ("audittrail.diff.rows", "django.http.HttpRequest"),
        ("audittrail.apps", "audittrail.admin"),
        ("audittrail.conf", "audittrail.capture"),
        ("audittrail.migrations.0001_initial", "audittrail.models.Revision"),
        ("audittrail.migrations.0001_initial", "audittrail.revisions.models"),
    ],
)
def test_the_rule_forbids(importer: str, imported: str) -> None:
    assert forbidden(importer, imported)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("audittrail.revisions.models", "audittrail.capture.tracking"),
        ("audittrail.capture.sync", "audittrail.capture.tracking"),
        ("audittrail.restore.plan", "audittrail.exceptions.AuditTrailError"),
        ("audittrail.history", "audittrail.revisions.context"),
        ("audittrail.management.commands.audittrail", "audittrail.capture.sync"),
        ("audittrail.admin.views", "django.http.HttpRequest"),
        ("audittrail.capture.sync", "django.db.connections"),
    ],
)
def test_the_rule_permits(importer: str, imported: str) -> None:
    assert forbidden(importer, imported) is None


def test_relative_imports_are_resolved() -> None:
    path = Path(sys.modules["tests.testapp.models"].__file__ or "")
    assert "tests.testapp.models.shop.Customer" in {name for _line, name in imported_names(path)}

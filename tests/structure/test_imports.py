"""The stages import in one direction only."""

from __future__ import annotations

import sys
from collections.abc import Container
from pathlib import Path

import pytest

from tests.structure.tree import PACKAGE, ROOT, imported_names, module_name, python_files

STAGES = ("capture", "revisions", "ledger", "timetravel", "diff", "restore", "importing", "admin")
# Nothing comes after these, and they know nothing of each other.
LAST = ("admin", "contrib")
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

# The shared rooms of the admin; each imports only itself and those before it.
SHARED_ROOMS = ("layout", "permissions", "display", "lists", "objects")
PAGES = tuple(sorted(path.parent.name for path in (PACKAGE / "admin").glob("*/view.py")))
# What gets the pages into the sites, which the pages know nothing of.
INSTALLING = "integration"


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


def room_of(name: str) -> str:
    """Return the room of the admin that the dotted `name` belongs to, "" if none."""
    return name.split(".")[2] if name.startswith("audittrail.admin.") else ""


def forbidden_in_admin(importer: str, imported: str) -> str | None:
    """Return the rule of the admin's rooms that `importer` breaks by importing `imported`, None if it may."""
    here, there = room_of(importer), room_of(imported)
    if not here or not there or here == there:
        return None
    if there in PAGES:
        return "pages never import each other, and nothing else imports a page"
    if there == INSTALLING:
        return "nothing in the admin imports its installation"
    if there not in SHARED_ROOMS:
        return "a room of the admin is a page, a shared room, or its installation"
    if here in SHARED_ROOMS and SHARED_ROOMS.index(there) > SHARED_ROOMS.index(here):
        return f"{here} comes before {there}"
    return None


def forbidden(importer: str, imported: str) -> str | None:
    """Return the rule that `importer` breaks by importing `imported` (dotted names), None if it may."""
    here, there = part_of(importer), part_of(imported)
    if there in LAST and here != there:
        return "nothing imports the admin, or what other packages are given"
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
    return forbidden_in_admin(importer, imported)


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
        ("audittrail.apps", "audittrail.contrib.tasks"),
        ("audittrail.admin.layout.pages", "audittrail.contrib.tasks"),
        ("audittrail.contrib.tasks.running", "audittrail.admin.layout"),
        ("audittrail.conf", "audittrail.capture"),
        ("audittrail.migrations.0001_initial", "audittrail.models.Revision"),
        ("audittrail.migrations.0001_initial", "audittrail.revisions.models"),
        ("audittrail.admin.version.view", "audittrail.admin.history.view.history"),
        ("audittrail.admin.integration.links", "audittrail.admin.deleted.view"),
        ("audittrail.admin.display.values", "audittrail.admin.objects.sources"),
        ("audittrail.admin.revision.view", "audittrail.admin.integration.installation"),
        ("audittrail.admin.revision.view", "audittrail.admin.helpers.text"),
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
        ("audittrail.admin.history.view", "django.http.HttpRequest"),
        ("audittrail.admin.history.view", "audittrail.admin.history.entries.Entry"),
        ("audittrail.admin.history.view", "audittrail.admin.layout.pages"),
        ("audittrail.admin.objects.sources", "audittrail.admin.display.values"),
        ("audittrail.admin", "audittrail.admin.time_machine.installation"),
        ("audittrail.capture.sync", "django.db.connections"),
        ("audittrail.contrib.tasks.running", "audittrail.revisions.context"),
    ],
)
def test_the_rule_permits(importer: str, imported: str) -> None:
    assert forbidden(importer, imported) is None


def test_every_room_of_the_admin_is_known() -> None:
    rooms = {path.parent.name for path in (PACKAGE / "admin").glob("*/__init__.py")}
    assert rooms == {*SHARED_ROOMS, *PAGES, INSTALLING}
    # Whatever is a page's own stands in its folder, and what is shared in a room.
    assert [path.name for path in (PACKAGE / "admin").glob("*.py")] == ["__init__.py"]


def test_the_map_of_the_admin_names_every_room() -> None:
    text = (PACKAGE / "admin" / "__init__.py").read_text(encoding="utf-8")
    assert [room for room in (*SHARED_ROOMS, *PAGES, INSTALLING) if f"{room}/" not in text] == []


def test_relative_imports_are_resolved() -> None:
    path = Path(sys.modules["tests.testapp.models"].__file__ or "")
    assert "tests.testapp.models.shop.Customer" in {name for _line, name in imported_names(path)}

"""The stages import in one direction only."""

from __future__ import annotations

import sys
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

"""Packages say what they are, and no module is named after nothing."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from tests.structure.tree import PACKAGE, ROOT, module_name, python_files

#: Django loads the module `base` of a database backend.
DEMANDED = {"audittrail/timetravel/backend/base.py"}
NAMELESS = {"base", "common", "core", "helper", "helpers", "lib", "misc", "util", "utils"}
LONGEST = 250
#: Modules that are longer, and why.
LONGER = {
    "audittrail/ledger/check_proof.py": "runs elsewhere by itself, without this package, so that it can't be cut in two"
}

#: A module of the admin that is shorter belongs into another one of its room.
SHORTEST_IN_ADMIN = 60

#: Classes that Django finds by these names in each module, or each class.
NAMED_BY_DJANGO = {"Command", "Meta", "Migration"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=module_name)
def test_a_package_opens_with_one_sentence(path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    opening = docstring.partition("\n\n")[0]
    assert len(re.findall(r"[.!?](?=\s|$)", opening)) == 1, f"{opening!r} is not one sentence"
    assert opening.endswith(".")


def test_every_directory_with_modules_is_a_package() -> None:
    # Otherwise setup.py leaves it out.
    directories = {path.parent for path in python_files(PACKAGE)}
    assert [d for d in directories if not (d / "__init__.py").exists()] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    directories = [PACKAGE, ROOT / "tests", ROOT / "demo"]
    files = [path for directory in directories for path in python_files(directory)]
    named = [path.relative_to(ROOT) for path in files if path.stem != "__init__"]
    nameless = {str(path) for path in named if NAMELESS & {path.stem, *path.parent.parts}}
    assert nameless - DEMANDED == set()


def test_a_class_name_means_one_thing() -> None:
    defined = Counter(
        node.name
        for path in python_files(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, times in defined.items() if times > 1} <= NAMED_BY_DJANGO


def test_modules_are_short_enough_to_be_read_at_once() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files(PACKAGE)}
    assert {str(path.relative_to(ROOT)) for path, n in lengths.items() if n > LONGEST} == {*LONGER}


def test_modules_of_the_admin_are_worth_opening() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files(PACKAGE / "admin")}
    short = {path for path, n in lengths.items() if n < SHORTEST_IN_ADMIN}
    assert {str(path) for path in short if path.name != "__init__.py"} == set()


def test_the_tests_of_the_admin_stand_in_rooms_of_the_same_names() -> None:
    rooms = {path.parent.name for path in (PACKAGE / "admin").glob("*/__init__.py")}
    tested = {path.parent.name for path in (ROOT / "tests/admin").glob("*/test_*.py")}
    assert rooms == tested

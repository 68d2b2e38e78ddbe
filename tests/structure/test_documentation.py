"""The code blocks of README.md and of the pages under docs/ run, and the links between them lead somewhere.

A page is one program: its ```python blocks run in their order, in one namespace, on empty test databases whose
changes are committed. The models of `tests.testapp` are those of an app `shop` there (`from shop.models import
Customer`). Beside those blocks:

- a ```pycon block holds `>>>` lines whose output is compared, as doctest does;
- what a page needs but a reader does not want to see stands in a comment that begins with `<!-- python` on a
  line of its own and ends with `-->` on a line of its own;
- a block right below a line `<!-- not run: reason -->` is not run.

Everything else (settings are ```python as well: assignments do no harm) is for the reader's eyes.
"""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.structure.tree import PACKAGE, ROOT
from tests.testapp import models as shop_models

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"^(?P<skip><!-- not run: [^\n]+ -->\n+)?"
    r"(?:```(?P<language>python|pycon)\n(?P<shown>.*?)^```$|<!-- python\n(?P<hidden>.*?)^-->$)",
    re.DOTALL | re.MULTILINE,
)


LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def page_name(path: Path) -> str:
    """Return the path of a page inside the project."""
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """Hold one block to run: its language, its source, and the line on which it begins."""

    language: str
    source: str
    line: int


def blocks_of(text: str) -> Iterator[Block]:
    """Give the blocks of the page `text` that are to be run."""
    for found in BLOCK.finditer(text):
        group = "shown" if found["shown"] is not None else "hidden"
        line = text.count("\n", 0, found.start(group)) + 1
        if not found["skip"]:
            yield Block(found["language"] or "python", found[group], line)


def run_page(path: Path, text: str) -> None:
    """Run the blocks of the page `text`; errors name `path` and the line in it."""
    namespace: dict[str, Any] = {"__name__": path.stem}
    for block in blocks_of(text):
        if block.language == "python":
            # Blank lines in front make the line numbers of a traceback those of the page.
            exec(compile("\n" * (block.line - 1) + block.source, path, "exec"), namespace)
        else:
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            test = doctest.DocTestParser().get_doctest(
                block.source, namespace, path.name, str(path), block.line - 1
            )
            runner = doctest.DebugRunner(verbose=False, optionflags=flags)
            try:
                runner.run(test, clear_globs=False)
            except doctest.DocTestFailure as failure:
                line = block.line + failure.example.lineno
                pytest.fail(
                    f"{path.name}:{line}: {failure.example.source.strip()} gave {failure.got!r},"
                    f" not {failure.example.want!r}"
                )
            except doctest.UnexpectedException as failure:
                raise failure.exc_info[1] from None
            namespace = test.globs


@pytest.fixture
def shop(monkeypatch) -> None:
    app = ModuleType("shop")
    app.models = shop_models
    monkeypatch.setitem(sys.modules, "shop", app)
    monkeypatch.setitem(sys.modules, "shop.models", shop_models)


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_code_blocks_run(path, shop) -> None:
    run_page(path, path.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """Return what a link into the page `text` may name: its headings, as GitHub spells them in addresses."""
    headings = re.findall(
        r"^#+ (.+)$",
        re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_links_lead_somewhere(path) -> None:
    broken = []
    for found in LINK.finditer(path.read_text(encoding="utf-8")):
        place, _, anchor = found["target"].partition("#")
        target = path.parent / place if place else path
        if "://" in place:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(found["target"])
    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    reached = set()
    ahead = {ROOT / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        places = {found["target"].partition("#")[0] for found in LINK.finditer(page.read_text())}
        ahead |= {
            target for place in places if (target := (page.parent / place).resolve()) in PAGES
        }
        ahead -= reached
    assert set(PAGES) - reached == set()


PAGE = """
```python
numbers = [1]
```
<!-- python
numbers.append(2)
-->
```pycon
>>> numbers
[1, 2]
```
<!-- not run: it fails -->
```python
raise RuntimeError
```
```sh
echo not python
```
"""


def test_a_page_is_one_program() -> None:
    assert [(block.language, block.line) for block in blocks_of(PAGE)] == [
        ("python", 3),
        ("python", 6),
        ("pycon", 9),
    ]
    run_page(Path("page.md"), PAGE)


def test_a_wrong_output_fails_with_its_line() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"page\.md:9: numbers gave '\[1, 2\]\\n'"):
        run_page(Path("page.md"), PAGE.replace("[1, 2]", "[1, 3]"))


def test_an_error_fails_with_its_line() -> None:
    with pytest.raises(NameError) as caught:
        run_page(Path("page.md"), PAGE.replace("numbers.append", "letters.append"))
    assert caught.traceback[-1].lineno == 5


ARCHITECTURE = ROOT / "docs" / "architecture.md"


def test_the_architecture_names_only_modules_that_there_are() -> None:
    named = set(
        re.findall(r"\b(?:\w+/)+\w+\.(?:py|sql)\b", ARCHITECTURE.read_text(encoding="utf-8"))
    )
    assert len(named) > 20
    places = (ROOT, PACKAGE)
    missing = {name for name in named if not any((place / name).exists() for place in places)}
    assert missing == set()


@pytest.mark.parametrize("package", ["", "admin"])
def test_the_architecture_names_every_stage_and_every_room(package: str) -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    beside = {"locale", "migrations", "static", "templates", "templatetags"}
    names = {path.parent.name for path in (PACKAGE / package).glob("*/__init__.py")} - beside
    assert {name for name in names if not re.search(rf"\b{name}\b", text)} == set()

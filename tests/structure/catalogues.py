"""The strings that people read, as the sources have them, and the catalogues of their translations.

`python -m tests.structure.catalogues` merges new strings into the catalogues (`django.po`) and compiles them (`django.mo`), with GNU gettext.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.structure.tree import PACKAGE, python_files

#: The languages of which the catalogues are complete.
LANGUAGES = ("de", "es", "fi", "fr", "ja")

_PLAIN = {"gettext", "gettext_lazy", "gettext_noop", "_", "ugettext"}
_PLURAL = {"ngettext", "ngettext_lazy"}
_CONTEXT = {"pgettext", "pgettext_lazy"}
_BOTH = {"npgettext", "npgettext_lazy"}


@dataclass(frozen=True, order=True)
class Message:
    """A string to translate, with its plural and its context if it has them."""

    singular: str
    plural: str | None = None
    context: str | None = None


@cache
def messages() -> tuple[Message, ...]:
    """Return the strings of all modules and templates."""
    found: set[Message] = set()
    for path in python_files(PACKAGE):
        found.update(_of_module(path.read_text(encoding="utf-8")))
    for path in sorted((PACKAGE / "templates").rglob("*.html")):
        found.update(_of_template(path.read_text(encoding="utf-8"), str(path)))
    return tuple(sorted(found, key=lambda message: (message.singular, message.context or "")))


def _of_module(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            yield from _message(name, [text for text in texts if isinstance(text, str)])


def _of_template(source: str, origin: str) -> Iterator[Message]:
    from django.utils.translation.template import templatize

    # Django turns a template into calls that look like Python's, for GNU gettext to find.
    for line in templatize(source, origin=origin).splitlines():
        for start in _calls(line):
            try:
                yield from _of_module(line[start : _end(line, start)])
            except SyntaxError:
                continue


def _calls(line: str) -> Iterator[int]:
    for name in ("ngettext(", "npgettext(", "pgettext(", "gettext("):
        start = line.find(f" {name}")
        while start >= 0:
            yield start + 1
            start = line.find(f" {name}", start + 1)


def _end(line: str, start: int) -> int:
    quote, index = "", line.index("(", start)
    while index < len(line):
        sign = line[index]
        if quote:
            if sign == "\\":
                index += 1
            elif line.startswith(quote, index):
                index += len(quote) - 1
                quote = ""
        elif sign in "'\"":
            quote = sign * 3 if line.startswith(sign * 3, index) else sign
            index += len(quote) - 1
        elif sign == ")":
            return index + 1
        index += 1
    return len(line)


def _message(name: str, texts: list[str]) -> Iterator[Message]:
    if name in _PLAIN and texts:
        yield Message(texts[0])
    elif name in _PLURAL and len(texts) >= 2:
        yield Message(texts[0], texts[1])
    elif name in _CONTEXT and len(texts) >= 2:
        yield Message(texts[1], context=texts[0])
    elif name in _BOTH and len(texts) >= 3:
        yield Message(texts[1], texts[2], texts[0])


def main() -> None:
    """Bring the catalogues in step, and compile them."""
    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    (PACKAGE / "locale").mkdir(exist_ok=True)
    os.chdir(PACKAGE)
    call_command("makemessages", locale=list(LANGUAGES), no_obsolete=True, no_location=True)
    call_command("compilemessages", locale=list(LANGUAGES), verbosity=0)


if __name__ == "__main__":
    main()

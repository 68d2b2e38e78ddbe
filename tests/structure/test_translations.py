"""Every string that people read is translated in every catalogue, with the same placeholders.

`python -m tests.structure.catalogues` brings the catalogues in step with the sources; that needs GNU gettext, these tests don't.
"""

from __future__ import annotations

import gettext
import re

import pytest

from tests.structure.catalogues import LANGUAGES, Message, messages
from tests.structure.tree import PACKAGE

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def catalogue(language: str) -> gettext.GNUTranslations:
    path = PACKAGE / "locale" / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


def forms(found: gettext.GNUTranslations, message: Message) -> list[str]:
    """Return all forms of a message in a catalogue; none if it is not there."""
    table = found._catalog  # type: ignore[attr-defined]
    key = f"{message.context}\x04{message.singular}" if message.context else message.singular
    if message.plural is None:
        return [table[key]] if key in table else []
    return [table[key, number] for number in range(10) if (key, number) in table]


def test_there_are_strings() -> None:
    singular = {message.singular for message in messages()}
    assert {"Deleted objects", "revision"} <= singular, (
        "extraction from templates and modules works"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_translated(language: str) -> None:
    found = catalogue(language)
    missing = [message for message in messages() if not all(forms(found, message) or [""])]
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_kept(language: str) -> None:
    found = catalogue(language)
    wrong = []
    for message in messages():
        allowed = set(PLACEHOLDER.findall(message.singular + (message.plural or "")))
        for form in forms(found, message):
            used = set(PLACEHOLDER.findall(form))
            needed = set(PLACEHOLDER.findall(message.plural or message.singular))
            # "One row" need not say that it is one.
            if not used <= allowed or (message.plural is None and used != needed):
                wrong.append((message.singular, form))
    assert wrong == []

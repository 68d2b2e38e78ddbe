"""What is translated."""

from __future__ import annotations

from modeltranslation.translator import TranslationOptions, translator

from tests.compatibility.project.shelf.models import Book


class BookOptions(TranslationOptions):  # type: ignore[misc]
    """A title in each language."""

    fields = ("title",)


translator.register(Book, BookOptions)

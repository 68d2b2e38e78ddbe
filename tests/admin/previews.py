"""Forms of the pages that bring something back, as a browser would post them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class _Form(HTMLParser):
    """Read the fields of the form with class `audittrail-proposal`, as they would be submitted."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag == "form":
            self._inside = given.get("class") == "audittrail-proposal"
        elif tag == "input" and self._inside and given.get("name") and "disabled" not in given:
            kind = given.get("type", "text")
            if kind == "submit" or (kind in ("checkbox", "radio") and "checked" not in given):
                return
            self.fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def form(response: Any) -> dict[str, list[str]]:
    """Return what the form of a preview would post."""
    parser = _Form()
    parser.feed(response.content.decode())
    fields: dict[str, list[str]] = {}
    for name, value in parser.fields:
        fields.setdefault(name, []).append(value)
    fields.pop("csrfmiddlewaretoken", None)
    return fields


def carry_out(client: Client, url: str, **changed: Any) -> Any:
    """Open a page, and post its form with some fields changed."""
    page = client.get(url)
    assert page.status_code == 200, page.content
    return client.post(url, {**form(page), **changed})

"""Read pages as tests want them: what they list, their text, and what a strict policy forbids in them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

REVISIONS = "/admin/audittrail/revisions/"


def listed(response: Any) -> list[int]:
    """Return the numbers of the revisions on a page of the browser."""
    assert response.status_code == 200, response.status_code
    return [entry.revision.pk for entry in response.context["page"].rows]


def text_of(response: Any) -> str:
    """Return the HTML of a page with its white space joined."""
    return " ".join(response.content.decode().split())


class _Forbidden(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.found.append(f"<{tag} {name}>")
            is_address = name in ("href", "src", "action", "formaction")
            if is_address and (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f'<{tag} {name}="{value}">')


def forbidden(response: Any) -> list[str]:
    """Return what `default-src 'self'` forbids in a page: inline scripts and styles, handlers, `javascript:` addresses."""
    parser = _Forbidden()
    parser.feed(response.content.decode())
    return parser.found

"""Read pages of an object's history as tests want them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from audittrail.admin.display.differences import Difference


def address(obj: Any, *further: Any, site: str = "admin", pk: Any = None) -> str:
    """Return the address of the history of an object that is ours alone, or of a page below it."""
    meta = obj._meta
    key = str(obj.pk if pk is None else pk).replace("_", "_5F").replace("/", "_2F")
    tail = "".join(f"{one}/" for one in further)
    return f"/{site}/{meta.app_label}/{meta.model_name}/{key}/audittrail/{tail}"


def button(obj: Any, pk: Any = None) -> str:
    """Return the address to which the History button of an object leads, which is Django's."""
    return address(obj, pk=pk).replace("/audittrail/", "/history/")


def plain(value: Any) -> str:
    """Return the text of HTML, with its white space joined."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", str(value))).split())


def told(response: Any) -> list[tuple[str, dict[str, str]]]:
    """Return what each entry of a timeline says, newest first: operations, and changes by the names of fields or rows."""
    assert response.status_code == 200, response.status_code
    found = []
    for entry in response.context["entries"]:
        changes: dict[str, str] = {}
        for block in entry.blocks:
            prefix = f"{block.badge.sign} {block.label} {block.text}: " if block.text else ""
            for difference in block.differences:
                changes[f"{prefix}{difference.label}"] = plain(difference)
            if block.text and not block.differences:
                changes[prefix.removesuffix(": ")] = ""
        found.append(("".join(badge.operation for badge in entry.badges), changes))
    return found


def changed(response: Any) -> dict[str, tuple[str, str]]:
    """Return what a comparison says of the object: old and new values by the names of fields."""
    assert response.status_code == 200, response.status_code
    comparison = response.context["comparison"]
    return {one.label: sides(one) for one in comparison.changed}


def sides(difference: Difference) -> tuple[str, str]:
    """Return both sides of a difference as text."""
    return plain(difference.before), plain(difference.after)


def unchanged(response: Any) -> dict[str, str]:
    """Return the values that a comparison folds away."""
    return {one.label: plain(one.value) for one in response.context["comparison"].same}


def shown(response: Any) -> dict[str, str]:
    """Return the values that a version page shows, by the names of fields."""
    assert response.status_code == 200, response.status_code
    return {
        cell.label: plain(cell.value)
        for fieldset in response.context["fieldsets"]
        for line in fieldset.lines
        for cell in line
    }


def inlines(response: Any) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the inlines of a version page."""
    return {
        inline.label: [
            {cell.label: plain(cell.value) for cell in cells} for _text, cells in inline.rows
        ]
        for inline in response.context["inlines"]
    }

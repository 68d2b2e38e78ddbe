"""A spring of everyday work after the last release: in the admin, by commands and from psql, mistakes included."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Final

from django.core.management import call_command

from demo.dates import Calendar
from demo.registry.models import Proposal
from demo.visitor import Visitor

ESWATINI: Final = "Say what Eswatini was called before"
COMMUNES: Final = "Call the communes of Liechtenstein municipalities"
COUNTIES: Final = "List the counties of Kenya by their official numbers"

FIRST_TEXT: Final = """\
Many people look for the former name of Eswatini and do not find it.

The register should say what it was, in the common name, until the old name has gone out of use."""
SECOND_TEXT: Final = """\
Many users of the register look for the former name of Eswatini, and find nothing.

The register should say what the country was called until 2018, in the field for the common name, for two more years."""

BY_HAND: Final = """
BEGIN;
SET LOCAL audittrail.context = '{"reason": "The former name is no common name", "ticket": 4711}';
UPDATE registry_country SET common_name = '' WHERE alpha_2 = 'SZ';
COMMIT;
"""

#: When something happens, and what.
Event = tuple[datetime, Callable[[], object]]


def live(site: str, psql: str, calendar: Calendar) -> None:
    """Do the work at `site`, the address of the demo's pages, and with the program `psql`; date it by `calendar`."""
    visitors = {name: Visitor(site) for name in ("admin", "editor")}
    for name, visitor in visitors.items():
        visitor.log_in(name, name)
    for moment, happen in [
        *_proposals(**visitors),
        *_mistakes(**visitors),
        *_elsewhere(visitors["admin"], psql),
    ]:
        with calendar.at(moment):
            happen()


def _on(month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def _change(title: str) -> str:
    return f"/admin/registry/proposal/{Proposal._default_manager.get(title=title).pk}/change/"


def _proposals(admin: Visitor, editor: Visitor) -> Iterator[Event]:
    add = "/admin/registry/proposal/add/"
    sources = {"standard": "ISO 3166-1", "references": ["Newsletter 2018"], "votes": {"for": 0}}
    revised = {
        "standard": "ISO 3166-1",
        "references": ["Newsletter 2018", "Letter of the office, 2026"],
        "votes": {"for": 3, "against": 1},
    }
    yield (
        _on(3, 2, 9, 10),
        lambda: editor.send(
            add,
            title=[COMMUNES],
            country=["LI"],
            subdivisions=["LI-01", "LI-02", "LI-11"],
            text=["That is what they are called in the English texts of the state itself."],
            **{"comments-0-text": ["To be asked of all eleven."]},
        ),
    )
    yield (
        _on(3, 2, 9, 40),
        lambda: editor.send(
            add,
            title=[ESWATINI],
            country=["SZ"],
            text=[FIRST_TEXT],
            sources=[json.dumps(sources)],
        ),
    )
    yield (
        _on(3, 3, 15, 20),
        lambda: editor.send(
            add,
            title=[COUNTIES],
            country=["KE"],
            subdivisions=["KE-01", "KE-30", "KE-47"],
            text=["Their numbers are part of the constitution, and are used by every authority."],
        ),
    )
    yield (
        _on(3, 5, 11, 5),
        lambda: editor.send(
            _change(ESWATINI),
            text=[SECOND_TEXT],
            status=["review"],
            subdivisions=["SZ-HH", "SZ-MA"],
        ),
    )
    yield (
        _on(3, 9, 8, 30),
        lambda: admin.send(
            _change(ESWATINI),
            urgent=["on"],
            **{"comments-0-text": ["Two years are enough; who takes it out again?"]},
        ),
    )
    yield (
        _on(3, 16, 10, 0),
        lambda: admin.send(
            _change(ESWATINI),
            status=["accepted"],
            sources=[json.dumps(revised)],
            subdivisions=["SZ-MA"],
            decided_on=["2026-03-16"],
        ),
    )
    yield (
        _on(3, 16, 10, 45),
        lambda: editor.send("/admin/registry/country/SZ/change/", common_name=["Swaziland"]),
    )


def _mistakes(admin: Visitor, editor: Visitor) -> Iterator[Event]:
    bristol = "/admin/registry/subdivision/GB-BST/change/"
    yield _on(4, 1, 2, 0), lambda: call_command("tidy_names", stdout=StringIO())
    yield _on(4, 20, 16, 50), lambda: editor.send(bristol, parent=["GB-WLS"])
    yield _on(4, 21, 8, 15), lambda: admin.send(bristol, parent=["GB-ENG"])
    yield (
        _on(5, 11, 17, 55),
        lambda: editor.send("/admin/registry/country/LI/delete/", post=["yes"]),
    )


def _elsewhere(admin: Visitor, psql: str) -> Iterator[Event]:
    yield _on(5, 18, 9, 0), lambda: _run(psql, BY_HAND)
    yield (
        _on(6, 1, 2, 0),
        lambda: call_command("decline_drafts", "--on=2026-06-01", stdout=StringIO()),
    )


def _run(psql: str, statements: str) -> None:
    subprocess.run(
        [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"],
        input=statements,
        text=True,
        check=True,
    )

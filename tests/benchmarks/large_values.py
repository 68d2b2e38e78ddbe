"""Measure pages of very large values: `python -m tests.benchmarks.large_values [--rounds N] [--only WORD ...]`.

Texts of 2 MB, lists of 100,000 items, objects of 50,000 keys, searches of 2,000 words, and dates at the ends of the calendar are asked for by
Django's test client, in rounds that take turns with the same page of a small value. Told is the processors' time of a page, of Django and of the
server together, which a busy machine changes little; that of the small value, what the large one takes beyond it, and how much is sent. A
PostgreSQL cluster of its own is made for the run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from time import process_time
from typing import Any

from tests.benchmarks import processors
from tests.benchmarks.time_travel import DEFAULT_SETTINGS
from tests.servers import DEFAULT_VERSION, SUPERUSER, Run

#: Letters of a large text, items of a large list, keys of a large object, words of a long search.
LETTERS, ITEMS, KEYS, WORDS = 2_000_000, 100_000, 50_000, 2_000

#: Milliseconds that a large value may take beyond a small one.
LIMIT = 300

ADMIN = "/admin/testapp/{}/"
REVISIONS = "/admin/audittrail/revisions/"


@dataclass(frozen=True)
class Page:
    """A page that is measured, and the same of a small value."""

    name: str
    large: str
    small: str


def main() -> int:
    """Run the benchmark and print the times."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.large_values", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="pages whose names have a word")
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    options = parser.parse_args()
    with Run.begin() as run:
        server = run.own_server(options.postgres, DEFAULT_SETTINGS)
        server.start()
        server.createdb("large")
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "AUDITTRAIL_TEST_POSTGRES": f"postgresql://{SUPERUSER}@/large?host={server.host}",
        }
        import django
        from django.core.management import call_command

        django.setup()
        from django.db import connection

        # The test project calls its database by another name.
        connection.settings_dict["NAME"] = "large"
        call_command("migrate", verbosity=0)
        measure(options.rounds, options.only)
        connection.close()
    return 0


def texts() -> Iterator[tuple[str, Callable[[], tuple[Any, Any]]]]:
    """Yield pairs of large texts, by what they are like."""
    yield "one line, one word differs", lambda: _pair(" ", 1)
    yield "one line, wholly different", lambda: _pair(" ", None)
    yield "one word", lambda: ("a" * LETTERS, "b" * LETTERS)
    yield "lines, one differs", lambda: _pair("\n", 1)
    yield "lines, each other one differs", lambda: _pair("\n", LETTERS // 16)
    yield "lines, wholly different", lambda: _pair("\n", None)
    yield "lines of one letter", lambda: ("a\n" * (LETTERS // 2), "a\nb\n" * (LETTERS // 4))


def structures() -> Iterator[tuple[str, Callable[[], tuple[Any, Any]]]]:
    """Yield pairs of large structures, by what they are like."""
    items, keys = range(ITEMS), range(KEYS)
    yield "list, moved by one", lambda: ([*items], [*items[1:], ITEMS])
    yield "list, wholly different", lambda: ([*items], [-n - 1 for n in items])
    yield "list, of small objects", lambda: ([{"n": n} for n in items], [{"n": -n} for n in items])
    yield (
        "object, one value differs",
        lambda: ({f"k{n}": n for n in keys}, {f"k{n}": n or -1 for n in keys}),
    )
    yield (
        "object, each value differs",
        lambda: ({f"k{n}": n for n in keys}, {f"k{n}": n + 1 for n in keys}),
    )
    yield (
        "object, other keys",
        lambda: ({f"k{n}": n for n in keys}, {f"l{n}": n for n in keys}),
    )
    yield "a text in a list", lambda: (["a " * (LETTERS // 2)], ["b " * (LETTERS // 2)])
    yield "nested", lambda: (_nested(400), _nested(401))


def _pair(separator: str, different: int | None) -> tuple[str, str]:
    """Return two texts of words, of which so many differ; None for all."""
    draw = Random(1)
    words = [f"w{draw.randrange(10**6):06}" for _ in range(LETTERS // 8)]
    other = [*words]
    step = len(words) // different if different else 1
    other[step // 2 :: step] = [f"v{n:06}" for n in range(len(other[step // 2 :: step]))]
    return separator.join(words), separator.join(other)


def _nested(depth: int) -> Any:
    found: Any = depth
    for _ in range(depth):
        found = {"a": [found, {"b": list(range(100))}]}
    return found


def pages_of(
    name: str, model: Any, values: Callable[[str, Any], dict[str, Any]], pair: Any
) -> Iterator[Page]:
    """Change an object from one value to another, and yield its pages, beside those of an object with small values."""
    from audittrail.models import Revision

    made = []
    for kind, (old, new) in (("large", pair), ("small", ("a", "b"))):
        obj = model.objects.create(**values(kind, old))
        first = Revision.objects.latest().pk
        model.objects.filter(pk=obj.pk).update(**values(kind, new))
        second = Revision.objects.latest().pk
        gone = model.objects.create(**values(kind, old))
        key = gone.pk
        gone.delete()
        base = ADMIN.format(model._meta.model_name)
        history = f"{base}{obj.pk}/audittrail/"
        made.append(
            {
                "history": history,
                "compare": f"{history}compare/?from={first}&to={second}",
                "compare with now": f"{history}compare/?from={first}",
                "version": f"{history}{first}/",
                "restore": f"{history}{first}/restore/",
                "revision": f"{REVISIONS}{second}/",
                "undo": f"{REVISIONS}{second}/undo/",
                "restore everything": f"{REVISIONS}{first}/restore/",
                "roll back": f"{REVISIONS}{first}/roll-back/",
                "deleted": f"{base}audittrail/deleted/",
                "undelete": f"{base}audittrail/deleted/undelete/?pk={key}",
                "revision of a deletion": f"{REVISIONS}{Revision.objects.latest().pk}/",
                "revisions": REVISIONS,
            }
        )
    for page in made[0]:
        yield Page(f"{name}: {page}", made[0][page], made[1][page])


def searches() -> Iterator[Page]:
    """Yield long searches and dates at the ends of the calendar, beside short and usual ones."""
    deleted = ADMIN.format("customer") + "audittrail/deleted/"
    for name, text in (
        ("2,000 words", "+".join(f"w{n}" for n in range(WORDS))),
        ("a word of 100,000 letters", "w" * 100_000),
        ("32 words", "+".join(f"w{n}" for n in range(32))),
    ):
        for url in (deleted, REVISIONS, f"{REVISIONS}export/"):
            yield Page(f"search, {name}: {url}", f"{url}?q={text}", f"{url}?q=a")
    for day in ("0001-01-01", "9999-12-31", "infinity", "-infinity"):
        for url in (deleted, REVISIONS):
            for name in ("since", "until"):
                yield Page(
                    f"{name} {day}: {url}", f"{url}?{name}={day}", f"{url}?{name}=2020-01-01"
                )


def measure(rounds: int, only: list[str] | None) -> None:
    """Make the objects one after the other, ask for their pages, and print what they take."""
    from django.contrib.auth.models import User
    from django.test import Client

    from tests.testapp.models import Document, Specimen

    client = Client()
    client.force_login(User.objects.create_superuser("superuser"))
    print(f"load {os.getloadavg()[0]:.1f}; means of {rounds} rounds")
    print(f"{'':64} {'large':>9} {'small':>9} {'more':>9} {'KiB':>6}")

    def document(kind: str, value: Any) -> dict[str, Any]:
        return {"title": kind, "body": value}

    def specimen(kind: str, value: Any) -> dict[str, Any]:
        return {"name": kind, "data": value}

    series: list[tuple[str, Callable[[Any], Iterator[Page]], Callable[[], Any]]] = [
        *((name, partial(pages_of, name, Document, document), make) for name, make in texts()),
        *((name, partial(pages_of, name, Specimen, specimen), make) for name, make in structures()),
        ("search", lambda _pair: searches(), lambda: None),
    ]
    for name, pages, make in series:
        if only and not any(word in name for word in only):
            continue
        for page in pages(make()):
            _measure(client, page, rounds)
        Document.objects.all().delete()
        Specimen.objects.all().delete()


def _measure(client: Any, page: Page, rounds: int) -> None:
    from django.db import connection

    taken = {page.large: 0.0, page.small: 0.0}
    size = status = 0
    for number in range(rounds + 1):
        for url in (page.large, page.small):
            begun = _spent(connection)
            response = client.get(url)
            body = b"".join(response) if response.streaming else response.content
            if number:  # the first one reads templates
                taken[url] += (_spent(connection) - begun) * 1000 / rounds
            if url == page.large:
                size, status = len(body), response.status_code
    large, small = taken[page.large], taken[page.small]
    answered = "" if status == 200 else f" {status}"
    over = " !" if large - small > LIMIT else ""
    figures = f"{large:6.0f} ms {small:6.0f} ms {large - small:6.0f} ms {size // 1024:6}"
    print(f"{page.name[:64]:64} {figures}{answered}{over}", flush=True)


def _spent(connection: Any) -> float:
    """Return the processors' time that Django and its session of the server have taken so far."""
    return process_time() + processors.seconds([connection.connection.info.backend_pid])


if __name__ == "__main__":
    raise SystemExit(main())

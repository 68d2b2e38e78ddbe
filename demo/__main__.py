"""The demo itself, in an environment that has what it needs: `python -m demo`; `demo/run.py` makes that environment."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import django
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str]) -> int:
    """Build the demo, serve it until Ctrl-C or check it; return the exit code."""
    options = parse(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        with database(existing=options.existing_database) as note:
            print(note, flush=True)
            django.setup()
            return run(options)
    except KeyboardInterrupt:
        print("\nStopped: the pages, the database server, and all its data.")
        return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="demo/run.py",
        description="Imports eight releases of the ISO country register into a database of its own, shows what "
        "was recorded, and serves the admin until Ctrl-C. Each run begins anew and leaves no data behind.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare what was recorded with demo/data/README.md, ask for the pages, and exit: "
        "with 1 if anything differs",
    )
    parser.add_argument(
        "--screenshots",
        nargs="?",
        type=Path,
        const=ROOT / "docs/images",
        metavar="DIRECTORY",
        help="take the pictures of the documentation in Chromium, by default into docs/images, and exit",
    )
    parser.add_argument(
        "--port", type=int, help="the port to serve on (default: 8000; otherwise any free one)"
    )
    parser.add_argument(
        "--existing-database",
        action="store_true",
        help="use the empty database that PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE name, "
        "and leave the data in it, instead of starting a server",
    )
    options = parser.parse_args(arguments)
    if options.port is None:
        options.port = 0 if options.check or options.screenshots else 8000
    return options


@contextmanager
def database(*, existing: bool) -> Iterator[str]:
    """Let libpq's environment name a database for the length of the block; give a line that says which."""
    if existing:
        yield f"Using the database {os.environ.get('PGDATABASE', 'demo')!r} of a running server"
        return
    # The embedded server is started as for the tests: also as root, and ended even if we are killed.
    from tests.servers import DEFAULT_VERSION, SUPERUSER, Run

    with Run.begin() as begun:
        server = begun.shared_server(DEFAULT_VERSION)
        # What the user's own environment says of another server must not be mixed in.
        for variable in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[variable]
        server.createdb("demo")
        os.environ |= {"PGHOST": server.host, "PGUSER": SUPERUSER, "PGDATABASE": "demo"}
        yield f"PostgreSQL {server.binaries.major} runs in {server.host}"


def run(options: argparse.Namespace) -> int:
    """Build the database and do with it what `options` say; return the exit code."""
    from demo import building, screenshots, tampering, web

    with ExitStack() as stack:
        try:
            # Before the long work, since the port may be taken.
            address = stack.enter_context(web.serving(options.port))
        except OSError as error:
            fail(f"Port {options.port} cannot be served: {error}. Choose another with --port.")
        building.build(address)
        wrong = tampering.show(building.psql())
        if options.screenshots:
            for file in screenshots.take(address.removesuffix("/admin/"), options.screenshots):
                print(file)
            return 0
        return check_all(address, wrong) if options.check else serve(address)


def check_all(address: str, wrong: list[str]) -> int:
    """Compare history with the data's README and with the tables, ask for the pages; return the exit code.

    `wrong` is what has been found wrong before.
    """
    from demo import report, web
    from demo.accounts import ADMINISTRATOR
    from demo.promises import differences, promised
    from demo.registry.releases import DATA

    expected = promised(DATA / "README.md")
    imports = [line for line in report.changes() if "release" in line.revision.context]
    wrong += differences(((line.day, line.counts) for line in imports), expected)
    wrong += web.unanswered(address, ADMINISTRATOR.username)
    if wrong:
        print("\n".join(f"WRONG: {line}" for line in wrong), file=sys.stderr)
        return 1
    print(f"All counts of {len(expected)} releases are those of demo/data/README.md.")
    print(f"The admin answers: login and {len(web.PAGES)} pages.")
    call_command("audittrail", "verify")  # exits with 1 if they differ
    return 0


def serve(address: str) -> int:
    """Say where the demo is to be found, and wait for Ctrl-C."""
    from demo.accounts import ROLES

    variables = (
        f"{name}={os.environ.get(name, '')}" for name in ("PGHOST", "PGUSER", "PGDATABASE")
    )
    shell = shlex.join([*variables, sys.executable, str(ROOT / "demo/manage.py"), "shell"])
    print(f"A Python shell in it: {shell}")
    print(f"The admin:            {address}")
    print("Log in as one of these, with the name as password:")
    for role in ROLES:
        print(f"  {role.username:10}{role.about}")
    print("Ctrl-C ends the demo and removes its database.", flush=True)
    threading.Event().wait()
    return 0


def interrupt(*_: object) -> NoReturn:
    """Treat SIGTERM as Ctrl-C, which a shell in the background would ignore."""
    raise KeyboardInterrupt


def fail(message: str) -> NoReturn:
    """End the demo with `message`."""
    raise SystemExit(message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run random statements by the thousands: `python -m tests.entangled [--statements N] [--seed SEED] [--postgres VERSION]`.

The seed is printed; a fault prints the script that leads to it, with the seed of its round (`--round` repeats that one).
"""

from __future__ import annotations

import argparse
import os
import sys
from random import Random, SystemRandom

from tests.entangled.rounds import WrongHistoryError, play
from tests.servers import DEFAULT_VERSION, SUPERUSER, Run

PER_ROUND = 60


def main() -> int:
    """Run what the command line asks for; return 1 if history was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.entangled", description=__doc__)
    parser.add_argument("--statements", type=int, default=20_000, help="at least so many")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9))
    parser.add_argument("--round", type=int, help="the seed of one round, and only that")
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django
    from django.core.management import call_command

    django.setup()
    from tests.databases import OwnServer

    dice = Random(arguments.seed)
    done = 0
    with Run.begin() as run:
        made = run.own_server(arguments.postgres, {})
        server = OwnServer(made.binaries, made.directory)
        server.start()
        server.createdb("entangled")
        with server.attached("fresh", "entangled"):
            call_command("migrate", "audittrail", database="fresh", verbosity=0)
        control = server.connect(autocommit=True).cursor()
        control.execute("CREATE ROLE application")
        while done < arguments.statements:
            seed = arguments.round if arguments.round is not None else dice.randrange(10**9)
            control.execute("CREATE DATABASE played TEMPLATE entangled")
            opened = []

            def connect() -> object:
                opened.append(server.connect("played", autocommit=True))  # noqa: B023
                return opened[-1]  # noqa: B023

            try:
                done += play(connect, seed, PER_ROUND)
            except WrongHistoryError as fault:
                print(fault, fault.__cause__ or "", sep="\n")
                return 1
            finally:
                for connection in opened:
                    connection.close()
            control.execute("DROP DATABASE played WITH (FORCE)")
            if arguments.round is not None:
                break
    print(f"{done} statements of {SUPERUSER} and others: history was right after each")
    return 0


if __name__ == "__main__":
    sys.exit(main())

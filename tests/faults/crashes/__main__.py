"""Play rounds of crashes until one of them goes wrong: `python -m tests.faults.crashes --rounds 200`."""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Sequence
from itertools import cycle, product

from tests.servers import DEFAULT_VERSION, Run


def main(arguments: Sequence[str] | None = None) -> None:
    """Play as many rounds as the arguments want, each with a seed that is printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crashes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="the first round's; the others count up")
    parser.add_argument("--job", action="append", help="only this job; may be repeated")
    parser.add_argument("--death", action="append", help="only this death; may be repeated")
    parser.add_argument("--postgres", default=DEFAULT_VERSION, help="the server's version")
    options = parser.parse_args(arguments)

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.databases import OwnServer
    from tests.faults.crashes.jobs import JOBS
    from tests.faults.crashes.rounds import DEATHS, Suite

    first = random.randrange(10**6) if options.seed is None else options.seed
    with Run.begin() as run:
        made = run.own_server(options.postgres, {})
        server = OwnServer(made.binaries, made.directory, {})
        server.start()
        suite = Suite(server)
        try:
            kinds = cycle(product(options.job or JOBS, options.death or DEATHS))
            for seed, (job, death) in zip(
                range(first, first + options.rounds), kinds, strict=False
            ):
                print(f"--job {job} --death {death} --seed {seed} --rounds 1", end=": ", flush=True)
                print(suite.play(job, death, seed), flush=True)
        finally:
            suite.close()
            server.stop("immediate")


if __name__ == "__main__":
    main()

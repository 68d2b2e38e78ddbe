"""The process of a client that does a job: `python -m tests.faults.crashes.client`.

It says "ready" when it has begun, and waits for a line "HOST DATABASE JOB STOP". It says "begin" before the job and "end" after it. With a
STOP above 0 it says "stopped" before it sends its statement of that number, and goes on when it is told anything.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    """Do the job that standard input names."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.db import connections

    from tests.faults.crashes.jobs import ALIAS, JOBS
    from tests.servers import SUPERUSER

    say("ready")
    host, database, name, stop = sys.stdin.readline().split()
    connections.settings[ALIAS] = {
        **connections.settings["default"],
        "NAME": database,
        "USER": SUPERUSER,
        "PASSWORD": "",
        "HOST": host,
        "PORT": "",
        "OPTIONS": {"application_name": ALIAS},
    }
    sent = 0

    def counting(execute: Any, *arguments: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == int(stop):
            say("stopped")
            sys.stdin.readline()
        return execute(*arguments)

    connections[ALIAS].ensure_connection()
    with connections[ALIAS].execute_wrapper(counting):
        say("begin")
        JOBS[name].work(say)
    say(f"end {sent}")


if __name__ == "__main__":
    main()

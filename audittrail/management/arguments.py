"""Arguments that several sub-commands take."""

from __future__ import annotations

import csv
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from datetime import datetime

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone
from django.utils.dateparse import parse_datetime


def positive(text: str) -> int:
    """Return a whole number of 1 or more; a type of arguments."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """Return a whole number of 0 or more; a type of arguments."""
    return _at_least(0, text)


def _at_least(lowest: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise ArgumentTypeError(f"{text!r} is not a whole number of {lowest} or more")
    return number


def time_of(text: str, option: str) -> datetime:
    """Return a time that was given with an option, in the project's time zone if it says none; raise `CommandError` for what is no time."""
    try:
        # A day is its beginning.
        at = parse_datetime(text) or parse_datetime(f"{text}T00:00")
    except ValueError:
        at = None
    if at is None:
        raise CommandError(
            f"{option} {text!r} is not a time; write it like 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00+01:00."
        )
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def add_confirmation(parser: ArgumentParser) -> None:
    """Declare `--noinput`, for `Call.confirm`."""
    parser.add_argument(
        "--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask"
    )


def add_batches(parser: ArgumentParser) -> None:
    """Declare `--batch-size` and `--vacuum`, for work on history tables."""
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=10_000,
        help="how many versions a batch has (default: %(default)s)",
    )
    parser.add_argument(
        "--vacuum", action="store_true", help="vacuum and analyze history tables afterwards"
    )


def parts_of_key(text: str) -> list[str]:
    """Return the parts of a composite key, which have commas between; one that has commas itself stands in double quotes, as in CSV.

    Raises `ValueError` for quotes that are not closed.
    """
    try:
        (parts,) = csv.reader([text], strict=True)
    except csv.Error as error:
        raise ValueError(
            f"{text!r} has double quotes that are not closed, or stand within a part; put them around the whole part."
        ) from error
    return parts


def add_common_options(parser: ArgumentParser) -> None:
    """Let a sub-command take Django's own options, and `--database`, after its name as well as before it."""
    parser.add_argument(
        "--database",
        default=SUPPRESS,
        choices=tuple(connections),
        help=f"the database to work on (default: {DEFAULT_DB_ALIAS})",
    )
    parser.add_argument(
        "-v", "--verbosity", default=SUPPRESS, type=int, choices=[0, 1, 2, 3], help=SUPPRESS
    )
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name, default=SUPPRESS, help=SUPPRESS)
    for name in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parser.add_argument(name, action="store_true", default=SUPPRESS, help=SUPPRESS)

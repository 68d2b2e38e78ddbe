"""Arguments that several sub-commands take."""

from __future__ import annotations

import csv
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime

from django.core.management.base import CommandError
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
        moment = parse_datetime(text) or parse_datetime(f"{text}T00:00")
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(
            f"{option} {text!r} is not a time; write it like 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00+01:00."
        )
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def add_confirmation(parser: ArgumentParser) -> None:
    """Declare `--noinput`, for `Call.confirm`."""
    parser.add_argument(
        "--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask"
    )


def parts_of_key(text: str) -> list[str]:
    """Return the parts of a composite key, which have commas between; one that has commas itself stands in double quotes, as in CSV.

    Raises `ValueError` for quotes that are not closed.
    """
    try:
        (parts,) = csv.reader([text], strict=True)
    except csv.Error as error:
        raise ValueError(f"{error} in {text!r}") from error
    return parts

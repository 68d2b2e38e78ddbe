"""Arguments that several sub-commands take."""

from __future__ import annotations

from argparse import ArgumentParser


def positive(text: str) -> int:
    """Return a whole number of 1 or more; a type of arguments."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def natural(text: str) -> int:
    """Return a whole number of 0 or more; a type of arguments."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def add_confirmation(parser: ArgumentParser) -> None:
    """Declare `--noinput`, for `Call.confirm`."""
    parser.add_argument(
        "--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask"
    )

"""One call of a sub-command: its database, its options, and its way to speak with the person who runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.backends.base.base import BaseDatabaseWrapper

from audittrail.capture import install, registry, schemas
from audittrail.management.objects import table_named
from audittrail.management.progress import ProgressBar


@dataclass(frozen=True)
class Call:
    """What a sub-command's `run` is given."""

    command: BaseCommand
    connection: BaseDatabaseWrapper
    options: dict[str, Any]

    @property
    def verbosity(self) -> int:
        """How much to say: 0 to 3, normally 1."""
        return int(self.options["verbosity"])

    def write(self, text: str, *, error: bool = False) -> None:
        """Write a line to standard output, in the colour of errors if it is one."""
        self.command.stdout.write(self.command.style.ERROR(text) if error else text)

    def tell(self, text: str) -> None:
        """Write a line about work that went well, unless nothing is to be said (`--verbosity 0`)."""
        if self.verbosity:
            self.write(text)

    def progress_bar(self, ending: str = "rows, complete") -> ProgressBar:
        """Return a progress bar for a `with` block, which moves if the output is a terminal; `ending` is said of a table's rows at their end."""
        stdout = self.command.stdout
        if not self.verbosity:
            return ProgressBar(lambda text, ending="": None, interactive=False, ending=ending)
        return ProgressBar(stdout.write, interactive=stdout.isatty(), ending=ending)

    def confirm(self, refusal: str) -> None:
        """Ask for a "yes", unless the option `interactive` is off.

        Raises `CommandError` with the refusal for any other answer, and where there is nobody to ask.
        """
        if not self.options["interactive"]:
            return
        try:
            answer = input("Type 'yes' to go on: ")
        except EOFError:
            answer = ""
        if answer != "yes":
            raise CommandError(refusal)

    def require_owner(self) -> None:
        """Raise `NotInstalledError` unless the present role owns history: what changes anything is for that one alone."""
        install.raise_if_impossible(self.connection)

    def tables(self) -> frozenset[str]:
        """Return the tables that were named, themselves or by the labels of their models.

        Raises `CommandError` if one of them is not tracked.
        """
        given = self.options["tables"]
        known = {
            (recorded.schema, recorded.table)
            for recorded in registry.registry(self.connection)
            if recorded.until_at is None
        }
        _, unknown = schemas.meant(self.connection, given, known)
        names = {name: table_named(name) if name in unknown else name for name in given}
        _, unknown = schemas.meant(self.connection, names.values(), known)
        for name, table in names.items():
            if table in unknown:
                raise CommandError(
                    f"{name!r} is not a tracked table of database {self.connection.alias!r}, nor the model of one; "
                    "manage.py audittrail status lists them."
                )
        return frozenset(names.values())

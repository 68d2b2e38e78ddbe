"""`manage.py audittrail`: look after what is tracked."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from audittrail.capture import access, baseline, closing, indexes, install, sync, verify
from audittrail.exceptions import AuditTrailError
from audittrail.management.progress import ProgressBar


class Command(BaseCommand):
    """Show and keep up the tracking of a database."""

    help = "Shows and keeps up what audittrail records in a database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-commands."""
        commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")

        def command(name: str, text: str) -> ArgumentParser:
            sub: ArgumentParser = commands.add_parser(name, help=text, description=text)
            sub.add_argument(
                "--database",
                default=DEFAULT_DB_ALIAS,
                choices=tuple(connections),
                help="the database to work on (default: %(default)s)",
            )
            return sub

        status = command("status", "Shows each tracked table and its state.")
        status.add_argument(
            "--check", action="store_true", help="exit with 1 if anything needs attention"
        )
        syncing = command(
            "sync", "Brings tracking in step with settings and schema, as migrate does."
        )
        only = syncing.add_mutually_exclusive_group()
        only.add_argument("--sql", action="store_true", help="print the SQL instead of running it")
        only.add_argument(
            "--check",
            action="store_true",
            help="only tell; exit with 1 if there is something to do",
        )
        filling = command(
            "backfill", "Completes baselines, in batches beside the application's writes."
        )
        filling.add_argument("tables", nargs="*", help="tables (default: all that are incomplete)")
        filling.add_argument(
            "--batch-size", type=_positive, default=5000, help="rows a batch (default: %(default)s)"
        )
        maintaining = command(
            "maintain",
            "Makes reading the past fast: closes versions and builds indexes, beside the application's writes.",
        )
        maintaining.add_argument("tables", nargs="*", help="tables (default: all with a history)")
        maintaining.add_argument(
            "--batch-size",
            type=_positive,
            default=10_000,
            help="versions a batch (default: %(default)s)",
        )
        maintaining.add_argument(
            "--vacuum", action="store_true", help="vacuum and analyze history tables afterwards"
        )
        verifying = command(
            "verify", "Compares tables with their history; exits with 1 if they differ."
        )
        verifying.add_argument("tables", nargs="*", help="tables (default: all that are tracked)")
        verifying.add_argument(
            "--repair",
            action="store_true",
            help="record the differences of rows as versions of now, which agree with the table",
        )
        granting = command("grant", "Prints, or applies, what another role needs to read history.")
        granting.add_argument("role", help="an existing role of the server")
        granting.add_argument(
            "--apply", action="store_true", help="run the statements instead of printing them"
        )
        removing = command(
            "uninstall", "Removes triggers and history; the tables stay as they are."
        )
        removing.add_argument(
            "--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run a sub-command."""
        connection = connections[options["database"]]
        if not install.is_supported(connection):
            raise CommandError(
                f"Database {connection.alias!r} is not PostgreSQL ({connection.vendor}); audittrail can't work there."
            )
        if not install.is_installed(connection):
            raise CommandError(
                f"Database {connection.alias!r} does not hold audittrail's tables; "
                f"run manage.py migrate --database {connection.alias}."
            )
        try:
            install.raise_if_impossible(connection)
            getattr(self, f"_{options['subcommand']}")(connection, options)
        except AuditTrailError as error:
            raise CommandError(str(error)) from error

    def _status(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        rows = [("table", "history", "tracked since", "state")]
        attention = False
        for recorded in sync.registry(connection):
            state = _state(recorded)
            attention = attention or (recorded.until_at is None and state != "ok")
            rows.append(
                (
                    recorded.table,
                    recorded.history,
                    f"{recorded.since_at:%Y-%m-%d %H:%M:%S %Z}",
                    state,
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.stdout.write("  ".join([*cells, row[3]]).rstrip())
        for change in sync.pending(connection):
            if change.action in ("created", "skipped"):
                attention = attention or change.action == "created"
                text = (
                    "not tracked yet"
                    if change.action == "created"
                    else f"not tracked: {change.detail}"
                )
                self.stdout.write(f"{change.table}: {text}")
        if options["check"] and attention:
            raise CommandError("Something needs attention; see above.", returncode=1)

    def _sync(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        if options["sql"]:
            for statement in sync.statements(connection):
                self.stdout.write(statement)
            return
        if not options["check"]:
            done = sync.sync(connection.alias, report=self._report)
            if not any(change.action != "skipped" for change in done):
                self.stdout.write("Everything is in step.")
            return
        stale = not install.functions_are_current(connection)
        if stale:
            self.stdout.write("functions of another release")
        changes = list(sync.pending(connection)) if install.has_functions(connection) else []
        for change in changes:
            self._report(change)
        if stale or any(change.action != "skipped" for change in changes):
            raise CommandError(
                "Tracking is out of step; run manage.py audittrail sync.", returncode=1
            )
        self.stdout.write("Everything is in step.")

    def _report(self, change: sync.Change) -> None:
        detail = f" ({change.detail})" if change.detail else ""
        self.stdout.write(f"{change.table}: {change.action}{detail}")

    def _backfill(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        tables = self._known(connection, options["tables"])
        bar = ProgressBar(self.stdout.write, interactive=self.stdout.isatty())
        baseline.backfill(
            connection.alias, batch_size=options["batch_size"], tables=tables, report=bar.show
        )
        if not bar.shown:
            self.stdout.write("Every baseline is complete.")

    def _maintain(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        tables = self._known(connection, options["tables"])
        for line in indexes.build(connection.alias, tables=tables):
            self.stdout.write(line)
        bar = ProgressBar(self.stdout.write, interactive=self.stdout.isatty())
        closing.close(
            connection.alias, batch_size=options["batch_size"], tables=tables, report=bar.show
        )
        if not bar.shown:
            self.stdout.write("Every table is closed as far as it can be.")
        if options["vacuum"]:
            closing.vacuum(connection.alias, tables=tables)

    def _verify(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        tables = self._known(connection, options["tables"])
        faulty = count = 0
        for recorded, findings in verify.verify(connection.alias, tables=tables):
            count += 1
            for finding in findings:
                self.stdout.write(self.style.ERROR(str(finding)))
            if not findings and options["verbosity"] > 1:
                self.stdout.write(f"{recorded.table}: ok")
            if options["repair"] and any(finding.rows for finding in findings):
                verify.repair(recorded, connection.alias)
                self.stdout.write(f"{recorded.table}: recorded")
                findings = [finding for finding in findings if not finding.rows]
            faulty += bool(findings)
        if faulty:
            raise CommandError(
                f"{faulty} of {count} tables differ from their history. manage.py audittrail sync puts triggers right "
                "and records what happened without them; verify --repair records what passed them by otherwise.",
                returncode=1,
            )
        agreement = "1 table agrees with its" if count == 1 else f"{count} tables agree with their"
        self.stdout.write(f"{agreement} history.")

    def _grant(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        statements = access.reading_grants(connection, options["role"])
        if not options["apply"]:
            for statement in statements:
                self.stdout.write(f"{statement};")
            return
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self.stdout.write(f"Role {options['role']} may read history.")

    def _uninstall(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        if options["interactive"]:
            self.stdout.write(
                f"This removes audittrail and ALL HISTORY from database {connection.settings_dict['NAME']!r}. "
                "Your own tables stay as they are."
            )
            if input("Type 'yes' to go on: ") != "yes":
                raise CommandError("Nothing was removed.")
        sync.uninstall(
            connection.alias,
            report=self._report if options["verbosity"] > 1 else lambda change: None,
        )
        MigrationRecorder(connection).migration_qs.filter(app="audittrail").delete()
        self.stdout.write(
            "audittrail is removed. Take it out of INSTALLED_APPS and MIDDLEWARE, or the next migrate installs it again."
        )

    def _known(self, connection: BaseDatabaseWrapper, names: list[str]) -> frozenset[str]:
        known = {
            recorded.table for recorded in sync.registry(connection) if recorded.until_at is None
        }
        unknown = sorted(set(names) - known)
        if unknown:
            raise CommandError(
                f"{unknown[0]!r} is not a tracked table of database {connection.alias!r}; "
                "manage.py audittrail status lists them."
            )
        return frozenset(names)


def _state(recorded: sync.Recorded) -> str:
    if recorded.until_at is not None:
        return f"ended {recorded.until_at:%Y-%m-%d %H:%M:%S %Z}"
    if not recorded.exists:
        return "table is gone; run sync"
    if recorded.faults:
        return "; ".join(recorded.faults)
    if not recorded.in_step:
        return "out of step; run sync"
    return "ok" if recorded.baseline_complete else "baseline incomplete; run backfill"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number

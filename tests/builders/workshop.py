"""A project whose schema a test changes: a copy of the test database, and an app `workshop` made of migrations."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import StringIO
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.db import connections, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import InvalidBasesError, ProjectState
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from audittrail import history
from audittrail.capture import sync, tracking, verify
from tests.databases import raw_connection
from tests.servers import Run

APP = "workshop"
_numbers = count(1)


class Workshop:
    """Change the schema as a user does, and look at what was recorded.

    `migrate()` applies a migration, then does what `migrate` does at its end. The models of the app are always those
    of its last migration, in Django's own registry.
    """

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias
        self.connection = connections[alias]
        self.base: ProjectState = MigrationLoader(self.connection).project_state()
        self.base.real_apps -= {APP}
        self.states = [self.base.clone()]
        self.applied: list[migrations.Migration] = []
        self._stack = ExitStack()

    # Change the schema

    def migrate(
        self,
        *operations: Any,
        atomic: bool = True,
        replaces: Sequence[Any] = (),
        synced: bool = True,
    ) -> None:
        """Apply one migration of `operations`, bring tracking in step, and check that it is."""
        migration = migrations.Migration(f"{len(self.applied) + 1:04}", APP)
        migration.operations = list(operations)
        migration.atomic = atomic
        with self.connection.schema_editor(atomic=atomic) as editor:
            state = migration.apply(self.states[-1].clone(), editor)
        self.applied.append(migration)
        self.states.append(state)
        self._install_models(state)
        if synced:
            self.sync()

    def reverse(self, *, synced: bool = True) -> None:
        """Take the last migration back."""
        migration = self.applied.pop()
        self.states.pop()
        with self.connection.schema_editor(atomic=migration.atomic) as editor:
            state = migration.unapply(self.states[-1].clone(), editor)
        self._install_models(state)
        if synced:
            self.sync()

    def sync(self) -> list[sync.TrackingChange]:
        """Bring tracking in step, and check that it is."""
        changes = sync.sync(self.alias)
        self.assert_in_step()
        return changes

    def assert_in_step(self) -> None:
        """Check that nothing is left to do, and that every table agrees with its history."""
        left = [change for change in sync.pending(self.connection) if change.action != "skipped"]
        assert left == []
        findings = [str(finding) for _, found in verify.verify(self.alias) for finding in found]
        assert findings == []

    def track(self, name: str) -> None:
        """Ask for the tracking of an unmanaged model, as `history.register` does."""
        history.register(apps.get_model(APP, name))
        self.sync()

    def problems(self) -> list[str]:
        """Return what the system checks have to say of the database."""
        found = checks.run_checks(tags=[checks.Tags.database], databases=[self.alias])
        return [f"{message.id}: {message.msg}" for message in found if message.id]

    # Use the tables

    def __getattr__(self, name: str) -> Any:
        """Give the model of that name, as of the last migration."""
        if name.startswith("_"):
            raise AttributeError(name)
        return apps.get_model(APP, name)

    def sql(self, statement: str, params: Any = None) -> list[Any]:
        """Run a statement on Django's connection and return its rows, if it has any."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def psql(self, script: str) -> str:
        """Run a script in psql, which stops at the first error, and return its output."""
        database = self.connection.settings_dict
        command = [str(program("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", database["HOST"], "-U", database["USER"], "-d", database["NAME"]]
        if database["PORT"]:
            command += ["-p", database["PORT"]]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def session(self, *, autocommit: bool = True, **parameters: Any) -> Any:
        """Open another session of the chosen driver; it ends with the test."""
        database = self.connection.settings_dict
        arguments = {
            "host": database["HOST"],
            "port": database["PORT"],
            "user": database["USER"],
            "password": database["PASSWORD"],
            "dbname": database["NAME"],
        }
        arguments = {**{k: v for k, v in arguments.items() if v != ""}, **parameters}
        raw = raw_connection(**arguments)
        raw.autocommit = autocommit
        self._stack.callback(raw.close)
        return raw

    def history(self, table: str, *columns: str, where: str = "true") -> list[tuple[Any, ...]]:
        """Return operation and `columns` of each version of a table of the app, in order."""
        stored = ", ".join(f'"{column}"' for column in columns)
        order = ", ".join(f'"{column}"' for column in columns)
        return self.sql(
            f'SELECT operation::text, {stored} FROM audittrail."{APP}_{table}_history"'
            f" WHERE {where} ORDER BY version, {order}"
        )

    def columns(self, table: str) -> list[str]:
        """Return the names of a history table's own columns, those of the row image."""
        return [
            name
            for (name,) in self.sql(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass"
                " AND attnum > 0 AND attname NOT IN ('version', 'revision_id', 'superseded', 'operation')"
                " AND NOT attisdropped ORDER BY attnum",
                [f"audittrail.{APP}_{table}_history"],
            )
        ]

    def command(self, *arguments: str, **options: Any) -> str:
        """Run `manage.py audittrail` and return its output; `CommandError` comes through."""
        output = StringIO()
        try:
            call_command("audittrail", *arguments, stdout=output, **options)
        finally:
            self.output = output.getvalue()
        return self.output

    # Its end

    def _install_models(self, state: ProjectState) -> None:
        forget_models()
        todo = [model for (label, _), model in state.models.items() if label == APP]
        while todo:
            waiting = []
            for model in todo:
                try:
                    model.render(apps)
                except InvalidBasesError:
                    waiting.append(model)
            todo = waiting
        apps.clear_cache()

    def close(self) -> None:
        """Close the sessions that are left, and forget the models."""
        self._stack.close()
        forget_models()


def forget_models() -> None:
    """Take the models of the app out of Django's registry."""
    for model in [model for model in tracking._registered if model._meta.app_label == APP]:
        del tracking._registered[model]
    apps.all_models[APP].clear()
    apps.clear_cache()


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs, of the version of the run's server."""
    if "://" in settings.POSTGRES:
        found = shutil.which(name)
        assert found, f"{name} is needed: install PostgreSQL's client programs."
        return Path(found)
    return Run.current().shared_server(settings.POSTGRES).binaries.client(name)


@contextmanager
def database(name: str, alias: str = "default", template: str = "template1") -> Iterator[None]:
    """Make the alias lead to a new database, a copy of `template`, until the end of the block."""
    connection = connections[alias]
    original = connection.settings_dict["NAME"]
    connection.close()
    _administer(connection, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    _administer(connection, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = original
        _administer(connection, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def migrated_template(alias: str = "default") -> Iterator[str]:
    """Give the name of a database to copy, in which audittrail and what it needs are migrated."""
    name = f"workshop_{os.getpid()}_{alias}"
    connection = connections[alias]
    with database(name, alias):
        with override_settings(AUDITTRAIL_MODELS=[f"{APP}.*"]):
            call_command("migrate", "audittrail", database=alias, verbosity=0)
        original, connection.settings_dict["NAME"] = name, "postgres"
        connection.close()
        try:
            yield name
        finally:
            connection.settings_dict["NAME"] = original


def _administer(connection: Any, statement: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def registered_app() -> Iterator[None]:
    """Have the app `workshop`, without models as yet, in the project until the end of the block."""
    module = ModuleType(APP)
    module.__path__ = [str(Path(__file__).parent)]
    sys.modules[APP] = module
    config = AppConfig(APP, module)
    config.apps = apps
    config.models = apps.all_models[APP]
    apps.app_configs[APP] = config
    apps.clear_cache()
    try:
        yield
    finally:
        forget_models()
        del apps.app_configs[APP], sys.modules[APP]
        apps.clear_cache()


@contextmanager
def open_workshop(template: str) -> Iterator[Workshop]:
    """Give a workshop on a copy of the database `template`."""
    with (
        database(f"{template}_{next(_numbers)}", template=template),
        registered_app(),
        override_settings(AUDITTRAIL_MODELS=[f"{APP}.*"]),
    ):
        made = Workshop()
        try:
            yield made
        finally:
            made.close()


def create(name: str, *fields: tuple[str, models.Field[Any, Any]], **options: Any) -> Any:
    """Return the operation that creates a model with a `BigAutoField` key, unless `fields` have one."""
    keyless = options.pop("keyless", False)
    if not keyless and not any(field.primary_key for _, field in fields):
        fields = (("id", models.BigAutoField(primary_key=True)), *fields)
    bases = options.pop("bases", (models.Model,))
    return migrations.CreateModel(name, list(fields), options, bases)


@pytest.fixture(scope="session")
def workshop_template(
    django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Give the name of a database to copy, in which the project is migrated."""
    with django_db_blocker.unblock(), migrated_template() as name:
        yield name


@pytest.fixture
def shop(workshop_template: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Workshop]:
    """Give a workshop on a database of its own, which agrees with its history when the test ends."""
    with django_db_blocker.unblock(), open_workshop(workshop_template) as workshop:
        yield workshop
        workshop.assert_in_step()

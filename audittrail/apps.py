"""Wire audittrail into a project: one line in INSTALLED_APPS."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class AuditTrailConfig(AppConfig):
    """The application `audittrail`."""

    name = "audittrail"
    verbose_name = _("Audit trail")
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Import the models; raise ImproperlyConfigured with the way out where no driver of PostgreSQL is installed."""
        try:
            import_module("django.db.backends.postgresql.psycopg_any")
        except ImportError as error:
            raise ImproperlyConfigured(
                "audittrail needs a driver of PostgreSQL, and neither psycopg nor psycopg2 can be imported"
                f" ({error}). Install one, for example: python -m pip install 'psycopg[binary]'"
            ) from error
        super().import_models()

    def ready(self) -> None:
        """Give models their history, statements their context, and follow migrations."""
        from audittrail import checks, forms, history, restore, timetravel
        from audittrail.capture import releasing
        from audittrail.revisions import commands, cursors

        history.install()
        timetravel.install()
        forms.install()
        restore.install()
        commands.install_command_context()
        connection_created.connect(cursors.install, dispatch_uid="audittrail.cursors")
        connection_created.connect(releasing.install_editor, dispatch_uid="audittrail.releasing")
        pre_migrate.connect(_before_migrate, sender=self, dispatch_uid="audittrail.obstacle")
        post_migrate.connect(_after_migrate, sender=self, dispatch_uid="audittrail.sync")
        checks.register_checks()
        if apps.is_installed("django.contrib.admin"):
            # Django's autodiscover imports it as well, but not in a project that has `SimpleAdminConfig`.
            import_module(f"{self.name}.admin")


def _before_migrate(*, using: str, plan: Any = None, **kwargs: Any) -> None:
    """Say clearly why a database can't hold audittrail, and tell it which columns that may be added are not to be stored."""
    from django.db import connections

    from audittrail.capture import install, schemas, sync

    if plan is not None and schemas.holds_history(using):
        install.raise_if_impossible(connections[using])
        sync.announce(connections[using])


def _after_migrate(
    *, using: str, verbosity: int = 1, stdout: Any = None, plan: Any = None, **kwargs: Any
) -> None:
    """Bring tracking in step with the schema that `migrate` leaves behind."""
    from django.contrib.auth import get_user_model
    from django.core.management.base import CommandError
    from django.db import connections

    from audittrail.capture import install, schemas, sync, upkeep
    from audittrail.exceptions import LockedError

    if plan is None:
        return  # `flush` sends the signal too, and leaves the schema as it is
    connection = connections[using]
    if not install.is_supported(connection) or not schemas.holds_history(using):
        return
    if any(backwards and migration.app_label == "audittrail" for migration, backwards in plan):
        return  # audittrail is being taken out
    # Where migrations are disabled, as in some test suites, ours has not run.
    key_type = get_user_model()._meta.pk.rel_db_type(connection)
    install.install_tables(connection, key_type or "bigint")

    def report(change: sync.TrackingChange) -> None:
        if verbosity >= 2 or (verbosity == 1 and change.action == "skipped"):
            line = f"  audittrail: {change.table} {change.action}"
            print(f"{line} ({change.detail})" if change.detail else line, file=stdout)

    try:
        done = sync.sync(using, report=report)
    except LockedError as error:
        raise CommandError(str(error)) from error
    if verbosity >= 1:
        has_begun = any(change.action == "created" for change in done)
        for step in upkeep.next_steps(using, has_begun=has_begun):
            print(f"  audittrail: {step}", file=stdout)

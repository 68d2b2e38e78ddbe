"""`manage.py audittrail uninstall`: remove audittrail and all history from a database."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.migrations.recorder import MigrationRecorder

from audittrail.capture.sync import TrackingChange
from audittrail.capture.uninstalling import uninstall
from audittrail.management.arguments import add_confirmation
from audittrail.management.call import Call
from audittrail.management.subcommands.sync import change_line

HELP: Final = "Removes triggers and history; the tables stay as they are."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_confirmation(parser)


def run(call: Call) -> None:
    """Ask, and remove everything."""
    call.require_owner()
    connection = call.connection
    if call.options["interactive"]:
        call.write(
            f"This removes audittrail and ALL HISTORY from database {connection.settings_dict['NAME']!r}. "
            "Your own tables stay as they are."
        )
    call.confirm("Nothing was removed.")

    def report(change: TrackingChange) -> None:
        if call.verbosity > 1:
            call.write(change_line(change))

    uninstall(connection.alias, report=report)
    MigrationRecorder(connection).migration_qs.filter(app="audittrail").delete()
    _forget_content_types(call)
    call.write(
        "audittrail is removed. Take it out of INSTALLED_APPS and MIDDLEWARE, or the next migrate installs it again."
    )


def _forget_content_types(call: Call) -> None:
    """Delete what Django has noted of our models: their content types, and the permissions that people and groups have for them.

    One that a row of the project's own refers to stays, as that row does.
    """
    connection = call.connection
    tables = set(connection.introspection.table_names())
    noted: Any = apps.get_model("contenttypes", "ContentType")
    if noted._meta.db_table not in tables:
        return
    granted: Any = apps.get_model("auth", "Permission")
    for content_type in noted.objects.using(connection.alias).filter(app_label="audittrail"):
        permissions = granted.objects.using(connection.alias).filter(content_type=content_type)
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                if granted._meta.db_table in tables:
                    for rows in _grants(permissions, tables):
                        rows._raw_delete(connection.alias)
                    permissions._raw_delete(connection.alias)
                noted.objects.filter(pk=content_type.pk)._raw_delete(connection.alias)
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except IntegrityError:
            call.write(f"The content type {content_type} stays, since other rows refer to it.")
    noted.objects.clear_cache()


def _grants(permissions: Any, tables: set[str]) -> Iterator[Any]:
    """Yield the rows by which users, groups and whatever else a project has are given some permissions."""
    for relation in permissions.model._meta.related_objects:
        if relation.many_to_many and relation.through._meta.db_table in tables:
            name = relation.field.m2m_reverse_field_name()
            yield relation.through._base_manager.filter(**{f"{name}__in": permissions})

"""Create the schema `audittrail`, from frozen SQL."""

from pathlib import Path
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent / "sql" / "0001_initial.sql"


def create(apps: Any, schema_editor: Any) -> None:
    """Create the schema and its tables, with the user model's key type for `committed_by`."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('audittrail.tracked_table') IS NOT NULL")
        if cursor.fetchone()[0]:
            return  # made where migrations were disabled
    schema_editor.execute(SQL.read_text(), params=None)
    key_type = apps.get_model(settings.AUTH_USER_MODEL)._meta.pk.rel_db_type(connection)
    if key_type != "bigint":
        schema_editor.execute(
            f"ALTER TABLE audittrail.revision ALTER COLUMN committed_by TYPE {key_type} USING NULL"
        )


def drop(apps: Any, schema_editor: Any) -> None:
    """Drop the schema with everything in it."""
    if schema_editor.connection.vendor == "postgresql":
        # The triggers on the user's tables depend on functions in the schema, and go with them.
        schema_editor.execute("DROP SCHEMA IF EXISTS audittrail CASCADE")


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Revision",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("committed", models.BigIntegerField(null=True)),
                ("committed_at", models.DateTimeField(null=True)),
                (
                    "committed_by",
                    models.ForeignKey(
                        db_column="committed_by",
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("client_addr", models.GenericIPAddressField(null=True)),
                ("db_user", models.TextField()),
                ("application_name", models.TextField()),
                ("reason", models.TextField()),
                ("context", models.JSONField(default=dict)),
            ],
            options={
                "db_table": 'audittrail"."revision',
                "default_permissions": ("view",),
                "get_latest_by": "committed",
                "managed": False,
                "permissions": [
                    ("undo_revision", "Can undo a revision"),
                    ("restore_database", "Can restore the whole database to a revision"),
                    ("roll_back_database", "Can roll back the whole database to a revision"),
                ],
                "verbose_name": "revision",
                "verbose_name_plural": "revisions",
            },
        ),
        migrations.RunPython(create, drop),
    ]

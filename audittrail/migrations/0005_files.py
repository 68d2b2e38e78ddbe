"""Note of the files that tracked tables are stored in, from frozen SQL."""

from pathlib import Path
from typing import Any

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0005_files.sql"


def add(apps: Any, schema_editor: Any) -> None:
    """Add the columns, unless they came where migrations were disabled."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(SQL.read_text(), params=None)


def drop(apps: Any, schema_editor: Any) -> None:
    """Drop the columns."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE audittrail.tracked_table DROP COLUMN database, DROP COLUMN files"
        )


class Migration(migrations.Migration):
    dependencies = [("audittrail", "0004_differed")]

    operations = [migrations.RunPython(add, drop)]

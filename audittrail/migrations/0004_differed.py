"""Note of a digest when history was found changed by it, from frozen SQL."""

from pathlib import Path
from typing import Any

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0004_differed.sql"


def add(apps: Any, schema_editor: Any) -> None:
    """Add the column, unless it came where migrations were disabled."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(SQL.read_text(), params=None)


def drop(apps: Any, schema_editor: Any) -> None:
    """Drop the column."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE audittrail.digest DROP COLUMN differed_at")


class Migration(migrations.Migration):
    dependencies = [("audittrail", "0003_permissions")]

    operations = [migrations.RunPython(add, drop)]

"""Create the tables of the ledger, from frozen SQL."""

from pathlib import Path
from typing import Any

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0002_ledger.sql"


def create(apps: Any, schema_editor: Any) -> None:
    """Create the tables, unless they were made where migrations were disabled."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('audittrail.ledger') IS NOT NULL")
        if cursor.fetchone()[0]:
            return
    schema_editor.execute(SQL.read_text(), params=None)


def drop(apps: Any, schema_editor: Any) -> None:
    """Drop the tables, and the triggers that keep them up."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "DROP FUNCTION IF EXISTS audittrail.erase_from_ledger(), audittrail.change_in_ledger() CASCADE"
        )
        schema_editor.execute(
            "DROP TABLE audittrail.ledger, audittrail.ledger_entry, audittrail.ledger_layout,"
            " audittrail.ledger_tile, audittrail.digest CASCADE"
        )


class Migration(migrations.Migration):
    dependencies = [("audittrail", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]

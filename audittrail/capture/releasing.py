"""See that history keeps no type, collation or extension from being dropped in a migration."""

import re
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from audittrail.capture import install

_DROP = re.compile(
    r"\bdrop\s+(?P<kind>type|domain|collation|extension|schema)\s+(?:if\s+exists\s+)?(?P<names>[^;]*)",
    re.IGNORECASE,
)


@cache
def _releasing(editor_class: type[BaseDatabaseSchemaEditor]) -> type[BaseDatabaseSchemaEditor]:
    class ReleasingSchemaEditor(editor_class):  # type: ignore[valid-type, misc]
        """A schema editor that lets history go of types before they are dropped."""

        def execute(self, sql: Any, params: Any = ()) -> None:
            if not self.collect_sql:
                for drop in _DROP.finditer(str(sql)):
                    release(self.connection, drop["kind"].lower(), drop["names"])
            super().execute(sql, params)

    return ReleasingSchemaEditor


def release(connection: BaseDatabaseWrapper, kind: str, names: str) -> None:
    """Let history go of the types, collations or extensions that a DROP of this kind names, before it is carried out.

    What a CASCADE would take along becomes text as well: history loses no column in silence.
    """
    cascades = re.search(r"\bcascade\s*$", names, re.IGNORECASE) is not None
    if not install.is_installed(connection) or (kind == "schema" and not cascades):
        return
    schemas = None
    if kind == "schema":
        listed = re.sub(r"\bcascade\s*$", "", names, flags=re.IGNORECASE)
        # With quotes where a name needs them, as in the statement: `regnamespace` writes them so as well.
        schemas = [name.strip() for name in listed.split(",")]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regprocedure('audittrail.release_types(boolean, text[])') IS NOT NULL"
        )
        if cursor.fetchone()[0]:
            cursor.execute("SELECT audittrail.release_types(%s, %s)", [cascades, schemas])


def install_editor(*, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Give a new connection to PostgreSQL such a schema editor."""
    if install.is_supported(connection):
        present: Any = connection.SchemaEditorClass
        if present.__name__ != "ReleasingSchemaEditor":
            connection.SchemaEditorClass = _releasing(present)

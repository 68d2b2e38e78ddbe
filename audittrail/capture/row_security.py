"""Say which tracked tables have row-level security, and what that means for their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connections, router

from audittrail.capture import install
from audittrail.exceptions import NotInstalledError

_TABLES = """
    SELECT t.table_name, row_security_active(c.oid), current_user::text, n.nspowner::regrole::text,
           (SELECT string_agg(quote_ident(p.polname), ', ' ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid)
      FROM audittrail.tracked_table t
      JOIN pg_class c ON c.oid = audittrail.tied_relation(t) AND c.relrowsecurity
      JOIN pg_namespace n ON n.nspname = 'audittrail'
     WHERE t.until_version IS NULL
     ORDER BY t.schema_name, t.table_name
"""


def check_policies(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[checks.CheckMessage]:
    """Check which tables have policies, and whether they bind the present role, which keeps up their history."""
    messages: list[checks.CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if not router.allow_migrate(alias, "audittrail") or not install.is_installed(connection):
            continue
        try:
            with install.of_this_release(connection), connection.cursor() as cursor:
                cursor.execute(_TABLES)
                found = cursor.fetchall()
        except NotInstalledError:
            continue  # audittrail.W011 says so
        for table, is_bound, role, owner, policies in found:
            if is_bound:
                messages.append(
                    checks.Warning(
                        f"The policies of {table!r} in database {alias!r} bind role {role!r}: what needs all rows fails, such as TRUNCATE, "
                        "verify, baselines and restoring.",
                        hint=f'Run ALTER ROLE "{role}" BYPASSRLS; or, if it owns the table, ALTER TABLE ... NO FORCE ROW LEVEL SECURITY.',
                        id="audittrail.W022",
                    )
                )
            else:
                messages.append(
                    checks.Info(
                        f"{table!r} in database {alias!r} has row-level security (policies: {policies or 'none'}). Roles that it binds are refused "
                        f"the history of the table; its owner, role {owner!r} and roles with BYPASSRLS read all of it.",
                        hint="See docs/security.md.",
                        id="audittrail.I001",
                    )
                )
    return messages

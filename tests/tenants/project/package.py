"""What the package that keeps the tenants is asked for: django-tenants or django-pgschemas."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command

if settings.TENANTS_PACKAGE == "django_tenants":
    from django_tenants.utils import schema_context as _schema_context
else:
    from django_pgschemas.schema import Schema, activate_public


def schema_context(schema: str) -> Any:
    """Return a context manager within which a schema's tables are meant."""
    if settings.TENANTS_PACKAGE == "django_tenants":
        return _schema_context(schema)
    return Schema.create(schema)


def migrate() -> None:
    """Bring the schemas of all tenants up to date."""
    if settings.TENANTS_PACKAGE == "django_tenants":
        call_command("migrate_schemas", verbosity=0)
    else:
        call_command("migrate", all_schemas=True, verbosity=0)
        activate_public()


def make(clinic: Any) -> None:
    """Make a tenant, and its schema."""
    clinic.save()
    if settings.TENANTS_PACKAGE == "django_pgschemas":
        # It leaves the tenant that it has made as the active one.
        activate_public()

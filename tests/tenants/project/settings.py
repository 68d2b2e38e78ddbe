"""Settings of a project with a schema for each tenant, as django-tenants or django-pgschemas has them.

The environment says which of the two, and where the database is.
"""

import os
import sys

if os.environ["TENANTS_DRIVER"] == "psycopg2":
    sys.modules.setdefault("psycopg", None)

TENANTS_PACKAGE = os.environ["TENANTS_PACKAGE"]

DATABASES = {
    "default": {
        "ENGINE": {
            "django_tenants": "django_tenants.postgresql_backend",
            "django_pgschemas": "django_pgschemas.postgresql",
        }[TENANTS_PACKAGE],
        "NAME": os.environ["TENANTS_NAME"],
        "USER": os.environ["TENANTS_USER"],
        "PASSWORD": os.environ["TENANTS_PASSWORD"],
        "HOST": os.environ["TENANTS_HOST"],
        "PORT": os.environ["TENANTS_PORT"],
    }
}

_DJANGO = ["admin", "auth", "contenttypes", "messages", "sessions"]
SHARED_APPS = [
    TENANTS_PACKAGE,
    "audittrail",
    "tests.tenants.project.clinics",
    *(f"django.contrib.{name}" for name in _DJANGO),
    "tests.tenants.project.labels",
]
TENANT_APPS = [
    *(f"django.contrib.{name}" for name in _DJANGO),
    "tests.tenants.project.labels",
    "tests.tenants.project.patients",
]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]

if TENANTS_PACKAGE == "django_tenants":
    DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
    TENANT_MODEL = "clinics.Clinic"
    TENANT_DOMAIN_MODEL = "clinics.Domain"
    _ROUTING = "django_tenants.middleware.main.TenantMainMiddleware"
else:
    DATABASE_ROUTERS = ["django_pgschemas.routers.TenantAppsRouter"]
    TENANTS = {
        "public": {"APPS": SHARED_APPS},
        "default": {
            "TENANT_MODEL": "clinics.Clinic",
            "DOMAIN_MODEL": "clinics.Domain",
            "APPS": TENANT_APPS,
            "URLCONF": "tests.tenants.project.urls",
        },
    }
    MIGRATION_MODULES = {"clinics": "tests.tenants.project.clinics.migrations_pgschemas"}
    # django-pgschemas wants contenttypes in the public schema alone. What works without that works with it.
    SILENCED_SYSTEM_CHECKS = ["pgschemas.W002"]
    _ROUTING = "django_pgschemas.routing.middleware.DomainRoutingMiddleware"

MIDDLEWARE = [
    _ROUTING,
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "audittrail.middleware.RevisionContextMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "tests.tenants.project.urls"
SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "/static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

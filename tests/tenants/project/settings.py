"""Settings of a project with a schema for each tenant, as django-tenants has them. The environment says where its database is."""

import os
import sys

if os.environ["TENANTS_DRIVER"] == "psycopg2":
    sys.modules.setdefault("psycopg", None)

DATABASES = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": os.environ["TENANTS_NAME"],
        "USER": os.environ["TENANTS_USER"],
        "PASSWORD": os.environ["TENANTS_PASSWORD"],
        "HOST": os.environ["TENANTS_HOST"],
        "PORT": os.environ["TENANTS_PORT"],
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

_DJANGO = ["admin", "auth", "contenttypes", "messages", "sessions"]
SHARED_APPS = [
    "django_tenants",
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
TENANT_MODEL = "clinics.Clinic"
TENANT_DOMAIN_MODEL = "clinics.Domain"

MIDDLEWARE = [
    "django_tenants.middleware.main.TenantMainMiddleware",
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

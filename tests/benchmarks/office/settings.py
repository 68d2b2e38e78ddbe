"""Settings of the page benchmark; its runner says where the server is and which driver to use."""

import os
import sys

from demo.settings import MIDDLEWARE, TEMPLATES

__all__ = ["MIDDLEWARE", "TEMPLATES"]

if os.environ.get("AUDITTRAIL_BENCHMARK_DRIVER", "psycopg2") == "psycopg2":
    # Django takes psycopg 3 whenever it can be imported.
    sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("AUDITTRAIL_BENCHMARK_DATABASE", "office"),
        "USER": "postgres",
        "HOST": os.environ.get("AUDITTRAIL_BENCHMARK_HOST", ""),
    }
}

INSTALLED_APPS = [
    "audittrail",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "tests.benchmarks.office",
]

ROOT_URLCONF = "tests.benchmarks.office.urls"
SECRET_KEY = "benchmarks only"
ALLOWED_HOSTS = ["testserver"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"

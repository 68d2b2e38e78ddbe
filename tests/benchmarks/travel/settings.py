"""Settings of the time travel benchmark; its runner says where the server is and which driver to use."""

import os
import sys

if os.environ.get("AUDITTRAIL_BENCHMARK_DRIVER", "psycopg2") == "psycopg2":
    # Django takes psycopg 3 whenever it can be imported.
    sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("AUDITTRAIL_BENCHMARK_DATABASE", "travel"),
        "USER": "postgres",
        "HOST": os.environ.get("AUDITTRAIL_BENCHMARK_HOST", ""),
    }
}

INSTALLED_APPS = [
    "audittrail",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "tests.benchmarks.travel",
]
AUDITTRAIL_MODELS = ["travel.*"]

SECRET_KEY = "benchmarks only"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

"""Settings of the benchmark project; the runner says where its server is and which driver to use."""

import os
import sys

if os.environ.get("AUDITTRAIL_BENCHMARK_DRIVER", "psycopg2") == "psycopg2":
    # Django takes psycopg 3 whenever it can be imported.
    sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]

DATABASE = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "benchmark",
    "USER": "postgres",
    "HOST": os.environ.get("AUDITTRAIL_BENCHMARK_HOST", ""),
}
# One database, a session for each way of tracking: "default" is django-pghistory's, which knows no other.
# "watcher" looks at the server and writes nothing.
DATABASES = {
    "default": DATABASE,
    "plain": {**DATABASE},
    "audittrail": {**DATABASE},
    "watcher": {**DATABASE},
}

INSTALLED_APPS = [
    "audittrail",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "pgtrigger",
    "pghistory",
    "tests.benchmarks.shop",
]
AUDITTRAIL_MODELS = ["shop.TrackedOrder", "shop.TrackedParcel", "shop.TrackedLabelling"]

SECRET_KEY = "benchmarks only"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

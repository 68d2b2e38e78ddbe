"""Settings with which Django's own test suite runs: `runtests.py` adds the rest."""

import os
import sys

if os.environ["SUITE_DRIVER"] == "psycopg2":
    # Django takes psycopg 3 whenever it can be imported.
    sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]


def _database(name: str) -> dict[str, object]:
    database = f"{os.environ['SUITE_DATABASE']}_{name}"
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database,
        "USER": os.environ["SUITE_USER"],
        "PASSWORD": os.environ.get("SUITE_PASSWORD", ""),
        "HOST": os.environ["SUITE_HOST"],
        "PORT": os.environ.get("SUITE_PORT", ""),
        "TEST": {"NAME": f"test_{database}"},
    }


DATABASES = {"default": _database("default"), "other": _database("other")}
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "tests.django_suite.recording.Runner"

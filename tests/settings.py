"""Settings of the test project.

Environment: `AUDITTRAIL_TEST_POSTGRES` chooses the server (a major version from 14 to 18, a version with its
program directory as in `15:/usr/lib/postgresql/15/bin`, or the DSN of a running one),
`AUDITTRAIL_TEST_DRIVER` the driver (`psycopg2`, the default, or `psycopg` for psycopg 3).
"""

import os
import sys
import tempfile
from urllib.parse import parse_qs, unquote, urlsplit

POSTGRES = os.environ.get("AUDITTRAIL_TEST_POSTGRES", "18")
DRIVER = os.environ.get("AUDITTRAIL_TEST_DRIVER", "psycopg2")

if DRIVER == "psycopg2":
    # Django takes psycopg 3 whenever it can be imported. (mypy's plugin has imported it before.)
    sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]
elif DRIVER != "psycopg":
    raise ValueError(f"AUDITTRAIL_TEST_DRIVER is {DRIVER!r}; it must be 'psycopg2' or 'psycopg'.")


def _database(name: str) -> dict[str, object]:
    settings: dict[str, object] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": "postgres",
        # For a server of the run, conftest sets HOST when the first test asks for a database.
        "HOST": "",
        "TEST": {"NAME": f"test_{name}"},
    }
    if "://" in POSTGRES:
        dsn = urlsplit(POSTGRES)
        query = parse_qs(dsn.query)
        settings |= {
            "USER": unquote(dsn.username or "postgres"),
            "PASSWORD": unquote(dsn.password or ""),
            "HOST": query.get("host", [dsn.hostname or ""])[0],
            "PORT": query.get("port", [str(dsn.port or "")])[0],
        }
    return settings


DATABASES = {"default": _database("audittrail"), "other": _database("audittrail_other")}

INSTALLED_APPS = [
    "audittrail",
    "audittrail.contrib.tasks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "tests.testapp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "demo.policy.StrictPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
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

ROOT_URLCONF = "tests.urls"
SECRET_KEY = "tests only"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
MEDIA_ROOT = f"{tempfile.gettempdir()}/audittrail-test-media"
# The strong default costs tens of milliseconds for every user that a test makes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

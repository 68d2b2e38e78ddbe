"""Settings of the project: without audittrail first, then with it, for all models if MOVING_ARRIVED is "completely"."""

import os
import sys

if os.environ["MOVING_DRIVER"] == "psycopg2":
    sys.modules.setdefault("psycopg", None)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["MOVING_NAME"],
        "USER": os.environ["MOVING_USER"],
        "PASSWORD": os.environ["MOVING_PASSWORD"],
        "HOST": os.environ["MOVING_HOST"],
        "PORT": os.environ["MOVING_PORT"],
    }
}
ARRIVED = bool(os.environ.get("MOVING_ARRIVED"))
INSTALLED_APPS = [
    *(
        f"django.contrib.{name}"
        for name in ("admin", "auth", "contenttypes", "messages", "sessions")
    ),
    "simple_history",
    *(["audittrail"] if ARRIVED else []),
    "tests.compatibility.moving.library",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    *(["audittrail.middleware.RevisionContextMiddleware"] if ARRIVED else []),
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
ROOT_URLCONF = "tests.compatibility.moving.urls"
SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "/static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUDITTRAIL_EXCLUDE = ["contenttypes.*", "sessions.*", "library.Historical*"]
if os.environ.get("MOVING_ARRIVED") != "completely":
    AUDITTRAIL_EXCLUDE.append("library.Later")

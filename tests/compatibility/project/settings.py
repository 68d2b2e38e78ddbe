"""Settings of a project that is made of other people's packages. The environment says where its database is."""

import os
import sys

if os.environ["PACKAGES_DRIVER"] == "psycopg2":
    sys.modules.setdefault("psycopg", None)

DATABASES = {
    "default": {
        "ENGINE": "psqlextra.backend",
        "NAME": os.environ["PACKAGES_NAME"],
        "USER": os.environ["PACKAGES_USER"],
        "PASSWORD": os.environ["PACKAGES_PASSWORD"],
        "HOST": os.environ["PACKAGES_HOST"],
        "PORT": os.environ["PACKAGES_PORT"],
    }
}

INSTALLED_APPS = [
    "modeltranslation",
    *(
        f"django.contrib.{name}"
        for name in ("admin", "auth", "contenttypes", "messages", "sessions")
    ),
    "django.contrib.postgres",
    "mptt",
    "psqlextra",
    "reversion",
    "safedelete",
    "simple_history",
    "taggit",
    "audittrail",
    "tests.compatibility.project.accounts",
    "tests.compatibility.project.shelf",
    "tests.compatibility.project.till",
]
AUTH_USER_MODEL = "accounts.User"
# The servers of the tests have no hstore, which only its HStoreField needs.
POSTGRES_EXTRA_AUTO_EXTENSION_SET_UP = False
MIGRATION_MODULES = {"psqlextra": None}
HASHID_FIELD_SALT = "tests only"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German")]
MODELTRANSLATION_DEFAULT_LANGUAGE = "en"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
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
ROOT_URLCONF = "tests.compatibility.project.urls"
SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "/static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

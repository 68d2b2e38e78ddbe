"""The sub-commands of `manage.py audittrail`, a module each, in the order in which its help shows them.

A module `<name>.py`, or `<name>_.py` where the name is a word of Python, has the text `HELP`, `add_arguments(parser)` and `run(call)`; what it raises under `AuditTrailError`
becomes a `CommandError`.
"""

from types import ModuleType
from typing import Final

from audittrail.management.subcommands import (
    backfill,
    grant,
    import_,
    ledger,
    log,
    maintain,
    prune,
    redact,
    restore,
    revisions,
    rollback,
    show,
    standins,
    status,
    sync,
    undo,
    uninstall,
    verify,
)

SUBCOMMANDS: Final[tuple[ModuleType, ...]] = (
    status,
    sync,
    backfill,
    maintain,
    verify,
    show,
    revisions,
    log,
    restore,
    undo,
    rollback,
    redact,
    prune,
    import_,
    ledger,
    grant,
    standins,
    uninstall,
)

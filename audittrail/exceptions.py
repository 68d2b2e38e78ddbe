"""The errors that audittrail raises, one tree under `AuditTrailError`."""

from typing import Any


class AuditTrailError(Exception):
    """The base of every error that audittrail raises by itself."""


class ConfigurationError(AuditTrailError):
    """A setting, or a call of `history.register`, says something that can't be carried out."""


class ContextError(AuditTrailError, ValueError):
    """A context was given a value that can't be recorded."""


class NotTrackedError(AuditTrailError, AttributeError):
    """History was asked of a model whose table is not tracked."""


class NotInstalledError(AuditTrailError):
    """A database does not hold audittrail's tables and functions, or can't."""


class NotGrantedError(AuditTrailError):
    """The role by which the project uses the database was not granted to read history."""


class LockedError(AuditTrailError):
    """A table could not be locked for the short time that a change of its tracking takes."""


class EditingError(AuditTrailError):
    """History was to be corrected in a way that is not allowed."""


class ImportingError(AuditTrailError):
    """The history of another package can't be imported."""


class LedgerError(AuditTrailError):
    """A digest, a proof or a key of the ledger is not what it has to be."""


class UnsettledError(AuditTrailError):
    """A moment is not settled: a transaction before it has taken its place but is not visible yet."""


class TimeTravelError(AuditTrailError):
    """A query can't be answered as of a moment, at least not without mixing past and present."""


class MomentError(TimeTravelError, ValueError):
    """Something is not a moment as of which a database can be read."""


class TrackedLaterError(TimeTravelError):
    """A moment is before the tracking of a table began or its history was pruned, or after its tracking ended."""


class MixedMomentsError(TimeTravelError, ValueError):
    """Querysets that do not go together were to be combined: of different moments, of past and present, or of all objects and deleted ones."""


class PastIsReadOnlyError(AuditTrailError):
    """The past was to be written or locked."""


class RestoreError(AuditTrailError):
    """Rows could not be brought back; nothing was changed."""

    plan: Any = None


class RestoreConflictError(RestoreError):
    """Something stands in the way of a restore, see `plan.conflicts`; nothing was changed."""

    def __init__(self, message: str, plan: Any) -> None:
        super().__init__(message)
        self.plan = plan


class StalePlanError(RestoreError):
    """Something has changed since a plan was made, see `plan` for what it would do now; nothing was changed."""

    def __init__(self, message: str, plan: Any) -> None:
        super().__init__(message)
        self.plan = plan


class UnknownFieldError(AuditTrailError, ValueError):
    """Something was asked of a field that the model doesn't have, or of whose past nothing is recorded."""

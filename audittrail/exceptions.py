"""The errors that audittrail raises, one tree under `AuditTrailError`."""


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


class LockedError(AuditTrailError):
    """A table could not be locked for the short time that a change of its tracking takes."""


class EditingError(AuditTrailError):
    """History was to be corrected in a way that is not allowed."""


class UnsettledError(AuditTrailError):
    """A moment is not settled: a transaction before it has taken its place but is not visible yet."""

"""One accessor for each setting, read when it is used, so that `override_settings` works."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from audittrail.exceptions import ConfigurationError

#: What is left out unless AUDITTRAIL_EXCLUDE says otherwise: sessions, bookkeeping that migrations write, the admin's own log, and what
#: packages write for themselves: queues and their results, profiles of requests, other histories.
DEFAULT_EXCLUDE: Final = (
    "sessions.*",
    "contenttypes.*",
    "auth.Permission",
    "admin.LogEntry",
    "migrations.*",
    "audittrail.*",
    "user_sessions.*",
    "django_celery_beat.*",
    "django_celery_results.*",
    "django_q.*",
    "django_rq.*",
    "debug_toolbar.*",
    "silk.*",
    "db.TestModel",
    "auditlog.*",
    "pghistory.*",
    "reversion.*",
)


def models() -> tuple[str, ...]:
    """Return the labels and wildcards of the models to track (`AUDITTRAIL_MODELS`, default all)."""
    return _labels("AUDITTRAIL_MODELS", ("*",))


def exclude() -> tuple[str, ...]:
    """Return the labels and wildcards of the models to leave out (`AUDITTRAIL_EXCLUDE`)."""
    return _labels("AUDITTRAIL_EXCLUDE", DEFAULT_EXCLUDE)


def read_live() -> tuple[str, ...]:
    """Return the untracked models that time travel may read as they are now (`AUDITTRAIL_READ_LIVE`)."""
    return _labels("AUDITTRAIL_READ_LIVE", ("contenttypes.*", "auth.Permission"))


def baseline_limit() -> int:
    """Return the size in bytes up to which a table's baseline is copied at once (`AUDITTRAIL_BASELINE_LIMIT`, default 32 MiB)."""
    return _natural("AUDITTRAIL_BASELINE_LIMIT", 32 * 1024 * 1024)


def lock_timeout() -> int:
    """Return for how many milliseconds a change of tracking waits for a table (`AUDITTRAIL_LOCK_TIMEOUT`, default 2000)."""
    return _natural("AUDITTRAIL_LOCK_TIMEOUT", 2000)


def trusted_proxy_count() -> int:
    """Return how many proxies in front add to X-Forwarded-For (`AUDITTRAIL_TRUSTED_PROXY_COUNT`, default 0: none is trusted)."""
    return _natural("AUDITTRAIL_TRUSTED_PROXY_COUNT", 0)


def compared_size() -> int:
    """Return up to how many letters pages compare two values exactly (`AUDITTRAIL_COMPARED_SIZE`, default 50,000)."""
    return _natural("AUDITTRAIL_COMPARED_SIZE", 50_000)


def rights_as_of() -> str:
    """Return as of when the time machine asks who may see an object (`AUDITTRAIL_RIGHTS_AS_OF`, default "now"; or "then")."""
    value: Any = getattr(settings, "AUDITTRAIL_RIGHTS_AS_OF", "now")
    if value not in ("now", "then"):
        raise ConfigurationError(
            f"AUDITTRAIL_RIGHTS_AS_OF is {value!r}; give 'now', by which nobody sees in the past what they may not see now, or 'then'."
        )
    return str(value)


def request_id_header() -> str:
    """Return the name of the header that carries a request's id (`AUDITTRAIL_REQUEST_ID_HEADER`)."""
    name = getattr(settings, "AUDITTRAIL_REQUEST_ID_HEADER", "X-Request-ID")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(
            f"AUDITTRAIL_REQUEST_ID_HEADER is {name!r}; give the name of a header, such as 'X-Request-ID'."
        )
    return name


def ledger_key() -> str:
    """Return the private key that digests of the ledger are signed with, or the name of its file (`AUDITTRAIL_LEDGER_KEY`)."""
    value = getattr(settings, "AUDITTRAIL_LEDGER_KEY", "")
    if not isinstance(value, str | Path):
        raise ConfigurationError(
            f"AUDITTRAIL_LEDGER_KEY is of type {type(value).__name__!r}; give a key of 64 hexadecimal digits, or the name of a file that holds one."
        )
    return str(value)


#: Every setting, with what reads it.
SETTINGS: Final[Mapping[str, Callable[[], object]]] = {
    "AUDITTRAIL_MODELS": models,
    "AUDITTRAIL_EXCLUDE": exclude,
    "AUDITTRAIL_READ_LIVE": read_live,
    "AUDITTRAIL_BASELINE_LIMIT": baseline_limit,
    "AUDITTRAIL_LOCK_TIMEOUT": lock_timeout,
    "AUDITTRAIL_TRUSTED_PROXY_COUNT": trusted_proxy_count,
    "AUDITTRAIL_REQUEST_ID_HEADER": request_id_header,
    "AUDITTRAIL_RIGHTS_AS_OF": rights_as_of,
    "AUDITTRAIL_COMPARED_SIZE": compared_size,
    "AUDITTRAIL_LEDGER_KEY": ledger_key,
}


def _natural(name: str, default: int) -> int:
    value: Any = getattr(settings, name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"{name} is {value!r}; give a whole number, 0 or more.")
    return value


def _labels(name: str, default: Sequence[str]) -> tuple[str, ...]:
    value: Any = getattr(settings, name, default)
    if not isinstance(value, list | tuple | set | frozenset) or not all(
        isinstance(label, str) for label in value
    ):
        raise ConfigurationError(
            f"{name} is {value!r}; give a list of labels such as ['shop.Order', 'blog.*']."
        )
    return tuple(value)

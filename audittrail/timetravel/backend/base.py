"""What Django loads for the alias of a past moment."""

from typing import Any

from audittrail.timetravel.connection import past_connection
from audittrail.timetravel.moment import from_alias


def DatabaseWrapper(settings: dict[str, Any], alias: str) -> Any:  # noqa: N802 (Django's name)
    """Return the connection that reads as of the moment in its alias."""
    moment = from_alias(alias)
    assert moment is not None
    return past_connection(moment)

"""Keep objects of the past in the past, whatever the project's own routers say."""

from __future__ import annotations

from typing import Any

from django.db import models, router

from audittrail.timetravel.moment import from_alias


class PastRouter:
    """Read what belongs to an object of the past as of the same moment; writes go there as well, and are refused."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the alias of the moment that the hinted object was read at."""
        return _past_alias(hints.get("instance"))

    db_for_write = db_for_read

    def allow_relation(
        self, first: models.Model, second: models.Model, **hints: Any
    ) -> bool | None:
        """Allow relations within one moment, and none between past and present."""
        aliases = {_past_alias(first), _past_alias(second)}
        if aliases == {None}:
            return None
        return len(aliases) == 1


def _past_alias(instance: models.Model | None) -> str | None:
    alias = None if instance is None else instance._state.db
    return alias if alias is not None and from_alias(alias) is not None else None


def install() -> None:
    """Put our router before the project's."""
    if not any(isinstance(found, PastRouter) for found in router.routers):
        router.routers.insert(0, PastRouter())

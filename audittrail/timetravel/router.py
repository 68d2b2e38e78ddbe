"""Keep objects of the past in the past, whatever the project's own routers say."""

from __future__ import annotations

from typing import Any

from django.db import models, router
from django.db.utils import ConnectionRouter
from django.utils.functional import cached_property

from audittrail.exceptions import MixedMomentsError
from audittrail.revisions.wording import named
from audittrail.timetravel import machine
from audittrail.timetravel.moment import moment_of
from audittrail.timetravel.read_only import refuse_write


class PastRouter:
    """Read what belongs to an object of the past as of the same moment, and write nothing there; so for who travels."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the alias of the moment that the hinted object was read at, along which code reads, or at which somebody travels."""
        moment = moment_of(hints.get("instance"))
        if moment is not None:
            return moment.alias
        return machine.alias_along(model, hints) or machine.alias_for(model, hints)

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        """Raise `PastIsReadOnlyError` for what would be written because of an object of the past.

        Not for whoever merely travels: to ask is not to write, and some ask only to learn where to read.
        """
        instance = hints.get("instance")
        moment = moment_of(instance)
        if instance is None or moment is None:
            return None
        refuse_write(instance, moment)

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        """Keep models of history, which the database makes, out of `dumpdata` and `loaddata`: history travels by `pg_dump` alone."""
        model = hints.get("model")
        return False if app_label == "audittrail" and model and not model._meta.managed else None

    def allow_relation(
        self, first: models.Model, second: models.Model, **hints: Any
    ) -> bool | None:
        """Allow relations within one moment; raise `MixedMomentsError` for those between past and present."""
        moments = {moment_of(first), moment_of(second)}
        if moments == {None}:
            return None
        if len(moments) == 1:
            return True
        raise MixedMomentsError(
            f"{named(first)} and {named(second)} are of different moments and can't be related. Read both from the present, or both as of the "
            "same revision."
        )


def install() -> None:
    """Put our router before the project's, now and whenever the setting is read again."""
    live: Any = ConnectionRouter.routers
    if not getattr(live, "audittrail", False):

        def routers(self: ConnectionRouter) -> list[Any]:
            return [PastRouter(), *live.func(self)]

        replaced: Any = cached_property(routers)
        replaced.__set_name__(ConnectionRouter, "routers")
        replaced.audittrail = True
        ConnectionRouter.routers = replaced  # type: ignore[method-assign]
    if not any(isinstance(found, PastRouter) for found in router.routers):
        router.routers = [PastRouter(), *router.routers]

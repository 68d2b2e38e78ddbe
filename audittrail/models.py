"""The models that Django finds: `Revision`. Version models are made for each tracked model, see `revisions.versions`."""

from __future__ import annotations

from typing import Any

from django.db import models

from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import changes

__all__ = ["Revision"]


class Revision(BaseRevision):
    """A revision, with what can be asked of the state that it left."""

    class Meta(BaseRevision.Meta):
        pass

    def get_changed_objects(self, clss: type[models.Model]) -> Any:
        """Return the objects of a model that this revision changed, as a queryset.

        Inserted and updated ones are as the revision left them, deleted ones as they last were. Each has its
        `history_operation`, a value of `Operation`.

        Raises `NotTrackedError` if the model is not tracked, `MomentError` while the revision is open.
        """
        return changes.changed_objects(self, clss)

    def get_all_changed_objects(self) -> dict[type[models.Model], Any]:
        """Return the same for every model of which the revision changed objects: a queryset for each.

        Takes one query to find the models, and one for each of their querysets once it is evaluated.
        """
        return {model: self.get_changed_objects(model) for model in changes.changed_models(self)}

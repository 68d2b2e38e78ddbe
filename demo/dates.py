"""Date what is done within seconds to the days on which it is said to have happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from audittrail import history
from audittrail.models import Revision


class Calendar:
    """Which revisions belong to which moment; moments have to come in the order of time."""

    def __init__(self) -> None:
        self._moments: dict[int, datetime] = {}

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Take down the revisions that are committed in the block as of `moment`."""
        newest = Revision.objects.newest()
        since = newest.committed if newest else 0
        yield
        for revision in Revision.objects.committed().filter(committed__gt=since):
            self._moments[revision.pk] = moment

    def date_revisions(self, user: Any) -> None:
        """Date the revisions to their moments, in the name of `user`.

        A deliberate correction of history, so it is recorded as a revision of its own.
        """
        with history.editing("The demo's revisions dated to the days of its story", user=user):
            for number, moment in self._moments.items():
                Revision.objects.filter(pk=number).update(committed_at=moment)

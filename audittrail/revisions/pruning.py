"""Prune history: keep every moment from a cutoff on, and let go what was before."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.utils import timezone

from audittrail.capture import access, pruning
from audittrail.capture.registry import Progress
from audittrail.capture.tables import SCHEMA_TRICK
from audittrail.exceptions import EditingError
from audittrail.revisions import settling
from audittrail.revisions.context import context
from audittrail.revisions.models import BaseRevision, revision_model
from audittrail.revisions.wording import spelled


@dataclass(frozen=True)
class PrunedTable:
    """How many versions of a table went, or why it can't be pruned."""

    schema: str
    table: str
    versions: int
    obstacle: str = ""


@dataclass(frozen=True)
class Pruning:
    """What a pruning deleted, or would delete: `cutoff` is the first revision that can still be read, None if none is that old."""

    database: str
    cutoff: BaseRevision | None
    tables: tuple[PrunedTable, ...] = ()
    revisions: int = 0
    dry_run: bool = False

    @property
    def versions(self) -> int:
        """How many versions went."""
        return sum(table.versions for table in self.tables)


def prune(
    older_than: timedelta | datetime | BaseRevision,
    *,
    keep_last: int = 0,
    tables: Collection[str | type[models.Model]] = (),
    using: str = DEFAULT_DB_ALIAS,
    reason: str = "",
    user: Any = None,
    batch_size: int = 10_000,
    dry_run: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    **metadata: Any,
) -> Pruning:
    """Delete the versions that no moment from a cutoff on needs, and the revisions that have none left.

    The cutoff is a revision, the last one committed at or before a datetime, or at least so long ago. Every moment from it on is
    read as before; earlier ones raise `TrackedLaterError`. Takes how many versions of each row to keep in any case, the tables
    or models (default: all, those no longer tracked and those of all schemas included), the database, a reason and what `context` takes beside it, about
    how many versions a batch has, and a function that is told the progress: versions looked at, at its end those deleted. With
    `dry_run` it only counts.

    Works in batches that are transactions of their own, beside writers. Can be stopped at any time; called again it goes on. One
    revision records it, whose context counts under `pruned` what went.

    Raises `EditingError` inside a transaction, for a role that does not own history, for an unknown table, and for a negative age
    or number; `UnsettledError` and `LockedError` if others stand in the way for too long.
    """
    if not isinstance(keep_last, int) or keep_last < 0:  # type: ignore[redundant-expr]
        raise EditingError(f"keep_last is {keep_last!r}; give a whole number, 0 or more.")
    access.require_owner(connections[using])
    names = {table if isinstance(table, str) else table._meta.db_table for table in tables}
    # A model may name its table with a schema, in Django's way of doing that.
    chosen = list(
        pruning.find(using, {name.strip('"').replace(SCHEMA_TRICK, ".") for name in names})
    )
    cutoff = _cutoff(older_than, using)
    if cutoff is None or cutoff.committed is None or cutoff.committed_at is None:
        return Pruning(using, None, dry_run=dry_run)
    about = {
        "kept_since": cutoff.committed_at.isoformat(),
        "kept_from": cutoff.committed,
        "keep_last": keep_last,
    }
    run = pruning.PruningRun(
        *(using, cutoff.committed, cutoff.pk, keep_last, batch_size, json.dumps(about), report)
    )
    prunable = [table for table in chosen if table.obstacle is None]
    if dry_run:
        counts = pruning.count(run, prunable)
    else:
        _require_no_transaction(using)
        text = reason or f"History before {spelled(cutoff.committed_at)} is not kept longer"
        given = {} if user is None else {"user": user}
        with context(reason=text, **given, **metadata):
            counts = pruning.carry_out(run, prunable)
    done = tuple(
        PrunedTable(
            table.schema, table.table, counts.versions.get(table.id, 0), table.obstacle or ""
        )
        for table in chosen
    )
    return Pruning(using, cutoff, done, counts.revisions, dry_run)


def _require_no_transaction(using: str) -> None:
    try:
        with transaction.atomic(using=using, durable=True):
            pass
    except RuntimeError as error:
        raise EditingError(
            "history.prune() works in transactions of its own and can't be part of another one. Call it outside atomic()."
        ) from error


def _cutoff(older_than: timedelta | datetime | BaseRevision, using: str) -> BaseRevision | None:
    """Return the revision of the first moment that is kept; None if no revision is as old as wanted."""
    revision: BaseRevision
    if isinstance(older_than, BaseRevision):
        if older_than._state.db != using or older_than.committed_at is None:
            raise EditingError(
                f"Revision {older_than} is not a committed one of database {using!r}, so history can't be kept from it on."
            )
        revision = older_than
    else:
        now = timezone.now()
        at = now - older_than if isinstance(older_than, timedelta) else older_than
        if not isinstance(at, datetime):
            raise EditingError(
                f"older_than is {older_than!r}; give a timedelta, a datetime or a revision."
            )
        if settings.USE_TZ and timezone.is_naive(at):
            at = timezone.make_aware(at)
        if at > now:
            raise EditingError(
                f"older_than is {older_than!r}, which means {spelled(at)} and is still to come; give an age or a time of the past."
            )
        try:
            revision = revision_model().objects.using(using).get_by_timestamp(at)
        except ObjectDoesNotExist:
            return None
    settling.wait_for_commits(using, settling.TIMEOUT)
    return revision

"""The revision: everything that one database transaction changed, with who, when, why and from where."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models, router
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audittrail.capture import schemas
from audittrail.exceptions import MomentError
from audittrail.revisions import settling
from audittrail.revisions.context import USER_SCHEMA
from audittrail.revisions.recorded import RecordedModel, RecordedQuerySet
from audittrail.revisions.retention import kept_since
from audittrail.revisions.versions import versions_of, versions_of_object
from audittrail.revisions.wording import spelled

#: A commit takes its tick and reads the clock one after the other. Of commits side by side one may come first by tick and the other
#: by time, if their times are not further apart than this.
CLOCK_SLACK = timedelta(seconds=1)


class AuthorDescriptor(ForwardManyToOneDescriptor):  # type: ignore[type-arg]
    """Give None for a user who has been deleted, or is another tenant's: their key stays in the revision, and blocks nothing."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is not None and instance.author_key != instance.committed_by_id:
            return None
        try:
            return super().__get__(instance, cls)
        except ObjectDoesNotExist:
            return None


class AuthorForeignKey(models.ForeignKey[Any, Any]):
    """A foreign key without a constraint, whose target may be gone."""

    forward_related_accessor_class = AuthorDescriptor

    def deconstruct(self) -> Any:
        """Return the field as migrations need it: an ordinary foreign key."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.ForeignKey", args, options


def authors_here() -> Q:
    """Return the condition that the user who made a revision is one of those whose table is read now, and not another tenant's."""
    model = get_user_model()
    if schemas.tenant_of(connections[router.db_for_read(model)]) is None:
        return Q()
    tenant = schemas.tenant_having(model)
    if tenant is None:
        return ~Q(context__has_key=USER_SCHEMA)
    return Q(**{f"context__{USER_SCHEMA}": tenant})


class RevisionQuerySet(RecordedQuerySet["BaseRevision"]):
    """Revisions, and the questions that people ask of them."""

    def get_by_timestamp(self, timestamp: datetime) -> BaseRevision:
        """Return the last revision committed at or before a time.

        Takes an aware datetime; a naive one is understood in the current time zone. If the time has just passed, what is being committed
        is waited for, so that the answer stays the same.

        Raises `Revision.DoesNotExist` if there was none yet, `MomentError` for anything but a datetime, and `UnsettledError` if
        something takes seconds to be committed, as a prepared transaction may.
        """
        at = _aware(timestamp)
        settling.wait_for_commits(self.db, settling.TIMEOUT, at)
        found = self.last_by(at)
        if found is None:
            kept = kept_since(self.db, at=at)
            raise self.model.DoesNotExist(
                f"No revision was committed at or before {spelled(at)}"
                + (f": {kept}." if kept else ".")
            )
        return found

    def newest(self) -> BaseRevision | None:
        """Return the last revision in commit order, or None if there is none yet; whatever their times say."""
        latest = self.committed().order_by("-pk").first()
        if latest is None:
            return None
        # One that took long has a smaller number, and may have been committed later.
        near = RawSQL(
            "SELECT id FROM audittrail.revision WHERE id >= %s - audittrail.short_revision()"
            " UNION ALL SELECT id FROM audittrail.long_revision WHERE int8range(id, committed) @> %s::bigint",
            [latest.pk, latest.committed],
        )
        return self.committed().filter(pk__in=near).order_by("-committed").first()

    def last_by(self, at: datetime) -> BaseRevision | None:
        """Return the last revision in commit order of those committed at or before a time, or None; waits for nothing."""
        newest = self.newest()
        # Where the server's clock was set back, times before the last commit have come twice: what was committed last counts.
        if newest is None or (newest.committed_at and newest.committed_at <= at):
            return newest
        by_then = self.filter(committed_at__lte=at)
        # Of transactions that commit at once, one may read the clock before the other and take its tick after it: so those of
        # the last instant are compared by tick.
        latest = by_then.order_by("-committed_at").first()
        if latest is None or latest.committed_at is None:
            return None
        together = by_then.filter(committed_at__gte=latest.committed_at - CLOCK_SLACK)
        return together.order_by("-committed").first()

    def committed(self) -> Self:
        """Return the revisions that have a place in commit order: all but this transaction's own."""
        return self.filter(committed_at__isnull=False)

    def newest_first(self) -> Self:
        """Return the revisions in reverse commit order, whatever their times say."""
        return self.committed().order_by("-committed")

    def by_user(self, user: Any) -> Self:
        """Return the revisions of a user; takes a user or a primary key. Where tenants have users of their own, it is the present one's."""
        return self.filter(authors_here(), committed_by=user)

    def between(self, start: datetime, end: datetime) -> Self:
        """Return the revisions committed from `start` on and before `end`; raise `MomentError` for what is not a datetime."""
        return self.filter(committed_at__gte=_aware(start), committed_at__lt=_aware(end))

    def for_model(self, model: type[models.Model]) -> Self:
        """Return the revisions that changed rows of a model's table.

        Raises `NotTrackedError` if it is not tracked.
        """
        return self.filter(pk__in=versions_of(model, using=self.db).values("revision_id"))

    def for_object(self, obj: models.Model) -> Self:
        """Return the revisions that changed one object; deleted ones count by their primary key.

        Raises `NotTrackedError` if its model is not tracked.
        """
        versions = versions_of_object(obj, using=self.db)
        return self.filter(pk__in=versions.values("revision_id"))

    def settled(self, timeout: float = settling.TIMEOUT) -> Self:
        """Return the revisions before which nothing can appear any more: what a change feed follows.

        Waits up to `timeout` seconds for transactions that are just committing.

        Raises `UnsettledError` if one takes longer, as a prepared transaction may.
        """
        return self.filter(committed__lte=settling.settled_tick(self.db, timeout))


class BaseRevision(RecordedModel):
    """One database transaction that changed something; made by the database, read here.

    Revisions are ordered by `committed`, a tick of the database's logical clock, in the order of their commits.
    `committed` and `committed_at` are None while the transaction is still open. `committed_by` is None when
    nobody was named or the user has been deleted since; `committed_by_id` tells.
    """

    id = models.BigIntegerField(primary_key=True)
    committed = models.BigIntegerField(null=True)
    committed_at = models.DateTimeField(_("committed at"), null=True)
    committed_by = AuthorForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("committed by"),
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_column="committed_by",
        related_name="+",
    )
    client_addr = models.GenericIPAddressField(_("client address"), null=True)
    db_user = models.TextField(_("database user"))
    application_name = models.TextField(_("application name"))
    reason = models.TextField(_("reason"))
    context = models.JSONField(_("context"), default=dict)

    objects = models.Manager.from_queryset(RevisionQuerySet)()

    tick_paths = ("committed",)
    time_path = "committed_at"

    class Meta:
        abstract = True
        managed = False
        app_label = "audittrail"
        db_table = 'audittrail"."revision'
        get_latest_by = "committed"
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        # Who may view a model sees its history as well. These permissions are for what concerns many models at once.
        default_permissions = ("view",)
        permissions = [
            ("undo_revision", _("Can undo a revision")),
            ("restore_database", _("Can restore the whole database to a revision")),
            ("roll_back_database", _("Can roll back the whole database to a revision")),
            (
                "undelete_completely",
                _("Can undelete with values that the admin's add page does not take"),
            ),
            (
                "view_all_fields",
                _("Can view the history of fields that the admin's pages do not show"),
            ),
        ]

    @property
    def author_key(self) -> Any:
        """The key of the user; with the tenant before it, if that is another one than the present."""
        key: Any = self.committed_by_id
        told = self.context.get(USER_SCHEMA) if isinstance(self.context, dict) else None
        if key is None or told == schemas.tenant_having(get_user_model()):
            return key
        return (told, key)

    def __str__(self) -> str:
        """Return the number of the revision."""
        return str(self.pk)


def revision_model() -> type[BaseRevision]:
    """Return the model `audittrail.models.Revision`, which adds what the later stages can do."""
    return apps.get_model("audittrail", "Revision")


def _aware(at: datetime) -> datetime:
    if not isinstance(at, datetime):
        raise MomentError(
            f"Revisions are asked for by a datetime, not by {at!r}. Of a day, give the time, such as datetime(2026, 1, 31, 12)."
        )
    if settings.USE_TZ and timezone.is_naive(at):
        return timezone.make_aware(at)
    return at

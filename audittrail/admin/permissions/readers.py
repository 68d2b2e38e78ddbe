"""Who reads the history of which database, and what of it appears to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, connections, models, router
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.permissions.models import (
    VisibleModel,
    is_superuser,
    require_any_model,
    visible_models,
)
from audittrail.admin.permissions.rows import attributes, is_guarded, may_see_rows
from audittrail.capture import install, schemas, tracking
from audittrail.exceptions import NotGrantedError
from audittrail.revisions.models import BaseRevision, revision_model
from audittrail.revisions.versions import version_name
from audittrail.timetravel import machine
from audittrail.timetravel.moment import live_alias

T = TypeVar("T")

#: The parameter that names the database, where it is not the default one.
DATABASE = "database"

#: Bytes of history tables that are read as a whole rather than in windows.
SMALL = 8 * 1024 * 1024
#: Bytes of revisions, more than a million of them, that are not read as a whole where no index helps.
LARGE = 256 * 1024 * 1024


class Reader:
    """The user of a request in a site, who reads the history of one database; as of a revision, if rows are to be judged by what it left."""

    def __init__(
        self,
        site: AdminSite,
        request: HttpRequest,
        database: str,
        as_of: BaseRevision | None = None,
    ) -> None:
        self.site = site
        self.request = request
        self.database = database
        self.as_of = as_of
        self._guarded: dict[VisibleModel, bool] = {}

    @property
    def revisions(self) -> Any:
        """The revisions of the database that have been committed, as a queryset."""
        return revision_model().objects.using(self.database).committed()

    @property
    def is_installed(self) -> bool:
        """Whether the database holds history that the project's role may read."""
        return "revision" in self._present

    def require_grant(self) -> None:
        """Raise `NotGrantedError` if the database holds history that the project's role may not read."""
        if self.is_installed:
            return
        with connections[self.database].cursor() as cursor:
            # The catalogs tell everybody what there is.
            cursor.execute(
                "SELECT current_user, EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'audittrail' AND c.relname = 'revision')"
            )
            role, is_there = cursor.fetchone()
        if is_there:
            raise NotGrantedError(
                f"The role {role!r} may not read history. Whoever owns history grants it: manage.py audittrail grant {role}"
            )

    @cached_property
    def visible(self) -> Mapping[type[models.Model], VisibleModel]:
        """The models of which rows appear, those alone that the database has history of."""
        return {
            model: visible
            for model, visible in visible_models(self.site, self.request).items()
            if self._history_of(model) in self._present
        }

    @cached_property
    def sees_everything(self) -> bool:
        """Whether no row of history is hidden from the user, so that revisions need not be asked what they changed."""
        everything = visible_models(self.site, self.request)
        return (
            is_superuser(self.request)
            and all(model in everything for model in tracking.tracked_models())
            and not any(self.is_guarded(visible) for visible in everything.values())
            # Other tenants have revisions in the same table.
            and schemas.tenant_of(connections[self.database]) is None
        )

    def is_guarded(self, visible: VisibleModel) -> bool:
        """Return whether rows of a model have to be asked about one by one."""
        if visible not in self._guarded:
            self._guarded[visible] = is_guarded(self.request, visible)
        return self._guarded[visible]

    def seen(
        self, visible: VisibleModel, rows: Iterable[T], values: Callable[[T, str], Any] = getattr
    ) -> list[T]:
        """Return those of some rows that appear, in their order; takes how to get the value of an attribute of a row.

        Takes the queries of `may_see_rows` where rows of the model have to be asked about, otherwise none.
        """
        rows = [*rows]
        if not rows or not self.is_guarded(visible):
            return rows
        names = attributes(visible)
        asked = [[values(row, name) for name in names] for row in rows]
        appear = may_see_rows(self.request, visible, self.database, asked, self.as_of)
        return [row for row, appears in zip(rows, appear, strict=True) if appears]

    def seen_versions(self, visible: VisibleModel, versions: Iterable[T]) -> list[T]:
        """Return those of some versions of a model whose rows appear."""
        return self.seen(visible, versions, lambda row, name: getattr(row, version_name(name)))

    def seen_keys(self, visible: VisibleModel, keys: Iterable[Any]) -> list[Any]:
        """Return those of some primary keys whose objects appear; those of a model that is shown with others alone don't."""
        return self.seen(visible, keys, lambda key, _name: key)

    def are_small(self, models: Iterable[type[models.Model]]) -> bool:
        """Return whether the history of some models is so little that it can be read as a whole."""
        names = {self._history_of(model) for model in models}
        return sum(self._present.get(name, 0) for name in names) <= SMALL

    def _history_of(self, model: type[models.Model]) -> str:
        return schemas.history_of(connections[self.database], model._meta.db_table)

    @property
    def has_many_revisions(self) -> bool:
        """Whether the revisions are too many to be read as a whole."""
        return self._present.get("revision", 0) > LARGE

    @cached_property
    def _present(self) -> dict[str, int]:
        """The history tables that are there and may be read, with their sizes in bytes."""
        connection = connections[self.database]
        names = [self._history_of(model) for model in tracking.tracked_models()]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname, pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'audittrail' AND c.relkind = 'r' AND c.relname = ANY (%s::text[])"
                " AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')",
                [["revision", *names]],
            )
            return dict(cursor.fetchall())


def databases() -> list[str]:
    """Return the aliases of the databases that hold history, the default one first."""
    found = [
        alias
        for alias in connections
        if schemas.holds_history(alias) and install.is_supported(connections[alias])
    ]
    return sorted(found, key=lambda alias: alias != DEFAULT_DB_ALIAS)


def reader(site: AdminSite, request: HttpRequest) -> Reader | None:
    """Return the reader of the database that a request names, by default the default one; None where there is no history to be read."""
    known = databases()
    wanted = request.GET.get(DATABASE, "")
    found = [wanted] if wanted in known else known[:1]
    readers = [Reader(site, request, database) for database in found]
    return readers[0] if readers and readers[0].is_installed else None


def require_reader(site: AdminSite, request: HttpRequest) -> Reader:
    """Return the same; raise `Http404` where there is no history, and `NotGrantedError` where it may not be read."""
    found = reader(site, request)
    if found is None:
        for database in databases()[:1]:
            Reader(site, request, database).require_grant()
        raise Http404(_("No database of this project holds history; run manage.py migrate."))
    return found


def reader_of_site(site: AdminSite, request: HttpRequest) -> Reader:
    """Return the same; raise `PermissionDenied` unless the history of some model appears to the user."""
    require_any_model(site, request)
    found = require_reader(site, request)
    if not found.visible:
        raise PermissionDenied
    return found


def reader_of_model(model_admin: ModelAdmin[Any], request: HttpRequest) -> Reader:
    """Return the reader of the database to which a ModelAdmin writes its objects: there their history is recorded.

    Raises `Http404` if that holds no history.
    """
    # Asked in the present also for somebody who travels, since the history is where the present is written.
    with machine.in_the_present():
        queryset: Any = model_admin.get_queryset(request)
        # `_db` is set if the ModelAdmin itself chooses a database, as projects with several of them do.
        database = queryset._db or router.db_for_write(model_admin.model)
    found = Reader(model_admin.admin_site, request, live_alias(database))
    if not found.is_installed:
        found.require_grant()
        raise Http404(_("This database holds no history."))
    return found

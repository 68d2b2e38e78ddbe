"""System checks: settings that mean nothing, models that can't be tracked, databases that are out of step."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections, router

from audittrail import conf, history
from audittrail.capture import install, registry, servercode, sync, tracking
from audittrail.capture.row_security import check_policies
from audittrail.exceptions import ConfigurationError, NotInstalledError

PREFIX = "AUDITTRAIL_"
MIDDLEWARE = "audittrail.middleware.RevisionContextMiddleware"


def register_checks() -> None:
    """Register audittrail's checks with Django; those of databases run with `check --database` and `migrate`."""
    checks.register(check_settings, "audittrail")
    checks.register(check_models, "audittrail")
    checks.register(check_database, checks.Tags.database)
    checks.register(check_policies, checks.Tags.database)


def _settings_are_readable() -> bool:
    try:
        conf.models(), conf.exclude()
    except ConfigurationError:
        return False  # check_settings says so
    return True


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check that the settings are of the right kind and that each label and wildcard means a model."""
    messages: list[checks.CheckMessage] = []
    for name, read in conf.SETTINGS.items():
        try:
            value = read()
        except ConfigurationError as error:
            problem, _, remedy = str(error).rpartition("; give ")
            messages.append(
                checks.Error(f"{problem}.", hint=f"Give {remedy}", id="audittrail.E001")
            )
            continue
        if not isinstance(value, tuple) or not hasattr(settings, name):
            continue
        for pattern in tracking.unmatched(value):
            # The defaults name apps that not every project has.
            if pattern not in conf.DEFAULT_EXCLUDE:
                messages.append(_unmatched(name, pattern))
    messages.extend(
        _unknown(name)
        for name in dir(settings)
        if name.startswith(PREFIX) and name not in conf.SETTINGS
    )
    if MIDDLEWARE not in settings.MIDDLEWARE:
        messages.append(
            checks.Warning(
                "Revisions made by requests will not say who made them.",
                hint=f"Add {MIDDLEWARE!r} to MIDDLEWARE, after the authentication middleware.",
                id="audittrail.W004",
            )
        )
    return messages


def _unknown(setting: str) -> checks.CheckMessage:
    # All names begin alike, so what follows is compared.
    known = {name.removeprefix(PREFIX): name for name in conf.SETTINGS}
    near = get_close_matches(setting.removeprefix(PREFIX), known, n=1)
    meant = f"Did you mean {known[near[0]]}? " if near else ""
    return checks.Warning(
        f"{setting} is no setting of audittrail, so it does nothing.",
        hint=f"{meant}Take it out, or name one of {', '.join(sorted(conf.SETTINGS))}.",
        id="audittrail.W020",
    )


def _unmatched(setting: str, pattern: str) -> checks.CheckMessage:
    if any(sign in pattern for sign in "*?["):
        return checks.Warning(
            f"{setting} has the wildcard {pattern!r}, which no model of this project matches.",
            hint="Wildcards look like 'shop.*' or '*.Order'; the app must be in INSTALLED_APPS.",
            id="audittrail.W003",
        )
    what = "no model of this project"
    hint = (
        "Give labels such as 'shop.Order', an app such as 'shop', or wildcards such as 'shop.*'; "
        "the app must be in INSTALLED_APPS."
    )
    try:
        model = apps.get_model(pattern)
    except (LookupError, ValueError):
        pass
    else:
        if model._meta.swapped:
            what, hint = "swapped out", f"Name {model._meta.swapped!r}, which stands for it."
        elif model._meta.proxy:
            label = tracking.concrete(model)._meta.label
            what, hint = "a proxy", f"Name {label!r}, whose table it shares."
    return checks.Error(
        f"{setting} names {pattern!r}, which is {what}.", hint=hint, id="audittrail.E002"
    )


def check_models(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check that tracked models can be: their database, and the name of their accessor."""
    messages: list[checks.CheckMessage] = []
    if not _settings_are_readable():
        return messages
    tracked = tracking.tracked_models()
    for model in tracked:
        if history.name_is_taken(model):
            messages.append(
                checks.Warning(
                    f"{model._meta.label} uses the name {history.NAME!r} itself, so it has no accessor of that name.",
                    hint=f"Use audittrail.history.of({model.__name__}) instead; its history is recorded all the same.",
                    obj=model,
                    id="audittrail.W005",
                )
            )
    for alias in connections:
        models = [model for model in tracked if router.allow_migrate_model(alias, model)]
        if models and not install.is_supported(connections[alias]):
            kind = checks.Error if alias == DEFAULT_DB_ALIAS else checks.Warning
            messages.append(
                kind(
                    f"Database {alias!r} is not PostgreSQL ({connections[alias].vendor}): nothing in it is recorded.",
                    hint="Use django.db.backends.postgresql, or keep tracked models out of it with a router.",
                    id="audittrail.E006" if alias == DEFAULT_DB_ALIAS else "audittrail.W006",
                )
            )
        elif models and not router.allow_migrate(alias, "audittrail"):
            messages.append(
                checks.Warning(
                    f"Routers place {models[0]._meta.label} in database {alias!r} but keep audittrail out of it: "
                    "nothing in it is recorded.",
                    hint="Let allow_migrate() agree to the app 'audittrail' there, or exclude its models with "
                    "AUDITTRAIL_EXCLUDE.",
                    id="audittrail.W007",
                )
            )
    return messages


def check_database(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[checks.CheckMessage]:
    """Check that what each database records is what is to be recorded."""
    messages: list[checks.CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if (
            not install.is_supported(connection)
            or not router.allow_migrate(alias, "audittrail")
            or not _settings_are_readable()
        ):
            continue
        found = install.obstacle(connection)
        if found:
            message = f"Database {alias!r}: {found.problem}."
            number = "audittrail.W010" if found.installed else "audittrail.E010"
            kind = checks.Warning if found.installed else checks.Error
            messages.append(kind(message, hint=found.remedy, id=number))
        elif install.is_installed(connection) and install.has_functions(connection):
            try:
                with install.of_this_release(connection):
                    messages.extend(_check_tracking(alias))
            except NotInstalledError:
                messages.append(_of_another_release(alias, "migrate"))
    return messages


def _of_another_release(alias: str, command: str) -> checks.CheckMessage:
    problem = f"Database {alias!r} holds the functions of another release of audittrail."
    hint = f"Run manage.py {command} --database {alias}."
    return checks.Warning(problem, hint=hint, id="audittrail.W011")


def _check_tracking(alias: str) -> list[checks.CheckMessage]:
    connection = connections[alias]
    messages: list[checks.CheckMessage] = []
    if not install.functions_are_current(connection):
        messages.append(_of_another_release(alias, "audittrail sync"))
    else:
        messages.extend(
            checks.Warning(
                f"Database {alias!r}: {found}.",
                hint="Find out who did that. manage.py audittrail sync --reinstall puts functions and triggers right.",
                id="audittrail.W017",
            )
            for found in servercode.deviations(connection)
            if not found.is_tracking
        )
    for change in sync.pending(connection):
        if change.action == "skipped":
            messages.append(
                checks.Warning(
                    f"{change.table!r} in database {alias!r} is not tracked: {change.detail}.",
                    hint="Put that right, or exclude its model with AUDITTRAIL_EXCLUDE.",
                    id="audittrail.W012",
                )
            )
        elif change.table == sync.CLOCK:
            messages.append(
                checks.Warning(
                    f"In database {alias!r} {change.detail}: changes are refused, because they would be recorded in the past.",
                    hint=f"Run manage.py audittrail sync --database {alias}, or migrate.",
                    id="audittrail.W015",
                )
            )
        else:
            messages.append(
                checks.Warning(
                    f"Tracking of {change.table!r} in database {alias!r} is out of step"
                    f" ({change.detail or 'not tracked yet'}).",
                    hint=f"Run manage.py audittrail sync --database {alias}, or migrate.",
                    id="audittrail.W013",
                )
            )
    for recorded in registry.registry(connection):
        if recorded.until_at is None and recorded.subscriptions:
            messages.append(
                checks.Warning(
                    f"Rows of {recorded.table!r} in database {alias!r} come by the subscription {', '.join(recorded.subscriptions)}, and are "
                    "not recorded: PostgreSQL runs no statement triggers for them.",
                    hint="Record them at their origin and replicate its history, or have manage.py audittrail verify --repair note at times "
                    "what has changed.",
                    id="audittrail.W016",
                )
            )
        if recorded.until_at is None and not recorded.baseline_complete:
            messages.append(
                checks.Warning(
                    f"The baseline of {recorded.table!r} in database {alias!r} is not complete.",
                    hint=f"Run manage.py audittrail backfill --database {alias}; it is safe beside writers.",
                    id="audittrail.W014",
                )
            )
    return messages

"""Models and databases that can't be recorded, or not under the usual name, are told by a check."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import ERROR, WARNING
from django.db import models
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.capture import tracking
from audittrail.capture.tables import tracked_tables
from audittrail.checks import check_models
from tests.testapp.models import Customer, Order


class Apart:
    """Place the app `testapp` in the database `other`, and audittrail wherever the test says."""

    audittrail_in: tuple[str, ...] = ("default", "other")

    def allow_migrate(self, db, app_label, **hints):
        if app_label == "audittrail":
            return db in self.audittrail_in
        return (db == "other") == (app_label == "testapp")


@pytest.fixture
def other_is_sqlite(monkeypatch) -> None:
    from django.db import connections

    monkeypatch.setattr(connections["other"], "vendor", "sqlite")


@pytest.fixture
def default_is_sqlite(monkeypatch) -> None:
    from django.db import connections

    monkeypatch.setattr(connections["default"], "vendor", "sqlite")


def test_the_test_project_has_nothing_to_complain_about() -> None:
    assert check_models() == []


def made(name: str, **attributes: object) -> Any:
    """Return a model of that name and with those attributes."""
    meta = type("Meta", (), {"app_label": "testapp"})
    return type(name, (models.Model,), {"__module__": __name__, "Meta": meta, **attributes})


@isolate_apps("tests.testapp")
def test_w005_a_model_that_uses_the_name_history(monkeypatch) -> None:
    patient = made("Patient", history=models.TextField())
    visits = models.ForeignKey(patient, models.CASCADE, related_name="history_of_visits")
    visit = made("Visit", patient=visits)
    for model in (patient, visit):
        history.attach(model)
    monkeypatch.setattr(tracking, "candidates", lambda: iter([patient, visit]))
    (message,) = check_models()
    assert (message.id, message.level, message.obj) == ("audittrail.W005", WARNING, patient)
    assert message.msg.startswith("testapp.Patient uses the name 'history' itself")
    assert (message.hint or "").startswith("Use audittrail.history.of(Patient) instead")
    assert history.of(patient).versions.model.__name__ == "PatientVersion"
    assert patient(history="ill").history == "ill"
    assert isinstance(visit.history, history.History)


DEFINITIONS: dict[str, Any] = {
    "method": lambda self: "mine",
    "property": property(lambda self: "mine"),
    "constant": "mine",
    "manager": models.Manager(),
}


@pytest.mark.parametrize("definition", [*DEFINITIONS, "relation"])
@isolate_apps("tests.testapp")
def test_the_name_is_left_to_whoever_has_it(definition) -> None:
    if definition == "relation":
        patient = made("Patient")
        key = models.ForeignKey(patient, models.CASCADE, related_name="history")
        made("Visit", patient=key)
    else:
        patient = made("Patient", objects=models.Manager(), history=DEFINITIONS[definition])
    before = patient.history
    history.attach(patient)
    assert history.name_is_taken(patient)
    assert type(patient.history) is type(before) is not history.History


def test_e006_the_default_database_is_not_postgresql(default_is_sqlite) -> None:
    (message,) = check_models()
    assert (message.id, message.level) == ("audittrail.E006", ERROR)
    assert message.msg == (
        "Database 'default' is not PostgreSQL (sqlite): nothing in it is recorded."
    )
    assert "django.db.backends.postgresql" in (message.hint or "")


def test_w006_a_second_database_is_not_postgresql(other_is_sqlite) -> None:
    (message,) = check_models()
    assert (message.id, message.level) == ("audittrail.W006", WARNING)
    assert "'other' is not PostgreSQL (sqlite)" in message.msg
    assert "router" in (message.hint or "")


def test_a_database_without_tracked_models_need_not_be_postgresql(
    other_is_sqlite, settings
) -> None:
    class Nothing:
        def allow_migrate(self, db, app_label, **hints):
            return db == "default"

    settings.DATABASE_ROUTERS = [Nothing()]
    assert check_models() == []


def test_w007_a_router_keeps_audittrail_out_of_a_database_with_tracked_models(settings) -> None:
    router = Apart()
    settings.DATABASE_ROUTERS = [router]
    assert check_models() == []
    router.audittrail_in = ("default",)
    (message,) = check_models()
    assert (message.id, message.level) == ("audittrail.W007", WARNING)
    assert "in database 'other' but keep audittrail out of it" in message.msg
    assert "allow_migrate()" in (message.hint or "")
    settings.AUDITTRAIL_EXCLUDE = ["testapp.*"]
    assert check_models() == []


def test_each_database_tracks_what_the_routers_place_there(settings) -> None:
    settings.DATABASE_ROUTERS = [Apart()]
    here = {table.table for table in tracked_tables("default")}
    there = {table.table for table in tracked_tables("other")}
    assert not here & there
    assert {Customer._meta.db_table, Order._meta.db_table} <= there
    assert "auth_user" in here

"""What is checked of the project, each function in a process of its own: `python -m tests.tenants.project.checks NAME`."""

from __future__ import annotations

import re
import sys
from typing import Any

import django
import pytest

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from audittrail import history  # noqa: E402
from audittrail.capture.sync import pending  # noqa: E402
from audittrail.exceptions import EditingError, RestoreError  # noqa: E402
from audittrail.models import Revision  # noqa: E402
from tests.tenants.project.clinics.models import Clinic, Domain  # noqa: E402
from tests.tenants.project.labels.models import Label  # noqa: E402
from tests.tenants.project.package import make, migrate, schema_context  # noqa: E402
from tests.tenants.project.patients.models import Patient, Visit  # noqa: E402

TENANTS = ("north", "south")

#: With django-pgschemas the public schema is no row of the tenants' table.
SCHEMAS = ("public", *TENANTS) if settings.TENANTS_PACKAGE == "django_tenants" else TENANTS


def begin() -> None:
    """Make the shared schema and two tenants, whose rows have the same keys."""
    migrate()
    for schema in SCHEMAS:
        make(clinic := Clinic(schema_name=schema, name=f"Clinic {schema}"))
        Domain.objects.create(domain=f"{schema}.test", tenant=clinic, is_primary=True)
    Label.objects.create(name="shared")
    for schema in TENANTS:
        with schema_context(schema):
            get_user_model().objects.create_superuser("boss", password=schema)
            with transaction.atomic():
                ann = Patient.objects.create(name=f"Ann {schema}")
                Patient.objects.create(name=f"Gone {schema}")
                ann.visits.create(reason=f"first {schema}")
            Label.objects.create(name=schema)
            Patient.objects.filter(name__startswith="Ann").update(name=f"Ada {schema}")
            Patient.objects.filter(name__startswith="Gone").delete()


def tracked() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT schema_name, table_name FROM audittrail.tracked_table WHERE until_version IS NULL"
        )
        return set(cursor.fetchall())


def first() -> Revision:
    """Return the revision that made the patients of the present tenant."""
    found: Revision = Patient.history.versions.in_order()[0].revision
    return found


def every_schema_is_tracked() -> None:
    found = tracked()
    assert ("public", "clinics_clinic") in found
    assert ("public", "labels_label") in found
    assert ("public", "patients_patient") not in found
    for schema in TENANTS:
        names = {name for where, name in found if where == schema}
        assert names >= {"patients_patient", "patients_visit", "labels_label", "auth_user"}, names
        assert "clinics_clinic" not in names


def nothing_is_left_to_do() -> None:
    before = tracked()
    migrate()
    assert tracked() == before
    for schema in ("public", *TENANTS):
        with schema_context(schema):
            left = [change for change in pending(connection) if change.action != "skipped"]
            assert not left, (schema, left)
            call_command("check", verbosity=0)


def versions_are_the_tenants_own() -> None:
    assert [v.name for v in Label.history.versions.in_order()] == ["shared"]
    for schema in (*TENANTS, *TENANTS):
        with schema_context(schema):
            names = [v.name for v in Patient.history.versions.in_order()]
            assert sorted(names) == sorted(
                [f"Ann {schema}", f"Gone {schema}", f"Ada {schema}", f"Gone {schema}"]
            ), names
            assert [v.name for v in Label.history.versions.all()] == [schema]
            patient = Patient.objects.get()
            assert {v.name for v in patient.history.versions.all()} == {f"Ann {schema}", f"Ada {schema}"}  # fmt: skip
            assert Patient.history.versions.filter(operation="D").get().name == f"Gone {schema}"


def the_past_is_the_tenants_own() -> None:
    for schema in (*TENANTS, *TENANTS):
        with schema_context(schema):
            revision = first()
            past = Patient.history(revision=revision)
            assert {p.name for p in past} == {f"Ann {schema}", f"Gone {schema}"}
            ann = past.get(visits__reason=f"first {schema}")
            assert [visit.reason for visit in ann.visits.all()] == [f"first {schema}"]
            assert [p.name for p in Patient.history.deleted()] == [f"Gone {schema}"]
            changed = revision.get_all_changed_objects()
            assert {p.name for p in changed[Patient]} == {f"Ann {schema}", f"Gone {schema}"}
            assert set(changed.models) == {Patient, Visit}


def the_past_is_the_tenants_own_in_one_transaction() -> None:
    with transaction.atomic():
        for schema in (*TENANTS, *TENANTS):
            with schema_context(schema):
                names = {p.name for p in Patient.history(revision=first())}
                assert names == {f"Ann {schema}", f"Gone {schema}"}, names
                with history.at_rev(first()), connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM patients_patient")
                    assert cursor.fetchone() == (1,)


def differences_are_the_tenants_own() -> None:
    for schema in TENANTS:
        with schema_context(schema):
            key = Patient.objects.get().pk
            steps = list(Patient.history.diff(pk=key))
            values = [value for attribute, value, _ in steps if attribute == "name"]
            assert values == [f"Ann {schema}", f"Ada {schema}"], values
            compared = first().compare()
            assert compared.counts[Patient].updated == 1
            assert compared.counts[Patient].deleted == 1


def what_comes_back_is_the_tenants_own() -> None:
    for schema in TENANTS:
        with schema_context(schema):
            plan = Patient.history(revision=first()).filter(name__startswith="Gone").restore()
            assert plan.carried_out
            assert sorted(p.name for p in Patient.objects.all()) == [f"Ada {schema}", f"Gone {schema}"]  # fmt: skip
            Revision.objects.for_model(Patient).latest().undo()
            assert [p.name for p in Patient.objects.all()] == [f"Ada {schema}"]


def everything_comes_back_to_one_tenant_alone() -> None:
    with schema_context("south"):
        before = list(Patient.objects.values_list("pk", "name").order_by("pk"))
    with schema_context("north"):
        plan = first().restore_all()
        assert plan.carried_out
        assert {p.name for p in Patient.objects.all()} == {"Ann north", "Gone north"}
        Revision.objects.for_model(Patient).latest().undo()
        assert {p.name for p in Patient.objects.all()} == {"Ada north"}
        with pytest.raises(RestoreError, match="'north' alone"):
            first().rollback_all_later_revisions()
    with schema_context("south"):
        assert list(Patient.objects.values_list("pk", "name").order_by("pk")) == before


def a_traveller_reads_the_tenants_past() -> None:
    for schema in (*TENANTS, *TENANTS):
        with schema_context(schema), history.travelling(first()), connection.cursor() as cursor:
            assert {p.name for p in Patient.objects.all()} == {f"Ann {schema}", f"Gone {schema}"}
            cursor.execute("SELECT name FROM patients_patient WHERE name LIKE 'Ann%'")
            assert cursor.fetchall() == [(f"Ann {schema}",)]


def the_admin_shows_the_tenants_own() -> None:
    for schema, other in (TENANTS, TENANTS[::-1]):
        client = Client(HTTP_HOST=f"{schema}.test")
        assert client.login(username="boss", password=schema) or _log_in(client, schema)
        with schema_context(schema):
            key = Patient.objects.get().pk
            own = {str(pk) for pk in Revision.objects.for_model(Patient).values_list("pk", flat=True)}  # fmt: skip
        with schema_context(other):
            foreign = {str(pk) for pk in Revision.objects.for_model(Patient).values_list("pk", flat=True)}  # fmt: skip
        history_page = _get(client, f"/admin/patients/patient/{key}/history/")
        assert f"Ann {schema}" in history_page
        deleted = _get(client, "/admin/patients/patient/audittrail/deleted/")
        assert f"Gone {schema}" in deleted
        revisions = _get(client, "/admin/audittrail/revisions/")
        shown = set(re.findall(r"/admin/audittrail/revisions/(\d+)/", revisions))
        assert shown & own, shown
        assert not shown & foreign, shown & foreign
        for page in (history_page, deleted, revisions):
            assert other not in page


def _log_in(client: Client, schema: str) -> bool:
    with schema_context(schema):
        client.force_login(get_user_model().objects.get(username="boss"))
    return True


def _get(client: Client, address: str) -> str:
    response = client.get(address, follow=True)
    assert response.status_code == 200, (address, response.status_code)
    return response.content.decode()


def a_new_tenant_is_tracked() -> None:
    make(Clinic(schema_name="late", name="Late"))
    with schema_context("late"):
        Patient.objects.create(name="Late")
        assert [v.name for v in Patient.history.versions.all()] == ["Late"]
        assert ("late", "patients_patient") in tracked()


def a_dropped_tenant_leaves_the_others() -> None:
    before = tracked()
    make(brief := Clinic(schema_name="brief", name="Brief"))
    assert tracked() > before
    brief.delete(force_drop=True)
    migrate()
    assert tracked() == before
    with schema_context("north"):
        assert Patient.history.deleted().get().name == "Gone north"


def the_admin_opens_nothing_of_another_tenant() -> None:
    with schema_context("south"):
        foreign = Revision.objects.for_model(Patient).values_list("pk", flat=True)[0]
        gone = Patient.history.deleted().get()
        version = Patient.history.versions.filter(operation="D").in_order().last().version
    client = Client(HTTP_HOST="north.test")
    _log_in(client, "north")
    assert client.get(f"/admin/audittrail/revisions/{foreign}/").status_code == 404
    for address in (
        "/admin/audittrail/revisions/?q=south",
        "/admin/audittrail/revisions/?format=csv",
        "/admin/audittrail/revisions/?format=json",
        f"/admin/patients/patient/{gone.pk}/history/",
        f"/admin/patients/patient/{gone.pk}/history/?version={version}",
        "/admin/audittrail/time-machine/",
    ):
        response = client.get(address, follow=True)
        content = b"".join(response) if response.streaming else response.content
        assert response.status_code in (200, 404), (address, response.status_code)
        assert b"Gone south" not in content and b"Ann south" not in content, address


def authors_are_the_tenants_own() -> None:
    users = get_user_model().objects

    @history.context(user=50)
    def visit(reason: str) -> Revision:
        made = Patient.objects.get().visits.create(reason=reason)
        return made.history.versions.get().revision

    operator = users.create(pk=50, username="operator")
    for schema in TENANTS:
        with schema_context(schema):
            users.create(pk=50, username=f"nurse {schema}")
            own = visit("by a nurse")
            assert own.committed_by.username == f"nurse {schema}"
    with history.context(user=operator), schema_context("north"):
        visited = Patient.objects.get().visits.create(reason="by the operator")
    with schema_context("north"):
        revision = visited.history.versions.get().revision
        assert (revision.committed_by_id, revision.committed_by) == (50, None)
        found = Revision.objects.select_related("committed_by").get(pk=revision.pk)
        assert found.committed_by is None
        by_nurse = Revision.objects.by_user(50)
        assert [it.committed_by.username for it in by_nurse] == ["nurse north"]
        client = Client(HTTP_HOST="north.test")
        _log_in(client, "north")
        for address in (f"/admin/patients/visit/{visited.pk}/history/", f"/admin/audittrail/revisions/{revision.pk}/"):  # fmt: skip
            page = _get(client, address)
            assert "of another tenant" in page and "nurse" not in page, address
        listed = _get(client, "/admin/audittrail/revisions/?user=nurse")
        assert f"/{by_nurse.get().pk}/" in listed and f"/{revision.pk}/" not in listed
    assert Revision.objects.get(pk=revision.pk).committed_by == operator
    assert [it.pk for it in Revision.objects.by_user(operator)] == [revision.pk]


def a_user_who_is_told_later_is_of_the_tenant_that_told() -> None:
    with schema_context("north"):
        get_user_model().objects.create(pk=50, username="nurse north")
    with history.context(user=50), transaction.atomic(), schema_context("north"):
        with history.context(user=lambda: get_user_model()(pk=None)):
            Label.objects.create(name="by nobody")
        label = Label.objects.create(name="by the operator")
    with schema_context("north"), history.context(user=50), transaction.atomic():
        with history.context(user=None):
            other = Label.objects.create(name="unsaid")
        Label.objects.create(name="by the nurse")
    with schema_context("north"):
        assert label.history.versions.get().revision.committed_by is None
        assert other.history.versions.get().revision.committed_by.username == "nurse north"


def corrections_are_the_tenants_own() -> None:
    def names(schema: str) -> list[str | None]:
        with schema_context(schema):
            return [version.name for version in Patient.history.versions.in_order()]

    before = names("south")
    with schema_context("north"):
        with history.context(reason="late"):
            Label.objects.create(name="late")
        history.redact(Patient, ["name"], pks=[Patient.history.deleted().get().pk], reason="test")
        with history.editing(reason="test"):
            assert Patient.history.versions.filter(name="Ada north").update(name="Eve") > 0
            late = Label.history.versions.filter(revision__reason="late")
            assert late.update(name="later") == 1
            assert late.filter(name="later").delete()[0] == 1
    assert [label.name for label in Label.history.versions.in_order()] == ["shared"]
    assert names("south") == before
    assert {"Gone north", "Ada north"}.isdisjoint(names("north"))
    with schema_context("north"):
        history.redact("patients_patient", {"name": "Nobody"}, reason="test", live=True)
        assert Patient.objects.get().name == "Nobody"
    with schema_context("south"):
        assert Patient.objects.get().name == "Ada south"
    assert names("south") == before
    assert set(names("north")) == {"Nobody"}
    with pytest.raises(EditingError, match=r"north\.patients_patient, south\.patients_patient"):
        history.redact("patients_patient", {"name": "Nobody"}, reason="test")
    history.redact("south.patients_patient", {"name": "One"}, reason="test", dry_run=True)


def pruning_takes_the_tenants_own() -> None:
    def numbers() -> list[int]:
        counts = []
        for schema in TENANTS:
            with schema_context(schema):
                counts.append(Patient.history.versions.count())
        return counts

    north, south = numbers()
    newest = Revision.objects.newest()
    for table in (Patient, "patients_patient"):
        with schema_context("south"):
            done = history.prune(newest, tables=[table])
        assert [(it.schema, it.table) for it in done.tables] == [("south", "patients_patient")]
    assert numbers()[0] == north and numbers()[1] < south
    planned = history.prune(newest, tables=["north.patients_patient"], dry_run=True)
    assert [(it.schema, it.versions > 0) for it in planned.tables] == [("north", True)]
    # Outside of any tenant there is no table of the name, so all of them are meant.
    planned = history.prune(newest, tables=["patients_patient"], dry_run=True)
    assert {it.schema for it in planned.tables} >= set(TENANTS)


def main(name: str) -> None:
    check: Any = globals()[name]
    check()


if __name__ == "__main__":
    main(sys.argv[1])

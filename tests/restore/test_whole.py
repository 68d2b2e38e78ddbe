"""The whole database back to a revision, with its history kept or erased."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from audittrail import history
from audittrail.exceptions import RestoreConflictError
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.restore.truth import content, verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def test_restore_all_brings_back_every_table(created: Revision) -> None:
    before = content()
    world.change()
    changed, last = content(), newest()
    assert changed != before
    plan = created.restore_all(dry_run=True)
    assert content() == changed, "a plan changes nothing"
    assert plan.conflicts == ()
    done = created.restore_all()
    assert content() == before
    assert done.carried_out and done.counts == plan.counts
    revision = newest()
    assert revision.committed > last.committed
    assert revision.context["restored"]["revision"] == created.pk
    assert verified() == []
    assert created.restore_all(dry_run=True).is_empty
    last.restore_all()
    assert content() == changed


def test_a_restored_database_can_be_read_as_of_every_revision(created: Revision) -> None:
    world.change()
    states = {}
    for revision in Revision.objects.newest_first():
        states[revision] = sorted(history.of(m.Person)(revision).values_list("pk", "name"))
    created.restore_all()
    assert sorted(m.Person.objects.values_list("pk", "name")) == states[created]
    for revision, names in states.items():
        assert sorted(history.of(m.Person)(revision).values_list("pk", "name")) == names


def test_rollback_leaves_no_later_version_and_one_record(created: Revision) -> None:
    before = content()
    earlier = set(Revision.objects.values_list("pk", flat=True))
    world.change()
    plan = created.rollback_all_later_revisions(dry_run=True)
    later = Revision.objects.exclude(pk__in=earlier).count()
    assert plan.erased is not None and plan.erased[0] == later
    with history.context(reason="All of it was wrong"):
        created.rollback_all_later_revisions()
    assert content() == before
    (record,) = Revision.objects.exclude(pk__in=earlier)
    assert record.reason == "All of it was wrong"
    assert record.context["restored"]["erased_revisions"] == later
    assert record.context["restored"]["erased_versions"] == plan.erased[1]
    assert not history.of(m.Person).versions.filter(version__gt=created.committed).exists()
    assert verified() == []
    assert sorted(history.of(m.Person)(record).values_list("pk")) == sorted(
        m.Person.objects.values_list("pk")
    )
    m.Person.objects.update(email="after@example.org")
    assert history.of(m.Person)(record).filter(email="after@example.org").count() == 0


def test_undo_of_the_newest_revision_gives_the_state_before_it(created: Revision) -> None:
    world.change()
    for revision in Revision.objects.newest_first().filter(committed__gt=created.committed)[:3]:
        truth = content()
        with transaction.atomic():
            m.Person.objects.update(email="new@example.org")
            m.Product.objects.all().update(name="same for all")
            m.Seat.objects.create(label="Z", position=99)
            m.TaggedNote.objects.all().delete()
        rev = newest()
        assert rev != revision
        rev.undo()
        assert content() == truth
        assert verified() == []


def test_a_rollback_leaves_no_row_out_whose_history_it_erases(transactional_db: None) -> None:
    m.Tag.objects.create(name="a")
    first = newest()
    m.Tag.objects.update(name="b")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_tag ADD CONSTRAINT no_a CHECK (name <> 'a')")
    try:
        for on_conflict in ("refuse", "skip"):
            with pytest.raises(RestoreConflictError, match="no_a"):
                first.rollback_all_later_revisions(on_conflict=on_conflict)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE testapp_tag DROP CONSTRAINT no_a")
    assert m.Tag.objects.get().name == "b"
    assert m.Tag.history.versions.count() == 2
    assert verified() == []

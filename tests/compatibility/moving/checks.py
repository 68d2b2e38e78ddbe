"""What is checked of the project, each function in a process of its own: `python -m tests.compatibility.moving.checks NAME`."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import django
import pytest

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from tests.compatibility.moving.filling import fill  # noqa: E402
from tests.compatibility.moving.library.models import (  # noqa: E402
    Author,
    Book,
    Branch,
    Later,
    Place,
    Reader,
    Shelf,
)

MODELS = (Author, Book, Shelf, Place, Branch)


def years_pass() -> None:
    """Fill the database, without audittrail."""
    call_command("migrate", verbosity=0)
    fill()


def arrive() -> None:
    """Bring audittrail, and go on working."""
    call_command("migrate", verbosity=0)
    Book.objects.order_by("pk").last().delete()
    Author.objects.filter(name__startswith="Several").update(name="Own")
    Author.objects.create(name="New")


def run_import(*arguments: str) -> str:
    """Import from the package, and return what the command says."""
    out = StringIO()
    call_command("audittrail", "import", "simple-history", *arguments, "--noinput", stdout=out)
    return out.getvalue()


def own_history(model: Any) -> Any:
    """Return audittrail's history of a model, whose `history` is the package's."""
    from audittrail import history

    return history.of(model)


def row(obj: models.Model) -> tuple[Any, ...]:
    """Return the values of an object, with those that it inherits."""
    return tuple(str(getattr(obj, field.attname)) for field in obj._meta.concrete_fields)


def recorded_until() -> datetime:
    """Return when history of audittrail's own began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audittrail.first_own_commit()")
        return cursor.fetchone()[0]


def package_state(model: Any, moment: datetime) -> list[Any]:
    """Return all objects of a model as the package has them as of a moment."""
    return sorted(row(obj) for obj in model.history.as_of(moment))


def own_state(model: Any, moment: datetime) -> list[Any]:
    """Return the same as audittrail has them."""
    return sorted(row(obj) for obj in own_history(model).as_of(moment))


def moments() -> list[datetime]:
    """Return when the package has recorded anything, before audittrail came."""
    before = recorded_until()
    return sorted(
        {
            record.history_date
            for model in MODELS
            for record in model.history.filter(history_date__lt=before)
        }
    )


def every_state_is_the_same() -> None:
    """Show that each state that the package gives is that of audittrail, of every model together."""
    from audittrail.models import Revision

    print(run_import("--within", "0"))
    found = moments()
    assert len(found) > 100, len(found)
    known: set[Any] = set()
    for moment in found[::8] + found[-4:]:
        for model in MODELS:
            expected = package_state(model, moment)
            if (
                model is Place
            ):  # of those that are more than that, the package has records of their own
                expected = sorted(
                    {*expected, *(branch[:2] for branch in package_state(Branch, moment))}
                )
            if expected or model in known:
                known.add(model)
                assert own_state(model, moment) == expected, (model, moment)
    imported = Revision.objects.filter(pk__lt=0).order_by("committed")
    assert [revision.committed_at for revision in imported][:-1] == found
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id::text FROM audittrail.as_of(NULL::library_author, %s) ORDER BY 1",
            [found[50]],
        )
        assert [key for (key,) in cursor.fetchall()] == [
            key for key, *_ in package_state(Author, found[50])
        ]
    assert_sound()


def every_record_is_a_version() -> None:
    """Show that records are versions with the same values, in revisions with their time, user and reason; by default, several in one."""
    from audittrail.models import Revision

    print(run_import())
    operations = {"+": "I", "~": "U", "-": "D"}
    before = recorded_until()
    for model in (Author, Book, Shelf, Branch):
        records = list(model.history.filter(history_date__lt=before))
        versions = {}
        for version in own_history(model).versions.filter(version__lt=0).select_related("revision"):
            if not version.revision.context["imported_from"].get("unrecorded"):
                versions.setdefault(version_key(model, version), []).append(version)
        assert sum(map(len, versions.values())) == len(records)
        for one in versions.values():
            one.sort(key=lambda version: version.version)
        for record in sorted(
            records, key=lambda record: (record.history_date, str(record.history_id))
        ):
            version = versions[str(getattr(record, model._meta.pk.attname))].pop(0)
            assert version.operation == operations[record.history_type]
            for field in model._meta.local_concrete_fields:
                assert getattr(version, field.attname) == getattr(record, field.attname)
            revision = version.revision
            late = revision.committed_at - record.history_date
            assert timedelta(0) <= late <= timedelta(seconds=1)
            assert revision.committed_by_id == record.history_user_id
            assert revision.reason == (record.history_change_reason or "")
            assert revision.context["imported_from"]["source"] == "simple-history"
            if model is Shelf:
                assert revision.context.get("place") == record.place
    revisions = Revision.objects.filter(pk__lt=0)
    assert revisions.count() < len(moments())
    # Where a revision ended, the state is that of the package.
    for revision in revisions.order_by("committed")[:12]:
        for model in (Author, Book):
            if package_state(model, revision.committed_at):
                assert own_state(model, revision.committed_at) == package_state(
                    model, revision.committed_at
                )
    assert_sound()


def version_key(model: Any, version: Any) -> str:
    """Return the key of the row of a version."""
    return str(getattr(version, model._meta.pk.attname))


def assert_sound() -> None:
    """Show that nothing that looks after history finds anything amiss."""
    call_command("audittrail", "verify", stdout=StringIO())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.table_name, m.* FROM audittrail.tracked_table t, audittrail.ledger_misclosed(t.id) m"
        )
        assert cursor.fetchall() == []
    call_command("audittrail", "maintain", stdout=StringIO())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.table_name, m.* FROM audittrail.tracked_table t, audittrail.ledger_misclosed(t.id) m"
        )
        assert cursor.fetchall() == []
    call_command("audittrail", "status", "--check", stdout=StringIO())
    for model in MODELS:
        assert sorted(map(row, model.objects.all())) == sorted(
            map(row, own_history(model)(newest()))
        )


def what_nobody_recorded_is_told() -> None:
    """Show that what was otherwise when tracking began than recorded last is in a revision that says so, and nowhere else."""
    from audittrail.models import Revision

    told = run_import()
    unrecorded = Revision.objects.get(context__imported_from__unrecorded=True)
    assert unrecorded.committed_at < recorded_until()
    books = own_history(Book).versions.filter(revision=unrecorded)
    authors = own_history(Author).versions.filter(revision=unrecorded)
    assert {version.operation for version in books} == {"U", "D"}
    assert [version.operation for version in authors] == ["I"]
    (back,) = authors
    assert back.name == "Back again"
    assert (
        "1 row that had been changed since" in told and "1 row that had been deleted since" in told
    ), told
    assert "1 row of which nothing was recorded" in told, told
    # Each is told as a change, and a baseline that is what was recorded last is none.
    book = books.get(operation="U")
    first, last = first_imported(), newest()
    changes = [
        change
        for change in own_history(Book).diff(first, last, pk=book.id)
        if change.revision == unrecorded
    ]
    assert [(change.attribute, change.new - change.old) for change in changes] == [("price", 1)]
    for change in own_history(Book).diff(first, last, pk=book.id):
        assert change.revision.pk < 0 or change.old != change.new
    # What the package has never seen is there since tracking began.
    never = Author.objects.get(name="Never seen")
    assert not own_history(Author)(unrecorded).filter(pk=never.pk).exists()
    assert own_history(Author)(last).filter(pk=never.pk).exists()


def the_past_comes_back() -> None:
    """Show that objects are restored and undeleted from imported moments, and what is not tracked so long says so."""
    from audittrail.exceptions import TrackedLaterError

    run_import()
    author = Author.objects.filter(
        pk__in=Author.history.filter(history_type="~").values("id")
    ).first()
    record = author.history.exclude(history_type="-").order_by("history_date").first()
    moment = record.history_date + timedelta(seconds=1)
    expected = row(own_history(Author).as_of(moment).get(pk=author.pk))
    own_history(Author).as_of(moment).filter(pk=author.pk).restore()
    assert row(Author.objects.get(pk=author.pk)) == expected
    gone = own_history(Shelf).deleted().first()
    own_history(Shelf).deleted().filter(pk=gone.pk).undelete()
    assert row(Shelf.objects.get(pk=gone.pk)) == row(gone)
    books = list(own_history(Book).as_of(moments()[60]).select_related("author"))
    assert any(book.author for book in books)
    for model in (Reader, get_user_model()):
        with pytest.raises(TrackedLaterError, match="tracked only since"):
            list(own_history(model).as_of(moment))
    assert_sound()


def it_happens_once() -> None:
    """Show that a dry run leaves nothing, a second import finds what it has left out, and a model of which not everything is known says so."""
    from audittrail.models import Revision

    before = Revision.objects.count()
    told = run_import("--dry-run")
    assert "library_author: " in told and Revision.objects.count() == before
    first = run_import("library.Author", "library.Book")
    assert "library.Reader" not in first
    count = Revision.objects.filter(pk__lt=0).count()
    again = run_import()
    assert "library_author, it has imported history already" in again
    assert "library.Reader: it has not recorded library_reader.card" in again
    assert "library.Later: library_later is not tracked" in again
    assert "library_shelf: " in again
    assert "Left out of library.Shelf: what it recorded of the many-to-many field books" in again
    assert Revision.objects.filter(pk__lt=0).count() > count
    assert (
        len(set(Revision.objects.values_list("committed", flat=True))) == Revision.objects.count()
    )
    ordered = list(
        Revision.objects.filter(pk__lt=0)
        .order_by("committed")
        .values_list("committed_at", flat=True)
    )
    assert ordered == sorted(ordered)
    last = run_import("library.Reader", "--incomplete")
    assert "library_reader: not recorded, and empty: card" in last
    assert {version.card for version in own_history(Reader).versions.filter(version__lt=0)} == {
        None
    }
    assert (
        not own_history(Reader)
        .versions.filter(revision__context__imported_from__unrecorded=True)
        .exists()
    )
    with pytest.raises(CommandError, match=r"keeps no history of auth\.User"):
        run_import("auth.User")
    assert_sound()


def what_is_tracked_later_is_left_out() -> None:
    """Show that records from when history of the database had begun, and that of their table had not, have no place in it."""
    Later.objects.create(text="between")
    told = run_import("library.Later")
    assert "library_later is not tracked" in told
    call_command("audittrail", "sync", stdout=StringIO())


def and_says_so() -> None:
    """Show the same, once it is tracked."""
    call_command("migrate", verbosity=0)
    told = run_import("library.Later")
    assert "1 record of library.Later from between" in told, told
    assert own_history(Later).versions.filter(version__lt=0).count() == 0


def pages_show_it() -> None:
    """Show that the pages lead back to what was imported, and say from where it is."""
    from audittrail.models import Revision

    run_import()
    user_model: Any = get_user_model()
    user_model.objects.create_superuser("boss", password="boss")
    client = Client()
    assert client.login(username="boss", password="boss")
    book = Book.history.filter(history_type="~").first().instance
    version = (
        own_history(Book).versions.filter(id=book.pk, version__lt=0).order_by("version").first()
    )
    pk, name = book.pk, "admin:library_book"
    answers = {
        address: client.get(address)
        for address in (
            reverse(f"{name}_history", args=[pk]),
            reverse(f"{name}_audittrail_version", args=[pk, version.version]),
            reverse(f"{name}_audittrail_restore", args=[pk, version.version]),
            reverse(f"{name}_audittrail_compare", args=[pk]),
            reverse(f"{name}_audittrail_deleted"),
            reverse("admin:audittrail_revision", args=[version.revision_id]),
            reverse("admin:audittrail_revisions") + "?source=imported",
        )
    }
    for address, answer in answers.items():
        assert answer.status_code == 200, (address, answer.status_code)
    for address in (
        reverse(f"{name}_history", args=[pk]),
        reverse("admin:audittrail_revision", args=[version.revision_id]),
    ):
        page = answers[address].content.decode()
        assert "Imported" in page and "simple-history" in page, (
            address,
            page[page.find("<main") :][:9000],
        )
    # A trip with the time machine.
    revision = Revision.objects.filter(pk__lt=0).order_by("committed")[50]
    answer = client.post(reverse("admin:audittrail_time_machine"), {"revision": revision.pk})
    assert answer.status_code == 302, answer.content.decode()
    page = client.get(reverse(f"{name}_changelist")).content.decode()
    for book in own_history(Book)(revision):
        assert reverse(f"{name}_change", args=[book.pk]) in page


def it_can_be_corrected() -> None:
    """Show that what was imported is pruned, redacted and rolled back to like any other history."""
    from audittrail import history
    from audittrail.exceptions import RestoreConflictError
    from audittrail.ledger.digests import make
    from audittrail.models import Revision

    run_import()
    verified()
    make()
    pks = [Author.objects.order_by("pk")[0].pk]
    history.redact(Author, ["name"], value="x", pks=pks, live=True, reason="asked for")
    assert {version.name for version in own_history(Author).versions.filter(id__in=pks)} == {"x"}
    cutoff = Revision.objects.filter(pk__lt=0).order_by("committed")[40]
    history.prune(cutoff)
    assert Revision.objects.filter(committed__lt=cutoff.committed).count() < 40
    with pytest.raises(Exception, match="kept only since"):
        list(own_history(Author).as_of(cutoff.committed_at - timedelta(days=1)))
    assert_sound()
    assert verified().findings == [], verified().findings
    last = Revision.objects.filter(pk__lt=0).order_by("-committed")[1]
    expected = {model: sorted(map(row, own_history(model)(last))) for model in MODELS}
    with pytest.raises(RestoreConflictError, match="'auth_group' is tracked only since"):
        last.rollback_all_later_revisions()
    last.rollback_all_later_revisions(on_conflict="skip")
    for model in MODELS:
        assert sorted(map(row, model.objects.all())) == expected[model]
    assert_sound()
    assert verified().findings == [], verified().findings


def the_ledger_holds_it() -> None:
    """Show that what is imported is entered with the revision that did it, and what is done to it behind history's back is found."""
    from audittrail.ledger.digests import make

    ledger = verified()
    assert ledger.findings == [], ledger.findings
    make()
    run_import("library.Author")
    assert not told_of_ledger()
    before = verified()
    assert before.findings == [], before.findings
    make()
    assert told_of_ledger()
    assert verified().findings == [], verified().findings
    run_import("library.Book")
    make()
    assert verified().findings == [], verified().findings
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE audittrail.library_author_history SET name = 'Tampered' WHERE version = (SELECT min(version) FROM audittrail.library_author_history)"
        )
        cursor.execute(
            "UPDATE audittrail.revision SET reason = 'tampered' WHERE id = (SELECT max(id) FROM audittrail.revision WHERE id < 0)"
        )
        cursor.execute(
            "DELETE FROM audittrail.library_book_history WHERE version = (SELECT min(version) FROM audittrail.library_book_history)"
        )
        cursor.execute("RESET session_replication_role")
    kinds = {finding.kind for finding in verified().findings}
    assert {"version changed", "revision changed", "version removed"} <= kinds, kinds


def a_rollback_leaves_what_was_imported() -> None:
    """Show that a rollback to before the import leaves what was imported, and a ledger in which nothing is missing."""
    before = verified()
    assert before.findings == [], before.findings
    last = newest()
    run_import()
    last.rollback_all_later_revisions(on_conflict="skip")
    assert verified().findings == [], verified().findings[:6]


def told_of_ledger() -> bool:
    """Return whether pages say that the first imported revision is in a digest."""
    from audittrail.admin.display.revisions import _entered_at
    from audittrail.ledger.coverage import coverage_of
    from audittrail.models import Revision

    revision = Revision.objects.filter(pk__lt=0).order_by("committed")[0]
    found = coverage_of("default", _entered_at(revision))
    return found is not None and found.digest_at is not None


def verified() -> Any:
    """Return what a verification of the ledger finds, which begins it if need be."""
    from audittrail.ledger.entering import begin
    from audittrail.ledger.verifying import verify

    begin()
    return verify()


def first_imported() -> Any:
    """Return the first imported revision from which on both authors and books are known."""
    from audittrail.models import Revision

    return Revision.objects.filter(pk__lt=0).order_by("committed")[30]


def newest() -> Any:
    """Return the last revision."""
    from audittrail.models import Revision

    return Revision.objects.newest()


if __name__ == "__main__":
    globals()[sys.argv[1]]()

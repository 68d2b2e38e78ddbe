"""The pages say whether a revision is in a digest, and through when history is verified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import override

from tests.admin.reading import REVISIONS
from tests.builders.sending import newest, sql
from tests.testapp.models import Customer

pytestmark = pytest.mark.django_db(transaction=True)


def ledger(*arguments: Any) -> None:
    call_command("audittrail", "ledger", *map(str, arguments), stdout=StringIO())


def test_what_digests_say_of_a_revision(as_superuser, tmp_path: Path) -> None:
    file = tmp_path / "digest.json"
    Customer.objects.create(name="Ada")
    first = f"{REVISIONS}{newest().pk}/"
    assert as_superuser.get(first).context["ledger"] is None
    assert as_superuser.get(REVISIONS).context["ledger"] is None
    ledger("digest", file)
    assert "not verified since" in as_superuser.get(first).context["ledger"].text
    assert as_superuser.get(REVISIONS).context["ledger"] is None
    ledger("verify", "--against", file)
    assert "last verified" in as_superuser.get(first).content.decode()
    page = as_superuser.get(REVISIONS)
    assert "History is verified through" in page.content.decode()
    Customer.objects.create(name="Grace")
    later = f"{REVISIONS}{newest().pk}/"
    assert as_superuser.get(later).context["ledger"].text == "in no digest yet"
    with override("de"):
        german = as_superuser.get(later, headers={"accept-language": "de"})
        assert german.context["ledger"].text == "noch in keinem Prüfwert"
    assert json.loads(file.read_text())["size"] >= 1


def test_history_that_was_found_changed_is_not_called_verified(
    as_superuser, tmp_path: Path
) -> None:
    older, newer = tmp_path / "older.json", tmp_path / "newer.json"
    Customer.objects.create(name="Ada")
    first = f"{REVISIONS}{newest().pk}/"
    ledger("digest", older)
    ledger("verify", "--against", older)
    Customer.objects.create(name="Grace")
    later = f"{REVISIONS}{newest().pk}/"
    with tampered("Ada", "Eve"), pytest.raises(CommandError):
        ledger("verify", "--against", older)
    assert "found that history had been changed" in as_superuser.get(first).content.decode()
    assert as_superuser.get(later).context["ledger"].text == "in no digest yet"
    page = as_superuser.get(REVISIONS)
    assert "found that history had been changed" in page.content.decode()
    # What a later digest says of all that came before it counts.
    ledger("digest", newer)
    assert as_superuser.get(REVISIONS).context["ledger"].is_alarm
    ledger("verify", "--against", newer)
    assert "History is verified through" in as_superuser.get(REVISIONS).content.decode()
    assert not as_superuser.get(first).context["ledger"].is_alarm


def test_nothing_is_noted_where_others_may_have_put_triggers(as_superuser, tmp_path: Path) -> None:
    file = tmp_path / "digest.json"
    Customer.objects.create(name="Ada")
    ledger("digest", file)
    ledger("verify", "--against", file)
    sql(
        "CREATE FUNCTION pg_temp.escalate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'escalated'; END $$"
    )
    sql(
        "CREATE TRIGGER escalate BEFORE INSERT OR UPDATE ON audittrail.digest FOR EACH ROW EXECUTE FUNCTION pg_temp.escalate()"
    )
    try:
        with pytest.raises(CommandError, match="History is not what it was"):
            ledger("verify", "--against", file)
    finally:
        sql("DROP TRIGGER escalate ON audittrail.digest")
    assert not as_superuser.get(REVISIONS).context["ledger"].is_alarm


@contextmanager
def tampered(name: str, by: str) -> Iterator[None]:
    """Let the owner change what history holds, behind its back, for the length of the block."""
    exchange(name, by)
    try:
        yield
    finally:
        exchange(by, name)


def exchange(name: str, by: str) -> None:
    sql("ALTER TABLE audittrail.testapp_customer_history DISABLE TRIGGER USER")
    sql(f"UPDATE audittrail.testapp_customer_history SET name = '{by}' WHERE name = '{name}'")
    sql("ALTER TABLE audittrail.testapp_customer_history ENABLE TRIGGER USER")

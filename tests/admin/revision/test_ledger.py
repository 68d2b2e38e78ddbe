"""The pages say whether a revision is in a digest, and through when history is verified."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils.translation import override

from tests.admin.reading import REVISIONS
from tests.builders.sending import newest
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
    assert "not verified since" in as_superuser.get(first).context["ledger"]
    assert as_superuser.get(REVISIONS).context["ledger"] is None
    ledger("verify", "--against", file)
    assert "last verified" in as_superuser.get(first).content.decode()
    page = as_superuser.get(REVISIONS)
    assert "History is verified through" in page.content.decode()
    Customer.objects.create(name="Grace")
    later = f"{REVISIONS}{newest().pk}/"
    assert as_superuser.get(later).context["ledger"] == "in no digest yet"
    with override("de"):
        german = as_superuser.get(later, headers={"accept-language": "de"})
        assert german.context["ledger"] == "noch in keinem Prüfwert"
    assert json.loads(file.read_text())["size"] >= 1

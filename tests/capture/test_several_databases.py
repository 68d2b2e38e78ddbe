"""Each database records for itself. In a module of its own: Django empties all tables after each of these tests."""

from __future__ import annotations

import pytest
from django.db import connections, transaction

from audittrail import history
from audittrail.capture import sync
from tests.capture.truth import Witness
from tests.testapp.models import Customer, Tag


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_databases_record_for_themselves(all_tables_tracked: None) -> None:
    sync.sync("other")
    before = history.of(Tag).versions.count()
    here, there = Witness("default"), Witness("other")
    with (
        here.watching() as watched_here,
        there.watching(reason="elsewhere", committed_by=3) as watched_there,
        history.context(user=3, reason="elsewhere"),
        transaction.atomic(using="other"),
    ):
        with watched_there.statement():
            tag = Tag.objects.using("other").create(name="a")
        with watched_there.statement():
            Tag.objects.using("other").update(name="b")
        with watched_there.statement():
            customer = Customer.objects.using("other").create(name="c")
    assert watched_here.recorded.revisions == ()
    assert watched_there.recorded.operations == {"testapp_tag": "IU", "testapp_customer": "I"}
    assert [v.name for v in history.of(tag).versions.in_order()] == ["a", "b"]
    assert history.of(customer).versions.get().revision.reason == "elsewhere"
    assert history.of(Tag).versions.count() == before
    with connections["other"].cursor() as cursor:
        cursor.execute("TRUNCATE testapp_tag, testapp_customer CASCADE")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_one_block_over_two_databases_is_a_revision_in_each(all_tables_tracked: None) -> None:
    here, there = Witness("default"), Witness("other")
    with (
        here.watching(reason="both"),
        there.watching(reason="both"),
        history.context(reason="both"),
        transaction.atomic(using="default"),
        transaction.atomic(using="other"),
    ):
        Tag.objects.create(name="a")
        Tag.objects.using("other").create(name="a")

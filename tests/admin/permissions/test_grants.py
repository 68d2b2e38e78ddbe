"""A site whose database role was not granted history says so on its pages; what it does itself goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from tests.admin.histories import address
from tests.admin.reading import REVISIONS, text_of
from tests.builders.sending import newest, sql
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

SAYS = "may not read history"


@pytest.fixture
def role(transactional_db: None) -> Iterator[str]:
    """Give a role that may use the project's own tables."""
    sql("CREATE ROLE plain_site")
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain_site")
    sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO plain_site")
    yield "plain_site"
    sql("RESET ROLE")
    sql("DROP OWNED BY plain_site")
    sql("DROP ROLE plain_site")


def test_pages_say_that_history_was_not_granted(as_superuser, role) -> None:
    tag = Tag.objects.create(name="a")
    number, gone = newest().pk, Tag.objects.create(name="b")
    gone.delete()
    base = address(tag)
    pages = [
        REVISIONS,
        f"{REVISIONS}export/?format=json",
        f"{REVISIONS}{number}/",
        f"{REVISIONS}{number}/undo/",
        f"{REVISIONS}{number}/restore/",
        f"{REVISIONS}{number}/roll-back/",
        base,
        f"{base}compare/",
        f"{base}{number}/",
        f"{base}{number}/restore/",
        "/admin/testapp/tag/audittrail/deleted/",
        "/admin/testapp/tag/audittrail/deleted/undelete/?pk=1",
        "/admin/audittrail/time-machine/",
    ]
    others = ["/admin/", "/admin/testapp/tag/", f"/admin/testapp/tag/{tag.pk}/change/"]
    sql(f"SET ROLE {role}")
    for page in pages:
        response = as_superuser.get(page)
        assert response.status_code == 503, page
        assert SAYS in text_of(response), page
        assert "audittrail grant" in text_of(response), page
    for page in others:
        assert as_superuser.get(page).status_code == 200, page
    changed = as_superuser.post(others[-1], {"name": "written"})
    assert changed.status_code == 302
    assert Tag.objects.get(pk=tag.pk).name == "written"
    sql("RESET ROLE")
    call_command("audittrail", "grant", role, "--apply", verbosity=0)
    sql(f"SET ROLE {role}")
    for page in (REVISIONS, base, f"{base}{number}/"):
        assert as_superuser.get(page).status_code == 200, page

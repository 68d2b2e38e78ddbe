"""A ModelAdmin that names a template of its own for the history of an object has it, with the page of history in it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType

from tests.admin.histories import button, told
from tests.admin.reading import text_of
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

#: Templates as projects write them: below Django's own, below one of the project's, below ours, and on their own.
TEMPLATES = {
    "django": "{% extends 'admin/object_history.html' %}{% block content %}<p>of the project: {{ object }}</p>{{ block.super }}{% endblock %}",
    "others": "{% extends 'history_django.html' %}",
    "ours": "{% extends 'audittrail/admin/history.html' %}{% block audittrail_state %}<p>of the project: {{ object }}</p>{% endblock %}",
    "further": "{% extends 'history_ours.html' %}",
    "site": "{% extends 'admin/base_site.html' %}{% block content %}<p>of the project: {{ object }}</p>{% for entry in entries %}<i>{{ entry.when }}</i>{% endfor %}{% endblock %}",
}


@pytest.fixture
def tag(transactional_db: None, settings: Any, tmp_path: Any) -> Tag:
    for name, text in TEMPLATES.items():
        (tmp_path / f"history_{name}.html").write_text(text)
    templates = deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"] = [tmp_path]
    settings.TEMPLATES = templates
    made = Tag.objects.create(name="old")
    Tag.objects.update(name="new")
    return made


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_template_of_a_model_admin_is_used(
    as_superuser, superuser, tag, monkeypatch, name
) -> None:
    tags: Any = admin.site.get_model_admin(Tag)
    monkeypatch.setattr(tags, "object_history_template", f"history_{name}.html")
    LogEntry.objects.create(
        user=superuser,
        content_type=ContentType.objects.get_for_model(Tag),
        object_id=str(tag.pk),
        action_flag=CHANGE,
        change_message="of the log",
    )
    page = as_superuser.get(button(tag))
    text = text_of(page)
    assert text.count("of the project: new") == 1
    assert ("of the log" in text) == (name in ("django", "others"))
    assert text.count("data-audittrail-timeline") == 1
    assert text.count("audittrail/audittrail.css") == 1
    assert [change for _, change in told(page)] == [{"Name": "old became new"}, {"Name": "old"}]
    # What Django has at this address is still there, in the same template.
    log = as_superuser.get(f"{button(tag)}?log")
    assert "data-audittrail-timeline" not in text_of(log)
    assert ("of the log" in text_of(log)) == (name != "site")
    # Of what is deleted Django has no page, and no template of the project has to know of it.
    key = tag.pk
    tag.delete()
    assert "of the project" not in text_of(as_superuser.get(button(tag, pk=key)))

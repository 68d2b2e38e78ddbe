"""What is checked of models that other packages keep a history of as well: their pages, and ours, are where they are looked for."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from reversion.models import Version

from audittrail import history
from tests.compatibility.project.till.models import Recorded, Reverted


def other_histories_stand_beside_ours() -> None:
    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.get())
    for model in (Reverted, Recorded):
        name = f"admin:till_{model.__name__.lower()}"
        for text in ("first", "second"):
            key = model.objects.values_list("pk", flat=True).first()
            page = reverse(f"{name}_change", args=[key]) if key else reverse(f"{name}_add")
            assert client.post(page, {"name": text}).status_code == 302
        obj = model.objects.get()
        versions = list(history.of(model).versions.in_order())
        assert [version.name for version in versions] == ["first", "second"]
        theirs = reverse(f"{name}_history", args=[obj.pk])
        ours = reverse(f"{name}_audittrail_history", args=[obj.pk])
        first = versions[0].version
        shown = {
            ours: "second",
            theirs: "",
            reverse(f"{name}_audittrail_version", args=[obj.pk, first]): "first",
            reverse(f"{name}_audittrail_compare", args=[obj.pk]): "second",
            reverse(f"{name}_audittrail_restore", args=[obj.pk, first]): "first",
            their_version(name, obj): "first",
        }
        for address, text in shown.items():
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)
            assert text in answer.content.decode(), address
        assert ours in client.get(reverse(f"{name}_change", args=[obj.pk])).content.decode()
    travel(client)


def their_version(name: str, obj: Any) -> str:
    """Return the address of the other package's page of the first state of an object."""
    if isinstance(obj, Recorded):
        first = obj.history.earliest()
        return reverse(f"{name}_simple_history", args=[obj.pk, first.pk])
    first = Version.objects.get_for_object(obj).last()
    return reverse(f"{name}_revision", args=[obj.pk, first.pk])


def travel(client: Client) -> None:
    """Look at lists of the other packages in the time machine, which read, and ask where they would write."""
    made = history.of(Reverted).versions.in_order()[1].revision
    Reverted.objects.update(name="third")
    answer = client.post(reverse("admin:audittrail_time_machine"), {"revision": made.pk})
    assert answer.status_code == 302
    assert client.get(reverse("admin:till_reverted_changelist")).status_code == 200
    key = Reverted.objects.get().pk
    for page in ("history", "audittrail_history"):
        answer = client.get(reverse(f"admin:till_reverted_{page}", args=[key]))
        assert answer.status_code == 200, (page, answer.status_code)
    with history.travelling(made):
        assert Reverted.objects.get().name == "second"
        assert Version.objects.get_for_model(Reverted).count() == 2

"""Models that are made after the apps are ready: they have their history like all others."""

from __future__ import annotations

from typing import Any

from django.db import models

from audittrail import history
from audittrail.history import HistoryDescriptor
from tests.builders.workshop import registered_app


def made(name: str, **fields: Any) -> Any:
    meta = type("Meta", (), {"app_label": "workshop"})
    return type(name, (models.Model,), {"__module__": "workshop", "Meta": meta, **fields})


def test_a_late_model_with_several_relations_has_its_history() -> None:
    with registered_app():
        tagged = made(
            "Tagged",
            first=models.ManyToManyField("Label", related_name="+"),
            second=models.ManyToManyField("Label", related_name="seconds"),
            third=models.ManyToManyField("self"),
        )
        label = made("Label")
        throughs = [getattr(tagged, name).through for name in ("first", "second", "third")]
        for model in (tagged, label, *throughs):
            assert isinstance(vars(model)["history"], HistoryDescriptor)
            assert repr(history.of(model)) == f"<History of {model._meta.label}>"


def test_a_late_model_keeps_what_it_calls_history_itself() -> None:
    with registered_app():
        owner = made("Owner", history=models.TextField())
        key = models.ForeignKey("Book", models.CASCADE, related_name="history")
        chapter = made("Chapter", owner=key)
        book = made("Book")
        assert not isinstance(vars(owner)["history"], HistoryDescriptor)
        assert isinstance(vars(chapter)["history"], HistoryDescriptor)
        assert not isinstance(vars(book)["history"], HistoryDescriptor)

"""Models that are made after the apps are ready: they have their history like all others."""

from __future__ import annotations

from typing import Any

from django.db import models

from audittrail import history
from audittrail.history import HistoryDescriptor
from tests.builders.workshop import registered_app


def test_a_late_model_with_several_relations_has_its_history() -> None:
    with registered_app():

        class Tagged(models.Model):
            first: Any = models.ManyToManyField("Label", related_name="+")
            second: Any = models.ManyToManyField("Label", related_name="seconds")
            third: Any = models.ManyToManyField("self")

            class Meta:
                app_label = "workshop"

        class Label(models.Model):
            class Meta:
                app_label = "workshop"

        for model in (Tagged, Label, Tagged.first.through, Tagged.second.through, Tagged.third.through):
            assert isinstance(vars(model)["history"], HistoryDescriptor)
            assert repr(history.of(model)) == f"<History of {model._meta.label}>"


def test_a_late_model_keeps_what_it_calls_history_itself() -> None:
    with registered_app():

        class Owner(models.Model):
            history = models.TextField()

            class Meta:
                app_label = "workshop"

        class Chapter(models.Model):
            owner = models.ForeignKey("Book", models.CASCADE, related_name="history")

            class Meta:
                app_label = "workshop"

        class Book(models.Model):
            class Meta:
                app_label = "workshop"

        assert not isinstance(vars(Owner)["history"], HistoryDescriptor)
        assert isinstance(vars(Chapter)["history"], HistoryDescriptor)
        assert not isinstance(vars(Book)["history"], HistoryDescriptor)

"""Where history can be imported from: packages that are optional, and looked at only when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from django.db import models

Model = type[models.Model]


@dataclass(frozen=True)
class Filling:
    """What is to be filled, and with what: the records of a model before a moment that concern one of its tables.

    `table` is the model that the table is of: the recorded model itself, or one that it inherits from. `into` is a temporary table as
    `audittrail.create_import()` has made it, `stored` tells the names of its columns by those of the table.
    """

    model: Model
    table: Model
    into: str
    stored: Mapping[str, str]
    before: datetime


class ImportSource(ABC):
    """A package that has recorded history: of which models, and how its records become rows of a temporary table."""

    #: What the command and the imported revisions call it.
    name: str

    @abstractmethod
    def models(self) -> list[Model]:
        """Return the models of which the package keeps records.

        Raises `ImportingError` if the project does not have the package.
        """

    @abstractmethod
    def known_columns(self, model: Model, table: Model) -> frozenset[str]:
        """Return the columns of one of a model's tables, its own or an inherited one, whose values are recorded."""

    @abstractmethod
    def count(self, cursor: Any, model: Model, start: datetime | None, end: datetime | None) -> int:
        """Return how many records of a model there are from a moment on and before another; None for no limit."""

    @abstractmethod
    def fill(self, cursor: Any, filling: Filling) -> int:
        """Put records into a temporary table; return how many rows that are."""

    @abstractmethod
    def remarks(self, model: Model) -> list[str]:
        """Return what of the records of a model is not imported, and why, as sentences."""


#: The modules of the sources, each with a class `Records`, by the names that the command takes.
MODULES: Final = {"simple-history": "audittrail.importing.simple_history"}


def source_of(name: str) -> ImportSource:
    """Return the source of a name."""
    source: ImportSource = import_module(MODULES[name]).Records()
    return source

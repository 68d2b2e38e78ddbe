"""The releases of the register, as the files of `demo/data` hold them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from demo.registry.models import Country, Currency, Subdivision

DATA = Path(__file__).resolve().parent.parent / "data"

#: Why each release was imported: what it is about.
REASONS = {
    "18.2.23": "First load of the register",
    "18.12.8": "Subdivisions of India and South Africa revised",
    "19.7.15": "Eswatini and North Macedonia take their new names",
    "20.7.3": "The counties of Kenya replace its provinces",
    "22.1.10": "Subdivisions revised all over the world",
    "23.12.11": "Türkiye takes its new name; currencies brought up to date",
    "24.6.1": "Subdivisions of Latvia, Guatemala and Kazakhstan revised",
    "26.2.16": "Currencies introduced and withdrawn; spelling of Russian names",
}


@dataclass(frozen=True)
class Release:
    """Hold the whole register as it stood on one day."""

    name: str
    released: date
    countries: list[Country]
    subdivisions: list[Subdivision]
    currencies: list[Currency]

    @property
    def reason(self) -> str:
        """Say why it was imported."""
        return REASONS.get(self.name, f"Release {self.name} of the register")

    @property
    def username(self) -> str:
        """Name the user of its import."""
        return f"registry-import-{self.name}"


def releases(directory: Path = DATA) -> Iterator[Release]:
    """Give the releases in `directory`, oldest first."""
    for file in sorted(directory.glob("*.json.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            data = json.load(stream)
        yield Release(
            name=data["release"],
            released=date.fromisoformat(data["released"]),
            countries=[
                Country(**{field: value or "" for field, value in row.items()})
                for row in data["countries"]
            ],
            subdivisions=[
                Subdivision(
                    code=row["code"],
                    country_id=row["country"],
                    parent_id=row["parent"],
                    name=row["name"],
                    type=row["type"],
                )
                for row in data["subdivisions"]
            ],
            currencies=[Currency(**row) for row in data["currencies"]],
        )

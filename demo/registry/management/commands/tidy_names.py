"""Shorten names: what somebody thought was a good idea for a night, and what has to be undone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import F, Value
from django.db.models.functions import Replace

from demo.registry.models import Subdivision


class Command(BaseCommand):
    """Shorten the names of subdivisions."""

    help = "Writes 'St.' for 'Saint' in the names of subdivisions."

    def handle(self, *args: Any, **options: Any) -> None:
        """Change all names by one statement."""
        changed = Subdivision._default_manager.filter(name__contains="Saint ").update(
            name=Replace(F("name"), Value("Saint "), Value("St. "))
        )
        self.stdout.write(f"{changed} names were shortened.")

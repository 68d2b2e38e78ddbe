"""Decline proposals that nobody has put under review."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audittrail import history
from demo.registry.models import Proposal


class Command(BaseCommand):
    """Decline drafts."""

    help = "Declines all proposals that are drafts still."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the day of the decision."""
        parser.add_argument("--on", type=date.fromisoformat, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Decline them by one statement, and say why."""
        with history.context(reason="Nobody has put them under review"):
            declined = Proposal._default_manager.filter(status=Proposal.Status.DRAFT).update(
                status=Proposal.Status.DECLINED, decided_on=options["on"]
            )
        self.stdout.write(f"{declined} drafts were declined.")

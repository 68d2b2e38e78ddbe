"""Where the entries of a timeline lead: to the object as it was, to comparisons, to restoring it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.http import HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.history.entries import ShownEntry
from audittrail.admin.layout.links import Link
from audittrail.admin.objects.lookup import Subject


def with_links(
    subject: Subject, request: HttpRequest, entries: Sequence[ShownEntry], *, begins_now: bool
) -> list[ShownEntry]:
    """Return entries with the addresses that lead on from them; takes whether the first is the newest of all.

    Those of a revision that isn't committed yet lead nowhere: no state is known that it left.
    """
    may_restore = subject.may_be_restored(request)
    return [
        replace(entry, actions=[*_links(subject, entry, may_restore, begins_now and not position)])
        for position, entry in enumerate(entries)
    ]


def _links(
    subject: Subject, entry: ShownEntry, may_restore: bool, is_newest: bool
) -> Iterator[Link]:
    if not entry.is_committed:
        return
    number = entry.entry.number
    exists = not entry.is_deletion
    text = _("View as it was") if exists else _("View as it last was")
    candidates = [
        (text, subject.url("audittrail_version", number)),
        (_("Compare with previous"), subject.url("audittrail_compare", to=number)),
    ]
    if not is_newest:
        candidates.append(
            (_("Compare with now"), subject.url("audittrail_compare", **{"from": number}))
        )
    if may_restore and exists and (subject.is_deleted or not is_newest):
        candidates.append((_("Restore"), subject.url("audittrail_restore", number)))
    for label, url in candidates:
        if url is not None:
            yield Link(label, url)

"""What is to be done with a row that a revision changed so that its change is undone, as SQL over four images of the row.

`b` is the row before the revision, `a` after it, `l` as it is now; `e` says which of these there are (`before`, `after`, `now`).
"""

from __future__ import annotations

from typing import Any

from audittrail.restore.catalog import LiveTable
from audittrail.restore.staging import differs
from audittrail.restore.statements import column, composed, joined, labelled, literal, raw

#: Stands for a row as a whole among the names of fields.
ROW = "(the row)"


def _differ(table: LiveTable, name: str, one: str, other: str) -> Any:
    return differs(table, [name], one, other)


def _any(table: LiveTable, one: str, other: str) -> Any:
    parts = [_differ(table, name, one, other) for name in table.restorable]
    return joined(parts, " OR ") if parts else raw("false")


def _can_go_back(table: LiveTable, name: str, *, override: bool) -> Any:
    """Return the condition that the revision changed a column, and that it can be changed back."""
    untouched = raw("true")
    if not override:
        untouched = composed("NOT ({differ})", differ=_differ(table, name, "l", "a"))
    return composed(
        "({changed}) AND ({present}) AND ({untouched})",
        changed=_differ(table, name, "b", "a"),
        present=_differ(table, name, "l", "b"),
        untouched=untouched,
    )


def action_of(table: LiveTable, *, override: bool) -> Any:
    """Return what is to be done with a row: I, U, D, `=` for nothing because of a conflict, NULL for nothing at all."""
    can = joined(
        [
            *(_can_go_back(table, name, override=override) for name in table.restorable),
            raw("false"),
        ],
        " OR ",
    )
    return composed(
        "CASE WHEN NOT e.before AND a.audittrail_first <> 'I' THEN '='"
        " WHEN e.before AND NOT e.after AND NOT e.now THEN 'I'"
        " WHEN e.before AND NOT e.after AND ({moved_on}) THEN {override_update}"
        " WHEN e.before AND e.after AND NOT e.now THEN '='"
        " WHEN e.before AND e.after AND ({can}) THEN 'U'"
        " WHEN e.before AND e.after AND ({conflict}) IS NOT NULL THEN '='"
        " WHEN NOT e.before AND e.after AND e.now AND NOT ({changed}) THEN 'D'"
        " WHEN NOT e.before AND e.after AND e.now THEN {override_delete} END",
        moved_on=_any(table, "l", "b"),
        changed=_any(table, "l", "a"),
        can=can,
        conflict=conflicting_fields(table),
        override_update=raw("'U'" if override else "'='"),
        override_delete=raw("'D'" if override else "'='"),
    )


def conflicting_fields(table: LiveTable) -> Any:
    """Return the names of the fields that a later revision changed, NULL if none, `ROW` if it is the row itself."""
    names = joined(
        [
            *(
                composed(
                    "CASE WHEN ({changed}) AND ({touched}) AND ({present}) THEN {label} END",
                    changed=_differ(table, name, "b", "a"),
                    touched=_differ(table, name, "l", "a"),
                    present=_differ(table, name, "l", "b"),
                    label=literal(labelled(table, name)),
                )
                for name in table.restorable
            ),
            raw("NULL::text"),
        ]
    )
    return composed(
        "CASE WHEN NOT e.before AND a.audittrail_first <> 'I' THEN ARRAY[{row}]"
        " WHEN e.before AND NOT e.after AND e.now THEN CASE WHEN {moved_on} THEN ARRAY[{row}] END"
        " WHEN e.before AND e.after AND NOT e.now THEN ARRAY[{row}]"
        " WHEN e.before AND e.after THEN nullif(array_remove(ARRAY[{names}], NULL), '{empty}')"
        " WHEN NOT e.before AND e.after AND e.now AND ({changed}) THEN ARRAY[{row}] END",
        row=literal(ROW),
        moved_on=_any(table, "l", "b"),
        names=names,
        empty=raw("{}"),
        changed=_any(table, "l", "a"),
    )


def image_of(table: LiveTable, name: str, *, override: bool) -> Any:
    """Return the image to be of a column."""
    found = table.column(name)
    now = column(name, "l")
    if not found.stored:
        return now
    then = column(name, "b")
    after = column(name, "a")
    if name in table.key:
        return after
    kept = now
    if name in table.restorable:
        kept = composed(
            "CASE WHEN {can} OR NOT e.after THEN {then} ELSE {now} END",
            can=_can_go_back(table, name, override=override),
            then=then,
            now=now,
        )
    return composed(
        "CASE WHEN e.before AND NOT e.now THEN {then} WHEN e.before THEN {kept} ELSE {now} END",
        then=then,
        kept=kept,
        now=now,
    )

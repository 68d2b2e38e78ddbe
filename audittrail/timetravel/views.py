"""Views that read tracked tables: a statement that reads one would show the present to somebody who travels."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from audittrail.capture import install
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel.tables import REFRESHED_AFTER

#: Finds the views of some names, in all schemas since a statement may name one, that read a tracked table, directly or through others.
_FIND: Final = """
    WITH RECURSIVE read (view, relation) AS (
        SELECT c.relname::text, c.oid
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = ANY (%s) AND c.relkind IN ('v', 'm')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'audittrail')
         UNION
        SELECT r.view, d.refobjid
          FROM read r
          JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.relation
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    )
    SELECT r.view, min(t.table_name)
      FROM read r
      JOIN audittrail.tracked_table t ON t.relation = r.relation AND t.until_version IS NULL
     GROUP BY r.view
"""

#: For each database, by name: the tracked table that a view reads (None for whatever is no such view), and when that was looked up.
_known: dict[tuple[str, str], dict[str, tuple[str | None, float]]] = {}


def refuse(live: Any, names: frozenset[str]) -> None:
    """Raise `TimeTravelError` if a name, with or without a schema, is that of a view that reads a tracked table.

    Takes the present connection to ask. What is known of a name is asked again after some seconds.
    """
    known = _known.setdefault((live.alias, str(live.settings_dict["NAME"])), {})
    now = monotonic()
    if unsure := [n for n in names if n not in known or now > known[n][1] + REFRESHED_AFTER]:
        found = {}
        if install.is_installed(live):
            with live.cursor() as cursor:
                cursor.execute(_FIND, [sorted(unsure)])
                found = dict(cursor.fetchall())
        known.update({name: (found.get(name), now) for name in unsure})
    for name in sorted(names):
        if (table := known[name][0]) is not None:
            raise TimeTravelError(
                f"{name!r} is a view that reads the tracked table {table!r}, and would show it as it is now. Query the tables that the "
                "view reads, or allow it to be read as it is now with AUDITTRAIL_READ_LIVE, which names the model of the view."
            )


def forget() -> None:
    """Look every view up again."""
    _known.clear()

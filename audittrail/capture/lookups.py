"""Tell by which columns no index finds the rows of history tables: readers do without them rather than read a large table whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from django.db import connections

#: Bytes of a table that may be read whole.
SMALL: Final = 32 * 1024 * 1024

#: A history table, and the columns that are asked for together; the last one is the most selective.
Lookup = tuple[str, tuple[str, ...]]

_LACKING = """
    SELECT w.history, w.lookup
      FROM (SELECT history, lookup, ARRAY(SELECT jsonb_array_elements_text(lookup::jsonb)) AS columns
              FROM unnest(%s::text[], %s::text[]) u (history, lookup)) w
      JOIN pg_class c ON c.oid = to_regclass(format('audittrail.%%I', w.history))
     WHERE pg_relation_size(c.oid) > %s
       AND NOT EXISTS (
           SELECT FROM pg_index i
             JOIN pg_class x ON x.oid = i.indexrelid
             JOIN pg_am m ON m.oid = x.relam
            CROSS JOIN LATERAL (
                  SELECT array_agg(a.attname::text ORDER BY k.position) AS names
                    FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) l
            WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
              AND (l.names[1] = w.columns[cardinality(w.columns)] OR l.names[:cardinality(w.columns)] @> w.columns))
"""


def without_index(using: str, wanted: Iterable[Lookup], small: int = SMALL) -> set[Lookup]:
    """Return those of some lookups in large history tables that no index serves, with one query.

    Takes the database, and up to how many bytes a table counts as small.
    """
    wanted = list(wanted)
    if not wanted:
        return set()
    names = [name for name, _ in wanted]
    columns = [json.dumps(columns) for _, columns in wanted]
    with connections[using].cursor() as cursor:
        cursor.execute(_LACKING, [names, columns, small])
        return {(name, tuple(json.loads(found))) for name, found in cursor.fetchall()}

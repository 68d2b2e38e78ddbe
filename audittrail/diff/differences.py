"""Which objects of a model differ between the two ends of a span, as one statement, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import connections, models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.diff.columns import RowColumn
from audittrail.diff.loading import converted
from audittrail.diff.parts import ObjectPart, Relation, parts_of
from audittrail.diff.span import Span
from audittrail.diff.statements import (
    Fragment,
    fetch,
    history_table,
    key_fields,
    keys_of,
    same_key,
    stream,
)
from audittrail.diff.states import Key
from audittrail.diff.tracked import TrackingPeriod
from audittrail.revisions.versions import version_model
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.rows import open_revisions, rows_as_of

#: How many keys are fetched from the server at once.
FETCHED: Final = 500

#: The rows that differ, with what they were and are now: their last version within the span, and the one before the first.
_CHANGED: Final = """
    (SELECT {keys}, s.existed, s.present {extra}
       FROM (SELECT DISTINCT ON ({v_keys}) {v_keys}, v.version AS audittrail_last,
                    min(v.version) OVER (PARTITION BY {v_keys}) AS audittrail_first
               FROM {history} v WHERE {within} ORDER BY {v_keys}, v.version DESC) t
       JOIN {history} n ON {n_row} AND n.version = t.audittrail_last
       LEFT JOIN LATERAL (SELECT o.* FROM {history} o
                           WHERE {o_row} AND o.version < t.audittrail_first AND o.version >= {since}
                           ORDER BY o.version DESC LIMIT 1) o ON true
      CROSS JOIN LATERAL (SELECT coalesce(o.operation NOT IN ('D', 'T'), false) AS existed,
                                 n.operation NOT IN ('D', 'T') AS present) s
      WHERE s.existed <> s.present OR s.existed AND s.present AND {differs}) d
"""


class Differences:
    """The objects of a model that differ between the two ends of a span: in their own fields, inherited ones, many-to-many ones.

    Takes what the database knows of the tables, the many-to-many fields to look at, and the names of the fields (None: all).
    """

    def __init__(
        self,
        model: type[models.Model],
        span: Span,
        tables: dict[type[models.Model], TrackingPeriod],
        relations: Sequence[Relation],
        names: frozenset[str] | None = None,
    ) -> None:
        self.model = model
        self.span = span
        self._tables = tables
        self._names = names
        self._end = Moment(span.using, span.end)
        self._own = parts_of(model)[0]
        self._keys = key_fields(self._own.version_model)
        self._arms = [self._of_own()]
        self._arms += [self._of_parent(part) for part in parts_of(model)[1:]]
        self._arms += [self._of_relation(1 << n, relation) for n, relation in enumerate(relations)]

    def counts(self) -> dict[str, int]:
        """Return how many there are, by operation: "I", "U", "D"."""
        statement = sql.SQL("{}SELECT operation, count(*) FROM ({}) c GROUP BY operation")
        found = fetch(self.span.using, statement.format(self._opening(), self._statement()))
        return {"I": 0, "U": 0, "D": 0, **dict(found)}

    def keys(self) -> Iterator[tuple[Key, int]]:
        """Yield their keys, in order, from a server-side cursor.

        Each comes with a number whose bits say which of the many-to-many fields may differ.
        """
        statement = sql.SQL("{}SELECT {}, related FROM ({}) c ORDER BY {}").format(
            self._opening(), self._numbered(), self._statement(), self._numbered()
        )
        model = self._own.version_model
        for rows in stream(self.span.using, statement, FETCHED):
            keys = converted(model, self.span.using, self._keys, [row[:-1] for row in rows])
            for key, row in zip(keys, rows, strict=True):
                yield tuple(key), row[-1]

    def _opening(self) -> Fragment:
        return sql.SQL(f"WITH {open_revisions(self._end)} ")

    def _statement(self) -> Fragment:
        return sql.SQL(
            "SELECT {0}, min(operation) AS operation, bit_or(related) AS related FROM ({1}) a GROUP BY {0}"
        ).format(self._numbered(), sql.SQL(" UNION ALL ").join(self._arms))

    def _numbered(self) -> Fragment:
        return sql.SQL(", ").join(map(sql.Identifier, _names(len(self._keys))))

    def _of_own(self) -> Fragment:
        # An object that comes or goes has all of its relations changed (-1), even those whose rows were not: a parent may have older ones.
        return sql.SQL(
            "SELECT {}, CASE WHEN NOT existed THEN 'I' WHEN NOT present THEN 'D' ELSE 'U' END AS operation,"
            " CASE WHEN existed AND present THEN 0 ELSE -1 END AS related FROM {}"
        ).format(self._numbered(), self._changed(self._own, self._compared(self._own)))

    def _of_parent(self, part: ObjectPart) -> Fragment:
        """Return the objects whose inherited row of a part differs. With its row, an object itself comes and goes."""
        assert part.child is not None
        (key,) = _names(1)
        joins, owner = self._up(part.child, part.link.column, sql.Identifier("d", key))
        return sql.SQL("SELECT {}, 'U', 0 FROM {} {} WHERE d.existed AND d.present").format(
            self._selected(owner), self._changed(part, self._compared(part)), joins
        )

    def _of_relation(self, bit: int, relation: Relation) -> Fragment:
        """Return the objects from which other keys are related, or other numbers of them."""
        through = ObjectPart(relation.through)
        columns = [relation.column(field).column for field in (relation.source, relation.target)]
        compared = [column for column in through.columns if column.stored in columns]
        related = sql.SQL(
            "(SELECT DISTINCT r.source FROM {} CROSS JOIN LATERAL (VALUES (old_0, old_1, -1, d.existed), (new_0, new_1, 1, d.present))"
            " r (source, target, number, there) WHERE r.there GROUP BY r.source, r.target HAVING sum(r.number) <> 0) d"
        ).format(self._changed(through, compared, columns))
        joins, owner = self._up(relation.part, relation.key.column, sql.Identifier("d", "source"))
        return sql.SQL("SELECT {}, 'U', {} FROM {} {}").format(
            self._selected(owner), sql.Literal(bit), related, joins
        )

    def _up(self, part: ObjectPart, column: Any, value: Fragment) -> tuple[Fragment, str]:
        """Return joins that lead from a value of a part's column to the objects that were there at the end, and their name."""
        joins = []
        number = 0
        while True:
            name = f"o{number}"
            joins.append(
                sql.SQL("JOIN ({}) {} ON {} = {}").format(
                    self._at_end(part), sql.Identifier(name), sql.Identifier(name, column), value
                )
            )
            if part.child is None:
                return sql.SQL(" ").join(joins), name
            value = sql.Identifier(name, part.model._meta.pk.column)
            part, column, number = part.child, part.link.column, number + 1

    def _at_end(self, part: ObjectPart) -> Fragment:
        """Return the query for the rows of a part at the end of the span."""
        with connections[self.span.using].cursor() as cursor:
            query = rows_as_of(cursor, self._tables[part.model].id, self._end)
        return sql.SQL(query)

    def _selected(self, owner: str) -> Fragment:
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(sql.Identifier(owner, field.column), sql.Identifier(name))
            for field, name in zip(
                self._own.model._meta.pk_fields, _names(len(self._keys)), strict=True
            )
        )

    def _compared(self, part: ObjectPart) -> list[RowColumn]:
        return [
            column
            for column in part.columns
            if self._names is None or column.field.name in self._names
        ]

    def _changed(
        self, part: ObjectPart, compared: Sequence[RowColumn], extra: Sequence[str] = ()
    ) -> Fragment:
        """Return the source "d" with the rows of a part that differ in the columns to compare, or are there at one end only.

        Takes columns of the history table that are wanted as old_0, new_0 and so on.
        """
        model: Any = version_model(part.model)
        table = self._tables[part.model]
        keys = [
            sql.SQL("{} AS {}").format(sql.Identifier("t", field.column), sql.Identifier(name))
            for field, name in zip(key_fields(model), _names(len(key_fields(model))), strict=True)
        ]
        wanted = [
            sql.SQL(", {} AS {}").format(
                sql.Identifier(side, column), sql.Identifier(f"{label}_{n}")
            )
            for n, column in enumerate(extra)
            for side, label in (("o", "old"), ("n", "new"))
        ]
        return sql.SQL(_CHANGED).format(
            keys=sql.SQL(", ").join(keys),
            extra=sql.SQL("").join(wanted),
            v_keys=keys_of(model, "v"),
            history=history_table(model),
            within=self.span.within(table).condition("v", table),
            n_row=same_key(model, "n", "t"),
            o_row=same_key(model, "o", "t"),
            since=sql.Literal(table.since_version),
            differs=_differs(compared),
        )


def _differs(columns: Sequence[RowColumn]) -> Fragment:
    if not columns:
        return sql.SQL("false")
    # As capture compares: "=" fails on json, and takes 1 and 1.00 of jsonb for the same.
    return sql.SQL("ROW({})::record *<> ROW({})::record").format(
        *(
            sql.SQL(", ").join(sql.Identifier(side, column.stored) for column in columns)
            for side in ("n", "o")
        )
    )


def _names(count: int) -> list[str]:
    return [f"audittrail_key_{number}" for number in range(count)]

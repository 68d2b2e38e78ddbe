"""Answers of the present and of the past, and whether they are the same."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist
from django.db import models

from audittrail.capture import tracking

_READS: Final = re.compile(r"[\s(]*(SELECT|WITH|VALUES)\b", re.IGNORECASE)

#: What has another answer whenever it is asked, does something, or locks.
_NOT_AGAIN: Final = re.compile(
    r"\b(random|clock_timestamp|statement_timestamp|nextval|setval|pg_sleep|gen_random_uuid|uuidv7|pg_\w+|current_setting|set_config)\s*\(|"
    r"\bFOR\s+(UPDATE|NO\s+KEY|SHARE|KEY)\b|\b(INSERT|UPDATE|DELETE|MERGE)\b|\baudittrail\b|TABLESAMPLE|pg_catalog|information_schema",
    re.IGNORECASE,
)

_SCHEMA: Final = re.compile(r"\s*(CREATE|ALTER|DROP)\b", re.IGNORECASE)


def is_repeatable(sql: str) -> bool:
    """Return whether a statement reads, and can be asked again to give the same answer."""
    return _READS.match(sql) is not None and _NOT_AGAIN.search(sql) is None


def changes_schema(sql: str) -> bool:
    """Return whether a statement changes the schema."""
    return _SCHEMA.match(sql) is not None


def compare_rows(expected: list[Any], found: list[Any]) -> str | None:
    """Return how the rows of two statements differ, without regard to their order; None if they don't."""
    if expected == found:
        return None
    first, second = (sorted(repr(_plain(row)) for row in rows) for rows in (expected, found))
    return None if first == second else _difference(first, second)


def compare_objects(
    expected: list[Any], found: list[Any], query: Any, given: Collection[Any] = ()
) -> str | None:
    """Return how the results of two querysets differ, without regard to their order; None if they don't.

    Takes the query, whose annotations count beside the fields: other attributes of objects have been prefetched. Foreign keys that
    Django has from the object of the present to which a queryset belongs, and not from the database, are given: they don't count.
    """
    told = {*query.annotation_select, *query.extra_select}
    known = {field.attname for field in given}
    first, second = (
        sorted(repr(_plain(it, told, known)) for it in rows) for rows in (expected, found)
    )
    return None if first == second else _difference(first, second)


def _difference(expected: list[str], found: list[str]) -> str:
    missing = [row for row in expected if row not in found]
    more = [row for row in found if row not in expected]
    return f"{len(expected)} rows, {len(found)} in the past; missing {missing[:3]}; more {more[:3]}"


def _plain(value: Any, told: Collection[str] = (), known: Collection[str] = ()) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, models.Model):
        # Passwords are never stored, and what is ignored, as when a user logged in last, is not known exactly.
        options = tracking.options_of(type(value))
        unknown = {*options.exclude, *options.ignore}
        names = {
            field.attname for field in value._meta.concrete_fields if field.name not in unknown
        }.difference(known)
        kept = {
            name: _plain(found) for name, found in vars(value).items() if name in {*names, *told}
        }
        return value._meta.label, sorted(kept.items())
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    kind: Any = type(value)
    if kind.__repr__ is object.__repr__ and hasattr(value, "__dict__"):
        # A value of a field of a test's own, which says where it is in memory.
        return kind.__name__, vars(value)
    return value


def relations_of(model: type[models.Model], db: Any) -> list[Any]:
    """Return the relations of a model that its objects have attributes for, and that lead to tables that the database can have."""
    return [
        field
        for field in model._meta.get_fields()
        if field.is_relation and _accessor(field) and _can_be_had(field.related_model, db)
    ]


def _can_be_had(model: Any, db: Any) -> bool:
    # A generic foreign key has no model of its own.
    wanted = model._meta.required_db_features if model else ()
    return all(getattr(db.features, name) for name in wanted)


def _accessor(relation: Any) -> str | None:
    if relation.auto_created and not relation.concrete:
        return None if getattr(relation, "hidden", False) else relation.get_accessor_name()
    name: str = relation.name
    return name


def led_to(instance: models.Model, relation: Any) -> Any:
    """Return where a relation leads from an object: the keys of what is there."""
    try:
        found = getattr(instance, str(_accessor(relation)))
        if hasattr(found, "get_queryset") or hasattr(found, "all"):
            return sorted(repr(it.pk) for it in found.all())
    except ObjectDoesNotExist as error:
        return type(error).__name__
    except (AttributeError, ValueError, TypeError) as error:
        # Neither can the present one be asked.
        return f"{type(error).__name__}"
    return repr(getattr(found, "pk", found))


def compare_related(relation: Any, expected: Any, found: Any) -> str | None:
    """Return how two objects lead elsewhere, None if they don't."""
    return None if expected == found else f"{relation}: {expected}, in the past {found}"

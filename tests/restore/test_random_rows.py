"""A restore of random objects and fields does what a simple model of it predicts, or nothing at all.

The model: an object that is still there gets the chosen fields back and keeps the others, one that is gone comes back whole, and
nobody else is touched. Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, note, settings
from hypothesis import strategies as st

from audittrail.exceptions import RestoreConflictError
from tests.builders.sending import newest
from tests.histories.drawing import EXAMPLES, random_plays
from tests.restore.truth import verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = (1, 2)
#: For each model the fields that change, with their values, and its many-to-many fields with their targets.
MODELS: dict[Any, tuple[dict[str, tuple[Any, ...]], dict[str, Any]]] = {
    m.Organization: ({"name": ("a", "b", "c", "d"), "parent_id": (None, *KEYS)}, {}),
    m.Employee: (
        {"name": ("x", "y"), "email": ("", "e@example.org"), "salary": (1, 2)},
        {"friends": m.Person},
    ),
    m.Seat: ({"label": ("a", "b", "c", "d"), "position": (1, 2, 3, 4)}, {}),
    m.Drawing: ({"width": (1, 2), "height": (3, 4)}, {}),
    m.Customer: ({"name": ("c", "d"), "vip": (True, False)}, {}),
    m.Order: ({"customer_id": KEYS, "reference": ("r", "s", "t", "u")}, {}),
}
State = dict[Any, dict[int, dict[str, Any]]]


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, Any, int, str, Any]:
    """Draw what happens to an object."""
    model = draw(st.sampled_from(list(MODELS)))
    columns, relations = MODELS[model]
    action = draw(st.sampled_from(["save", "save", "save", "delete", "relate"]))
    name = draw(st.sampled_from(list(relations if action == "relate" and relations else columns)))
    if action == "relate" and relations:
        return (
            action,
            model,
            draw(st.sampled_from(KEYS)),
            name,
            draw(st.sets(st.sampled_from(KEYS))),
        )
    if action == "save":
        values = {column: draw(st.sampled_from(choice)) for column, choice in columns.items()}
        return action, model, draw(st.sampled_from(KEYS)), name, values
    return "delete", model, draw(st.sampled_from(KEYS)), name, None


def state() -> State:
    """Return all objects: their fields, and the keys that their many-to-many fields hold."""
    found: State = {}
    for model, (columns, relations) in MODELS.items():
        found[model] = {}
        for obj in model.objects.all():
            row = {name: getattr(obj, name) for name in columns}
            row |= {
                name: set(getattr(obj, name).values_list("pk", flat=True)) for name in relations
            }
            found[model][obj.pk] = row
    return found


def perform(step: tuple[str, Any, int, str, Any]) -> None:
    """Do a step in a transaction of its own; constraints may refuse it."""
    action, model, key, name, value = step
    try:
        with transaction.atomic():
            if action == "save":
                model(pk=key, **value).save()
            elif action == "delete":
                model.objects.filter(pk=key).delete()
            elif obj := model.objects.filter(pk=key).first():
                getattr(obj, name).set(m.Person.objects.filter(pk__in=value - {key}))
    except IntegrityError:
        pass


@settings(random_plays, max_examples=EXAMPLES or 10)
@given(st.lists(steps(), min_size=30, max_size=80), st.data())
def test_what_comes_back_is_what_was_predicted(
    chosen: list[tuple[str, Any, int, str, Any]], data: st.DataObject
) -> None:
    for model in reversed(MODELS):
        model.objects.all().delete()
    m.Person.objects.all().delete()
    truth: list[tuple[Any, State]] = []
    for step in chosen:
        note(repr(step))
        perform(step)
        revision = newest()
        if not truth or truth[-1][0].pk != revision.pk:
            truth.append((revision, state()))
    for _ in range(6):
        now = state()
        changed = [
            (r, then, model) for r, then in truth for model in MODELS if then[model] != now[model]
        ]
        if not changed:
            break
        revision, then, model = data.draw(st.sampled_from(changed))
        keys = data.draw(st.sets(st.sampled_from(KEYS), min_size=1))
        columns, relations = MODELS[model]
        names = data.draw(st.none() | st.sets(st.sampled_from([*columns, *relations]), min_size=1))
        note(f"restore {names} of {model.__name__} {keys} as of {revision.pk}")
        try:
            model.history(revision=revision).filter(pk__in=keys).restore(names and sorted(names))
        except RestoreConflictError as error:
            note(str(error))
            assert state() == now, "a refused restore changes nothing"
            continue
        assert state() == predicted(model, now, then, keys, names)
    assert verified() == []


def predicted(model: Any, now: State, then: State, keys: set[int], names: set[str] | None) -> State:
    """Return what a restore of some fields of some objects has to make of the present."""
    result = {other: {key: dict(row) for key, row in rows.items()} for other, rows in now.items()}
    for key in keys & then[model].keys():
        if key not in now[model]:
            columns, relations = MODELS[model]
            wanted = {*columns, *(relations if names is None else relations.keys() & names)}
            empty: dict[str, Any] = {name: set() for name in relations}
            result[model][key] = empty | {name: then[model][key][name] for name in wanted}
        else:
            for name in names or then[model][key]:
                result[model][key][name] = then[model][key][name]
    if model is m.Employee:
        _keep_symmetry(result[model], keys & then[model].keys(), names)
    return result


def _keep_symmetry(
    rows: dict[int, dict[str, Any]], restored: set[int], names: set[str] | None
) -> None:
    """Friends are friends on both sides: what is restored of one is restored of the other."""
    if names is not None and "friends" not in names:
        return
    for key, row in rows.items():
        if key not in restored:
            row["friends"] = {other for other in row["friends"] if other not in restored} | {
                other for other in restored if other in rows and key in rows[other]["friends"]
            }


def test_tables_that_refer_to_each_other_come_back(transactional_db: None) -> None:
    from django.db import connection

    from audittrail.models import Revision

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE hen (id int PRIMARY KEY, egg int);"
            "CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES hen DEFERRABLE INITIALLY DEFERRED);"
            "ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY IMMEDIATE;"
            "SELECT audittrail.track('hen'); SELECT audittrail.track('egg');"
        )
        try:
            with transaction.atomic():
                cursor.execute(
                    "INSERT INTO egg VALUES (1, 1); INSERT INTO hen VALUES (1, 1), (2, NULL); UPDATE hen SET egg = 1 WHERE id = 2"
                )
            before = Revision.objects.newest()
            with transaction.atomic():
                cursor.execute("UPDATE hen SET egg = NULL; DELETE FROM egg; DELETE FROM hen")
            deleted = Revision.objects.newest()
            assert before is not None and deleted is not None
            for bring_back in (before.restore_all, deleted.undo):
                bring_back()
                cursor.execute(
                    "SELECT h.id, h.egg, e.hen FROM hen h JOIN egg e ON e.id = h.egg ORDER BY 1"
                )
                assert cursor.fetchall() == [(1, 1, 1), (2, 1, 1)]
                with transaction.atomic():
                    cursor.execute("UPDATE hen SET egg = NULL; DELETE FROM egg; DELETE FROM hen")
                deleted = Revision.objects.newest()
        finally:
            cursor.execute(
                "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name IN ('hen', 'egg');"
                "DELETE FROM audittrail.tracked_table WHERE table_name IN ('hen', 'egg');"
                "DROP TABLE audittrail.hen_history, audittrail.egg_history; DROP TABLE hen, egg CASCADE"
            )

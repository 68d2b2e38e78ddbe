"""Whatever happened: the changes between two revisions, applied to what was noted after the first, give what was noted after the second.

What is noted are the rows of the live tables after each commit, read with plain SQL. Set AUDITTRAIL_TEST_HISTORIES to a number to
play that many random histories, different ones each time.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from audittrail.diff.database import ObjectCounts
from audittrail.diff.json_null import JSON_NULL
from audittrail.models import Revision
from tests.builders.sending import try_to_send
from tests.testapp.models import Customer, Employee, OrderLine, Person, Specimen

EXAMPLES = int(os.environ.get("AUDITTRAIL_TEST_HISTORIES", "0"))
CLIENTS = 2

RELATED = (
    "ARRAY(SELECT m.organization_id::text FROM testapp_membership m WHERE m.person_id = p.id ORDER BY 1),"
    " ARRAY(SELECT f.to_person_id::text FROM testapp_person_friends f WHERE f.from_person_id = p.id ORDER BY 1)"
)

#: Of each model the query for its objects: the key, then each field as a number, text or array of text.
TRUTH: dict[Any, tuple[list[str], str]] = {
    Customer: (
        ["id", "name", "email", "vip", "favourites"],
        (
            "SELECT c.id, c.id, name, email, vip, ARRAY(SELECT f.product_id::text FROM testapp_customer_favourites f"
            " WHERE f.customer_id = c.id ORDER BY 1) FROM testapp_customer c"
        ),
    ),
    Person: (
        ["id", "name", "email", "organizations", "friends"],
        f"SELECT p.id, p.id, name, email, {RELATED} FROM testapp_person p",
    ),
    Employee: (
        ["id", "name", "email", "person_ptr", "salary", "organizations", "friends"],
        (
            f"SELECT p.id, p.id, name, email, p.id, salary::text, {RELATED}"
            " FROM testapp_person p JOIN testapp_employee e ON e.person_ptr_id = p.id"
        ),
    ),
    Specimen: (
        ["id", "name", "data", "numbers", "flag"],
        "SELECT id, id, name, data::text, numbers::text, flag FROM testapp_specimen",
    ),
    OrderLine: (
        ["order", "number", "product", "quantity"],
        "SELECT (order_id, number)::text, order_id, number, product_id::text, quantity FROM testapp_orderline",
    ),
}

CHANGES = (
    "INSERT INTO testapp_customer (id, name, email, vip) VALUES ({key}, 'n{value}', '', false) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
    "UPDATE testapp_customer SET name = 'n{value}' WHERE id = {key}",
    "UPDATE testapp_customer SET vip = NOT vip",
    "UPDATE testapp_customer SET vip = NOT vip, name = name || '{value}' WHERE id = {key}",
    "DELETE FROM testapp_customer_favourites WHERE customer_id = {key}; DELETE FROM testapp_order WHERE customer_id = {key}; DELETE FROM testapp_customer WHERE id = {key}",
    "INSERT INTO testapp_customer_favourites (customer_id, product_id) VALUES ({key}, '{product}') ON CONFLICT DO NOTHING",
    "DELETE FROM testapp_customer_favourites WHERE product_id = '{product}'",
    "UPDATE testapp_customer_favourites SET customer_id = {key} WHERE customer_id = {other}",
    "INSERT INTO testapp_person (id, name, email) VALUES ({key}, 'p{value}', '') ON CONFLICT DO NOTHING",
    "INSERT INTO testapp_person (id, name, email) VALUES ({key}, 'p{value}', '') ON CONFLICT DO NOTHING; INSERT INTO testapp_employee VALUES ({key}, {value}) ON CONFLICT DO NOTHING",
    "UPDATE testapp_person SET name = 'p{value}' WHERE id = {key}",
    "UPDATE testapp_employee SET salary = {value}",
    "DELETE FROM testapp_employee WHERE person_ptr_id = {key}",
    "INSERT INTO testapp_employee VALUES ({key}, {value})",
    (
        "DELETE FROM testapp_employee WHERE person_ptr_id = {key}; DELETE FROM testapp_membership WHERE person_id = {key};"
        " DELETE FROM testapp_person_friends WHERE {key} IN (from_person_id, to_person_id); DELETE FROM testapp_person WHERE id = {key}"
    ),
    "INSERT INTO testapp_membership (person_id, organization_id, role) VALUES ({key}, {organization}, 'r{value}') ON CONFLICT DO NOTHING",
    "UPDATE testapp_membership SET role = 'r{value}'",
    "UPDATE testapp_membership SET person_id = {key} WHERE person_id = {other}",
    "UPDATE testapp_membership SET organization_id = 3 - organization_id WHERE person_id = {key}",
    "DELETE FROM testapp_membership WHERE organization_id = {organization}",
    "INSERT INTO testapp_person_friends (from_person_id, to_person_id) VALUES ({key}, {other}), ({other}, {key}) ON CONFLICT DO NOTHING",
    "INSERT INTO testapp_specimen (id, name, data, file) VALUES ({key}, 's', '{json}', '') ON CONFLICT (id) DO UPDATE SET data = EXCLUDED.data",
    "UPDATE testapp_specimen SET numbers = ARRAY[{value}, {key}], flag = NOT flag",
    "UPDATE testapp_specimen SET data = NULL WHERE id = {key}",
    "UPDATE testapp_specimen SET id = id + 1 WHERE id = {key}",
    "TRUNCATE testapp_specimen",
    "INSERT INTO testapp_order (id, customer_id, reference, details) VALUES ({key}, {other}, 'o{key}', '{{}}') ON CONFLICT DO NOTHING",
    "INSERT INTO testapp_orderline (order_id, number, product_id, quantity) VALUES ({key}, {value}, '{product}', 1)",
    "UPDATE testapp_orderline SET quantity = {value} WHERE order_id = {key}",
    "UPDATE testapp_orderline SET number = number + 10 WHERE number = {value}",
    "DELETE FROM testapp_orderline WHERE order_id = {key}",
)  # fmt: skip
CONTROL = ("BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s")
JSON = ("1", "1.0", "1.00", "[1]", '{"a": 1}', "null")
PRODUCT = "00000000-0000-0000-0000-00000000000{}"


@dataclass(frozen=True)
class Step:
    client: int
    statement: str


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Draw a statement of one of the clients."""
    statement = draw(st.sampled_from(CHANGES + CHANGES + CONTROL))
    return Step(
        draw(st.integers(0, CLIENTS - 1)),
        statement.format(
            key=draw(st.integers(1, 3)),
            other=draw(st.integers(1, 3)),
            value=draw(st.integers(0, 3)),
            organization=draw(st.integers(1, 2)),
            product=PRODUCT.format(draw(st.integers(1, 2))),
            json=draw(st.sampled_from(JSON)),
        ),
    )


State = dict[Any, dict[Any, dict[str, Any]]]


def noted() -> State:
    """Return all objects as the live tables have them."""
    found: State = {}
    with connection.cursor() as cursor:
        for model, (names, query) in TRUTH.items():
            cursor.execute(query)
            found[model] = {
                key: dict(zip(names, values, strict=True)) for key, *values in cursor.fetchall()
            }
    return found


def plain(name: str, value: Any) -> Any:
    """Return a value of a change as the truth spells it."""
    if isinstance(value, tuple):
        return sorted(map(str, value))
    return value if value is None or isinstance(value, bool | int) else str(value)


def key_in_truth(model: Any, pk: Any) -> Any:
    return str(pk).replace(" ", "") if isinstance(pk, tuple) else pk


def expected(old: State, new: State, model: Any) -> dict[Any, tuple[str, set[str]]]:
    """Return which objects differ, and in which fields."""
    found = {}
    for key in old[model].keys() | new[model].keys():
        before, after = old[model].get(key), new[model].get(key)
        empty: dict[str, Any] = {
            n: [] if n in ("favourites", "organizations", "friends") else None
            for n in TRUTH[model][0]
        }
        names = {n for n in TRUTH[model][0] if (before or empty)[n] != (after or empty)[n]}
        if names:
            found[key] = ("I" if before is None else "D" if after is None else "U", names)
    return found


#: Fields whose values Python can't compare as text: only whether they changed is looked at, and whether they are null.
BY_TEXT = {"data", "numbers"}


def told(changes: Any, model: Any) -> dict[str, Any]:
    """Return the changes of the fields that were noted."""
    return {change.attribute: change for change in changes if change.attribute in TRUTH[model][0]}


def check_null(value: Any, text: str | None) -> None:
    """Check that a value that is told of JSON is null exactly if the database has null, and the one of the two that it has."""
    assert (value is None, value == JSON_NULL) == (text is None, text == "null")


def check_comparison(old: State, new: State, model: Any, a: Any, b: Any) -> None:
    wanted = expected(old, new, model)
    found = list(model.history.compare(a, b))
    assert {key_in_truth(model, one.pk): one.operation for one in found} == {
        key: operation for key, (operation, _) in wanted.items()
    }
    for one in found:
        key = key_in_truth(model, one.pk)
        changes = told(one.changes, model)
        assert changes.keys() == wanted[key][1], (one, old[model].get(key), new[model].get(key))
        for name, change in changes.items():
            for side, state in ((change.old, old), (change.new, new)):
                if name not in BY_TEXT and key in state[model]:
                    assert plain(name, side) == state[model][key][name]
                if name == "data":
                    check_null(side, state[model].get(key, {}).get(name))
        for instance, state in ((one.before, old), (one.after, new)):
            assert (instance is None) == (key not in state[model])
            if instance is not None and "name" in TRUTH[model][0]:
                assert instance.name == state[model][key]["name"]
    counts: defaultdict[str, int] = defaultdict(int)
    for operation, _ in wanted.values():
        counts[operation] += 1
    made = a.compare(b).counts.get(model, ObjectCounts())
    assert made == ObjectCounts(counts["I"], counts["U"], counts["D"])


def check_steps(truth: list[tuple[Any, State]], first: int, last: int, model: Any) -> None:
    """Follow each object from one revision to another."""
    states = {revision.pk: state for revision, state in truth}
    keys = {key for _, state in truth for key in state[model]}
    order = [revision.pk for revision, _ in truth]
    for key in keys:
        pk = tuple(map(int, key[1:-1].split(","))) if isinstance(key, str) else key
        current = dict(truth[first][1][model].get(key) or {})
        seen = []
        for step in model.history.steps(truth[first][0], truth[last][0], pk=pk):
            seen.append(step.revision.pk)
            before = truth[order.index(step.revision.pk) - 1][1]
            after = states[step.revision.pk]
            wanted = expected(before, after, model).get(key)
            changes = told(step.changes, model)
            assert changes.keys() == (wanted[1] if wanted else set()), (key, step)
            if wanted:
                assert step.operation == wanted[0]
            if step.operation == "D":
                current = {}
                continue
            for name, change in changes.items():
                if name == "data":
                    check_null(change.new, after[model][key][name])
                current[name] = (
                    after[model][key][name] if name in BY_TEXT else plain(name, change.new)
                )
            if step.operation == "I":
                for name in TRUTH[model][0]:
                    current.setdefault(
                        name, [] if name in ("favourites", "organizations", "friends") else None
                    )
        assert seen == sorted(seen, key=order.index)
        assert current == (truth[last][1][model].get(key) or {})


@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=EXAMPLES or 6,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(chosen=st.lists(steps(), min_size=10, max_size=40))
def test_changes_lead_from_one_state_to_another(chosen: list[Step], connect: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE testapp_customer, testapp_product, testapp_person, testapp_organization, testapp_specimen CASCADE;"
            "INSERT INTO testapp_organization (id, name) VALUES (1, 'a'), (2, 'b');"
            f"INSERT INTO testapp_product (id, name, price, stock) VALUES ('{PRODUCT.format(1)}', 'a', 0, 0), ('{PRODUCT.format(2)}', 'b', 0, 0);"
            "INSERT INTO testapp_customer (id, name, email, vip) VALUES (1, 'a', '', true);"
            "INSERT INTO testapp_person (id, name, email) VALUES (1, 'a', '')"
        )
    clients = [connect(autocommit=True) for _ in range(CLIENTS)]
    for client in clients:
        try_to_send(client, "SET lock_timeout = '5ms'")
    truth: list[tuple[Any, State]] = [(Revision.objects.newest(), noted())]
    steps_ = [*chosen, *(Step(n, "COMMIT") for n in range(CLIENTS))]
    for step in steps_:
        note(f"{step.client}: {step.statement}")
        try_to_send(clients[step.client], step.statement)
        newest = Revision.objects.newest()
        if newest != truth[-1][0]:
            truth.append((newest, noted()))
    for client in clients:
        client.close()
    pairs = list(combinations(range(len(truth)), 2))
    for first, last in [*pairs[:: max(len(pairs) // 4, 1)], (0, len(truth) - 1)]:
        note(f"from {truth[first][0]} to {truth[last][0]}")
        for model in TRUTH:
            check_comparison(
                truth[first][1], truth[last][1], model, truth[first][0], truth[last][0]
            )
            check_steps(truth, first, last, model)

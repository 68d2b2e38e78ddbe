"""However an inline is limited: history shows and writes of its rows what Django's own page of the object shows and writes, asked in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.admin.histories import address
from tests.admin.previews import form
from tests.admin.reading import REVISIONS, text_of
from tests.builders.sending import newest
from tests.testapp.admin import CountryAdmin, CustomerAdmin, NoteInline, OrderInline
from tests.testapp.models import Country, Customer, Order, TaggedNote

pytestmark = pytest.mark.django_db(transaction=True)

ACTIONS = ("view", "add", "change", "delete")
#: Few of each kind, since each asks for six pages, and Django's own cannot be asked with less.
EXAMPLES = 6


def never(self: Any, request: Any, obj: Any = None) -> bool:
    return False


def unlocked(self: Any, request: Any, obj: Any = None) -> bool:
    """Say no of one object, yes of others and of none."""
    return obj is None or not obj.name.startswith("locked")


def single(self: Any, request: Any, obj: Any = None) -> bool:
    """Say yes of one object, no of others and of none."""
    return obj is not None and obj.name.startswith("locked")


def visible_rows(self: Any, request: Any) -> Any:
    """Leave rows out of the queryset of an inline."""
    return super(type(self), self).get_queryset(request).exclude(**HIDDEN[self.model])


def other_objects(self: Any, request: Any) -> Any:
    """Leave an object out of the queryset of a ModelAdmin."""
    found = super(type(self), self).get_queryset(request)
    return found if request.user.is_superuser else found.exclude(name__startswith="locked")


def fields_by_object(name: str) -> Callable[..., Any]:
    """Return a method that makes a field of one object's rows read-only."""

    def get_readonly_fields(self: Any, request: Any, obj: Any = None) -> tuple[str, ...]:
        return (name,) if obj is not None and obj.name.startswith("locked") else ()

    return get_readonly_fields


HIDDEN: dict[Any, dict[str, str]] = {
    Order: {"reference__startswith": "hidden"},
    TaggedNote: {"text__startswith": "hidden"},
}


@dataclass(frozen=True)
class Rows:
    """The rows of an inline: how they are made, and the field that is changed in them."""

    model: Any
    inline: type[Any]
    parents: type[Any]
    field: str
    make: Callable[[Any, str], Any]
    optional: str | None


ROWS = {
    "by a foreign key": Rows(
        Order,
        OrderInline,
        CustomerAdmin,
        "reference",
        lambda parent, text: Order.objects.create(customer=parent, reference=text),
        "details",
    ),
    "by a content type": Rows(
        TaggedNote,
        NoteInline,
        CountryAdmin,
        "text",
        lambda parent, text: TaggedNote.objects.create(target=parent, text=text),
        None,
    ),
}


def limits(rows: Rows) -> Any:
    """Draw what an inline and its ModelAdmin are overridden with."""
    hooks = st.sampled_from((never, unlocked, single))
    names = (rows.field,) if rows.optional is None else (rows.field, rows.optional)
    inline: dict[str, Any] = {f"has_{action}_permission": hooks for action in ACTIONS}
    inline |= {
        "get_queryset": st.just(visible_rows),
        "readonly_fields": st.sampled_from([(name,) for name in names]),
        "get_readonly_fields": st.sampled_from([*map(fields_by_object, names)]),
        "can_delete": st.just(False),
        "max_num": st.sampled_from((0, 1, 2)),
    }
    if rows.optional:
        inline["exclude"] = st.just((rows.optional,))
    parent = {
        "has_change_permission": hooks,
        "has_view_permission": hooks,
        "get_queryset": st.just(other_objects),
    }
    return st.tuples(
        st.fixed_dictionaries({}, optional=inline).filter(lambda found: len(found) <= 4),
        st.fixed_dictionaries({}, optional=parent).filter(lambda found: len(found) <= 1),
    )


@contextmanager
def limited(asked: type[Any], given: dict[str, Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setattr(asked, name, value, raising=False)
        yield


@contextmanager
def undone() -> Iterator[None]:
    """Leave no trace of what is done within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def page_of(client: Client, parent: Any) -> Any:
    return client.get(f"/admin/testapp/{parent._meta.model_name}/{parent.pk}/change/")


def fields_of(page: Any, model: Any) -> tuple[dict[str, Any], Any]:
    """Return what the change page would post unchanged, and the formset of an inline, None if the page has none of it."""
    posted: dict[str, Any] = {}
    forms = [page.context["adminform"].form]
    wanted = None
    for one in page.context["inline_admin_formsets"]:
        forms += [one.formset.management_form, *one.formset.initial_forms]
        if one.formset.model is model:
            wanted = one.formset
    for one in forms:
        for name in one.fields:
            value = one[name].value()
            if value not in (None, False):
                posted[one.add_prefix(name)] = getattr(value, "pk", value)
    return posted, wanted


def written_by_django(client: Client, page: Any, rows: Rows, action: str, row: Any) -> bool:
    """Return whether Django's own page of an object does to a row what undoing would."""
    if page.status_code != 200:
        return False
    posted, formset = fields_of(page, rows.model)
    if formset is None:
        return False
    number = next((n for n, one in enumerate(formset.initial_forms) if one.instance == row), None)
    if action == "I":
        number = formset.initial_form_count()
        if formset.max_num is not None and number >= formset.max_num:
            return False  # the page offers no row to be added
        posted[f"{formset.prefix}-TOTAL_FORMS"] = number + 1
        values = {rows.field: row["then"], **({rows.optional: "{}"} if rows.optional else {})}
        posted |= {f"{formset.prefix}-{number}-{name}": value for name, value in values.items()}
    elif number is None:
        return False
    elif action == "D":
        posted[f"{formset.prefix}-{number}-DELETE"] = "on"
    else:
        posted[f"{formset.prefix}-{number}-{rows.field}"] = row.then
    then = row["then"] if action == "I" else row.then
    with undone():
        client.post(page.request["PATH_INFO"], posted)
        if action == "D":
            return not rows.model.objects.filter(pk=row.pk).exists()
        return bool(rows.model.objects.filter(**{rows.field: then}).exists())


def written_by_undoing(client: Client, rows: Rows, number: int, action: str, then: str) -> bool:
    url = f"{REVISIONS}{number}/undo/"
    page = client.get(url)
    with undone():
        posted = form(page) if page.status_code == 200 else {"digest": "x"}
        client.post(url, posted)
        changed = rows.model.objects.filter(**{rows.field: then}).exists()
        return bool(changed != (action == "D"))


@pytest.mark.parametrize("kind", ROWS)
def test_history_does_with_rows_of_inlines_what_the_page_of_the_object_does(
    kind: str, staff: Callable[..., User], log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ROWS[kind]
    monkeypatch.delitem(admin.site._registry, rows.model, raising=False)
    owners: Any = rows.parents
    parent_model: Any = Customer if rows.model is Order else Country
    names = (parent_model._meta.model_name, rows.model._meta.model_name)
    every = [f"testapp.{action}_{name}" for name in names for action in ACTIONS]
    parents = [
        Customer.objects.create(name=name) if rows.model is Order else Country.objects.create(code=name[:2].upper(), name=name)
        for name in ("locked", "open")
    ]  # fmt: skip
    scene: list[tuple[Any, str, Any, int, str]] = []
    for parent in parents:
        for word in ("seen", "hidden"):
            text = f"{word} {parent.name}"
            row = rows.make(parent, f"{text} U")
            rows.model.objects.filter(pk=row.pk).update(**{rows.field: f"{text} now"})
            row = rows.model.objects.get(pk=row.pk)
            row.then = f"{text} U"
            scene.append((parent, "U", row, newest().pk, row.then))
            row = rows.make(parent, f"{text} D")
            row.then = ""
            scene.append((parent, "D", row, newest().pk, f"{text} D"))
            rows.make(parent, f"{text} I").delete()
            scene.append((parent, "I", {"then": f"{text} I"}, newest().pk, f"{text} I"))
    clients: dict[frozenset[str], Client] = {}

    def client_with(missing: frozenset[str]) -> Client:
        if missing not in clients:
            user = staff(f"user {len(clients)}", *{*every} - missing, "audittrail.undo_revision")
            clients[missing] = log_in(user)
        return clients[missing]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
        database=None,
    )
    @given(
        limits(rows),
        st.frozensets(st.sampled_from(every), max_size=1),
        st.sampled_from(range(len(scene))),
    )
    def holds(drawn: Any, missing: frozenset[str], chosen: int) -> None:
        client = client_with(missing)
        parent, action, row, number, then = scene[chosen]
        with limited(rows.inline, drawn[0]), limited(owners, drawn[1]):
            note(f"{action} of {then!r}, {names} of {parent}")
            page = page_of(client, parent)
            by_page = written_by_django(client, page, rows, action, row)
            by_history = written_by_undoing(client, rows, number, action, then)
            assert by_page or not by_history
            # History writes no row that its user does not see, where Django's page adds any, and deletes what its inline may neither show
            # nor change.
            hidden = {"I": {"get_queryset"}, "D": {"has_view_permission"}}.get(action, set())
            assert by_history or not by_page or hidden & {*drawn[0], *drawn[1]}
            if action != "I":
                told = getattr(row, rows.field)
                shown = page.status_code == 200 and told in text_of(page)
                for url in (f"{REVISIONS}{number}/", address(parent)):
                    assert shown or told not in text_of(client.get(url)), url

    holds()

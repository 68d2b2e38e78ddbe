"""Trees (django-mptt): what objects of the past say of their place is as of their moment, and nothing of theirs is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction

from audittrail import history
from audittrail.exceptions import AuditTrailError
from audittrail.models import Revision
from tests.compatibility.project.shelf.models import Corner, Section

#: What a node is asked by name: who its relatives are.
READS: dict[str, Callable[[Any], Any]] = {
    "ancestors": lambda node: node.get_ancestors(),
    "ancestors, ascending": lambda node: node.get_ancestors(ascending=True, include_self=True),
    "family": lambda node: node.get_family(),
    "children": lambda node: node.get_children(),
    "related children": lambda node: node.children.all(),
    "descendants": lambda node: node.get_descendants(),
    "descendants and itself": lambda node: node.get_descendants(include_self=True),
    "leaves": lambda node: node.get_leafnodes(),
    "next": lambda node: [node.get_next_sibling()],
    "previous": lambda node: [node.get_previous_sibling()],
    "root": lambda node: [node.get_root()],
    "siblings": lambda node: node.get_siblings(),
    "siblings and itself": lambda node: node.get_siblings(include_self=True),
    "parent": lambda node: [node.parent],
    "roots": lambda node: node._tree_manager.root_nodes(),
    "descendants of a queryset": lambda node: node.get_siblings(include_self=True).get_descendants(include_self=True),
    "ancestors of a queryset": lambda node: node.get_siblings(include_self=True).get_ancestors(include_self=True),
    "cached trees": lambda node: node.get_family().get_cached_trees()[0].get_children(),
}  # fmt: skip

WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "save": lambda past, now: past.save(),
    "save elsewhere": lambda past, now: past.save(using="default"),
    "save with another parent": lambda past, now: setattr(past, "parent_id", now.pk) or past.save(using="default"),
    "delete": lambda past, now: past.delete(),
    "delete elsewhere": lambda past, now: past.delete(using="default"),
    "move": lambda past, now: past.move_to(now),
    "move to the past": lambda past, now: now.move_to(past, "left"),
    "move by the manager": lambda past, now: Section.objects.move_node(past, now),
    "move by the manager to the past": lambda past, now: Section.objects.move_node(now, past, "right"),
    "insert": lambda past, now: past.insert_at(now, save=True, allow_existing_pk=True),
    "insert into the past": lambda past, now: Section.objects.insert_node(Section(name="new"), past, save=True),
    "insert by the manager": lambda past, now: Section.objects.insert_node(past, now, save=True, allow_existing_pk=True),
    "create in the past": lambda past, now: Section.objects.create(name="new", parent=past),
    "rebuild": lambda past, now: past._tree_manager.rebuild(),
}  # fmt: skip


def begin() -> None:
    """Make a tree, then move a part of it and change every name."""
    with transaction.atomic():
        hall, attic = (Section.objects.create(name=name) for name in ("hall", "attic"))
        left = Section.objects.create(name="left", parent=hall)
        Section.objects.create(name="right", parent=hall)
        Section.objects.create(name="top", parent=left)
        Corner.objects.create(name="bench", parent=left)
    with transaction.atomic():
        left.refresh_from_db()
        left.move_to(attic)
        Section.objects.create(name="new", parent=Section.objects.get(name="right"))
        for section in Section.objects.all():
            section.name = section.name.upper()
            section.save()
        Corner.objects.update(seats=4)


def moments() -> list[Revision]:
    """Return the revisions that made and that changed the tree."""
    made = Section.history.versions.in_order()[0].revision
    return [made, Section.history.versions.in_order().reverse()[0].revision]


def names(nodes: Any) -> list[Any]:
    """Return what nodes are called."""
    return [node and node.name for node in nodes]


def relatives_are_of_the_moment() -> None:
    made, changed = moments()
    left = Section.history(revision=made).get(name="left")
    assert (
        names(left.get_ancestors()) == names([left.get_root()]) == names([left.parent]) == ["hall"]
    )
    assert names(left.get_descendants()) == ["top", "bench"]
    assert names([left.get_next_sibling()]) == ["right"]
    left = Section.objects.get(name="LEFT")
    assert names(left.get_ancestors()) == ["ATTIC"]
    for revision in (made, changed):
        for past in Section.history(revision=revision):
            with history.travelling(revision):
                present = Section.objects.get(pk=past.pk)
                expected = {question: names(ask(present)) for question, ask in READS.items()}
            # The second moment is the present.
            wanted = expected if revision == made else asked(Section.objects.get(pk=past.pk))
            found = asked(past)
            assert found == expected == wanted, [
                (past.name, question, answer, expected[question], wanted[question])
                for question, answer in found.items()
                if not answer == expected[question] == wanted[question]
            ]


def asked(node: Any) -> dict[str, list[Any]]:
    """Return the relatives of a node, by what they are to it."""
    return {question: names(ask(node)) for question, ask in READS.items()}


def relatives_by_a_child_model_are_of_the_moment() -> None:
    made, changed = moments()
    bench = Corner.history(revision=made).get()
    assert (bench.name, bench.seats) == ("bench", 1)
    assert names(bench.get_ancestors()) == ["hall", "left"]
    assert names(bench.get_siblings()) == ["top"]
    assert names(bench.get_family()) == ["hall", "left", "bench"]
    assert names([bench.get_root()]) == ["hall"]
    assert asked(Corner.history(revision=changed).get()) == asked(Corner.objects.get())


def a_tree_of_the_past_is_not_written() -> None:
    made, _changed = moments()
    rows = list(Section.objects.values_list())
    count = Revision.objects.count()
    for model, name in ((Section, "left"), (Corner, "bench")):
        for title, write in WRITES.items():
            past = model.history(revision=made).get(name=name)
            try:
                # The package sends parts of a move before it saves the node, and asks for a transaction around it.
                with transaction.atomic():
                    write(past, Section.objects.get(name="RIGHT"))
            except AuditTrailError:
                pass
            else:
                raise AssertionError(f"{title} of {name} went on")
            assert list(Section.objects.values_list()) == rows, title
            assert Revision.objects.count() == count, title

"""Years of a library, recorded by django-simple-history: made by its own code, the same each time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F
from django.dispatch import receiver
from simple_history.signals import pre_create_historical_record
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from tests.compatibility.moving.library.models import (
    Author,
    Book,
    Branch,
    Later,
    Place,
    Reader,
    Shelf,
)

BEGAN = datetime(2021, 3, 1, 9, tzinfo=UTC)

REASONS = ["", "stock-taking", "correction; of a price", None]


@receiver(pre_create_historical_record)
def place(history_instance: Any, instance: Any, **kwargs: Any) -> None:
    """Let a record of a shelf say more than what the shelf is."""
    if isinstance(instance, Shelf):
        history_instance.place = f"hall {instance.floor}"


def fill(steps: int = 150) -> None:
    """Let so many things happen, some within a moment of each other."""
    chance = random.Random(7)
    user_model: Any = get_user_model()
    users = [None, *(user_model.objects.create_user(name) for name in ("ada", "bob"))]
    now = BEGAN
    for number in range(steps):
        now += timedelta(milliseconds=chance.choice([1, 300, 900, 5_000, 86_400_000]))
        user, reason = chance.choice(users), chance.choice(REASONS)
        obj = _next(chance, number)
        for one in obj if isinstance(obj, list) else [obj]:
            one._history_date, one._history_user, one._change_reason = now, user, reason
            if chance.random() < 0.2 and one.pk is not None and not one._state.adding:
                one.delete()
            else:
                one.save()
                if isinstance(one, Shelf):
                    now += timedelta(milliseconds=1)
                    one._history_date = now
                    one.books.set(Book.objects.order_by("-pk")[: chance.choice([0, 1, 2])])
            now += timedelta(microseconds=chance.choice([0, 1, 70_000]) + 1)
    _in_bulk(now + timedelta(days=3), users[1])
    _unrecorded()


def _next(chance: random.Random, number: int) -> Any:
    """Return one or several objects that are to be saved or deleted."""
    kind = chance.choice([Author, Book, Book, Book, Shelf, Place, Branch, Reader, Later])
    # Of a place that is a branch as well, the package would have two stories.
    chosen = kind.objects.filter(branch=None) if kind is Place else kind.objects.all()
    found = list(chosen.order_by("pk"))
    obj = chance.choice(found) if found and chance.random() < 0.6 else kind()
    if isinstance(obj, Author):
        obj.name, obj.born = f"Author {number}", chance.choice([None, BEGAN.date()])
    elif isinstance(obj, Book):
        obj.title, obj.price = f"Title {number} %s {{}}", Decimal(number) / 4
        obj.about = chance.choice([{}, {"pages": number}, [1, None, "x"], None])
        obj.author = chance.choice([None, *Author.objects.all()])
        obj.seen = chance.choice([None, BEGAN + timedelta(microseconds=number)])
        obj.cover = chance.choice(["", f"covers/{number}.png"])
    elif isinstance(obj, Shelf):
        obj.floor = number
    elif isinstance(obj, Place):
        obj.street = f"Street {number}"
        if isinstance(obj, Branch):
            obj.opened = number
    elif isinstance(obj, Reader):
        obj.name, obj.card = f"Reader {number}", f"card {number}"
    else:
        obj.text = f"text {number}"
        return [obj, type(obj)(text="other")]
    return obj


def _in_bulk(at: datetime, user: Any) -> None:
    made = [Author(name=f"Many {number}") for number in range(20)]
    bulk_create_with_history(
        made, Author, default_user=user, default_change_reason="in bulk", default_date=at
    )
    authors = list(Author.objects.filter(name__startswith="Many").order_by("pk"))
    for author in authors:
        author.name = author.name.replace("Many", "Several")
    later = at + timedelta(hours=1)
    bulk_update_with_history(authors, Author, ["name"], default_user=user, default_date=later)


def _unrecorded() -> None:
    """Let happen what the package does not see: a change, a deletion, an object that is there again, one that it has never seen."""
    first, second = Book.objects.order_by("pk")[:2]
    Book.objects.filter(pk=first.pk).update(price=F("price") + 1)
    Shelf.books.through.objects.filter(book=second)._raw_delete("default")
    Book.objects.filter(pk=second.pk)._raw_delete("default")
    gone = (
        Author.history.filter(history_type="-").exclude(id__in=Author.objects.values("id")).first()
    )
    Author(id=gone.id, name="Back again").save_without_historical_record()
    Author(name="Never seen").save_without_historical_record()

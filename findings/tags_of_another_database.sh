#!/bin/sh
# django-taggit 6.1.0 with Django 5.2.19: the tags of an object that was read from one database are looked up in another.
#
# One would guess that obj.tags.all() asks the database that the object was read from, as obj.authors.all() of a ManyToManyField does,
# since it is declared and used like one. It builds its query from the object's key alone, which the routers send to the default database.
#
# Seen: the object of the database "copy" has the tag "there"; many-to-many: ['there'], tags.all(): ['here'].
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet Django==5.2.19 django-taggit==6.1.0
mkdir "$folder/books"
touch "$folder/books/__init__.py"
cat >"$folder/books/models.py" <<'PYTHON'
from django.db import models
from taggit.managers import TaggableManager


class Author(models.Model):
    name = models.CharField(max_length=20)


class Book(models.Model):
    authors = models.ManyToManyField(Author)
    tags = TaggableManager()
PYTHON
cat >"$folder/show.py" <<'PYTHON'
import sys
from pathlib import Path

import django
from django.conf import settings

folder = Path(sys.argv[1])
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "taggit", "books"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / f"{alias}.db"} for alias in ("default", "copy")
    },
)
django.setup()

from books.models import Author, Book
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from taggit.models import Tag, TaggedItem

for alias, word in (("default", "here"), ("copy", "there")):
    call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    book = Book.objects.using(alias).create(pk=1)
    book.authors.add(Author.objects.using(alias).create(name=word))
    tag = Tag.objects.using(alias).create(name=word, slug=word)
    kind = ContentType.objects.db_manager(alias).get_for_model(Book)
    TaggedItem.objects.using(alias).create(tag=tag, object_id=1, content_type=kind)

book = Book.objects.using("copy").get()
authors = [author.name for author in book.authors.all()]
tags = [tag.name for tag in book.tags.all()]
print(f"many-to-many: {authors}, tags.all(): {tags}")
assert authors == ["there"]
assert tags == ["here"]
PYTHON
PYTHONPATH="$folder" "$folder/venv/bin/python" "$folder/show.py" "$folder"

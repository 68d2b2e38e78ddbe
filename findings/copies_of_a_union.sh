#!/bin/sh
# Django 5.2.19: an ordered union with chosen columns gives one column more, and a copy of it then fails.
#
# One would guess that values_list("pk") gives the primary key alone, whatever it is ordered by, and that a queryset is independent of
# its copies: all() is there to read the same query again. Compiling the union takes the column that it is ordered by into what is
# selected, and into what the copies share: the second one believes to have a column that it does not ask for.
#
# Seen: the first copy gives [(1, 'x'), (2, 'y')]; the second raises IndexError: tuple index out of range.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet Django==5.2.19
cat >"$folder/show.py" <<'PYTHON'
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

call_command("migrate", verbosity=0)
ContentType.objects.all().delete()
ContentType.objects.create(pk=1, app_label="a", model="x")
ContentType.objects.create(pk=2, app_label="b", model="y")
first, second = ContentType.objects.filter(pk=1), ContentType.objects.filter(pk=2)
union = first.union(second).values_list("pk").order_by("model")
copy = union.all()
read = list(union)
print("first copy:", read)
assert read == [(1, "x"), (2, "y")]
try:
    list(copy)
except IndexError as error:
    print("second copy:", type(error).__name__, error)
else:
    raise AssertionError("the second copy was read")
PYTHON
"$folder/venv/bin/python" "$folder/show.py"

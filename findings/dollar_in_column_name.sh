#!/bin/sh
# Django 5.2.19 with PostgreSQL: a column whose name has a dollar sign can be written, but not read.
#
# One would guess that a name which PostgreSQL and db_column allow is quoted like any other. Django's check of column
# aliases is asked for every name that a SELECT quotes, not for aliases alone; INSERT does not ask it.
#
# Seen: INSERT is compiled; SELECT raises ValueError "Dollar signs are not permitted in column aliases on PostgreSQL.".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet django==5.2.19 "psycopg[binary]==3.3.9"
cat >"$folder/show.py" <<'PYTHON'
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "unused"}})
django.setup()

from django.db import connection, models


class Price(models.Model):
    amount = models.IntegerField(db_column="amount_in_$")

    class Meta:
        app_label = "shop"


insert = models.sql.InsertQuery(Price)
insert.insert_values([Price._meta.get_field("amount")], [Price(amount=5)])
((statement, parameters),) = insert.get_compiler(connection=connection).as_sql()
print(statement, parameters)
assert statement.startswith('INSERT INTO "shop_price" ("amount_in_$")'), statement
try:
    print(Price.objects.all().query.get_compiler(connection=connection).as_sql())
except ValueError as error:
    print(f"SELECT: {type(error).__name__}: {error}")
    assert str(error) == "Dollar signs are not permitted in column aliases on PostgreSQL."
else:
    raise AssertionError("SELECT is compiled")
PYTHON
"$folder/venv/bin/python" "$folder/show.py"

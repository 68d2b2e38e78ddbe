"""The admin of the library."""

from django.contrib import admin

from tests.compatibility.moving.library.models import Author, Book

admin.site.register([Author, Book])

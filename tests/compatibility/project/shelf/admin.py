"""The pages of the shelf and of the till."""

from django.contrib import admin
from modeltranslation.admin import TranslationAdmin

from tests.compatibility.project.accounts.models import User
from tests.compatibility.project.shelf import models
from tests.compatibility.project.till.models import Line

admin.site.register(models.Book, TranslationAdmin)
admin.site.register([models.Line, models.Loan, models.Note, models.Counter, Line, User])

"""The pages of what other packages keep a history of, with their own."""

from django.contrib import admin
from reversion.admin import VersionAdmin
from simple_history.admin import SimpleHistoryAdmin

from tests.compatibility.project.till import models

admin.site.register(models.Reverted, VersionAdmin)
admin.site.register(models.Recorded, SimpleHistoryAdmin)

"""Each tenant's own pages."""

from django.contrib import admin

from tests.tenants.project.patients.models import Patient, Visit

admin.site.register([Patient, Visit])

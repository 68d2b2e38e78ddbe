"""The tenants, in the schema `public` alone, as the package that keeps them has them."""

from django.conf import settings
from django.db import models

if settings.TENANTS_PACKAGE == "django_tenants":
    from django_tenants.models import DomainMixin, TenantMixin
else:
    from django_pgschemas.models import TenantModel as TenantMixin
    from django_pgschemas.routing.models import DomainModel as DomainMixin


class Clinic(TenantMixin):
    name = models.CharField(max_length=100)

    auto_create_schema = True
    auto_drop_schema = True

    def __str__(self) -> str:
        return self.name


class Domain(DomainMixin):
    pass

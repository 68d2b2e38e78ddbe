"""What the whole project and each tenant have: a table in `public`, and one in each tenant's schema."""

from django.db import models


class Label(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name

"""`{% load audittrail_numbers %}{{ number|grouped }}`: numbers of rows as badges show them."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """Return a number with the language's marks between thousands, also where the project's settings want none."""
    return number_format(number, use_l10n=True, force_grouping=True)

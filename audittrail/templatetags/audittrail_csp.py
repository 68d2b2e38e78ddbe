"""`{% load audittrail_csp %}<script src="..."{% nonce_attribute %}>`: what a Content Security Policy wants of scripts and styles."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html

register = template.Library()


@register.simple_tag(takes_context=True)
def nonce_attribute(context: Any) -> str:
    """Return the attribute with the nonce of the page, nothing for a page that has none.

    A tag, since Django logs each variable of a template that the context does not have.
    """
    nonce = context.get("csp_nonce")
    return format_html(' nonce="{}"', nonce) if nonce else ""

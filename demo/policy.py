"""A strict Content-Security-Policy on every page; Django 6 brings a middleware for that, 5.2 has none."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    ]
)


class StrictPolicyMiddleware(MiddlewareMixin):
    """Permit what the site itself serves, and nothing within the pages: no inline script, no inline style."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the policy to a response."""
        response.headers["Content-Security-Policy"] = POLICY
        return response

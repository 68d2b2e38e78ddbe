"""Tables of pages, with django-tables2: a page of rows that was read by key, in an order that is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django_tables2
from django.utils.safestring import SafeString


class PageTable(django_tables2.Table):  # type: ignore[misc]
    """A table of one page; django-tables2 need not be among INSTALLED_APPS, since the template is ours."""

    def __html__(self) -> SafeString:
        """Return the table as HTML."""
        rendered: SafeString = self.as_html(self.request)
        return rendered

    def __str__(self) -> str:
        """Return the table as HTML, as a template asks for it."""
        return self.__html__()

    def __init__(self, data: Sequence[Any], request: Any, **options: Any) -> None:
        self.request = request
        super().__init__(
            data,
            orderable=False,
            template_name="audittrail/admin/table.html",
            attrs={"class": "audittrail-table"},
            **options,
        )

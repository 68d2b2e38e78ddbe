"""Values that try to be more than text."""

from __future__ import annotations

from typing import Final

SCRIPT: Final = "<script>alert('audittrail')</script>"
#: Texts that PostgreSQL can hold: markup, quotes, template code, formulas, marks of direction, very long ones.
TEXTS: Final = (
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "' style='color:red' onmouseover='alert(1)",
    "{{ 7|add:35 }}{% now 'Y' %}",
    '=HYPERLINK("https://example.com")',
    "\u202egnp.exe\u2066\u200f",
    "javascript:alert(1)",
    "]]></script><!--",
    "long " * 200_000,
)

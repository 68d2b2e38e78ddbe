"""The demo's visitor fills in forms as they are shown."""

from __future__ import annotations

import pytest

from demo.visitor import form_values

PAGE = """
<form method="get"><input name="q" value="sought"></form>
<form method="post">
  <input type="hidden" name="token" value="abc"><input name="title" value="One &amp; two"><input name="empty">
  <textarea name="text">\r\nFirst &lt;line&gt;\r\n\r\nLast</textarea><textarea name="nothing"></textarea>
  <select name="status"><option value="a">A</option><option value="b" selected>B</option></select>
  <select name="many" multiple><option value="1" selected>1</option><option value="2" selected>2</option></select>
  <select name="none" multiple><option value="1">1</option></select>
  <input type="checkbox" name="urgent"><input type="checkbox" name="public" checked>
  <input type="submit" name="_save" value="Save">
</form>
<form method="post"><input name="theme" value="dark"></form>
"""


def test_a_form_is_sent_with_what_it_shows() -> None:
    assert form_values(PAGE) == {
        "token": ["abc"],
        "title": ["One & two"],
        "empty": [""],
        "text": ["First <line>\n\nLast"],
        "nothing": [""],
        "status": ["b"],
        "many": ["1", "2"],
        "none": [],
        "urgent": [],
        "public": ["on"],
    }


def test_a_page_without_a_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="There is no form"):
        form_values("<p>Nothing</p>")

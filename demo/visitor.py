"""Use the demo's pages over HTTP as a browser would: log in, fill in forms, send them."""

from __future__ import annotations

from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

#: What a form is sent with: values by name, several for a choice of several.
Values = dict[str, list[str]]

BUTTONS = {"submit", "button", "reset", "image", "file"}


class Visitor:
    """Somebody with cookies of their own, logged in or not."""

    def __init__(self, site: str) -> None:
        """Visit `site`, such as http://127.0.0.1:8000."""
        self._site = site
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self._name = "visitor"
        self._requests = 0

    def read(self, path: str, values: Values | None = None) -> str:
        """Return the page at `path`, after sending `values` to it if there are any.

        Raises `urllib.error.HTTPError` for a page that answers with an error.
        """
        data = None if values is None else urlencode(values, doseq=True).encode()
        self._requests += 1
        # As a proxy in front of the site would: so the demo is the same each time it is built.
        request_id = f"{self._name}-{self._requests}"
        request = Request(self._site + path, data, {"X-Request-ID": request_id})
        with self._opener.open(request, timeout=60) as response:
            text: str = response.read().decode()
        return text

    def log_in(self, username: str, password: str) -> None:
        """Log in by the admin's page."""
        self._name = username
        self.send("/admin/login/", username=[username], password=[password])

    def send(self, path: str, **changed: list[str]) -> str:
        """Fill in the form of a page, with what it shows and what is `changed`, and send it; return the answer.

        Raises ValueError if the form has no such field, or is shown again because something is wrong with it.
        """
        values = form_values(self.read(path))
        if unknown := changed.keys() - values:
            raise ValueError(f"The form at {path} has no {sorted(unknown)}, only {sorted(values)}.")
        answer = self.read(path, values | changed)
        if 'class="errornote"' in answer:
            raise ValueError(f"The form at {path} was not accepted:\n{answer}")
        return answer


def form_values(page: str) -> Values:
    """Return what the form of a page would be sent with as it is shown; of several, the one with most fields."""
    reader = _FormReader()
    reader.feed(page)
    if not reader.forms:
        raise ValueError(f"There is no form to be sent on the page:\n{page}")
    return max(reader.forms, key=len)


class _FormReader(HTMLParser):
    """Collect the values of forms that are sent with POST."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Values] = []
        self._in_form = False
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down the value of an element."""
        given = dict(attrs)
        name = given.get("name") or ""
        value = given.get("value")
        if tag == "form":
            self._in_form = (given.get("method") or "").lower() == "post"
            if self._in_form:
                self.forms.append({})
        elif tag == "select":
            self._select = name
            self._add(name)
        elif tag == "option" and "selected" in given:
            self._add(self._select, value or "")
        elif tag == "textarea":
            self._text = name
            self._add(name, "")
        elif tag == "input" and given.get("type") in ("checkbox", "radio"):
            self._add(name, *([value or "on"] if "checked" in given else []))
        elif tag == "input" and given.get("type") not in BUTTONS:
            self._add(name, value or "")

    def handle_data(self, data: str) -> None:
        """Take down what is written in a text field."""
        if self._text and self._in_form:
            self.forms[-1][self._text][-1] += data

    def handle_endtag(self, tag: str) -> None:
        """End a text field or a form."""
        if tag == "textarea":
            # A line end after the tag is not part of the text; Django writes it.
            if self._text and self._in_form:
                values = self.forms[-1][self._text]
                values[-1] = values[-1].replace("\r\n", "\n").removeprefix("\n")
            self._text = ""
        elif tag == "form":
            self._in_form = False

    def _add(self, name: str, *values: str) -> None:
        if name and self._in_form:
            self.forms[-1].setdefault(name, []).extend(values)

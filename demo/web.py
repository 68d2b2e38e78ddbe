"""Serve the demo's admin on this machine, and ask it for its pages as a browser would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from demo.visitor import Visitor

HOST = "127.0.0.1"
PAGES = {
    "/admin/": "Country register",
    "/admin/registry/country/?q=rkiye": "Türkiye",
    "/admin/registry/subdivision/?q=Kenya": "Nairobi",
    "/admin/registry/currency/": "Currencies",
    "/admin/registry/country/SZ/history/": "Kingdom of Swaziland",
    "/admin/registry/country/SZ/audittrail/compare/": "What has changed",
    "/admin/registry/country/audittrail/deleted/": "Liechtenstein",
    "/admin/registry/country/audittrail/deleted/undelete/?pk=LI&cascade=1": "Vaduz",
    "/admin/audittrail/revisions/": "Eswatini and North Macedonia take their new names",
    "/admin/audittrail/time-machine/": "Travel there",
}


class QuietHandler(WSGIRequestHandler):
    """Print nothing for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is http.server's)
        """Say nothing."""


@contextmanager
def serving(port: int) -> Iterator[str]:
    """Listen on `port` of this machine, 0 for any free one; give the address.

    Raises `OSError` when the port is taken.
    """
    server = ThreadedWSGIServer((HOST, port), QuietHandler)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/admin/"
    finally:
        server.shutdown()
        server.server_close()


def unanswered(address: str, username: str) -> list[str]:
    """Log in to the admin at `address` and return in words which of its pages do not answer as they should."""
    visitor = Visitor(address.removesuffix("/admin/"))
    wrong = []
    path = "/admin/login/"
    try:
        stylesheet = re.search(r'href="(/static/[^"]+\.css)"', visitor.read(path))
        if stylesheet is None:
            return [f"{path}: no stylesheet"]
        visitor.log_in(username, username)
        visitor.read(path := stylesheet[1])
        for path, shown in PAGES.items():
            text = visitor.read(path)
            if "Log out" not in text or shown not in text:
                wrong.append(f"{path}: does not show {shown!r} to a user who has logged in")
    except (HTTPError, URLError, ValueError) as error:
        wrong.append(f"{path}: {error}")
    return wrong

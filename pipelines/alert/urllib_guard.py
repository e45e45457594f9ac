"""Slack's library speaks through urllib, which follows redirects and asks anybody: here it does neither."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

from pipelines.outgoing import refuse_socket


class _HTTPConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        refuse_socket(self.sock)


class _HTTPSConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        refuse_socket(self.sock)


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HTTPConnection, req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HTTPSConnection, req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nothing of ours moves: a redirect is an answer like any other."""
        return


def guard_urllib() -> None:
    """From now on this process's ``urlopen`` follows no redirect and never asks a link-local or metadata address."""
    urllib.request.install_opener(urllib.request.build_opener(_HTTPHandler, _HTTPSHandler, _NoRedirect))

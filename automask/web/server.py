"""A server for one person: on loopback, for who has the token, and to no other site's pages.

The first address carries the token; a cookie then does, which other sites' pages can't send
(`SameSite=Strict`). A request must name this server as its host, so that no other name can be bound to
it (DNS rebinding), and what changes something must come from a page of its own.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socketserver
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from automask.errors import UserError
from automask.web.pages import Response

HOST = "127.0.0.1"
#: Requests that change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class Guard:
    """A WSGI application that only lets in who has the `token`, and only at `port`."""

    app: Wsgi
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers share cookies between the ports of a host."""
        return f"automask-{self.port}"

    def address(self, path: str = "/") -> str:
        """Where to go in."""
        return f"http://{HOST}:{self.port}{path}?token={self.token}"

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if (refusal := self._refusal(environ)) is not None:
            return refusal.send(environ, start_response)
        given = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if environ["REQUEST_METHOD"] == "GET" and self._fits(given):
            cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            path = quote(environ.get("PATH_INFO") or "/", encoding="latin-1")
            # The token isn't to stand in the address, from where it would travel on.
            where = {"Location": path if not path.startswith("//") else "/", "Set-Cookie": cookie}
            return Response("", status="303 See Other", headers=where).send(environ, start_response)
        if not self._fits(self._sent_cookie(environ)):
            text = "This page is for who has its whole address: copy it from the terminal."
            return Response(text, "text/plain", "403 Forbidden").send(environ, start_response)
        return self.app(environ, start_response)

    def _refusal(self, environ: dict[str, Any]) -> Response | None:
        """The answer to who calls the server by another name, or from another site's page."""
        names = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        if environ.get("HTTP_HOST", "").lower() not in names:
            return Response("no such host here", "text/plain", "421 Misdirected Request")
        if environ["REQUEST_METHOD"] in SAFE:
            return None
        origin = urlsplit(environ.get("HTTP_ORIGIN", ""))
        if origin.scheme != "http" or origin.netloc.lower() not in names:
            return Response("not from a page of this server", "text/plain", "403 Forbidden")
        return None

    def _sent_cookie(self, environ: dict[str, Any]) -> str:
        try:
            cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
        except CookieError:
            return ""
        return cookies[self.cookie].value if self.cookie in cookies else ""

    def _fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # Another process must not be able to answer at the same port.
    allow_reuse_address = os.name != "nt"


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for sentences, and an address may hold the token."""


@dataclass(frozen=True)
class Served:
    """A server that listens already; `run` answers until Ctrl-C or `stop`."""

    guard: Guard
    server: WSGIServer

    def run(self) -> None:
        with self.server:
            self.server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End `run`, which another thread is in."""
        self.server.shutdown()


def listen(app: Wsgi, port: int = 0) -> Served:
    """Listen at that port of this machine, 0 for any that is free; `UserError` where it is taken."""
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"--port {port}: can't be listened at ({reason}); leave it out for a free one"
        ) from None
    guard = Guard(app, server.server_port)
    server.set_app(guard)
    return Served(guard, server)


def open_browser(address: str) -> bool:
    """Show the address in the user's browser where there is a screen; whether that was tried."""
    import webbrowser

    screen = (
        sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return bool(sys.stdout.isatty() and screen and webbrowser.open(address))

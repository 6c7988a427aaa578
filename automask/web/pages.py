"""Requests and answers, and which function makes which page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from automask.errors import UserError

#: Bytes that a page may send at most.
MOST = 2**24
#: Of every answer: never a frame in another page, never taken for another type, never kept.
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Response:
    """A text to send; `headers` beside those that all have."""

    text: str
    kind: str = "text/html"
    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        content = self.text.encode()
        headers = {
            "Content-Type": f"{self.kind}; charset=utf-8",
            "Content-Length": str(len(content)),
            **ALWAYS,
            **self.headers,
        }
        start_response(self.status, list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]


@dataclass(frozen=True)
class Request:
    """What was asked: the address's `query`, and the JSON `content` that was sent, if any."""

    query: Mapping[str, str]
    content: Any = None


Page = Callable[[Request], Response]


@dataclass(frozen=True)
class Pages:
    """A WSGI application of a function for each method and path, and what answers all `others`, if
    anything does."""

    pages: Mapping[tuple[str, str], Page]
    others: Callable[..., Iterable[bytes]] | None = None

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
        page = self.pages.get((method, path))
        if page is None and self.others is not None:
            return self.others(environ, start_response)
        return self._answer(page, environ).send(environ, start_response)

    def _answer(self, page: Page | None, environ: dict[str, Any]) -> Response:
        if page is None:
            return Response("no such page", "text/plain", "404 Not Found")
        query = {
            key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()
        }
        try:
            content = read_json(environ) if environ["REQUEST_METHOD"] == "POST" else None
            return page(Request(query, content))
        except UserError as error:
            return Response(str(error), "text/plain", "400 Bad Request")


def read_json(environ: dict[str, Any]) -> Any:
    """What a page sent; raises `UserError` where it is no JSON, as forms of other sites send none."""
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip()
    length = environ.get("CONTENT_LENGTH") or "0"
    if kind != "application/json" or not length.isdecimal() or int(length) > MOST:
        raise UserError(f"a page of automask sends JSON of at most {MOST:,} bytes")
    try:
        return json.loads(environ["wsgi.input"].read(int(length)))
    except ValueError:
        raise UserError("what was sent is no JSON") from None


def as_json(content: Any) -> Response:
    """An answer for a page's script."""
    return Response(json.dumps(content, ensure_ascii=False), "application/json")

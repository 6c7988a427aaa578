"""Who is let in, what others are told, and that only its own pages change anything."""

import http.client
import io
import json
import threading
from wsgiref.util import setup_testing_defaults

import pytest

from automask.errors import UserError
from automask.web import pages, server
from automask.web.pages import Pages, Request, Response, as_json
from automask.web.server import Guard, listen


def echo(request: Request) -> Response:
    return as_json({"query": dict(request.query), "content": request.content})


def refuse(request: Request) -> Response:
    raise UserError("<b>no</b>")


APP = Pages({("GET", "/"): echo, ("POST", "/"): echo, ("GET", "/no"): refuse})
GUARD = Guard(APP, 8123, "secret")
COOKIE = {"HTTP_COOKIE": "other=1; automask-8123=secret"}
OWN = {"HTTP_ORIGIN": "http://127.0.0.1:8123", "CONTENT_TYPE": "application/json"}


def call(app, method="GET", path="/", query="", content=None, **environ):
    """The status, the headers and the text of an answer."""
    body = b"" if content is None else content
    asked = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "127.0.0.1:8123",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    setup_testing_defaults(asked)
    sent = []
    text = b"".join(app(asked, lambda status, headers: sent.append((status, dict(headers)))))
    [(status, headers)] = sent
    return int(status[:3]), headers, text.decode()


def test_the_token_becomes_a_cookie_and_leaves_the_address():
    code, headers, _ = call(GUARD, query="token=secret&x=1", path="/suspects")
    assert code == 303 and headers["Location"] == "/suspects"
    assert headers["Set-Cookie"].startswith("automask-8123=secret; HttpOnly; SameSite=Strict")
    for path, wanted in (
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/%5Celsewhere.example"),
        ("/a\r\nSet-Cookie: x", "/a%0D%0ASet-Cookie%3A%20x"),
    ):
        assert call(GUARD, query="token=secret", path=path)[1]["Location"] == wanted


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"query": "token=secrets"},
        {"query": "token="},
        {"HTTP_COOKIE": "automask-8123=wrong"},
        {"HTTP_COOKIE": "automask-8124=secret"},
        {"HTTP_COOKIE": "automask-8123"},
        {"HTTP_COOKIE": "automask-8123=geheim\u00e9"},
        {"method": "POST", "query": "token=secret", **OWN},
    ],
)
def test_nobody_else_is_let_in(environ):
    code, _, text = call(GUARD, **environ)
    assert code == 403 and "query" not in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:80", "evil.example:8123", ""])
def test_by_another_name_it_is_not_there(host):
    assert call(GUARD, **COOKIE, HTTP_HOST=host)[0] == 421


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://127.0.0.1:8124", "https://127.0.0.1:8123"],
)
def test_other_sites_pages_change_nothing(origin):
    environ = {**OWN, "HTTP_ORIGIN": origin} if origin else {"CONTENT_TYPE": "application/json"}
    assert call(GUARD, "POST", content=b"{}", **COOKIE, **environ)[0] == 403
    assert call(GUARD, "DELETE", **COOKIE, **environ)[0] == 403


def test_its_own_pages_read_and_write():
    code, headers, text = call(GUARD, query="a=1&b=%3Cx%3E", **COOKIE)
    assert code == 200 and json.loads(text)["query"] == {"a": "1", "b": "<x>"}
    assert headers["X-Frame-Options"] == "DENY" and headers["Cache-Control"] == "no-store"
    code, _, text = call(GUARD, "POST", content=b'{"a": [1]}', **COOKIE, **OWN)
    assert code == 200 and json.loads(text)["content"] == {"a": [1]}
    assert call(GUARD, "HEAD", **COOKIE)[2] == ""


@pytest.mark.parametrize(
    ("content", "environ"),
    [
        (b"a=1", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}),
        (b"{}", {"CONTENT_TYPE": "text/plain"}),
        (b"no json", {}),
        (b"\xff", {}),
        (b"{}", {"CONTENT_LENGTH": str(pages.MOST + 1)}),
        (b"{}", {"CONTENT_LENGTH": "-1"}),
    ],
)
def test_what_is_no_json_is_refused(content, environ):
    code, _, text = call(GUARD, "POST", content=content, **COOKIE, **{**OWN, **environ})
    assert code == 400 and "JSON" in text


def test_mistakes_are_plain_text_and_others_may_answer():
    code, headers, text = call(APP, path="/no")
    assert code == 400 and text == "<b>no</b>" and headers["Content-Type"].startswith("text/plain")
    assert call(APP, path="/nothing")[0] == 404
    other = Pages({}, lambda environ, start: Response("other").send(environ, start))
    assert call(other, path="/nothing")[2] == "other"


def test_it_listens_on_loopback_alone_and_a_taken_port_is_a_sentence():
    served = listen(APP)
    assert served.server.server_address[0] == "127.0.0.1"
    with pytest.raises(UserError, match=f"--port {served.guard.port}: can't be listened at"):
        listen(APP, served.guard.port)
    thread = threading.Thread(target=served.run)
    thread.start()
    link = http.client.HTTPConnection("127.0.0.1", served.guard.port, timeout=30)
    link.request("GET", "/", headers={"Cookie": f"{served.guard.cookie}={served.guard.token}"})
    assert link.getresponse().status == 200
    link.close()
    served.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert server.open_browser("http://127.0.0.1/") is False  # no terminal here

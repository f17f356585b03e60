"""Requests as nobody in his right mind sends them, for Hypothesis."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes
from wsgiref.util import setup_testing_defaults

from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import strategies as st

from gradequeue.wsgi import application

DEEP = 100_000
# Per test; `make fuzz` wants more.
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "60"))
TEXTS = [
    "",
    " ",
    "\0",
    "nul \0 within",
    "\ud800",
    "\udfff\ud800",
    "\U0001f600",
    "\u202e\u200b",
    "'; DROP TABLE submissions_submission; --",
    "' OR 1=1 --",
    "%s %d {} {0.__class__} ${x}",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "../../etc/passwd",
    "\r\nSet-Cookie: a=b",
    "x" * 5000,
    "9" * 5000,
    "null",
    "NaN",
    "{",
    "[]",
    "[" * DEEP,
    '{"a":' * DEEP,
    '"' * 1000,
    "\\" * 999,
]
JUNK = [b"", b"\xff\xfe", b"\xed\xa0\x80", b"\0", b"{", b"[1,", b'{"a":' * DEEP, b"\x80" * 1000, b"=&&=;%", b"%zz%"]
CHARACTERS = st.characters(exclude_categories=())
# What a server lets through in a header: bytes as Latin-1, no control characters.
HEADER_SIGNS = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")

texts = st.one_of(st.sampled_from(TEXTS), st.text(CHARACTERS, max_size=20))
header_texts = st.text(HEADER_SIGNS, max_size=30)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 10**400, -(10**400), 1e308, 5e-324, -0.0, 0.5]),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
methods = st.sampled_from(
    ["GET", "POST", "POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "FOO", "get"]
)
content_types = st.one_of(
    st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "application/json",
            "multipart/form-data; boundary=b",
            "multipart/form-data",
            "multipart/form-data; boundary=" + "b" * 500,
            "multipart/mixed; boundary=b",
            "text/plain",
            "application/xml",
            "",
            "/",
            ";;=",
            "a/b; charset*=zzz''x",
            "a/b; charset*=utf-8''%00",
            *(
                f"application/json; charset={name}"
                for name in ("utf-16", "utf-7", "zlib", "idna", "undefined", "\xff", '"')
            ),
            *(
                f"application/x-www-form-urlencoded; charset={name}"
                for name in ("unicode_escape", "hex", "utf-32", "x")
            ),
        ]
    ),
    header_texts,
)
odd_headers: st.SearchStrategy[dict[str, str]] = st.dictionaries(
    st.sampled_from(
        [
            "HTTP_ACCEPT",
            "HTTP_AUTHORIZATION",
            "HTTP_REFERER",
            "HTTP_ORIGIN",
            "HTTP_SEC_FETCH_SITE",
            "HTTP_RANGE",
            "HTTP_X_FORWARDED_PROTO",
            "HTTP_X_FORWARDED_HOST",
            "HTTP_X_HTTP_METHOD_OVERRIDE",
            "HTTP_X_CSRFTOKEN",
            "HTTP_CONTENT_ENCODING",
            "HTTP_TRANSFER_ENCODING",
            "HTTP_IF_NONE_MATCH",
            "HTTP_IF_MODIFIED_SINCE",
        ]
    ),
    st.one_of(header_texts, st.sampled_from(["Basic", "Bearer x", "cross-site", "https", "bytes=0-", "gzip", "*"])),
    max_size=3,
)
cookies = st.one_of(
    header_texts,
    st.sampled_from(["sessionid=1.abc", "sessionid=9999999999.abcdefgh", "=;=;", "sessionid", "csrftoken=\xff; a"]),
    st.sampled_from(['sessionid="abcdefgh\\000"', "sessionid=" + "x" * 4000]),
)
hosts = st.one_of(header_texts, st.sampled_from(["", "a:b:c", "[::1", "localhost:0", "x" * 300]))
lengths = st.sampled_from(["", "0", "5", "-5", "abc", "9" * 30])


@dataclass(frozen=True)
class Request:
    """One request; `length` is what it says of its body's, where that is not the truth."""

    method: str
    query: str
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str = ""
    length: str | None = None


def form(fields: list[tuple[str, str]]) -> bytes:
    return b"&".join(_quoted(name) + b"=" + _quoted(value) for name, value in fields)


def _quoted(text: str) -> bytes:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass")).encode()


def multipart(fields: list[tuple[str, str]]) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    encoded = [tuple(text.encode("utf-8", "surrogatepass") for text in pair) for pair in fields]
    return b"".join(part % pair for pair in encoded) + b"--b--\r\n"


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def mostly(usual: Any, odd: st.SearchStrategy[Any], odds: int = 12) -> st.SearchStrategy[Any]:
    """`usual`, but one time in about `odds` something odd: all odd at once would only show the first check."""
    return st.sampled_from([False] * (odds - 1) + [True]).flatmap(lambda is_odd: odd if is_odd else st.just(usual))


@st.composite
def requests(draw: st.DrawFn, method: str, fields: Mapping[str, st.SearchStrategy[Any]]) -> Request:
    """A request whose `fields` stand where they belong, more often than not."""
    kept = [name for name in fields if draw(mostly(True, st.just(False)))]
    pairs = [(name, draw(fields[name])) for name in kept]
    if pairs and draw(mostly(False, st.just(True), 6)):
        pairs += [(draw(st.sampled_from(pairs))[0], draw(values))]
    content_type, body = draw(_bodies(pairs))
    return Request(
        method=draw(mostly(method, methods)),
        query=form([*_as_texts(pairs)[:3], ("block", "true")] if draw(mostly(True, st.just(False))) else []).decode(),
        content_type=content_type,
        body=body,
        headers={"HTTP_HOST": draw(mostly("testserver", hosts)), **draw(mostly({}, odd_headers, 6))},
        cookie=draw(mostly("", cookies)),
        length=draw(mostly(None, lengths)),
    )


def _bodies(pairs: list[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, bytes]]:
    """Content type and body: the fields in one of three ways, or something else, or with a type that lies."""
    as_texts = _as_texts(pairs)
    true = [
        ("application/x-www-form-urlencoded", form(as_texts)),
        ("multipart/form-data; boundary=b", multipart(as_texts)),
        ("application/json", json.dumps(dict(pairs)).encode()),
    ]
    other = values.map(lambda value: ("application/json", json.dumps(value).encode()))
    lies = st.tuples(content_types, st.sampled_from([form(as_texts), *JUNK]))
    return st.one_of(st.sampled_from(true), st.sampled_from(true), other, lies)


def _as_texts(pairs: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, as_text(value)) for name, value in pairs]


def send(session: str, endpoint: str, request: Request) -> tuple[int, dict[str, Any]]:
    """Status and envelope of a grader with this session cookie; fails for everything that is no answer of ours.

    Through the same door as a server: Django's test client would fail at some of these by itself.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"/xqueue/{endpoint}/",
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.content_type,
        "CONTENT_LENGTH": str(len(request.body)) if request.length is None else request.length,
        "HTTP_COOKIE": f"sessionid={session}; {request.cookie}",
        "wsgi.input": io.BytesIO(request.body),
        **request.headers,
    }
    return _answered(*through_the_door(environ))


def through_the_door(environ: dict[str, Any]) -> tuple[bytes, str, dict[str, str]]:
    """Content, status line and headers of the answer to this WSGI request."""
    setup_testing_defaults(environ)
    status: list[str] = []
    headers: dict[str, str] = {}

    def start_response(line: str, pairs: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        status.append(line)
        headers.update(pairs)
        return bytes

    # As Django's test client does: the connection is in the test's transaction and must not be closed.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        answer: Any = application(environ, start_response)
        content = b"".join(answer)
        getattr(answer, "close", lambda: None)()
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
    return content, status[0], headers


def _answered(content: bytes, status: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    assert headers["Content-Type"] == "application/json", (status, content)
    body = json.loads(content)
    assert list(body) == ["return_code", "content"], body
    assert body["return_code"] in (0, 1)
    assert "Traceback" not in content.decode()
    code = int(status.partition(" ")[0])
    assert code < 500, body
    return code, body

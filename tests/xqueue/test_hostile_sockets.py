"""Hostile bytes on a real socket: what is HTTP gets the envelope, what is none a 4xx, and no submission is lost."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server import Server
from tests.xqueue import hostile

GOOD = json.dumps({"correct": True, "score": 1, "msg": ""})


@dataclass(frozen=True)
class Target:
    """A server with a job that waits, and a grader's session."""

    server: Server
    queue: str
    submission_id: int
    http: requests.Session

    def send(self, data: bytes, *, break_off: bool = False) -> tuple[int, bytes, str]:
        """Status, body and content type of the answer to these bytes; 400 where the connection is closed on them."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            try:
                connection.sendall(data)
                if break_off:
                    connection.shutdown(socket.SHUT_WR)
                response = HTTPResponse(connection, method=data.partition(b" ")[0].decode("latin-1"))
                response.begin()
                return response.status, response.read(), response.headers.get("Content-Type", "")
            except ConnectionError:
                return 400, b"", ""


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Target]:
    """Graded in the end: whatever came before, the job is still there and takes its score."""
    begin = server.log.stat().st_size
    name = f"n{uuid.uuid4().hex[:10]}"
    (submission_id,) = server.enqueue({"queue_name": name})
    http = requests.Session()
    http.post(f"{server.url}/xqueue/login/", data={"username": name, "password": server.grader(name)}, timeout=30)
    yield Target(server, name, submission_id, http)
    got = http.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": name}, timeout=30).json()
    header = json.loads(got["content"])["xqueue_header"]
    fields = {"xqueue_header": header, "xqueue_body": GOOD}
    put = http.post(f"{server.url}/xqueue/put_result/", data=fields, timeout=30)
    assert (put.status_code, put.json()) == (200, {"return_code": 0, "content": ""})
    (row,) = server.show(submission_id)
    assert (row["status"], row["points_earned"], row["num_pulls"], row["num_failures"]) == ("retired", 1, 1, 0)
    with server.log.open("rb") as log:
        log.seek(begin)
        assert b"Internal Server Error" not in log.read()


def request(
    line: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"localhost", length: bytes | None = None
) -> bytes:
    """An HTTP request as it goes over the wire, with a true Content-Length unless another one is given."""
    true = [b"Content-Length: %d" % len(body)] if body and length is None else []
    said = [b"Content-Length: " + length] if length is not None else []
    lines = [line + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *headers, *true, *said]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


FORM = b"Content-Type: application/x-www-form-urlencoded"
JSON = b"Content-Type: application/json"
LOGIN, POLL, PUT = b"POST /xqueue/login/", b"GET /xqueue/get_submission/?queue_name=q", b"POST /xqueue/put_result/"

ANSWERED = {
    "a foreign host": (400, request(POLL, host=b"evil.example")),
    "a host that is none": (400, request(POLL, host=b"a<b>c")),
    "a host that is no text": (400, request(POLL, host=b"\xff\xfe")),
    "an empty host": (400, request(POLL, host=b"")),
    "a cookie that is no text": (302, request(POLL, b"Cookie: sessionid=\xff\xfe; \x80")),
    "a cookie with nul": (302, request(POLL, b'Cookie: sessionid="abcdefgh\\000"')),
    "a session of nobody": (302, request(POLL, b"Cookie: sessionid=9999999999.abcdefgh")),
    "a thousand cookies": (302, request(POLL, b"Cookie: " + b"; ".join([b"a=b"] * 1000))),
    "an authorization that is no text": (302, request(POLL, b"Authorization: \xff\xfe")),
    "a query that is no text": (302, request(b"GET /xqueue/get_submission/?queue_name=%ff%fe%00")),
    "a path that is no text": (404, request(b"GET /xqueue/%ff%fe")),
    "a path with nul": (404, request(b"POST /xqueue/%00", body=b"a=b")),
    "an unknown endpoint": (404, request(b"POST /xqueue/nothing/", FORM, body=b"a=b")),
    "an unknown method": (405, request(b"FOO /xqueue/login/")),
    "trace": (405, request(b"TRACE /xqueue/login/")),
    "an absolute address": (302, request(b"GET http://localhost/xqueue/get_submission/?queue_name=q")),
    "a charset of nobody": (400, request(LOGIN, b"Content-Type: a/b; charset*=zzz''x", body=b"a=b")),
    "a charset with nul": (400, request(LOGIN, b"Content-Type: a/b; charset*=utf-8''%00", body=b"a=b")),
    "a charset for bytes": (400, request(LOGIN + b"?a=b", JSON + b"; charset=zlib", body=b"{}")),
    "a content type that is no text": (400, request(LOGIN, b"Content-Type: \xff/\xfe", body=b"a=b")),
    "a body that is no text": (400, request(LOGIN, FORM, body=b"username=\xff&password=")),
    "a login that is no text": (401, request(LOGIN, FORM, body=b"username=%ff&password=%00")),
    "json that is no text": (400, request(LOGIN, JSON, body=b'{"username": "\xff"}')),
    "deep json": (400, request(LOGIN, JSON, body=b"[" * 100_000)),
    "five megabytes": (400, request(LOGIN, JSON, body=b'"' + b"x" * 5_000_000 + b'"')),
    "a length beyond everything": (413, request(LOGIN, FORM, length=b"99999999999999")),
    "a body in chunks": (
        400,
        request(LOGIN, FORM, b"Transfer-Encoding: chunked", body=b"", length=None) + b"0\r\n\r\n",
    ),
    "an expectation": (400, request(LOGIN, FORM, b"Expect: 100-continue", body=b"a=b")),
    "an old protocol": (302, POLL + b" HTTP/1.0\r\nHost: localhost\r\n\r\n"),
}


@pytest.mark.parametrize("what", ANSWERED)
def test_what_is_http_gets_the_envelope(target: Target, what: str) -> None:
    expected, data = ANSWERED[what]
    status, body, content_type = target.send(data)
    assert (status, content_type) == (expected, "application/json")
    envelope = json.loads(body)
    assert list(envelope) == ["return_code", "content"]
    assert envelope["return_code"] == 1


NOT_HTTP = {
    "no protocol at all": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "a path of raw bytes": request(b"GET /xqueue/\xff"),
    "a query of raw bytes": request(b"GET /xqueue/status/?\xff"),
    "a length in words": request(LOGIN, FORM, length=b"abc"),
    "a negative length": request(LOGIN, FORM, length=b"-4"),
    "two lengths": request(LOGIN, FORM, b"Content-Length: 5", length=b"4", body=b"aaaaa"),
    "an endless address": request(b"GET /xqueue/status/?" + b"a" * 70_000),
    "an endless header": request(POLL, b"X-A: " + b"a" * 1_000_000),
    "headers without end": request(POLL, *[b"X-%d: a" % number for number in range(300)]),
    "nul in a header": request(POLL, b"X-A: \0"),
    "a header without a name": request(POLL, b": a"),
    "an old line end": b"GET /xqueue/status/ HTTP/9.9\n\n",
}


@pytest.mark.parametrize("what", NOT_HTTP)
def test_what_is_no_http_is_the_senders_fault(target: Target, what: str) -> None:
    status, _, _ = target.send(NOT_HTTP[what])
    assert 400 <= status < 500


@pytest.mark.parametrize("content_type", [FORM, JSON, b"Content-Type: multipart/form-data; boundary=b"])
@pytest.mark.parametrize("endpoint", [LOGIN, PUT])
def test_a_body_that_breaks_off_is_malformed(target: Target, endpoint: bytes, content_type: bytes) -> None:
    cookie = f"Cookie: sessionid={target.http.cookies['sessionid']}".encode()
    data = request(endpoint, content_type, cookie, body=b"xqueue_header=", length=b"1000")
    status, body, _ = target.send(data, break_off=True)
    assert status == 400
    assert json.loads(body)["return_code"] == 1


lines = st.sampled_from(
    [LOGIN, PUT, b"GET /xqueue/get_queuelen/?queue_name=q", POLL, b"POST /xqueue/logout/", b"GET /xqueue/"]
)
header_names = st.sampled_from([b"Content-Type", b"Cookie", b"Accept", b"Authorization", b"Referer", b"Sec-Fetch-Site"])
# All that a header may carry: no control characters, and no spaces at its ends.
header_values = st.binary(max_size=40).map(lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    line=lines,
    headers=st.lists(st.tuples(header_names, header_values), max_size=4),
    body=st.one_of(st.binary(max_size=60), st.sampled_from(hostile.JUNK)),
    content_type=st.sampled_from([FORM, JSON, b"Content-Type: multipart/form-data; boundary=b"]),
)
def test_random_bytes_get_the_envelope(
    target: Target, line: bytes, headers: list[tuple[bytes, bytes]], body: bytes, content_type: bytes
) -> None:
    named = [name + b": " + value for name, value in headers]
    status, answer, kind = target.send(request(line, content_type, *named, body=body, length=b"%d" % len(body)))
    assert (status < 500, kind) == (True, "application/json")
    assert list(json.loads(answer)) == ["return_code", "content"]

"""The guard of outbound HTTP: where nothing may be sent, and what a hostile server can do."""

from __future__ import annotations

import socket
import ssl
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_django.fixtures import Settings

from submissions.outbound import http
from submissions.outbound.http import Failed, Refused
from tests.platform_stub import Platform, Reply

pytestmark = pytest.mark.once


def post(url: str, **more: Any) -> http.Answer:
    usual: dict[str, Any] = {"body": b"a=1", "headers": {"User-Agent": "test"}, "allowed_hosts": None}
    return http.post(url, **usual | more)


# Where it may not go. -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://lms.example.org/", "must begin with https"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://lms.example.org/", "must begin with https"),
        ("//lms.example.org/", "must begin with https"),
        ("lms.example.org/x", "must begin with https"),
        ("https://", "must begin with https"),
        ("https:///x", "must begin with https"),
        ("http://user:secret@lms.example.org/", "must not hold a name or a password"),
        ("http://lms.example.org@127.0.0.1/", "must not hold a name or a password"),
        ("http://@127.0.0.1/", "must not hold a name or a password"),
        ("http://lms.example.org\\@127.0.0.1/", "characters that no URL has"),
        ("http://lms.example.org/a b", "characters that no URL has"),
        ("http://lms.example.org/\r\nHost: other", "characters that no URL has"),
        ("http://lms.example.org/\0", "characters that no URL has"),
        ("http://lms.example.org:99999/", "is no URL"),
        ("http://lms.example.org:x/", "is no URL"),
        ("http://[::1/", "is no URL"),
        ("http://" + "a" * 64 + ".example.org/", "is no URL"),
        ("", "must begin with https"),
    ],
)
def test_what_is_no_address_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        post(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "localhost",
        "localhost.",
        "0.0.0.0",
        "0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fe80::1]",
        "[fec0::1]",
        "[200::1]",
        "[4000::1]",
        "[a000::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[fd20:ce::254]",
        "192.0.0.192",
        "168.63.129.16",
        "100.100.100.200",
        "198.18.0.1",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ],
)
def test_what_is_not_public_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises((Refused, Failed)) as told:
        post(f"http://{host}:9/")
    # Some forms are no address to every resolver; then nothing was found, and nothing was connected to either.
    assert "not a public address" in str(told.value) or "cannot be found" in str(told.value)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_what_is_public_is_allowed(address: str) -> None:
    assert http.is_allowed(address)


def test_a_network_can_be_allowed(settings: Settings) -> None:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["10.0.0.0/8", "fd00::/8"]
    found = [http.is_allowed(one) for one in ("10.9.9.9", "::ffff:10.9.9.9", "fd00::5", "192.168.0.1", "127.0.0.1")]
    assert found == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("host", "allowed", "passes"),
    [
        ("lms.example.org", ["lms.example.org"], True),
        ("LMS.Example.ORG.", ["lms.example.org"], True),
        ("lms.example.org", [" LMS.example.org "], True),
        ("lms.example.org", ["*.example.org"], True),
        ("example.org", ["*.example.org"], False),
        ("evilexample.org", ["*.example.org"], False),
        ("lms.example.org.evil.net", ["lms.example.org", "*.example.org"], False),
        ("lms.example.org", [], False),
        ("lms.example.org", None, True),
        ("ü.example.org", ["xn--tda.example.org"], True),
    ],
)
def test_a_host_must_be_on_the_list(host: str, allowed: list[str] | None, passes: bool) -> None:
    if passes:
        http.parse(f"https://{host}/x", allowed)
    else:
        with pytest.raises(Refused, match="may not be sent to"):
            http.parse(f"https://{host}/x", allowed)


def test_a_name_is_resolved_once_and_the_connection_goes_there(
    platform: Platform, local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        """A name server that answers something else the second time."""
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with monkeypatch.context() as patch:
        genuine = socket.getaddrinfo
        patch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: (resolve if host == "rebind.test" else genuine)(host, *rest, **more),
        )
        answer = post(f"http://rebind.test:{platform.port}/x")
    assert (answer.status, asked) == (200, ["rebind.test"])
    assert platform.calls[0].headers["Host"] == f"rebind.test:{platform.port}"


def test_a_proxy_of_the_environment_is_not_asked(
    platform: Platform, local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert post(f"{platform.url}/x").status == 200


# What arrives. ------------------------------------------------------------------------------------------------------


def test_the_body_arrives_byte_for_byte(platform: Platform, local: None) -> None:
    body = bytes(range(256)) * 8192
    platform.answer = lambda call: Reply(201, {"X-Seen": "yes"}, b"thanks")
    answer = post(
        f"{platform.url}/a%2Fb/ü?c=%C3%A9&d=+~", body=body, headers={"Content-Type": "x/y", "webhook-id": "m"}
    )
    assert (answer.status, answer.body_start, answer.whole, answer.headers["x-seen"]) == (201, b"thanks", True, "yes")
    (call,) = platform.calls
    assert (call.path, call.body, call.headers["Content-Type"]) == ("/a%2Fb/%C3%BC?c=%C3%A9&d=+~", body, "x/y")
    assert (call.headers["webhook-id"], call.headers["Content-Length"]) == ("m", str(len(body)))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(platform: Platform, local: None, status: int) -> None:
    with Platform() as other:
        platform.answer = lambda call: Reply(status, {"Location": f"{other.url}/stolen"})
        assert post(f"{platform.url}/x").status == status
        assert other.calls == []


# What a hostile or a broken server does. ----------------------------------------------------------------------------


def raw(text: bytes) -> Any:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(text)

    return lambda call: answer


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: no single read ever takes long."""
    try:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        pass


def endless(handler: BaseHTTPRequestHandler) -> None:
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        pass


def endless_header(handler: BaseHTTPRequestHandler) -> None:
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-Header: " + b"x" * 65536)
    except OSError:
        pass


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


@pytest.mark.parametrize("answer", [dripping, silent])
def test_slowness_has_an_end_and_is_tried_again(platform: Platform, local: None, answer: Any) -> None:
    platform.answer = lambda call: answer
    began = time.monotonic()
    with pytest.raises(Failed, match="It took too long"):
        post(f"{platform.url}/x", seconds=0.5)
    assert time.monotonic() - began < 2


def test_a_reader_that_takes_nothing_has_an_end(local: None) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        began = time.monotonic()
        with pytest.raises(Failed, match="It took too long"):
            post(f"http://127.0.0.1:{listening.getsockname()[1]}/", body=b"x" * 50_000_000, seconds=0.5)
        assert time.monotonic() - began < 3


def test_of_an_endless_body_no_more_is_read_than_asked_for(platform: Platform, local: None) -> None:
    platform.answer = lambda call: endless
    answer = post(f"{platform.url}/x", most_bytes=1000)
    assert (answer.status, answer.body_start, answer.whole) == (200, b"x" * 1000, False)


@pytest.mark.parametrize(
    "answer",
    [
        lambda call: endless_header,
        raw(b""),
        raw(b"\0\1\2garbage\r\n\r\n"),
        raw(b"HTTP/1.1 999999 What\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
)
def test_garbage_is_tried_again(platform: Platform, local: None, answer: Any) -> None:
    platform.answer = answer
    with pytest.raises(Failed) as told:
        post(f"{platform.url}/x", seconds=5)
    assert told.value.unreachable


def test_a_body_that_breaks_off_after_the_status_changes_nothing(platform: Platform, local: None) -> None:
    platform.answer = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    answer = post(f"{platform.url}/x")
    assert (answer.status, answer.body_start, answer.whole) == (200, b"half", False)


def test_nobody_listens(local: None) -> None:
    with Platform() as gone:
        url = gone.url
    with pytest.raises(Failed, match="Connection refused"):
        post(url)


def test_a_name_that_leads_nowhere_is_tried_again() -> None:
    with pytest.raises(Failed, match="cannot be found"):
        post("http://nowhere.invalid/")


# Certificates. ------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def secure(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_an_authority_of_ones_own_can_be_trusted(
    authority: trustme.CA, local: None, settings: Settings, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    settings.SUBMISSIONS_OUTBOUND_CA_FILE = str(tmp_path / "ca.pem")
    with Platform(secure(authority, "localhost")) as platform:
        assert post(f"https://localhost:{platform.port}/x").status == 200
        assert platform.calls[0].headers["Host"] == f"localhost:{platform.port}"
        # The certificate is for the name, not for whoever answers at that address.
        with pytest.raises(Failed, match="certificate is not good"):
            post(f"https://127.0.0.1:{platform.port}/x")


def test_a_certificate_that_nobody_vouches_for_is_not_taken(authority: trustme.CA, local: None) -> None:
    with Platform(secure(authority, "localhost")) as platform:
        with pytest.raises(Failed, match="certificate is not good"):
            post(f"https://localhost:{platform.port}/x")
        assert platform.calls == []


def test_a_server_without_tls_is_not_spoken_to_openly(platform: Platform, local: None) -> None:
    with pytest.raises(Failed):
        post(f"https://127.0.0.1:{platform.port}/x", seconds=5)
    assert platform.calls == []


def test_hosts_that_no_address_would_match() -> None:
    good = ["lms", "*.example.org", "LMS.example.org.", "a_b", "10.0.0.7", "fd00::7", " lms "]
    assert list(http.unusable_hosts(good)) == []
    wrong = ["", "*", "https://lms", "lms:443", "10.0.0.7:80", "lms/", "a b", "a,", "[fd00::7]", "m\u00fcller.de"]
    assert [sentence.partition(" is no host; ")[0] for sentence in http.unusable_hosts(wrong)] == list(map(repr, wrong))

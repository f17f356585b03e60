"""HTTP to addresses that others chose: a platform's callback, a webhook, a grader that is pushed to.

The host must be allowed; its name is resolved once, and the connection goes to the address that was looked at. No
redirects, no proxies from the environment, certificates checked, and caps for time and size.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore

from submissions.conf import conf

# What is read of an answer, where the caller does not say (bytes).
BODY_BYTES = 64 * 1024
# An idle connection is used again for so long: shorter than servers' own patience (seconds).
KEEP_ALIVE = 1.5


class Refused(Exception):
    """It must never be sent there: the address is not one, or not an allowed one."""


class Failed(Exception):
    """It did not get through; try again. `unreachable`: nothing was wrong with what was sent. `sent`: whether there was
    a connection, so that the other side may have begun to work on it."""

    def __init__(
        self, reason: str, *, unreachable: bool = True, retry_after: float | None = None, sent: bool = False
    ) -> None:
        super().__init__(reason)
        self.sent = sent
        self.unreachable = unreachable
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    status: int
    body_start: bytes
    """No more of the body than was asked for."""
    whole: bool
    """Whether that is all of it."""
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True)
class Address:
    """Where a URL leads, taken apart once: nothing reads the URL a second time, in another way."""

    scheme: str
    host: str
    port: int
    target: str
    authority: str


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    allowed_hosts: Iterable[str] | None,
    seconds: float | None = None,
    most_bytes: int = BODY_BYTES,
) -> Answer:
    """POST `body`; the answer, whatever its status.

    `allowed_hosts`: names (``lms.example.org``, ``*.example.org``), or None for every public one. `seconds`: for all
    of it together, without which DELIVERY_TIMEOUT_SECONDS counts. Raises Refused and Failed.
    """
    address = parsed(url, allowed_hosts)
    _calls.deadline = time.monotonic() + (conf.DELIVERY_TIMEOUT_SECONDS if seconds is None else seconds)
    try:
        return _posted(address, body, headers, most_bytes)
    except (Refused, Failed):
        raise
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise Failed("It took too long.", sent=not isinstance(error, httpcore.ConnectTimeout)) from None
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise Failed(_in_words(error), sent=not isinstance(error, httpcore.ConnectError)) from error


def parsed(url: str, allowed_hosts: Iterable[str] | None = None) -> Address:
    """The parts of `url`. Raises Refused with a sentence, also for a host that is not allowed."""
    if not url.isprintable() or any(sign in url for sign in " \\<>\"'`{}|^"):
        raise Refused("The address has signs that no URL has.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode().lower()
    except (ValueError, UnicodeError):
        raise Refused("The address is no URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("The address must begin with https:// or http:// and name a host.")
    if "@" in parts.netloc:
        raise Refused("The address must not hold a name or a password.")
    if allowed_hosts is not None and not any(_matches(host, name) for name in allowed_hosts):
        raise Refused(f"Results may not be sent to {host}.")
    target = quote(parts.path or "/", safe="/%:;=@!$&()*+,~") + (
        f"?{quote(parts.query, safe='/%:;=@!$&()*+,~?')}" if parts.query else ""
    )
    shown = f"[{host}]" if ":" in host else host
    usual = 443 if parts.scheme == "https" else 80
    authority = shown if port in (None, usual) else f"{shown}:{port}"
    return Address(parts.scheme, host, usual if port is None else port, target, authority)


def _matches(host: str, allowed: str) -> bool:
    allowed = allowed.strip().lower().rstrip(".")
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _posted(address: Address, body: bytes, headers: Mapping[str, str], most_bytes: int) -> Answer:
    given = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    host = [(b"Host", address.authority.encode()), (b"Content-Length", str(len(body)).encode())]
    url = httpcore.URL(
        scheme=address.scheme.encode(), host=address.host.encode(), port=address.port, target=address.target.encode()
    )
    # A time-out of the library's own is for each read; the deadline of the streams is for all of them together.
    extensions = {"timeout": {"pool": _left()}}
    with _pool().stream("POST", url, headers=host + given, content=body, extensions=extensions) as response:
        start, whole = _body(response, most_bytes)
        answered = {name.decode("latin-1").lower(): value.decode("latin-1")[:1000] for name, value in response.headers}
        return Answer(response.status, start, whole, answered)


def _body(response: httpcore.Response, most_bytes: int) -> tuple[bytes, bool]:
    """What came of the body. The status is there already: that a body breaks off or does not end changes nothing."""
    found = b""
    try:
        for part in response.iter_stream():
            found += part
            if len(found) > most_bytes:
                return found[:most_bytes], False
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        return found, False
    return found, True


def _in_words(error: Exception) -> str:
    cause = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"Its certificate is not good: {cause.verify_message}."
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)[:300]


# Where the connection goes. -----------------------------------------------------------------------------------------


class _Calls(threading.local):
    deadline = 0.0


_calls = _Calls()


def _left() -> float:
    """How much of this call's time is left (seconds). Raises TimeoutError."""
    left = _calls.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def addresses(host: str, port: int) -> list[str]:
    """The addresses of `host` that may be connected to. Raises Refused, Failed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failed(f"{host} cannot be found: {getattr(error, 'strerror', None) or error}.") from error
    listed = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [one for one in listed if is_allowed(one)]
    if not allowed:
        raise Refused(f"{host} leads to {', '.join(listed[:3])}, which is not a public address.")
    return allowed


def is_allowed(address: str) -> bool:
    """Whether an IP address may be connected to: a public one, or one of OUTBOUND_NETWORKS."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    if any(ip in network for network in networks(tuple(conf.OUTBOUND_NETWORKS)) if network.version == ip.version):
        return True
    # Inside these an IPv4 address travels on: to wherever it says.
    if any(getattr(ip, name, None) for name in ("sixtofour", "teredo")):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


@lru_cache(maxsize=8)
def networks(given: tuple[str, ...]) -> tuple[Any, ...]:
    """OUTBOUND_NETWORKS as networks. Raises ValueError."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in given)


class _Stream(httpcore.NetworkStream):
    """A connection on which each step gets only what is left of the call's time."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self.stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In parts: the library begins its time-out anew with each part that a slow reader takes.
        for start in range(0, len(buffer), 65536):
            self.stream.write(buffer[start : start + 65536], _left())

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self.stream.start_tls(ssl_context, server_hostname, _left()))

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class _Guarded(httpcore.SyncBackend):
    """Connects to the addresses that were looked at, and never asks for them again."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        allowed = addresses(host, port)
        for number, address in enumerate(allowed, 1):
            try:
                # The first of several must not use up the time of all.
                seconds = _left() / (1 if number == len(allowed) else 3)
                return _Stream(super().connect_tcp(address, port, seconds, None, socket_options))
            except (OSError, httpcore.NetworkError, httpcore.TimeoutException):
                if number == len(allowed):
                    raise
        raise AssertionError("unreachable")


# By process, and by what the settings say of where to connect.
_pools: dict[tuple[Any, ...], httpcore.ConnectionPool] = {}


def _pool() -> httpcore.ConnectionPool:
    key = (os.getpid(), str(conf.OUTBOUND_CA_FILE), tuple(conf.OUTBOUND_NETWORKS))
    return _pools.get(key) or _pools.setdefault(key, _new_pool(str(conf.OUTBOUND_CA_FILE)))


def close() -> None:
    """Close the idle connections of this process."""
    while _pools:
        _pools.popitem()[1].close()


def _new_pool(ca_file: str) -> httpcore.ConnectionPool:
    context = httpcore.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return httpcore.ConnectionPool(
        ssl_context=context,
        network_backend=_Guarded(),
        max_connections=None,
        max_keepalive_connections=20,
        keepalive_expiry=KEEP_ALIVE,
    )

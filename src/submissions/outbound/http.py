"""HTTP to addresses that others chose: a platform's callback, a webhook, a grader that is pushed to.

The host must be allowed; its name is resolved once, and the connection goes to the address that was looked at. No
redirects, no proxies from the environment, certificates checked, and caps for time and size.

Why httpcore, the transport below httpx: it takes a network backend. Ours resolves once, refuses what is not public,
connects to that address and gives each step only what is left of one deadline. A check of the name before a library
resolves it again is a race that an attacker's name server wins, and a time-out per read is no limit for a server that
sends a byte every few seconds. Host header, SNI and the certificate's name stay those of the URL, which is taken apart
once, so that no second parser reads it in another way. With requests or urllib3 all this would be by hand.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpcore

from submissions.conf import conf
from submissions.outbound import addresses
from submissions.outbound.addresses import Failed, Refused, is_allowed

__all__ = [
    "Address",
    "Answer",
    "Failed",
    "Refused",
    "close",
    "is_allowed",
    "parse",
    "post",
    "require_possible",
    "unusable_hosts",
]

# What is read of an answer, where the caller does not say (bytes).
BODY_BYTES = 64 * 1024
# An idle connection is used again for so long: shorter than servers' own patience (seconds).
KEEP_ALIVE = 1.5


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
    address = parse(url, allowed_hosts)
    addresses.begin(conf.DELIVERY_TIMEOUT_SECONDS if seconds is None else seconds)
    try:
        return _send(address, body, headers, most_bytes)
    except (Refused, Failed):
        raise
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise Failed("It took too long.", sent=not isinstance(error, httpcore.ConnectTimeout)) from None
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise Failed(_in_words(error), sent=not isinstance(error, httpcore.ConnectError)) from error


def parse(url: str, allowed_hosts: Iterable[str] | None = None) -> Address:
    """The parts of `url`. Raises Refused with a sentence, also for a host that is not allowed."""
    if not url.isprintable() or any(character in url for character in " \\<>\"'`{}|^"):
        raise Refused("The address has characters that no URL has.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode().rstrip(".").lower()
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


def require_possible(url: str, allowed_hosts: Iterable[str] | None = None) -> None:
    """What can be known of an address without asking the network; the rest is looked at with each call. Raises Refused
    as `parse` does, and for an IP address that is not public."""
    host = parse(url, allowed_hosts).host
    with suppress(ValueError):  # a name, no IP address
        if not is_allowed(host):
            raise Refused(f"{host} is not a public address.")


def unusable_hosts(allowed: Iterable[str]) -> Iterator[str]:
    """A sentence for each of `allowed` that no address would ever match: with a port, a scheme or a comma, or not in
    ASCII."""
    for given in allowed:
        if not _is_host(given.strip().lower().rstrip(".").removeprefix("*.")):
            yield f"{given!r} is no host; it is a name such as lms.example.org, without https:// and without a port."


def _is_host(name: str) -> bool:
    with suppress(ValueError):  # a name, no IP address
        return str(ipaddress.ip_address(name)) == name
    return re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", name) is not None


def _matches(host: str, allowed: str) -> bool:
    allowed = allowed.strip().lower().rstrip(".")
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _send(address: Address, body: bytes, headers: Mapping[str, str], most_bytes: int) -> Answer:
    given = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    host = [(b"Host", address.authority.encode()), (b"Content-Length", str(len(body)).encode())]
    url = httpcore.URL(
        scheme=address.scheme.encode(), host=address.host.encode(), port=address.port, target=address.target.encode()
    )
    # A time-out of the library's own is for each read; the deadline of the streams is for all of them together.
    extensions = {"timeout": {"pool": addresses.left()}}
    with _pool().stream("POST", url, headers=host + given, content=body, extensions=extensions) as response:
        start, whole = _read_body(response, most_bytes)
        answered = {name.decode("latin-1").lower(): value.decode("latin-1")[:1000] for name, value in response.headers}
        return Answer(response.status, start, whole, answered)


def _read_body(response: httpcore.Response, most_bytes: int) -> tuple[bytes, bool]:
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


# Connections. ------------------------------------------------------------------------------------------------------

# By process, and by what the settings say of where to connect.
_pools: dict[tuple[object, ...], httpcore.ConnectionPool] = {}


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
        network_backend=addresses.Guarded(),
        max_connections=None,
        max_keepalive_connections=20,
        keepalive_expiry=KEEP_ALIVE,
    )

"""Where outbound connections may lead, and how long they may take: the parts of `outbound.http` below HTTP."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from functools import lru_cache

import httpcore

from submissions.conf import conf

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 6052: an IPv6 host reaches IPv4 so; the address within decides.
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")

# Never public, whatever the Python of the day says: its own list lacked some of these in 3.11 and 3.12.
PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # RFC 791: this network
        "10.0.0.0/8",  # RFC 1918
        "100.64.0.0/10",  # RFC 6598: shared by carriers; Alibaba's metadata, 100.100.100.200, among them
        "127.0.0.0/8",  # RFC 1122: this machine
        "168.63.129.16/32",  # Azure's metadata and health probes
        "169.254.0.0/16",  # RFC 3927: this link; metadata of AWS, Azure, Google, Oracle, OpenStack
        "172.16.0.0/12",  # RFC 1918
        "192.0.0.0/24",  # RFC 6890: protocols; Oracle's metadata, 192.0.0.192, among them
        "192.0.2.0/24",  # RFC 5737: for examples, as the next two
        "198.51.100.0/24",
        "203.0.113.0/24",
        "192.88.99.0/24",  # RFC 7526: relays of 6to4, given up
        "192.168.0.0/16",  # RFC 1918
        "198.18.0.0/15",  # RFC 2544: for benchmarks
        "224.0.0.0/4",  # RFC 5771: multicast
        "240.0.0.0/4",  # RFC 1112: reserved; the broadcast address
        "::/3",  # of IPv6, 2000::/3 alone is given out to the public (IANA); the rest is named where it has a use
        "4000::/2",
        "8000::/1",
        "::/96",  # RFC 4291: nothing, this machine, IPv4 inside IPv6 as it was once written
        "::ffff:0:0:0/96",  # RFC 2765: IPv4 behind a translator
        "64:ff9b:1::/48",  # RFC 8215: IPv4 behind a translator, local
        "100::/64",  # RFC 6666: discarded
        "2001::/23",  # RFC 2928: protocols; Teredo, which carries IPv4
        "2001:db8::/32",  # RFC 3849: for examples
        "2002::/16",  # RFC 3056: 6to4, which carries IPv4
        "3fff::/20",  # RFC 9637: for examples
        "5f00::/16",  # RFC 9602: segment routing
        "fc00::/7",  # RFC 4193: local; AWS' metadata, fd00:ec2::254, and Google's, fd20:ce::254, among them
        "fe80::/10",  # RFC 4291: this link
        "fec0::/10",  # RFC 3879: local, given up
        "ff00::/8",  # RFC 4291: multicast
    )
)


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


class _Calls(threading.local):
    deadline = 0.0


_calls = _Calls()


def begin(seconds: float) -> None:
    """The call that this thread makes next has so long, all together."""
    _calls.deadline = time.monotonic() + seconds


def left() -> float:
    """How much of this call's time is left (seconds). Raises TimeoutError."""
    left = _calls.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def resolve(host: str, port: int) -> list[str]:
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
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip in TRANSLATED:
        ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if any(ip in network for network in parse_networks(tuple(conf.OUTBOUND_NETWORKS)) if network.version == ip.version):
        return True
    if any(ip in network for network in PRIVATE if network.version == ip.version):
        return False
    return ip.is_global


@lru_cache(maxsize=8)
def parse_networks(given: tuple[str, ...]) -> tuple[Network, ...]:
    """OUTBOUND_NETWORKS as networks. Raises ValueError."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in given)


class _Stream(httpcore.NetworkStream):
    """A connection on which each step gets only what is left of the call's time."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self.stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In parts: the library begins its time-out anew with each part that a slow reader takes.
        for start in range(0, len(buffer), 65536):
            self.stream.write(buffer[start : start + 65536], left())

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self.stream.start_tls(ssl_context, server_hostname, left()))

    def get_extra_info(self, info: str) -> object:
        return self.stream.get_extra_info(info)


class Guarded(httpcore.SyncBackend):
    """Connects to the addresses that were looked at, and never asks for them again."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        allowed = resolve(host, port)
        for number, address in enumerate(allowed, 1):
            try:
                # The first of several must not use up the time of all.
                seconds = left() / (1 if number == len(allowed) else 3)
                return _Stream(super().connect_tcp(address, port, seconds, None, socket_options))
            except (OSError, httpcore.NetworkError, httpcore.TimeoutException):
                if number == len(allowed):
                    raise
        raise AssertionError("unreachable")

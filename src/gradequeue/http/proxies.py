"""Who is behind the proxies: as many of them are believed as the settings count, and no header of anybody else's."""

from __future__ import annotations

import ipaddress
from wsgiref.types import WSGIEnvironment

from django.conf import settings


def apply(environ: WSGIEnvironment) -> None:
    """Set REMOTE_ADDR and X-Forwarded-Proto to what the outermost trusted proxy said; drop what clients made up.

    Each proxy appends the address that it was called from, so the n-th from the right was written by a trusted one.
    """
    count: int = settings.TRUSTED_PROXIES
    protocols = environ.pop("HTTP_X_FORWARDED_PROTO", None)
    if not count:
        return
    if address := _nth_from_right(environ.get("HTTP_X_FORWARDED_FOR", ""), count):
        environ["REMOTE_ADDR"] = _plain(address) or environ.get("REMOTE_ADDR", "")
    if protocols:
        environ["HTTP_X_FORWARDED_PROTO"] = _nth_from_right(protocols, count)


def _nth_from_right(header: str, count: int) -> str:
    parts = [part.strip() for part in header.split(",")]
    return parts[-count] if count <= len(parts) else parts[0]


def _plain(address: str) -> str:
    """An IP address without port and brackets; empty where it is none."""
    text = address[1:].partition("]")[0] if address.startswith("[") else address
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""

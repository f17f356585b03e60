"""The files of a claim: the server's own with the token, others without."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

import httpx

from gradequeue_grader.claims import Claim, Link
from gradequeue_grader.client import Client
from gradequeue_grader.delivery import insist
from gradequeue_grader.problems import GraderError
from gradequeue_grader.verbs import file

LINK_SECONDS = 30.0
LINK_BYTES = 64 * 1024**2


class NotFetched(GraderError):
    """A file did not come, or came broken."""


def fetch(client: Client, claim: Claim, stop: threading.Event, tell: Callable[[str], object]) -> dict[str, bytes]:
    """Name to contents; asked for again while nobody answers. Raises NotFetched, Refused, GivenUp."""
    found = {}
    for one in claim.files:
        contents = insist(client, file(one), stop, tell)
        if one.sha256 and hashlib.sha256(contents).hexdigest() != one.sha256:
            raise NotFetched(f"the file {one.name} came broken: {len(contents)} of {one.size} bytes")
        found[one.name] = contents
    for link in claim.links:
        found[link.name] = _linked(link)
    return found


def _linked(link: Link) -> bytes:
    """Another server's file. It is asked without the token, and without anything else of ours."""
    contents = bytearray()
    until = time.monotonic() + LINK_SECONDS
    try:
        with httpx.stream("GET", link.url, timeout=LINK_SECONDS, follow_redirects=True) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                contents += chunk
                if len(contents) > LINK_BYTES or time.monotonic() > until:
                    raise NotFetched(f"the linked file {link.name} is too long, or too slow")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotFetched(f"the linked file {link.name} did not come: {error}") from error
    return bytes(contents)

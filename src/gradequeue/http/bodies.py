"""A request's body is read whole, or the request does not count; too much of it is read off."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from wsgiref.types import WSGIEnvironment

from django.conf import settings

from gradequeue.http import addresses

# Name and password, whatever they are written in. A login is read before anybody is known (bytes).
LOGIN_BYTES = 16 * 1024
LOGINS = {"/xqueue/login", "/admin/login"}
# A page's form is read for its token, so before anybody is known, too; percent signs make fifty times as much of it.
PAGE_BYTES = 1024 * 1024
# What is too much is read and dropped up to so much and so long, so that a client that reads no answer before it has
# sent all (Python's http.client, say) gets to know why it is refused (bytes, seconds).
DROP_BYTES = 256 * 1024 * 1024
DROP_SECONDS = 30.0
# Who has sent nothing for so long waits for the answer (seconds).
IDLE_SECONDS = 3.0
BLOCK = 16 * 1024
# What is larger is read when a view asks for it, so once it is known who sends it; in chunks it goes to a file (bytes).
LARGE_BYTES = 1024 * 1024


def read_whole(environ: WSGIEnvironment) -> bool:
    """Read the body into memory, a large one when it is asked for; False where it broke off before its end.

    Granian ends a body whose sender was lost like one that is complete: half a result would be counted as a grader's
    failure. And Django reads nothing of a body that comes in chunks, without a Content-Length.
    """
    most = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    limit = _limit(environ.get("PATH_INFO", ""), most)
    body: IO[bytes] = BytesIO()
    if _is_chunked(environ):
        body, length = _read_chunks(environ["wsgi.input"], limit)
        if length > limit:
            length += drop(environ)
    else:
        length = _parse_length(environ.get("CONTENT_LENGTH") or "0")
        if length > limit:
            drop(environ)
        elif length > LARGE_BYTES:
            environ["wsgi.input"] = LargeBody(environ["wsgi.input"], length)
            return True
        elif length:
            found = environ["wsgi.input"].read(length)
            if len(found) < length:
                return False
            body = BytesIO(found)
    if length > limit:
        # By its length the view refuses it; a login or a page's form that is too long, but no more than that, has
        # nothing to read.
        body, length = BytesIO(), length if length > most else 0
    # Django fails at what is no number, in some places.
    environ["CONTENT_LENGTH"] = str(length)
    environ["wsgi.input"] = body
    return True


def _limit(path: str, most: int) -> int:
    """What programs send is read by views that ask first who it is."""
    if path.rstrip("/") in LOGINS:
        return min(most, LOGIN_BYTES)
    return most if addresses.is_meant_for_programs(path) else min(most, PAGE_BYTES)


def _read_chunks(sent: Any, limit: int) -> tuple[IO[bytes], int]:
    """What came, and how many bytes: one more than `limit` where there are more, enough to know that it is too much."""
    found: IO[bytes] = SpooledTemporaryFile(LARGE_BYTES)  # noqa: SIM115 - it goes with the request
    length = 0
    while block := sent.read(min(BLOCK, limit + 1 - length)):
        found.write(block)
        length += len(block)
    found.seek(0)
    return found, length


class LargeBody:
    """A body as Django reads it. Nothing of it is in memory before somebody asks."""

    def __init__(self, sent: Any, length: int) -> None:
        self.sent, self._length = sent, length
        self._body: BytesIO | None = None

    @property
    def is_read(self) -> bool:
        return self._body is not None

    def read(self, size: int = -1) -> bytes:
        """Raises OSError where the sender was lost before the end."""
        return self._whole().read(size)

    def readline(self, size: int = -1) -> bytes:
        return self._whole().readline(size)

    def _whole(self) -> BytesIO:
        if self._body is None:
            body = self.sent.read(self._length)
            if len(body) < self._length:
                # Each time it is asked: a part of it must never pass for the whole.
                raise ConnectionResetError("The request broke off")
            self._body = BytesIO(body)
        return self._body


def drop_unread(environ: WSGIEnvironment) -> None:
    """Once the answer is known: what nobody asked for is read off."""
    body = environ["wsgi.input"]
    if isinstance(body, LargeBody) and not body.is_read:
        environ["wsgi.input"] = body.sent
        drop(environ)


def drop(environ: WSGIEnvironment, *, seconds: float = DROP_SECONDS) -> int:
    """Read on and forget, up to DROP_BYTES and `seconds`; how many bytes there were until then."""
    if not _is_chunked(environ) and not _parse_length(environ.get("CONTENT_LENGTH") or "0"):
        return 0
    if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
        return 0  # who asks first reads the answer first, and need not send anything
    reader = _Reader(environ)
    # A thread of its own: nothing ends a read that waits for a client, but the end of its connection.
    reader.start()
    until, before = time.monotonic() + seconds, -1
    while reader.is_alive() and time.monotonic() < until and reader.length > before:
        before = reader.length
        reader.join(min(IDLE_SECONDS, seconds))
    return reader.length


class _Reader(threading.Thread):
    def __init__(self, environ: WSGIEnvironment) -> None:
        super().__init__(daemon=True)
        self._input, self.length = environ["wsgi.input"], 0

    def run(self) -> None:
        with suppress(OSError):  # the client has gone
            while self.length < DROP_BYTES and (block := self._input.read(BLOCK)):
                self.length += len(block)


def _is_chunked(environ: WSGIEnvironment) -> bool:
    return "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()


def _parse_length(length: str) -> int:
    """0 for what is no number, or none that a server takes."""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0

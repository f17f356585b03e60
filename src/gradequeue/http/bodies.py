"""A request's body is read whole before Django sees it, or the request does not count."""

from __future__ import annotations

from io import BytesIO
from wsgiref.types import WSGIEnvironment

from django.conf import settings


def read_whole(environ: WSGIEnvironment) -> bool:
    """Read the body into memory; False where it broke off before its end.

    Granian ends a body whose sender was lost like one that is complete: half a result would be counted as a grader's
    failure. And Django reads nothing of a body that comes in chunks, without a Content-Length.
    """
    limit = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        # One byte more than is allowed: enough for the view to refuse it.
        body = environ["wsgi.input"].read(limit + 1)
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        length = _parse_length(environ.get("CONTENT_LENGTH") or "0")
        # Django fails at what is no number, in some places.
        environ["CONTENT_LENGTH"] = str(length)
        if not 0 < length <= limit:
            return True
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            return False
    environ["wsgi.input"] = BytesIO(body)
    return True


def _parse_length(length: str) -> int:
    """0 for what is no number, or none that a server takes."""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0

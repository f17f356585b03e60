"""What a WSGI server loads."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

from gradequeue import bodies, headers, proxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gradequeue.settings")
django_application = get_wsgi_application()

# What graders send needs no try.
READABLE = {"", "application/x-www-form-urlencoded", "application/json"}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django, spared the one header that fails it before it can answer at all: a Content-Type it cannot read."""
    proxies.apply(environ)
    if environ.get("CONTENT_TYPE", "") not in READABLE:
        try:
            WSGIRequest(dict(environ))
        except Exception:  # what it raises depends on which of its parsers gives up
            environ["CONTENT_TYPE"] = "application/octet-stream"
    if not bodies.is_whole(environ):
        # Whoever sent it is gone; this is for the record of a proxy.
        start_response("400 Bad Request", [("Content-Type", "application/json"), *headers.HEADERS.items()])
        return [b'{"return_code": 1, "content": "The request broke off"}']
    return django_application(environ, start_response)

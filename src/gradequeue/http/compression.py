"""Pages and style sheets are sent compressed; what programs read is sent as it is.

Django pads each answer by a random length, so that its size does not tell what is in it (BREACH), and masks the tokens
of its forms anew each time.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from gradequeue.http import addresses


class CompressionMiddleware(GZipMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        # A part of a file (206) is counted in its own bytes.
        if addresses.is_meant_for_programs(request.path) or response.status_code == 206:
            return response
        return super().process_response(request, response)

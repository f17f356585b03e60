"""Where the platform mounts the XQueue views, and two of its own that show what the host itself costs."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

# What a poll of an empty queue is answered with, so that the same client can ask.
EMPTY = '{"return_code": 1, "content": "Queue \'bench\' is empty"}'


def nothing(_: HttpRequest) -> HttpResponse:
    """The server and the middlewares."""
    return HttpResponse(EMPTY)


def whoami(request: HttpRequest) -> HttpResponse:
    """The session and the user as well, as every view that needs them looks them up."""
    return HttpResponse(EMPTY, headers={"X-User": request.user.get_username()})


urlpatterns = [
    path("xqueue/nothing/", nothing),
    path("xqueue/whoami/", whoami),
    path("xqueue/", include(("submissions.urls", "submissions"), namespace="submissions")),
]

"""What holds for all endpoints of the dialect: who may ask, how, and the envelope whatever goes wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import cast

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from submissions.accounts.permissions import is_grader, is_submitter
from submissions.conf import conf
from submissions.connections import close_after, outside_transactions
from submissions.errors import AlreadyGraded, BadReply, LeaseLost, QueueError, UnknownJob
from submissions.words import in_english
from submissions.xqueue import bodies, patience, sessions, wire

logger = logging.getLogger("submissions.xqueue")

View = Callable[..., HttpResponse]

# Never 401 or 403 for these: a watcher would take it for a lost session and log in again, forever.
REFUSALS: dict[type[QueueError], tuple[int, str]] = {
    UnknownJob: (404, "Submission does not exist"),
    LeaseLost: (409, "Incorrect key for submission"),
    AlreadyGraded: (409, "Submission was already graded with another result"),
}

# A cache in front, or a host's own, would hand the same job out again, and call a queue empty that is not. The page
# cache of the first Django 5.2 goes by `private` alone.
NOT_KEPT = {"Cache-Control": "private, no-store"}
# With escapes: whatever came in can go out again, also a lone surrogate, and any client can read it.
_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def endpoint(verb: View, *methods: str, for_all: bool = False) -> View:
    """`verb` as a view for these methods; for graders who are logged in, or `for_all`.

    No CSRF token is asked for: old graders send none, and the key in put_result is the proof. Against cross-site
    requests stand SameSite cookies and the Sec-Fetch-Site check.
    """
    name, allowed = verb.__name__, ", ".join(methods)

    def view(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
        patience.begin()
        with in_english():
            return answered(request)

    def answered(request: HttpRequest) -> HttpResponse:
        # Without the `format` that a host's router takes from "login.json": one format is all there is.
        try:
            response = _check(request, name, for_all) or (
                verb(request)
                if request.method in methods
                else refused(405, f"'{name}' must use HTTP {' or '.join(methods)}")
            )
        except Exception as error:
            response = _refusal(request, name, error)
        response.headers["Allow"] = allowed
        # Nothing that can be slow stands behind this one, so it does not even ask for the session.
        return response if name == "status" else sessions.type_reply(request, response)

    view.__name__ = view.__qualname__ = name
    # Who may ask is looked at here: a host's LoginRequiredMiddleware would send graders to a page for people.
    return outside_transactions(login_not_required(csrf_exempt(view)))


def ok(content: str | int) -> HttpResponse:
    return _answer(200, 0, content)


def refused(status: int, content: str) -> HttpResponse:
    return _answer(status, 1, content)


def _answer(status: int, return_code: int, content: str | int) -> HttpResponse:
    # Bytes: of text Django would ask, by a pattern, which charset the content type names.
    body = _json(wire.envelope(return_code, content)).encode()
    return HttpResponse(body, status=status, content_type="application/json", headers=NOT_KEPT)


def _check(request: HttpRequest, name: str, for_all: bool) -> HttpResponse | None:
    """The refusal of a request that no verb is to see."""
    sessions.forget_unusable(request)
    if request.META.get("HTTP_SEC_FETCH_SITE") == "cross-site":
        return refused(403, "Requests from other sites are refused")
    if bodies.declared_length(request) > int(conf.REQUEST_MAX_BYTES):
        raise RequestDataTooBig
    if for_all:
        return None
    sessions.is_of_token(request)  # then the account is the token's
    return None if is_grader(getattr(request, "user", None)) else _no_grader(request, name)


def _refusal(request: HttpRequest, name: str, error: Exception) -> HttpResponse:
    if isinstance(error, BadReply):
        return refused(400, str(error))
    if type(error) in REFUSALS:
        return refused(*REFUSALS[cast(type[QueueError], type(error))])
    if isinstance(error, RequestDataTooBig):
        return refused(413, f"The request is larger than {bodies.most_bytes(request)} bytes")
    if isinstance(error, wire.Malformed | SuspiciousOperation):
        told = error if isinstance(error, wire.Malformed) else wire.Malformed()
        return refused(400, "Insufficient login info" if name == "login" else str(told))
    logger.exception("%s failed", request.path, exc_info=error)
    patience.is_over()  # remembered for the others
    close_after(error)
    return refused(500, "Internal error; please try again")


def _no_grader(request: HttpRequest, name: str) -> HttpResponse:
    """A platform's session is a good one: sent to log in, its client would do so forever. It sees no queue."""
    if not is_submitter(getattr(request, "user", None)):
        return log_in_first(request)
    if name == "put_result":
        return refused(*REFUSALS[UnknownJob])
    if name == "get_queuelen":
        return refused(200, "Valid queue names are: ")
    return refused(200, f"Queue '{request.GET.get('queue_name', '')}' not found")


def log_in_first(request: HttpRequest) -> HttpResponse:
    """302 to login, or 401 to a client that is neither a watcher nor an LMS."""
    address = sessions.login_address(request)
    if address is None:
        return refused(401, "login_required")
    response = refused(302, "login_required")
    response["Location"] = address
    return response

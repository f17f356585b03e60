"""The endpoints of the dialect. Each one is: parse, one verb of the queue, reply."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import transaction
from django.http import HttpResponseBase
from django.middleware.csrf import get_token
from rest_framework import exceptions, negotiation, parsers, renderers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from submissions import api, queue, registry
from submissions.conf import conf
from submissions.errors import AlreadyGraded, BadReply, LeaseLost, QueueError, UnknownJob, UnknownQueue
from submissions.models import ExternalGraderDetail
from submissions.permissions import IsXQueueUser, is_submitter
from submissions.throttle import Throttled
from submissions.xqueue import sessions, wire
from submissions.xqueue.jobs import body_of

logger = logging.getLogger("submissions.xqueue")

# Never 401 or 403 for these: a watcher would take it for a lost session and log in again, for ever.
REFUSALS: dict[type[QueueError], tuple[int, str]] = {
    UnknownJob: (404, "Submission does not exist"),
    LeaseLost: (409, "Incorrect key for submission"),
    AlreadyGraded: (409, "Submission was already graded with another result"),
}


class JSONAlways(negotiation.BaseContentNegotiation):
    """Whatever `Accept` says: clients of this protocol understand one format."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return negotiation.DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ASCIIRenderer(renderers.JSONRenderer):
    """JSON with escapes: whatever came in can go out again, also a lone surrogate, and any client can read it."""

    ensure_ascii = True


class XQueueViewSet(viewsets.ViewSet):
    """login, logout, status, get_queuelen, get_submission, put_result."""

    authentication_classes = [sessions.GraderSession]
    permission_classes = [IsXQueueUser]
    throttle_classes = []
    renderer_classes = [ASCIIRenderer]
    parser_classes = [parsers.FormParser, parsers.MultiPartParser, parsers.JSONParser]
    content_negotiation_class = JSONAlways
    versioning_class = None
    # No HEAD: DRF would answer it with whatever answers GET, and here GET takes a job.
    http_method_names = ["get", "post"]

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        # The verbs bring their own transactions; one around the whole request (ATOMIC_REQUESTS) would hold locks
        # while the reply is written, and undo a failure that was already told.
        return transaction.non_atomic_requests(super().as_view(actions, **initkwargs))

    def dispatch(self, request: Any, *_: Any, **__: Any) -> Any:
        # Without the `format` that a host's DefaultRouter takes from "login.json": one format is all there is.
        return super().dispatch(request)

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        sessions.forget_unusable(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise exceptions.PermissionDenied("Requests from other sites are refused")
        if _declared_length(request) > int(conf.REQUEST_MAX_BYTES):
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    @action(detail=False, methods=["get", "post"], url_name="login", permission_classes=[AllowAny])
    def login(self, request: Request) -> Response:
        if request.method == "GET":
            get_token(request._request)  # sets the cookie that newer watchers look for
            return _refused(200, "login_required")
        fields = _fields(request)
        username, password = fields.get("username"), fields.get("password")
        if not (isinstance(username, str) and isinstance(password, str) and username and password):
            return _refused(400, "Insufficient login info")
        try:
            let_in = sessions.begin(request._request, username, password)
        except Throttled as throttled:
            return Response(
                wire.envelope(1, str(throttled)), status=429, headers={"Retry-After": str(throttled.seconds)}
            )
        return _ok("Logged in") if let_in else _refused(401, "Incorrect login credentials")

    @action(detail=False, methods=["get", "post"], url_name="logout", permission_classes=[AllowAny])
    def logout(self, request: Request) -> Response:
        sessions.end(request._request)
        return _ok("Goodbye")

    @action(
        detail=False,
        methods=["get", "post"],
        url_name="status",
        authentication_classes=[],
        permission_classes=[AllowAny],
    )
    def status(self, request: Request) -> Response:
        return _ok("OK")

    @action(detail=False, methods=["get"], url_name="get_queuelen")
    def get_queuelen(self, request: Request) -> Response:
        queue_name = request.query_params.get("queue_name")
        if not queue_name:
            return _refused(400, "'get_queuelen' must provide parameter 'queue_name'")
        grader = request.user.get_username()
        try:
            return _ok(queue.depth(queue_name, grader=grader))
        except UnknownQueue:
            return _refused(200, f"Valid queue names are: {', '.join(registry.names_for(grader))}")

    @action(detail=False, methods=["get"], url_name="get_submission")
    def get_submission(self, request: Request) -> Response:
        queue_name = request.query_params.get("queue_name")
        if not queue_name:
            return _refused(400, "'get_submission' must provide parameter 'queue_name'")
        mount = _mount(request)  # before the claim: what fails here must not hold a job
        try:
            jobs = queue.claim(queue_name, grader=request.user.get_username())
        except UnknownQueue:
            return _refused(200, f"Queue '{queue_name}' not found")
        if not jobs:
            return _refused(200, f"Queue '{queue_name}' is empty")
        return _ok(_handed_out(jobs[0], mount))

    @action(detail=False, methods=["post"], url_name="put_result")
    def put_result(self, request: Request) -> Response:
        result = wire.parse_result(_fields(request), longest=int(conf.REPLY_MAX_BYTES))
        if result.flaw is not None:
            # Still this grader's word on this job, to be kept and counted.
            queue.fail(result.submission_id, result.key, reason=result.flaw, reply=result.reply)
            return _refused(400, str(wire.Malformed.__doc__) if result.flaw == wire.NO_OBJECT else result.flaw)
        queue.complete(result.submission_id, result.key, score=result.score, reply=result.reply)
        return _ok("")

    # Whatever goes wrong, the envelope. ---------------------------------------------------------------------------

    def handle_exception(self, exc: Exception) -> Response:
        response = self._refusal(exc)
        response.exception = True
        return response

    def _refusal(self, exc: Exception) -> Response:
        if isinstance(exc, BadReply):
            return _refused(400, str(exc))
        if type(exc) in REFUSALS:
            return _refused(*REFUSALS[cast(type[QueueError], type(exc))])
        if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
            return _log_in_first(self.request)
        if isinstance(exc, exceptions.PermissionDenied) and not _is_cross_site(self.request):
            return self._no_grader()
        if isinstance(exc, RequestDataTooBig):
            return _refused(413, f"The request is larger than {conf.REQUEST_MAX_BYTES} bytes")
        if isinstance(exc, exceptions.MethodNotAllowed):
            return self._wrong_method()
        if isinstance(exc, MALFORMED):
            login = self.action_name == "login"
            return _refused(400, "Insufficient login info" if login else str(wire.Malformed.__doc__))
        if isinstance(exc, exceptions.APIException):
            return _refused(exc.status_code, str(exc.detail))
        logger.exception("%s failed", self.request.path, exc_info=exc)
        return _refused(500, "Internal error; please try again")

    def _no_grader(self) -> Response:
        """A platform's session is a good one: sent to log in, its client would do so for ever. It sees no queue."""
        if not is_submitter(self.request.user):
            return _log_in_first(self.request)
        if self.action_name == "put_result":
            return _refused(*REFUSALS[UnknownJob])
        if self.action_name == "get_queuelen":
            return _refused(200, "Valid queue names are: ")
        return _refused(200, f"Queue '{self.request.query_params.get('queue_name', '')}' not found")

    def _wrong_method(self) -> Response:
        return _refused(405, f"'{self.action_name}' must use HTTP {' or '.join(self.allowed_methods)}")

    @property
    def action_name(self) -> str:
        return next(iter(self.action_map.values()))


MALFORMED = (wire.Malformed, SuspiciousOperation)


def endpoint(method_map: dict[str, str]) -> Callable[..., HttpResponseBase]:
    """A plain view of the given actions (``{"get": "get_submission"}``), with the actions' own settings."""
    name = next(iter(method_map.values()))
    settings = getattr(XQueueViewSet, name).kwargs
    return cast(Callable[..., HttpResponseBase], XQueueViewSet.as_view(method_map, **settings))


def _handed_out(job: ExternalGraderDetail, mount: str) -> str:
    """The job as a grader reads it. What cannot be written must not be offered for ever while others wait behind it."""
    try:
        return _written(job, mount)
    except Exception as error:  # a storage that cannot say where a file is, say
        queue.fail(job.submission_id, str(job.pullkey), reason=f"The job could not be handed out: {error}")
        raise


def _written(job: ExternalGraderDetail, mount: str) -> str:
    return wire.submission(
        submission_id=job.submission_id,
        key=str(job.pullkey),
        body=body_of(job),
        files=api.get_files_for_grader(job, mount),
    )


def _fields(request: Request) -> Any:
    """The body's fields, from a form or from JSON. Raises Malformed, RequestDataTooBig."""
    try:
        return request.data if isinstance(request.data, dict) else {}
    except RequestDataTooBig:
        raise
    except Exception as error:  # each parser, codec and broken connection has its own
        raise wire.Malformed from error


def _mount(request: Request) -> str:
    """The absolute address that these endpoints are mounted under, with its slash."""
    path = request.path.rstrip("/").rpartition("/")[0] + "/"
    base = str(conf.BASE_URL).rstrip("/")
    return base + path if base else request.build_absolute_uri(path)


def _log_in_first(request: Request) -> Response:
    address = sessions.login_address(request._request)
    if address is None:
        return _refused(401, "login_required")
    response = _refused(302, "login_required")
    response["Location"] = address
    return response


def _is_cross_site(request: Request) -> bool:
    return request.headers.get("Sec-Fetch-Site") == "cross-site"


def _declared_length(request: Request) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() else 0


def _ok(content: str | int) -> Response:
    return Response(wire.envelope(0, content))


def _refused(status: int, content: str) -> Response:
    return Response(wire.envelope(1, content), status=status)

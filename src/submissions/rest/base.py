"""What holds for each resource: who asks, how a refusal is told, what every answer has."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, cast
from uuid import UUID

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.urls import reverse
from rest_framework import authentication, exceptions, negotiation, parsers, permissions, renderers, viewsets
from rest_framework.request import Request
from rest_framework.views import APIView

from submissions import queue
from submissions.accounts import tokens
from submissions.activity import Actor
from submissions.conf import conf
from submissions.connections import close_after, outside_transactions
from submissions.errors import QueueError
from submissions.models import Door, Scope, Token
from submissions.rest import bodies, problems
from submissions.rest.fields import Body, checked
from submissions.rest.problems import Problem
from submissions.words import in_english

logger = logging.getLogger("submissions.rest")

JSON, PROBLEM_JSON = "application/json", "application/problem+json"

NOT_GOOD = "The token is unknown, has expired or was revoked."

# With escapes: whatever came in can go out again, also a lone surrogate.
encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


class BearerAuthentication(authentication.BaseAuthentication):
    """A token in the header Authorization; nothing else."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.find_token(text.strip())
        if token is None:
            raise exceptions.AuthenticationFailed(NOT_GOOD)
        return token.account, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="gradequeue"'


class HasScope(permissions.BasePermission):
    """The token has one of the scopes that the action takes."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, Token):
            raise exceptions.NotAuthenticated("This needs a token: Authorization: Bearer gq_...")
        wanted = cast(Resource, view).wanted_scopes
        if wanted and not any(tokens.has_scope(request.auth, scope) for scope in wanted):
            raise Problem(problems.AUTHZ, f"This needs a token with the scope {' or '.join(wanted)}.")
        return True


class AnyAccept(negotiation.BaseContentNegotiation):
    """Accept is not looked at."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Resource(viewsets.ViewSet):
    """One resource. A host's own settings of REST framework do not count here."""

    authentication_classes = (BearerAuthentication,)
    permission_classes: Sequence[type[permissions.BasePermission]] = (HasScope,)
    throttle_classes = ()
    # For the document alone: `bodies` reads them.
    parser_classes = (parsers.JSONParser,)
    renderer_classes = (renderers.JSONRenderer,)
    content_negotiation_class = AnyAccept
    versioning_class = None
    metadata_class = None
    http_method_names = ("get", "head", "post", "put", "patch", "delete")

    scopes: ClassVar[Mapping[str, tuple[Scope, ...]]] = {}
    """By action: it takes one of these; none: any token."""

    @property
    def wanted_scopes(self) -> tuple[Scope, ...]:
        return self.scopes.get(getattr(self, "action", None) or "", ())

    @property
    def token(self) -> Token:
        return cast(Token, self.request.auth)

    @property
    def account(self) -> str:
        return str(self.token.account.get_username())

    @property
    def actor(self) -> Actor:
        return Actor(self.account, Door.REST)

    def read(self, kind: type[Body], most: int = bodies.USUAL_BYTES) -> dict[str, Any]:
        """The request's body, checked. Raises Problem."""
        return checked(kind, bodies.read_json(http(self.request), most))

    def require_queue(self, name: str) -> None:
        """Raises Problem where the queue is outside the token's patterns: then it does not exist."""
        if not tokens.covers(self.token, queue.kept_name(name)):
            raise Problem(problems.NOT_FOUND, "There is no such queue.")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        known = getattr(self, "parameters", {}).get(self.action, ())
        if unknown := [name for name in request.query_params if name not in known]:
            raise problems.invalid({name[:100]: ["There is no such parameter."] for name in unknown[:20]})
        # An empty one would choose everything, of two only one would count: neither can be meant.
        lists = request.query_params.lists()
        if faulty := [name for name, values in lists if len(values) > 1 or not values[0].strip()]:
            raise problems.invalid({name: ["Must be given once, and not be empty."] for name in faulty})

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with in_english():
            return super().dispatch(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Any:
        return refusal(http(self.request), exc, self)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers.setdefault("Cache-Control", "private, no-store")
        return with_request_id(response)

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        # The verbs bring their own transactions, and a refusal that is told must stay written down.
        return outside_transactions(super().as_view(actions, **initkwargs))


def http(request: Any) -> HttpRequest:
    """Django's own request."""
    return cast(HttpRequest, getattr(request, "_request", request))


def with_request_id(response: HttpResponseBase) -> HttpResponseBase:
    """The service names each request itself; a platform may not."""
    response.headers.setdefault("X-Request-ID", secrets.token_hex(16))
    return response


def answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return answer_text(encode(data), status, headers)


def answer_text(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """The same, of what `encode` has made."""
    return HttpResponse(text.encode(), status=status, content_type=JSON, headers=dict(headers or {}))


def no_content() -> HttpResponse:
    return HttpResponse(status=204)


def told(problem: Problem, instance: str) -> HttpResponse:
    return HttpResponse(
        encode(problem.body(instance)).encode(),
        status=problem.kind.status,
        content_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def refusal(request: HttpRequest, error: Exception, view: Resource | None = None) -> HttpResponse:
    """The answer to whatever went wrong."""
    problem = problem_of(error, view)
    if problem.kind is problems.INTERNAL:
        logger.exception("%s failed", request.path, exc_info=error)
    close_after(error)
    return told(problem, request.path)


def problem_of(error: Exception, view: Resource | None = None) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, tuple(problems.REFUSALS)):
        return problems.of_refusal(cast(QueueError, error))
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        realm = {"WWW-Authenticate": 'Bearer realm="gradequeue"'}
        return Problem(problems.AUTHN, str(error.detail), headers=realm)
    if isinstance(error, exceptions.MethodNotAllowed):
        allowed = ", ".join(view.allowed_methods) if view is not None else ""
        return Problem(problems.METHOD, str(error.detail), headers={"Allow": allowed})
    if isinstance(error, RequestDataTooBig):
        return Problem(problems.TOO_LARGE, f"The request is larger than {conf.REQUEST_MAX_BYTES} bytes.")
    if isinstance(error, OperationalError | InterfaceError):
        retry = {"Retry-After": "5"}
        return Problem(problems.UNAVAILABLE, "The database does not answer; please try again.", headers=retry)
    found = (problem for known, problem in OF_DJANGO.items() if isinstance(error, known))
    return Problem(*next(found, (problems.INTERNAL, "Internal error; please try again.")))


OF_DJANGO: dict[type[Exception], tuple[problems.Kind, str]] = {
    Http404: (problems.NOT_FOUND, "There is nothing at this address."),
    UnreadablePostError: (problems.VALIDATION, "The request broke off."),
    SuspiciousOperation: (problems.VALIDATION, "The request cannot be understood."),
}


def address(request: HttpRequest, name: str, *args: object) -> str:
    """The absolute address of a view, on this server."""
    match = request.resolver_match
    return absolute(request, reverse(":".join([*(match.namespaces if match else ()), name]), args=args))


def absolute(request: HttpRequest, place: str) -> str:
    """A place of this server, as clients reach it."""
    root = str(conf.BASE_URL).rstrip("/")
    return root + place if root else request.build_absolute_uri(place)


def time(value: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_uuid(text: str) -> UUID | None:
    """None for what is no UUID: under it there is nothing."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None

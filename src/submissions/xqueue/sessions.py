"""A session of a grader or of a platform: how it begins, how a request shows it, how it ends."""

from __future__ import annotations

from urllib.parse import quote

from django.contrib import auth
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token

from submissions import queue
from submissions.accounts import tokens
from submissions.accounts.permissions import may_log_in, wants_text_html
from submissions.accounts.throttle import Attempt
from submissions.models import Scope
from submissions.text import storable, without_doubled_slashes

# PBKDF2 would swallow megabytes of "password" at our cost.
LONGEST_SECRET = 4096
# In a session's data, which are read with each request anyway: its replies are of the old service's type.
TEXT_HTML = "xqueue_text_html"
# Of a session that a token has begun: the token's name and queues.
TOKEN = "token"  # noqa: S105 - a key of the session


def login_address(request: HttpRequest) -> str | None:
    """Where a client without a session is sent: the only answer after which old and new watchers, and platforms, log
    in again. None for a client with an Authorization header that is not Basic: it is none of them."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    if scheme not in ("", "basic"):
        return None
    # With two slashes at its beginning it would be another host's.
    full = without_doubled_slashes(request.path)
    path = full.rstrip("/").rpartition("/")[0]
    asked = request.get_full_path() if full == request.path else full
    return f"{path}/login/?next={quote(asked, safe='/')}"


def forget_unusable(request: HttpRequest) -> None:
    """A session id that no database can hold is no session; PostgreSQL would fail at looking for it."""
    session = getattr(request, "session", None)
    if session is not None and not storable(session.session_key or ""):
        request.session = type(session)()


def begin(request: HttpRequest, username: str, password: str) -> bool:
    """Log a grader or a submitter in under a session of its own; False for others, and for a wrong password.

    Raises Throttled where too many logins failed.

    The session that the request came with, if any, lives on: other connections of the same account may be using it.
    """
    if max(len(username), len(password)) > LONGEST_SECRET or not storable(username) or not storable(password):
        return False
    attempt = Attempt(username, request.META.get("REMOTE_ADDR", ""), password)
    if begin_with_token(request, username, password):
        attempt.record_success()
        return True
    attempt.admit()
    user = None if attempt.repeated else auth.authenticate(request, username=username, password=password)
    if user is None or not may_log_in(user):
        if user is not None and user.has_usable_password():  # who has proved it elsewhere (LDAP) has none here
            # It must take as long as a wrong password does.
            identify_hasher(user.password).harden_runtime(password, user.password)
        attempt.record_failure()
        return False
    attempt.record_success()
    _log_in(request, user)
    if wants_text_html(user):
        request.session[TEXT_HTML] = True
    return True


def _log_in(request: HttpRequest, user: User) -> None:
    """As a browser is logged in, in a new session.

    Receivers of user_logged_in see another one, of which nothing is kept: a host that ends an account's last session
    with each login (Open edX does) would have machines that share an account log each other out for ever.
    """
    begun = type(request.session)()
    # A store may draw its key by it; to others it means nothing.
    begun.owner = user.pk  # type: ignore[attr-defined]
    request.session = SessionStore()
    auth.login(request, user)
    begun.update(dict(request.session.items()))
    request.session = begun


def begin_with_token(request: HttpRequest, username: str, text: str) -> bool:
    """The same with a token of the account in place of its password: the session ends with the token, and is good for
    nothing that the token is not good for."""
    token = tokens.find_token(text)
    if token is None or token.account.get_username() != username or not tokens.has_scope(token, Scope.CLAIM):
        return False
    request.session = type(request.session)()
    request.session.owner = token.account_id  # type: ignore[attr-defined]
    # Not auth.login: pages, and whatever else a host has, would take the session for the account's own.
    request.session[TOKEN] = [token.public_id, token.queue_patterns]
    rotate_token(request)
    user_logged_in.send(sender=type(token.account), request=request, user=token.account)
    if wants_text_html(token.account):
        request.session[TEXT_HTML] = True
    return True


def is_of_token(request: HttpRequest) -> bool:
    """Whether a token has begun the session. Then its account is who asks, as long as the token is good: to a host's
    own middleware the session is nobody's."""
    kept = _token_of(request)
    if kept is None:
        return False
    request.user = tokens.account_of(kept[0], Scope.CLAIM) or AnonymousUser()
    return True


def covers(request: HttpRequest, queue_name: str) -> bool:
    """Whether the queue is within the patterns of the session's token, where it has one."""
    kept = _token_of(request)
    return kept is None or tokens.matches(kept[1], queue.kept_name(queue_name))


def _token_of(request: HttpRequest) -> tuple[str, str] | None:
    session = getattr(request, "session", None)
    kept = None if session is None else session.get(TOKEN)
    return None if kept is None else (str(kept[0]), str(kept[1]))


def type_reply(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The reply, of the type that the account's client insists on; it stays the same JSON."""
    session = getattr(request, "session", None)
    try:
        wanted = session is not None and TEXT_HTML in session
    except Exception:  # a database that is away; the reply says so itself, or needs none
        wanted = False
    if wanted:
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        # Learners' texts stand in it: no browser may take them for a page.
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def end(request: HttpRequest) -> None:
    auth.logout(request)

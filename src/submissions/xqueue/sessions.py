"""A session of a grader or of a platform: how it begins, how a request shows it, how it ends."""

from __future__ import annotations

from urllib.parse import quote

from django.contrib import auth
from django.contrib.auth.hashers import identify_hasher
from django.http import HttpRequest

from submissions.accounts.permissions import may_log_in
from submissions.accounts.throttle import Attempt
from submissions.text import storable

# PBKDF2 would swallow megabytes of "password" at our cost.
LONGEST_SECRET = 4096


def login_address(request: HttpRequest) -> str | None:
    """Where a client without a session is sent: the only answer after which old and new watchers, and platforms, log
    in again. None for a client with an Authorization header that is not Basic: it is none of them."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    if scheme not in ("", "basic"):
        return None
    path = request.path.rstrip("/").rpartition("/")[0]
    return f"{path}/login/?next={quote(request.get_full_path(), safe='/')}"


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
    attempt.admit()
    user = None if attempt.repeated else auth.authenticate(request, username=username, password=password)
    if user is None or not may_log_in(user):
        if user is not None:
            # It must take as long as a wrong password does.
            identify_hasher(user.password).harden_runtime(password, user.password)
        attempt.record_failure()
        return False
    attempt.record_success()
    request.session = type(request.session)()
    # A store may draw its key by it; to others it means nothing.
    request.session.owner = user.pk  # type: ignore[attr-defined]
    auth.login(request, user)
    return True


def end(request: HttpRequest) -> None:
    auth.logout(request)

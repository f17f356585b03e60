"""Sessions in Django's own table, read together with their account: one statement instead of three per request.

A grader polls every second, and asking for the session, then the account, then its groups would be half of all that
the database does. A session that ends, an account that is disabled, a password or a group that changes still counts
with the very next request: nothing is cached, as it would be with signed cookies or a remembered account. What does
not fit, an operator's session for one, takes Django's own way. The key tells the account's number, which is no secret.
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import connections, router
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.functional import SimpleLazyObject

from gradequeue.accounts import session_lifetime
from gradequeue.accounts.session_lifetime import Data
from submissions import sql
from submissions.accounts.permissions import memberships
from submissions.conf import conf

if TYPE_CHECKING:
    from django.contrib.sessions.models import Session

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
# 134 random bits; with the account's number before it, the key still fits Django's column of 40.
RANDOM_LENGTH = 26
# What every database compares with a number of its own; a larger one is looked for in Django's way.
LARGEST_OWNER = 2**31 - 1
# Pure functions of what the database said just now; not a cache of sessions or accounts.
MOST_VERIFIED = 2000


class SessionStore(db.SessionStore):
    """A grader's session key begins with its account's number (``17.h3k...``), so that both can be read at once."""

    owner: int | None = None
    """Whose session this is to be; set before the key is drawn."""
    account: Any = None
    """The account, once loaded with the session."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        from django.contrib.sessions.models import Session

        return Session

    def _get_new_session_key(self) -> str:
        if self.owner is None:
            return str(super()._get_new_session_key())  # type: ignore[misc]  # unknown to the stubs
        return f"{self.owner}.{get_random_string(RANDOM_LENGTH, ALPHABET)}"

    def load(self) -> Data:
        data = self._load()
        if session_lifetime.is_half_idle(data):
            until = session_lifetime.prolong(data)
            kept = self.model.objects.filter(session_key=self.session_key, expire_date__gt=timezone.now())
            kept.update(session_data=self.encode(data), expire_date=until)
        return data

    def create_model_instance(self, data: Data) -> AbstractBaseSession:
        until = session_lifetime.prolong(data)
        row = super().create_model_instance(data)
        row.expire_date = until
        return row

    def _load(self) -> Data:
        owner = _owner_of(self.session_key or "")
        if owner is None:
            return dict(super().load())
        account = _owner_with_session(self.session_key or "", owner)
        if account is None or account.kept_session is None:
            self._session_key = None
            return {}
        self.account = account
        return _decoded(account.kept_session)


def _decoded(text: str) -> Data:
    found: Data = json.loads(_verified(text, settings.SECRET_KEY))
    return found


@lru_cache(maxsize=MOST_VERIFIED)
def _verified(text: str, _: str) -> str:
    """The JSON in a session's signed text; the same text need not be verified, decoded and unpacked with each poll."""
    return json.dumps(SessionStore().decode(text))


@lru_cache(maxsize=MOST_VERIFIED)
def _auth_hash(password: str, _: str) -> str:
    """What stands in the sessions of an account with this password hash: one HMAC, of the same, with each poll."""
    return str(auth.get_user_model()(password=password).get_session_auth_hash())


def _owner_with_session(session_key: str, owner: int) -> Any:
    user = auth.get_user_model()
    connection = connections[router.db_for_write(user)]
    values = {"key": session_key, "owner": owner, "now": timezone.now(), "group": conf.GRADER_GROUP}
    found = sql.first_row(connection, _statement(connection.vendor, user), values)
    if found is None:
        return None
    *columns, kept_session, in_group = found
    account: Any = user.from_db(connection.alias, [field.attname for field in _asked(user)], columns)
    account.kept_session, account.in_grader_group = kept_session, bool(in_group)
    return account


def _asked(user: Any) -> list[Any]:
    """The fields, in the model's own order: `from_db` takes their values so."""
    names = {user._meta.pk.name, "password", "is_active", "is_superuser", user.USERNAME_FIELD}
    return [field for field in user._meta.concrete_fields if field.name in names]


@lru_cache
def _statement(vendor: str, user: Any) -> str:
    """The account with this session's text and whether it is in the graders' group."""
    quote = connections[router.db_for_write(user)].ops.quote_name
    session = SessionStore.get_model_class()._meta
    columns = ", ".join(f"u.{quote(field.column)}" for field in _asked(user))
    return (
        f"SELECT {columns}, (SELECT s.session_data FROM {quote(session.db_table)} s "  # noqa: S608 - our tables' names
        f"WHERE s.session_key = %(key)s AND s.expire_date > %(now)s), "
        f"EXISTS (SELECT 1 {memberships(vendor, user)} = u.{quote(user._meta.pk.column)}) "
        f"FROM {quote(user._meta.db_table)} u WHERE u.{quote(user._meta.pk.column)} = %(owner)s"
    )


def _owner_of(session_key: str) -> int | None:
    number, dot, _ = session_key.partition(".")
    if not (dot and number.isascii() and number.isdigit() and len(number) <= len(str(LARGEST_OWNER))):
        return None
    return int(number) if int(number) <= LARGEST_OWNER else None


class AccountMiddleware(AuthenticationMiddleware):
    """`request.user` from the account that came with the session; Django's own way wherever there is none."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(partial(_account, request))  # type: ignore[assignment]


class Account:
    """The account of a request's session, loaded when somebody asks it something: `request.user` for what only asks.

    Django's own lazy object can be compared, copied and more, and takes ten times as long for each question.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(_account(self._request), name)


def _account(request: HttpRequest) -> Any:
    if not hasattr(request, "_cached_user"):
        request._cached_user = _came_along(request) or auth.get_user(request)  # type: ignore[attr-defined]
    return request._cached_user  # type: ignore[attr-defined]


def _came_along(request: HttpRequest) -> Any:
    """The same checks as Django's `get_user`; what fails them here is left to it, with all that follows."""
    number = request.session.get(auth.SESSION_KEY)
    account = getattr(request.session, "account", None)
    if account is None or str(account.pk) != number or not account.is_active:
        return None
    proof = request.session.get(auth.HASH_SESSION_KEY, "")
    return account if constant_time_compare(proof, _auth_hash(account.password, settings.SECRET_KEY)) else None

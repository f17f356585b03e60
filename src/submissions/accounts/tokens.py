"""Tokens for REST: how they are made, known and read, and what each may do at this moment.

``gq_<8 characters, its name>_<43 characters, the secret>``. The secret is drawn at random, shown once, and kept as a
hash. A token never widens its account: scopes and queues hold as far as the account's own rights do, asked each time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connections, router
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext

from submissions import sql
from submissions.accounts.permissions import is_grader, is_staff, is_submitter, memberships
from submissions.conf import conf
from submissions.models import GraderQueue, Scope, Token
from submissions.queue.transactions import in_transaction
from submissions.text import is_name

FORM = re.compile(r"gq_([A-Za-z0-9]{8})_([A-Za-z0-9_-]{43})")
"""For scanners of secrets, too."""
ALPHABET = string.ascii_letters + string.digits
# How often its last use is written down at the most.
NOTED_AGAIN = timedelta(minutes=5)
MOST_PATTERNS = 50
VIEW = "submissions.view_externalgraderdetail"
# A grader must not hand in what it grades.
NEVER_BOTH = {Scope.CLAIM: Scope.SUBMIT, Scope.SUBMIT: Scope.CLAIM}


class TokenRefused(ValueError):
    """The token cannot be made; the message says why."""


def make_token(
    account: Any,
    *,
    scopes: Collection[str],
    queues: Collection[str],
    name: str = "",
    expires_at: datetime | None = None,
    created_by: str = "",
) -> tuple[Token, str]:
    """A new token of `account`, and its whole text, which is not kept. Raises TokenRefused."""
    now = check(account, scopes, queues, expires_at)
    public_id = "".join(secrets.choice(ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    token = Token(
        public_id=public_id,
        secret_hash=_hash(secret),
        account=account,
        name=name,
        scopes=" ".join(scope for scope in Scope.values if scope in scopes),
        queue_patterns="\n".join(dict.fromkeys(queues)),
        created_at=now,
        created_by=created_by,
        expires_at=expires_at,
    )
    token.save(force_insert=True)
    return token, f"gq_{public_id}_{secret}"


def check(
    account: Any, scopes: Collection[str], queues: Collection[str], expires_at: datetime | None = None
) -> datetime:
    """The time now, where such a token may be made. Raises TokenRefused."""
    now = _now()
    _check_scopes(account, scopes, now)
    _check_patterns(queues)
    if expires_at is not None and expires_at <= now:
        raise TokenRefused(gettext("The token would have expired already."))
    return now


def _check_scopes(account: Any, scopes: Collection[str], now: datetime) -> None:
    if not scopes:
        raise TokenRefused(gettext("A token needs a scope."))
    if unknown := set(scopes) - set(Scope.values):
        words = gettext("There is no scope %(scope)r; there are %(scopes)s.")
        raise TokenRefused(words % {"scope": min(unknown), "scopes": ", ".join(Scope.values)})
    if not account.is_active:
        raise TokenRefused(gettext("The account %(account)r is not active.") % {"account": account.get_username()})
    for scope in scopes:
        if not may(account, Scope(scope)):
            words = gettext("The account %(account)r has no right to %(scope)s.")
            raise TokenRefused(words % {"account": account.get_username(), "scope": scope})
    held = {
        scope for token in Token.objects.filter(account=account) if token.is_live(now) for scope in token.scope_list
    }
    for scope in scopes:
        other = NEVER_BOTH.get(Scope(scope))
        if other in held | set(scopes):
            raise TokenRefused(gettext("An account has claim or submit, never both: who submits does not grade."))


def _check_patterns(queues: Collection[str]) -> None:
    if not queues:
        raise TokenRefused(gettext("A token needs a queue, or a pattern such as python-* or *."))
    if len(queues) > MOST_PATTERNS:
        words = gettext("A token can have %(most)s queues or patterns, not %(count)s.")
        raise TokenRefused(words % {"most": MOST_PATTERNS, "count": len(queues)})
    for pattern in queues:
        if not 0 < len(pattern) <= 128 or not is_name(pattern) or pattern != pattern.strip():
            words = gettext("%(pattern)r can be neither the name of a queue nor a pattern.")
            raise TokenRefused(words % {"pattern": pattern[:60]})


def find_token(text: str) -> Token | None:
    """The live token with its active account; None for every other text. Notes now and then that it was used."""
    found = FORM.fullmatch(text)
    if found is None:
        return None
    token, now = _read(found[1]) or (None, None)
    kept = token.secret_hash if token is not None else _hash("")
    if not constant_time_compare(_hash(found[2]), kept) or token is None or now is None or token.public_id != found[1]:
        return None
    if not token.is_live(now) or not token.account.is_active:
        return None
    if token.last_used_at is None or token.last_used_at < now - NOTED_AGAIN:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def _read(public_id: str) -> tuple[Token, datetime] | None:
    """The token with its account, and whether that is in the graders' group; and the time now.

    Each request begins with this, so it is one written statement.
    """
    account = Token._meta.get_field("account").related_model
    connection = connections[router.db_for_write(Token)]
    values = {"public_id": public_id, "group": conf.GRADER_GROUP}
    row = sql.first_row(connection, _statement(connection.vendor, account), values)
    if row is None:
        return None
    *columns, in_group, clock = row
    own, others = _columns(account)
    token = Token.from_db(connection.alias, own, columns[: len(own)])
    for name in TIMES:
        setattr(token, name, sql.read_time(connection, getattr(token, name)))
    owner: Any = account.from_db(connection.alias, others, columns[len(own) :])
    owner.in_grader_group, token.account = bool(in_group), owner
    return token, sql.read_now(connection, clock)


TIMES = ("created_at", "expires_at", "revoked_at", "last_used_at")


@lru_cache
def _columns(account: Any) -> tuple[list[str], list[str]]:
    """What is read of the token and of its account: attributes in the models' own order, as `from_db` takes them."""
    asked = {account._meta.pk.name, account.USERNAME_FIELD, "is_active", "is_superuser", "is_staff"}
    own = [field.attname for field in Token._meta.concrete_fields]
    return own, [field.attname for field in account._meta.concrete_fields if field.name in asked]


@lru_cache
def _statement(vendor: str, account: Any) -> str:
    quote = connections[router.db_for_write(Token)].ops.quote_name
    columns = [
        f"{alias}.{quote(model._meta.get_field(name).column)}"
        for alias, model, names in zip("tu", (Token, account), _columns(account), strict=True)
        for name in names
    ]
    key = f"u.{quote(account._meta.pk.column)}"
    return (
        f"SELECT {', '.join(columns)}, EXISTS (SELECT 1 {memberships(vendor, account)} = {key}), "  # noqa: S608
        f"{sql.CLOCKS[vendor]} FROM {quote(Token._meta.db_table)} t "
        f"JOIN {quote(account._meta.db_table)} u ON {key} = t.account_id WHERE t.public_id = %(public_id)s"
    )


@in_transaction
def rotate(public_id: str, *, created_by: str = "") -> tuple[Token, str]:
    """A new token that may do what the old one may, which ends; and its whole text, which is not kept.

    Raises TokenRefused, also where there is no live token of this name.
    """
    old = Token.objects.select_for_update().select_related("account").filter(public_id=public_id).first()
    if old is None or not old.is_live(_now()):
        raise TokenRefused(gettext("This token has ended already."))
    made = make_token(
        old.account,
        scopes=old.scope_list,
        queues=old.patterns,
        name=old.name,
        expires_at=old.expires_at,
        created_by=created_by,
    )
    revoke(public_id)
    return made


def revoke(public_id: str) -> Token | None:
    """End the token for good; None where there is none of this name."""
    token = Token.objects.filter(public_id=public_id).first()
    if token is None:
        return None
    if token.revoked_at is None:
        token.revoked_at = _now()
        token.save(update_fields=["revoked_at"])
    return token


# What it may do. ----------------------------------------------------------------------------------------------------


def may(account: Any, scope: Scope) -> bool:
    """Whether the account itself has the right, now."""
    if scope in NEVER_BOTH:
        # Whoever may do all could do both.
        return not account.is_superuser and (is_grader if scope is Scope.CLAIM else is_submitter)(account)
    if not account.is_active:
        return False
    staff = is_staff(account) and bool(account.has_perm(VIEW))
    if scope is Scope.OPERATE:
        return staff
    return staff or GraderQueue.objects.filter(observers=account.pk).exists()


def has_scope(token: Token, scope: Scope) -> bool:
    """Whether the token has it, and its account still has the right."""
    return scope in token.scope_list and may(token.account, scope)


def is_good(public_id: str, scope: Scope) -> bool:
    """Whether the token of this name is live, and still has the scope."""
    return account_of(public_id, scope) is not None


def account_of(public_id: str, scope: Scope) -> Any:
    """The account of the token of this name, where that is live and still has the scope; else None."""
    token, now = _read(public_id) or (None, None)
    if token is None or now is None or token.public_id != public_id or not token.is_live(now):
        return None
    return token.account if has_scope(token, scope) else None


def covers(token: Token, queue_name: str) -> bool:
    """Whether the queue is within the token's patterns."""
    return matches(token.queue_patterns, queue_name)


def matches(patterns: str, queue_name: str) -> bool:
    """The same for patterns as a token keeps them."""
    return _pattern(patterns).fullmatch(queue_name) is not None


def names_whole(token: Token, queue_name: str) -> bool:
    """Whether a pattern spells this name out."""
    return queue_name in token.patterns


@lru_cache(maxsize=2000)
def _pattern(patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(_spelled(one) for one in patterns.split("\n")), re.DOTALL)


def _spelled(pattern: str) -> str:
    """As a regular expression. A text between two stars is looked for once, where it stands first: with many stars
    there would be too many ways to try."""
    first, *parts = (re.escape(part) for part in pattern.split("*"))
    if not parts:
        return first
    *between, last = parts
    return first + "".join(f"(?>.*?{part})" for part in between if part) + ".*" + last


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    connection = connections[router.db_for_write(Token)]
    connection.ensure_connection()
    return sql.now(connection)

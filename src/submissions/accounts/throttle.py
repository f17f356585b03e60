"""Guessing passwords takes longer with each failure; nobody is locked out by the guesses of others (ADR 0030).

Failures are counted for the account from this network, for the network, and for the account. Past the free ones, each
further failure closes that door for twice as long as the one before. An account that has logged in from a network
before is held to the first count alone: what others guess elsewhere does not stop it.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.models import Exists, OuterRef, Q
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from submissions import signals
from submissions.conf import conf
from submissions.models import DatabaseNow, GraderQueue, LoginCounter, Tally
from submissions.queue.transactions import in_transaction
from submissions.words import in_english, number

# How many times the free failures of one account from one network: a network may hold many accounts, an account's
# guesses may come from many networks.
NETWORK, ACCOUNT = 10, 20
# After so long without a failure the count begins anew.
FORGET = timedelta(hours=1)
# Without a login for so long, a network is no longer an account's usual one.
USUAL = timedelta(days=90)
NOTED_AGAIN = timedelta(hours=1)


class _Counter(NamedTuple):
    row: LoginCounter
    now: datetime
    """The database's time."""


class Throttled(Exception):
    """Too many failed logins; `str` is English, whoever reads it."""

    def __init__(self, seconds: int) -> None:
        """`seconds`: when to come again."""
        self.seconds = seconds
        with in_english():
            super().__init__(self.in_words())

    def in_words(self) -> str:
        """For a page, in the reader's language."""
        words = ngettext(
            "Too many failed logins; try again in %(seconds)s second",
            "Too many failed logins; try again in %(seconds)s seconds",
            self.seconds,
        )
        return words % {"seconds": number(self.seconds)}


class Attempt:
    """One login: `admit` before the password is looked at, then `record_failure` or `record_success`.

    Each may raise Throttled.
    """

    def __init__(self, username: str, address: str, password: str) -> None:
        self.username, self.password = username, password
        self.network = network_of(address)
        name = unicodedata.normalize("NFKC", _as_kept(username)).casefold()
        self.pair, self.limits = _key("pair", name, self.network), {}
        if conf.LOGIN_DELAY_CEILING_SECONDS:
            free = int(conf.LOGIN_FREE_FAILURES)
            self.limits = {
                self.pair: free,
                _key("network", self.network): free * NETWORK,
                _key("account", name): free * ACCOUNT,
            }
        self.repeated = False

    def admit(self) -> None:
        """Sets `repeated` where this is the password that was wrong the last time: it need not be looked at."""
        rows = self._rows()
        self._refuse_while_blocked(rows)
        mine = rows.get(self.pair)
        self.repeated = bool(mine and mine.row.last_wrong and mine.row.last_wrong == self._digest())

    def record_failure(self) -> None:
        """Count it. Of many at the same time, those that come after the door was closed were never answered."""
        blocked = 0
        if self.limits and not self.repeated:
            blocked = self._count(self._digest())
        if blocked:
            self._refuse(blocked)
        Tally.objects.add("logins:refused")
        signals.login_refused.send_robust(sender=None, username=self.username, network=self.network)

    def record_success(self) -> None:
        rows = self._rows()
        self._refuse_while_blocked(rows)
        mine = rows.get(self.pair)
        if self.limits and (mine is None or _is_stale(mine)):
            self._remember(known=mine is not None)
        first = mine is None or not mine.row.known
        signals.logged_in.send_robust(sender=None, username=self.username, network=self.network, first=first)

    @in_transaction
    def _remember(self, *, known: bool) -> None:
        """Many machines of one account log in at once: who comes second must find the row, not fail at it."""
        if not known:
            LoginCounter.objects.bulk_create(
                [LoginCounter(key=self.pair, seen_at=DatabaseNow())], ignore_conflicts=True
            )
        LoginCounter.objects.filter(key=self.pair).update(
            known=True, failures=0, blocked_until=None, last_wrong="", seen_at=DatabaseNow()
        )

    def _rows(self) -> dict[str, _Counter]:
        if not self.limits:
            return {}
        found = LoginCounter.objects.filter(key__in=list(self.limits)).annotate(now=DatabaseNow())
        return {row.key: _Counter(row, row.now) for row in found}

    def _refuse_while_blocked(self, rows: dict[str, _Counter]) -> None:
        if seconds := self._blocked_for(rows):
            self._refuse(seconds)

    def _refuse(self, seconds: int) -> None:
        signals.login_throttled.send_robust(sender=None, username=self.username, network=self.network, seconds=seconds)
        raise Throttled(seconds)

    def _blocked_for(self, rows: dict[str, _Counter]) -> int:
        mine = rows.get(self.pair)
        counted = [mine] if mine and mine.row.known else rows.values()
        return max(map(_seconds_left, counted), default=0)

    @in_transaction
    def _count(self, digest: str) -> int:
        """Count one failure with every counter, under their locks; the seconds to wait where it came too late."""
        fresh = [LoginCounter(key=key, seen_at=DatabaseNow()) for key in sorted(self.limits)]
        LoginCounter.objects.bulk_create(fresh, ignore_conflicts=True)
        locked = LoginCounter.objects.filter(key__in=list(self.limits)).order_by("key").select_for_update()
        rows = {row.key: _Counter(row, row.now) for row in locked.annotate(now=DatabaseNow())}
        if blocked := self._blocked_for(rows):
            return blocked
        for key, counter in rows.items():
            _note_failure(counter, self.limits[key], digest if key == self.pair else "")
        _forget_old(next(iter(rows.values())).now)
        return 0

    def _digest(self) -> str:
        """Of the password, with what else decides: after a change of that it may let the account in."""
        user = get_user_model()
        mine = user._default_manager.filter(**{user.USERNAME_FIELD: self.username})
        # A host's accounts may have no column that says whether one is active.
        columns = [field.name for field in user._meta.concrete_fields if field.name in ("password", "is_active")]
        # One statement for all names, so that its time does not tell which ones there are.
        kept = mine.annotate(granted=_granted()).values_list(*columns, "granted").first()
        return _key("wrong", self.username, str(kept or ""), self.password)[:16]


def _as_kept(username: str) -> str:
    """The name of the account that a login with `username` is for. MySQL takes many for one: with other accents, with
    spaces at the end, with what cannot be seen; each would have failures of its own."""
    user = get_user_model()
    if connections[router.db_for_read(user)].vendor != "mysql":
        return username
    mine = user._default_manager.filter(**{user.USERNAME_FIELD: username})
    return str(mine.values_list(user.USERNAME_FIELD, flat=True).first() or username)


def _granted() -> Q:
    """For a query of accounts: whether one is a grader's or a submitter's, but for being active."""
    # From the account's side: what a group calls its accounts is the host's to choose.
    members = get_user_model()._default_manager.filter(groups__name__in=[conf.GRADER_GROUP, conf.SUBMITTER_GROUP])
    mine = members.filter(pk=OuterRef("pk"))
    return Q(Exists(mine)) | Q(Exists(GraderQueue.objects.filter(submitters=OuterRef("pk"))))


def _is_stale(counter: _Counter) -> bool:
    """Whether a login must be written down: the network is new, has failures, or its last login is an hour old."""
    row = counter.row
    return not row.known or row.failures > 0 or row.seen_at < counter.now - NOTED_AGAIN


def _note_failure(counter: _Counter, free: int, digest: str) -> None:
    row, now = counter
    row.failures = 1 if row.seen_at < now - FORGET else row.failures + 1
    row.seen_at, row.last_wrong, row.blocked_until = now, digest, None
    if row.failures >= free:
        # min() over the exponent first: the counter may be large.
        delay = min(2 ** min(row.failures - free, 20), int(conf.LOGIN_DELAY_CEILING_SECONDS))
        row.blocked_until = now + timedelta(seconds=delay)
    row.save(update_fields=["failures", "seen_at", "last_wrong", "blocked_until"])


def _forget_old(now: datetime) -> None:
    """A few with each failure, so that no list of strangers' guesses grows."""
    old = LoginCounter.objects.filter(Q(known=False, seen_at__lt=now - FORGET) | Q(seen_at__lt=now - USUAL))
    LoginCounter.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:10])).delete()


def _seconds_left(counter: _Counter) -> int:
    until, now = counter.row.blocked_until, counter.now
    # No delay is longer: what is further ahead was written before a clock was set back.
    longest = timedelta(seconds=int(conf.LOGIN_DELAY_CEILING_SECONDS))
    return 0 if until is None or not now < until <= now + longest else int((until - now).total_seconds()) + 1


def network_of(address: str) -> str:
    """One IPv4 address, or the 64 bits that one IPv6 customer has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)


def _key(*parts: str) -> str:
    text = "\0".join(parts)
    return salted_hmac("submissions.throttle", text.encode("utf-8", "replace"), algorithm="sha256").hexdigest()

"""How passwords are kept: slowly those that people choose, quickly those that we have drawn ourselves."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from gradequeue.accounts.places import Places

ROUNDS_FOR_RANDOM = 1000
# For how long a right password is remembered (seconds), and how many are.
REMEMBERED_SECONDS = 300.0
MOST_REMEMBERED = 1000


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's own, but for random passwords of 192 bits few rounds are enough.

    Many rounds are against guessing from a stolen table, and nobody guesses those. They cost a quarter of a second of a
    processor per login, where a watcher waits one second at the most, and the oldest graders log in with every poll.
    Passwords that a person chose keep Django's rounds. Twenty watchers that start at once with one of them pay for it
    once: see `RightPasswords`, and ADR 0105. Each wait for many rounds has one of a process's few places (`Places`).
    """

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Raises Throttled where too many do the same at once."""
        if iterations == ROUNDS_FOR_RANDOM:
            return str(super().encode(password, salt, iterations))
        with _places.one():
            return str(super().encode(password, salt, iterations))

    def encode_random(self, password: str) -> str:
        """What to keep of a password that was drawn at random."""
        return self.encode(password, self.salt(), iterations=ROUNDS_FOR_RANDOM)

    def verify(self, password: str, encoded: str) -> bool:
        if self.decode(encoded)["iterations"] == ROUNDS_FOR_RANDOM:
            right = super().verify(password, encoded)
        else:
            right = self._verify_chosen(password, encoded)
        if not right:
            # As many rounds as for an account that does not exist: the time must not tell which ones there are.
            self.harden_runtime(password, encoded)
        return right

    def _verify_chosen(self, password: str, encoded: str) -> bool:
        digest = _remembered.digest(password, encoded)
        if _remembered.has(digest):
            return True
        # Who logs in with the same password at the same time waits for the first one instead of reckoning, too.
        with _places.one(), _remembered.lock_of(digest):
            right = _remembered.has(digest) or super().verify(password, encoded)
            if right:
                _remembered.add(digest)
        return right

    def must_update(self, encoded: str) -> bool:
        # A login must not hash those anew: with the hash, all sessions of the account would end.
        return self.decode(encoded)["iterations"] != ROUNDS_FOR_RANDOM and super().must_update(encoded)


class RightPasswords:
    """Passwords that were right lately, in this process and nowhere else, as digests under a key that it has drawn.

    The stored hash is in the digest: a changed password finds nothing here. Whether the account may still log in is
    asked each time all the same.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()
        # One of these for all digests that begin alike: a bounded number, however many passwords are tried.
        self._locks = [threading.Lock() for _ in range(256)]

    def digest(self, password: str, encoded: str) -> bytes:
        return hmac.digest(self._key, f"{encoded}\0{password}".encode("utf-8", "surrogatepass"), "sha256")

    def lock_of(self, digest: bytes) -> threading.Lock:
        return self._locks[digest[0]]

    def has(self, digest: bytes) -> bool:
        with self._lock:
            return self._until.get(digest, 0.0) > time.monotonic()

    def add(self, digest: bytes) -> None:
        with self._lock:
            self._until[digest] = time.monotonic() + REMEMBERED_SECONDS
            self._until.move_to_end(digest)
            if len(self._until) > MOST_REMEMBERED:
                self._until.popitem(last=False)


_remembered = RightPasswords()
_places = Places(most=10_000)


def leave_threads_free(threads: int) -> None:
    """For a process that answers requests with so many threads: half of them reckon at passwords at the most."""
    global _places
    _places = Places(max(threads // 2, 1))

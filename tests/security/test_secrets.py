"""Nobody comes with the installation, and what is drawn cannot be guessed; what is remembered is no password."""

from __future__ import annotations

import base64
import time

import pytest
from django.contrib.auth.models import User

from gradequeue.accounts import hashers
from submissions import queue
from submissions.accounts import passwords
from submissions.models import ExternalGraderDetail
from tests.make import make

CHOSEN = "a password that somebody chose"


@pytest.mark.django_db
def test_there_is_no_account_at_first() -> None:
    assert list(User.objects.all()) == []


@pytest.mark.django_db
def test_what_is_drawn_has_192_bits_and_is_never_the_same() -> None:
    drawn = [passwords.set_random_password(User()) for _ in range(100)]
    assert len(set(drawn)) == 100
    assert {len(base64.urlsafe_b64decode(password[1:])) * 8 for password in drawn} == {192}
    make()
    make()
    queue.claim("q", grader="ada", limit=2)
    keys = ExternalGraderDetail.objects.values_list("pullkey", flat=True)
    assert len(set(keys)) == 2
    assert {len(base64.urlsafe_b64decode(f"{key}=")) * 8 for key in keys} == {256}


def test_a_right_password_is_known_for_five_minutes_by_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher, remembered, clock = hashers.PasswordHasher(), hashers.RightPasswords(), [1000.0]
    monkeypatch.setattr(hashers, "_remembered", remembered)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    encoded = hasher.encode(CHOSEN, "salt", 10)
    assert not hasher.verify("another one", encoded)
    assert not remembered._until
    assert hasher.verify(CHOSEN, encoded)
    assert [len(digest) for digest in remembered._until] == [32]
    assert CHOSEN not in str(vars(remembered))
    assert not remembered.has(remembered.digest(CHOSEN, hasher.encode("a new one", "salt", 10)))
    clock[0] += 299
    assert remembered.has(remembered.digest(CHOSEN, encoded))
    clock[0] += 2
    assert not remembered.has(remembered.digest(CHOSEN, encoded))

"""Passwords that are drawn at random, for programs."""

from __future__ import annotations

import secrets
import string
from typing import Any

from django.contrib.auth.hashers import get_hasher, make_password


def set_random_password(user: Any) -> str:
    """Give `user`, who is not saved by this, a new password; return it."""
    # The letter: a word that began with a dash would be taken for an option where somebody passes it on.
    made = secrets.choice(string.ascii_letters) + secrets.token_urlsafe(24)
    # The service keeps random ones in a way that makes logins cheap; a host's hasher need not know of it.
    user.password = getattr(get_hasher(), "encode_random", make_password)(made)
    return made

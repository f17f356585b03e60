"""How passwords are kept: slowly those that people choose, quickly those that we have drawn ourselves."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher

ROUNDS_FOR_RANDOM = 1000


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's own, but for random passwords of 192 bits few rounds are enough.

    Many rounds are against guessing from a stolen table, and nobody guesses those. They cost half a second of a
    processor per login, where a watcher waits one second at the most, and the oldest graders log in with every poll.
    Passwords that a person chose keep Django's rounds. A cache of verified passwords would be state in a process, and
    a changed password would still open the door.
    """

    def encode_random(self, password: str) -> str:
        """What to keep of a password that was drawn at random."""
        return self.encode(password, self.salt(), iterations=ROUNDS_FOR_RANDOM)

    def verify(self, password: str, encoded: str) -> bool:
        right = super().verify(password, encoded)
        if not right:
            # As many rounds as for an account that does not exist: the time must not tell which ones there are.
            self.harden_runtime(password, encoded)
        return right

    def must_update(self, encoded: str) -> bool:
        # A login must not hash those anew: with the hash, all sessions of the account would end.
        return self.decode(encoded)["iterations"] != ROUNDS_FOR_RANDOM and super().must_update(encoded)

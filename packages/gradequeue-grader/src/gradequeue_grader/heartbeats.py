"""Keeps the leases of what is being graded, in one request for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gradequeue_grader.claims import Claim
from gradequeue_grader.client import Client
from gradequeue_grader.problems import GraderError, Refused
from gradequeue_grader.verbs import heartbeats

AT_ONCE = 200
AGAIN_SECONDS = 2.0


@dataclass
class Held:
    """A claim whose command runs."""

    claim: Claim
    until: float
    """Monotonic seconds; past them it gets no heartbeat."""
    due: float
    cancel: threading.Event = field(default_factory=threading.Event)
    """Set where the queue has taken the job back."""


class Heart:
    """Beats for every claim that is held. A thread runs `beat_until`."""

    def __init__(self, client: Client, tell: Callable[[str], object]) -> None:
        self.client, self.tell = client, tell
        self.held: dict[str, Held] = {}
        self.changed = threading.Condition()

    def hold(self, claim: Claim, seconds: float) -> Held:
        """Keep this claim's lease, for at most so many seconds from now."""
        now = time.monotonic()
        one = Held(claim, now + seconds, now + claim.next_heartbeat_seconds)
        with self.changed:
            self.held[claim.id] = one
            self.changed.notify()
        return one

    def let_go(self, claim: Claim) -> None:
        """No more heartbeats for it."""
        with self.changed:
            self.held.pop(claim.id, None)

    def beat_until(self, stop: threading.Event) -> None:
        """Beats whenever one is due. Wakes up at least each second, to see whether to stop."""
        while not stop.is_set():
            with self.changed:
                due = self._due(time.monotonic())
                if not due:
                    self.changed.wait(min(1.0, self._next() - time.monotonic()))
                    continue
            self._beat(due)

    def _due(self, now: float) -> list[Held]:
        return [one for one in self.held.values() if one.due <= now < one.until][:AT_ONCE]

    def _next(self) -> float:
        now = time.monotonic()
        return min([max(one.due, now + 0.01) for one in self.held.values() if one.until > now], default=now + 1.0)

    def _beat(self, due: list[Held]) -> None:
        ids = [one.claim.id for one in due]
        try:
            answers = self.client.send(heartbeats(ids))
        except Exception as error:  # whatever it is, the other heartbeats go on
            # The lease is longer than the time between two heartbeats: one may be missed.
            self.tell(f"heartbeat: {error if isinstance(error, GraderError) else repr(error)}")
            answers = {}
        now = time.monotonic()
        for one in due:
            answer = answers.get(one.claim.id)
            one.due = now + AGAIN_SECONDS
            if isinstance(answer, Refused) or (answer and answer.instruction == "cancel"):
                one.due = float("inf")
                one.cancel.set()
            elif answer:
                one.due = now + answer.next_heartbeat_seconds

"""The loop: claim, grade, tell; several at once."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gradequeue_grader import __version__
from gradequeue_grader.claims import Claim, Claimed
from gradequeue_grader.client import Client
from gradequeue_grader.delivery import GivenUp, deliver, pause_after
from gradequeue_grader.endings import Ending, Failed, Graded
from gradequeue_grader.events import ENDS, Listener, Unbroken
from gradequeue_grader.fetching import fetch
from gradequeue_grader.heartbeats import Heart, Held
from gradequeue_grader.problems import (
    LONGEST_WAIT,
    Busy,
    ClaimLost,
    GraderError,
    NotAllowed,
    NotGradequeue,
    Refused,
    Unreachable,
)
from gradequeue_grader.result import share
from gradequeue_grader.verbs import claim as ask
from gradequeue_grader.verbs import give_back, me

Grade = Callable[[Claim, Mapping[str, bytes], threading.Event, int], Ending]
MOST_JOBS = 50
# A worker that finds nobody at its start says so and ends; later it waits.
START_SECONDS = 30.0
LEAST_PAUSE = 0.05


class CannotWork(GraderError):
    """There is no point in going on; the sentence says what to mend."""


@dataclass(frozen=True)
class Wish:
    """What this worker asks for."""

    queues: tuple[str, ...]
    jobs: int
    seconds: float
    """How long one job may take; its lease is kept that long."""
    wait_seconds: int
    """How long the server may hold a request for jobs."""
    once: bool
    """Ends when nothing waits."""
    name: str


class Worker:
    """Holds up to `wish.jobs` claims. `run` ends after `stop` was set, `abandon` gives back what it holds."""

    def __init__(self, client: Client, wish: Wish, grade: Grade, listener: Listener) -> None:
        self.client, self.wish, self.grade = client, wish, grade
        self.listener = Unbroken(listener, self._nobody_reads)
        self.stop = threading.Event()
        self.abandoned = threading.Event()
        self.heart = Heart(client, self._trouble)
        self.slots: queue.Queue[int] = queue.Queue()
        for slot in range(wish.jobs):
            self.slots.put(slot)
        self.counts: Counter[str] = Counter()
        self.hopeless: CannotWork | None = None
        self.failed_in_row = 0

    def check(self) -> None:
        """Ask who we are, until we are asked to stop. Raises CannotWork where the token is not for this."""
        until = time.monotonic() + START_SECONDS
        tries = 0
        while not self.stop.is_set():
            try:
                mine = self.client.send(me())
            except (Unreachable, Busy) as error:
                pause = pause_after(tries, error.retry_after if isinstance(error, Busy) else None)
                tries += 1
                if time.monotonic() + pause > until:
                    raise CannotWork(f"No gradequeue answers. {error}") from error
                self._trouble(f"{error}; again in {pause:.1f} s")
                self.stop.wait(pause)
            except NotAllowed as error:
                raise CannotWork(f"The token is not good here: {error}") from error
            except (Refused, NotGradequeue) as error:
                raise CannotWork(str(error)) from error
            else:
                if "claim" not in mine.scopes:
                    raise CannotWork(f"The token may not claim; it is for {', '.join(mine.scopes) or 'nothing'}.")
                return

    def run(self) -> int:
        """The exit status: 0 where it ended as asked, 1 where it could not go on."""
        ended = threading.Event()
        beats = threading.Thread(target=self.heart.beat_until, args=(ended,), name="heart")
        beats.start()
        try:
            with ThreadPoolExecutor(self.wish.jobs, thread_name_prefix="job") as pool:
                self._claim_until_stopped(pool)
                self._say("stopping", held=len(self.heart.held))
        finally:
            ended.set()
            beats.join()
        if self.hopeless:
            self._trouble(str(self.hopeless))
        self._say("stopped", ends=dict(self.counts))
        return 1 if self.hopeless else 0

    def abandon(self) -> None:
        """Stop at once: commands are ended, claims given back."""
        self.stop.set()
        self.abandoned.set()
        for held in list(self.heart.held.values()):
            held.cancel.set()

    # Claiming. ------------------------------------------------------------------------------------------------------

    def _claim_until_stopped(self, pool: ThreadPoolExecutor) -> None:
        while not self.stop.is_set() and not self.hopeless:
            slots = self._free_slots()
            if not slots:
                continue
            try:
                claimed = self._claim(len(slots))
            except CannotWork as error:
                self.hopeless = error
                claimed = Claimed((), 0)
            for claim in claimed.claims:
                if self.stop.is_set() or not slots:  # a server may send more than it was asked for
                    self._give_back(claim)
                else:
                    self._begin(pool, claim, slots.pop())
            for slot in slots:
                self.slots.put(slot)
            if not claimed.claims:
                if self.wish.once and self.slots.qsize() == self.wish.jobs:
                    return
                self.stop.wait(min(max(LEAST_PAUSE, claimed.poll_after_seconds), LONGEST_WAIT))

    def _free_slots(self) -> list[int]:
        """All that are free; waits a moment for one."""
        with contextlib.suppress(queue.Empty):
            slots = [self.slots.get(timeout=0.2)]
            with contextlib.suppress(queue.Empty):
                while True:
                    slots.append(self.slots.get_nowait())
            return slots
        return []

    def _claim(self, most: int) -> Claimed:
        """The same request with the same key until it is answered, so that a lost answer loses no job."""
        request = ask(
            *self.wish.queues,
            max_claims=most,
            wait_seconds=0 if self.wish.once else self.wish.wait_seconds,
            worker={"name": self.wish.name[:100], "version": __version__},
            idempotency_key=uuid.uuid4().hex,
        )
        tries = 0
        while not self.stop.is_set():
            try:
                return self.client.send(request)
            except (Unreachable, Busy, NotGradequeue) as error:
                pause = pause_after(tries, error.retry_after if isinstance(error, Busy) else None)
                tries += 1
                self._trouble(f"{error}; again in {pause:.1f} s")
                self.stop.wait(pause)
            except NotAllowed as error:
                raise CannotWork(f"The token is not good any more: {error}") from error
            except Refused as error:
                raise CannotWork(f"The queue gives no jobs to this worker: {error}") from error
        return Claimed((), 0)

    def _give_back(self, claim: Claim) -> None:
        try:
            self.client.send(give_back(claim.id))
        except GraderError as error:
            # Its lease ends, and somebody else gets it.
            self._trouble(f"submission {claim.submission}: not given back: {error}")
        else:
            self._say("given_back", claim=claim.id, submission=claim.submission)

    # One job. -------------------------------------------------------------------------------------------------------

    def _begin(self, pool: ThreadPoolExecutor, claim: Claim, slot: int) -> None:
        held = self.heart.hold(claim, self.wish.seconds)
        self._say("claimed", claim=claim.id, submission=claim.submission, queue=claim.queue_name)
        pool.submit(self._work, held, slot)

    def _work(self, held: Held, slot: int) -> None:
        try:
            started = time.monotonic()
            ending = self._ending(held, slot)
            self.heart.let_go(held.claim)
            if self.abandoned.is_set() and held.cancel.is_set():
                self._give_back(held.claim)
            else:
                self._tell(held, ending, round(time.monotonic() - started, 3))
            self._rest_after(ending)
        except Exception as error:  # one job must never stop the worker
            self._trouble(f"submission {held.claim.submission}: {error!r}")
        finally:
            self.heart.let_go(held.claim)
            self.slots.put(slot)

    def _ending(self, held: Held, slot: int) -> Ending:
        try:
            files = fetch(self.client, held.claim, self.stop, self._trouble)
            held.until = time.monotonic() + self.wish.seconds
            return self.grade(held.claim, files, held.cancel, slot)
        except GraderError as error:
            return Failed("infrastructure", f"The files of the submission could not be fetched: {error}")
        except Exception as error:  # a fault of ours is not the learner's, nor the grader's
            return Failed("infrastructure", f"The worker failed: {error!r}")

    def _tell(self, held: Held, ending: Ending, seconds: float) -> None:
        claim = held.claim
        about = {"claim": claim.id, "submission": claim.submission}
        try:
            told, _ = deliver(self.client, claim.id, ending, self.stop, self._trouble)
        except ClaimLost as error:
            self._say("lost", **about, message=str(error))
        except GivenUp as error:
            self._say("given_up", **about, message=str(error))
        except Refused as error:
            self._say("cancelled" if held.cancel.is_set() else "refused", **about, message=str(error))
            if isinstance(error, NotAllowed):
                self.hopeless = CannotWork(f"The token is not good any more: {error}")
        else:
            if held.cancel.is_set():
                self._say("cancelled", **about)
            elif isinstance(told, Graded):
                score = share(told.result, claim.points_possible)
                self._say("graded", **about, score=score, seconds=seconds)
            else:
                self._say("failed", **about, kind=told.kind, message=told.message, seconds=seconds)

    def _rest_after(self, ending: Ending) -> None:
        """A machine on which nothing can be graded would try every job of the queue, as fast as it can."""
        failed_here = isinstance(ending, Failed) and ending.kind == "infrastructure"
        self.failed_in_row = self.failed_in_row + 1 if failed_here else 0
        if self.failed_in_row > 1:
            pause = pause_after(self.failed_in_row - 2)
            self._trouble(f"{self.failed_in_row} jobs in a row could not be graded here; the next in {pause:.1f} s")
            self.stop.wait(pause)

    # Telling. -------------------------------------------------------------------------------------------------------

    def _say(self, event: str, **facts: Any) -> None:
        if event in ENDS:
            self.counts[event] += 1
        self.listener.hear(event, **facts)

    def _nobody_reads(self) -> None:
        """What is held is finished; more is not taken: whoever started this worker has gone."""
        self.hopeless = self.hopeless or CannotWork("Nobody reads what this worker says.")

    def _trouble(self, message: str) -> None:
        self.listener.hear("trouble", message=message)

"""Graders that are pushed to: the queue's jobs are claimed and sent to its `push_url`, and the answer is the reply.

As XQueue's own consumer did it, but a job gets more than one try. What the grader does with a job is the job's failure;
that it cannot be reached, or says itself that it is busy, is not: the job is given back and its queue left alone for a
while (ADR 0053).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from django.db import close_old_connections, connections

from submissions import api, queue, signals
from submissions.conf import conf
from submissions.connections import close_after
from submissions.deliveries.transports.base import BUSY, retry_after
from submissions.errors import QueueError, UnknownQueue
from submissions.outbound import http
from submissions.queue import ClaimedJob, names_of_pushed, settings_of
from submissions.text import made_storable
from submissions.xqueue import wire
from submissions.xqueue.jobs import body_of

logger = logging.getLogger("submissions.xqueue")

# Under this name the claims of all dispatchers are kept.
GRADER = "push"
# However long the grader itself asks for (seconds).
LONGEST_REQUEST = 3600.0
POLL_SECONDS = 1.0
# The first and the longest pause of a queue whose grader does not answer well; it doubles each time (seconds).
PAUSES = (1.0, 60.0)


@dataclass
class Pause:
    """How a queue's grader did lately, as one dispatcher knows it."""

    failures: int = 0
    until: float = 0.0
    """time.monotonic()"""

    def note(self, well: bool, seconds: float | None = None) -> None:
        self.failures = 0 if well else self.failures + 1
        pause = min(PAUSES[0] * 2 ** min(self.failures - 1, 10), PAUSES[1]) if self.failures else 0.0
        self.until = time.monotonic() + max(pause, seconds or 0.0)


class Unanswered(Exception):
    """The grader could not be asked: not the job's fault."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Ungraded(Exception):
    """The grader was asked, and there is no reply."""


def push_one(queue_name: str, pause: Pause, mount: str) -> bool:
    """Claim one job and have it graded; False where there is none. `mount`: see `api.get_files_for_grader`."""
    try:
        jobs = queue.claim(queue_name, grader=GRADER, pushing=True)
    except UnknownQueue:  # deleted since we looked
        return False
    if not jobs:
        return False
    well, wait = _grade(jobs[0], mount)
    pause.note(well, wait)
    return True


def _grade(job: ClaimedJob, mount: str) -> tuple[bool, float | None]:
    """Whether the grader did well, and for how long it wants to be left alone (seconds)."""
    key = str(job.pullkey)
    try:
        reply = _ask(job, mount)
        return _record(job.submission_id, key, reply), None
    except Unanswered as reason:
        signals.job_not_pushed.send_robust(sender=None, job=job, reason=str(reason))
        with suppress(QueueError):  # a key that is no longer good: somebody took the job away meanwhile
            queue.release(job.submission_id, key)
        return False, reason.retry_after
    except Ungraded as reason:
        with suppress(QueueError):
            queue.fail(job.submission_id, key, reason=str(reason))
        return False, None
    except QueueError:  # no usable score, and already counted; or somebody took the job away meanwhile
        return False, None


def _ask(job: ClaimedJob, mount: str) -> str:
    """The grader's reply. Raises Unanswered, Ungraded."""
    settings = settings_of(job.queue_name)
    try:
        body = _body(job, mount)
    except Exception as error:  # a storage that cannot say where a file is, say
        raise Ungraded(f"The job could not be handed out: {error}") from error
    try:
        answer = http.post(
            settings.push_url,
            body=body,
            # A connection that the grader has closed meanwhile would look like a job that it could not do.
            headers={"Content-Type": "application/json", "User-Agent": "gradequeue", "Connection": "close"},
            allowed_hosts=None,
            seconds=min(float(conf.PUSH_TIMEOUT_SECONDS), 0.9 * settings.lease),
            most_bytes=int(conf.REPLY_MAX_BYTES),
        )
    except http.Refused as refused:
        raise Unanswered(str(refused)) from refused
    except http.Failed as failed:
        if failed.sent:
            raise Ungraded(f"The grader was sent the job and gave no answer: {failed}") from failed
        raise Unanswered(str(failed), failed.retry_after) from failed
    return _read_reply(answer)


def _read_reply(answer: http.Answer) -> str:
    if answer.status in BUSY:
        raise Unanswered(f"It answered {answer.status}.", min(retry_after(answer) or 0.0, LONGEST_REQUEST))
    if answer.status != 200:
        raise Ungraded(f"The grader answered {answer.status}.")
    if not answer.whole:
        raise Ungraded(f"The grader's answer broke off, or is longer than {conf.REPLY_MAX_BYTES} bytes.")
    try:
        return answer.body_start.decode()
    except UnicodeDecodeError:
        raise Ungraded("The grader's answer is not UTF-8.") from None


def _body(job: ClaimedJob, mount: str) -> bytes:
    files = api.get_files_for_grader(job, mount)
    return json.dumps({"xqueue_body": body_of(job), "xqueue_files": json.dumps(files)}).encode()


def _record(submission_id: int, key: str, text: str) -> bool:
    """Whether there was a score in it. Raises QueueError."""
    result = wire.read_reply(submission_id, key, made_storable(text), int(conf.REPLY_MAX_BYTES))
    if result.flaw is not None:
        queue.fail(submission_id, key, reason=result.flaw, reply=result.reply)
    else:
        done = queue.complete(submission_id, key, score=result.score, reply=result.reply)
        if not result.is_complete:
            queue.note_incomplete(done)
    return result.flaw is None


class Dispatcher:
    """Serves all queues that have a push_url, `threads` jobs of each at once. Several may run side by side."""

    def __init__(self, threads: int = 1, base_url: str = "") -> None:
        self._threads = threads
        self._mount = (str(conf.BASE_URL) or base_url).rstrip("/") + api.mount_path()
        self._wanted: set[str] = set()
        self._running: dict[tuple[str, int], threading.Thread] = {}
        self._pauses: dict[str, Pause] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; what is being graded is finished."""
        try:
            while not stop.is_set():
                self._start_threads(stop)
                stop.wait(POLL_SECONDS)
            for thread in self._running.values():
                thread.join()
        finally:
            connections.close_all()

    def run_until_idle(self) -> int:
        """Push what is due now, one after the other, leaving out queues whose grader does not answer; how many."""
        count = 0
        for name in names_of_pushed():
            pause = self._pauses.setdefault(name, Pause())
            while pause.failures == 0 and push_one(name, pause, self._mount):
                count += 1
        return count

    def _start_threads(self, stop: threading.Event) -> None:
        """Threads for new queues; those of queues that are pushed no more end by themselves."""
        try:
            close_old_connections()
            self._wanted = set(names_of_pushed())
            self._start_missing(stop)
        except Exception as error:  # the database or free memory may be away for a while; this is to outlive that
            logger.exception("the queues that are pushed could not be served")
            close_after(error)

    def _start_missing(self, stop: threading.Event) -> None:
        self._running = {place: thread for place, thread in self._running.items() if thread.is_alive()}
        for name in self._wanted:
            for number in range(self._threads):
                if (name, number) not in self._running:
                    thread = threading.Thread(target=self._serve, args=(name, stop), name=f"push {name}")
                    thread.start()
                    self._running[name, number] = thread

    def _serve(self, name: str, stop: threading.Event) -> None:
        pause = self._pauses.setdefault(name, Pause())
        try:
            while name in self._wanted and not stop.is_set():
                if not self._push_one(name, pause):
                    stop.wait(POLL_SECONDS)
        finally:
            connections.close_all()

    def _push_one(self, name: str, pause: Pause) -> bool:
        if time.monotonic() < pause.until:
            return False
        try:
            close_old_connections()
            return push_one(name, pause, self._mount)
        except Exception as error:  # the lease decides about the job; the next look may go better
            logger.exception("a job of queue %s could not be pushed", name)
            close_after(error)
            pause.note(well=False)
            return False

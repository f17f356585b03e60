"""What a web server is told with the answer to who asks for jobs.

Of jobs that are handed out: a grader that has gone leaves its job to the others, and no failure is counted. Whether a
grader still waits for its answer nobody can ask a WSGI server beforehand. But it is told afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

from django.http import HttpResponse

from submissions import queue
from submissions.errors import QueueError

logger = logging.getLogger("submissions.queue")

GONE = "The claim came too late: the grader had gone."


def take_back(jobs: Sequence[queue.ClaimedJob]) -> None:
    """Claims that nobody waits for any more: no failures, and due at once."""
    for job in jobs:
        with suppress(QueueError):  # somebody has ended it meanwhile
            queue.release(job.submission_id, job.pullkey, reason=GONE)


class NoRoom(HttpResponse):
    """`answer`, where nobody more may wait. `serve` ends its connection: the next one may lead to another process."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(answer.content, status=answer.status_code, headers=dict(answer.headers))


class HandedOut(HttpResponse):
    """`answer`, and `jobs` are taken back where it does not reach its client.

    PEP 3333: a server closes each answer, and where the client has gone, before it has asked for all of it.
    """

    def __init__(self, answer: HttpResponse, jobs: Sequence[queue.ClaimedJob]) -> None:
        super().__init__(answer.content, status=answer.status_code, headers=dict(answer.headers))
        self._jobs = jobs
        self._is_begun = self._is_sent = False

    def __iter__(self) -> Iterator[bytes]:
        self._is_begun = True
        yield from super().__iter__()
        self._is_sent = True

    def close(self) -> None:
        try:
            if self._is_begun and not self._is_sent:
                take_back(self._jobs)
        except Exception:
            logger.exception("a job of a grader that has gone could not be taken back")
        finally:
            super().close()

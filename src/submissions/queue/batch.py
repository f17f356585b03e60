"""Several at once: claims, from one queue or more, and results.

Rows of several jobs are written by one statement each. What is no usual job goes the way of a single one.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from submissions import signals
from submissions.errors import QueueError
from submissions.models import DELETED, ExternalGraderDetail, GraderQueue, Status
from submissions.queue import fast, line, moves
from submissions.queue.records import ClaimedJob, DueJob, Given, GradedJob, LockedJob, QueueView, Terms, size_of

Job = ExternalGraderDetail
CLAIM_ID = Job._meta.get_field("claim_id")

# What one answer may hold; more is not claimed, but for the first (characters).
ROOM = 16 * 1024 * 1024

# What a claim changes in each row alike, and what in each differently.
HAND_OUT = """UPDATE submissions_externalgraderdetail
SET status = 'pulled', status_time = %s, pulled_at = %s, available_at = %s, grader = %s, num_pulls = num_pulls + 1,
  pullkey = CASE id{cases} END, claim_id = {names} WHERE id IN ({ids})"""

# How many jobs one claim only ends, about. Thousands of leases may be over at once, each one failure too many, and a
# grader waits for a second.
MOST_ENDED = 50

ClaimOne = Callable[..., list[ClaimedJob]]
"""Of a queue's name, `limit` and `terms`."""


def collect(queue_names: Sequence[str], limit: int, terms: Terms, claim: ClaimOne) -> list[ClaimedJob]:
    """Up to `limit` jobs, from the first of these queues as long as it has some, then from the next one."""
    taken: list[ClaimedJob] = []
    room = ROOM if limit > 1 else None
    for name in queue_names:
        taken += claim(name, limit=limit - len(taken), terms=replace(terms, room=room, is_first=not taken))
        if len(taken) >= limit:
            break
        room = None if room is None else ROOM - sum(job.size for job in taken)
    return taken


def claim(queue: QueueView, grader: str, limit: int, terms: Terms) -> list[ClaimedJob]:
    """Up to `limit` jobs of this queue, each locked and handed out, or ended."""
    taken: list[ClaimedJob] = []
    ended = 0
    while len(taken) < limit:
        room = room_beside(taken, terms)
        due = line.lock_due(queue, grader, limit - len(taken), room)
        moves.attach_submissions([one.locked.row for one in due])
        those = fitting(due, terms, taken)
        handed_out = hand_out(those, queue.row, grader, terms)
        ended += len(those) - len(handed_out)
        for job in handed_out:
            signals.announce(signals.job_claimed, job=job)
            taken.append(job)
        # Each row that is not handed out leaves the index that the claim walks: the next claim goes on behind it.
        if len(those) < len(due) or not due or ended >= MOST_ENDED:
            break
    return taken


def room_beside(taken: Sequence[ClaimedJob], terms: Terms) -> int | None:
    """How much room there is left beside those that were taken (characters); None: no limit."""
    return None if terms.room is None else terms.room - sum(job.size for job in taken)


def fitting(due: Sequence[DueJob], terms: Terms, taken: Sequence[ClaimedJob]) -> list[DueJob]:
    """The first of these jobs, as many as there is room for beside those that were taken."""
    left = room_beside(taken, terms)
    if left is None:
        return list(due)
    found: list[DueJob] = []
    for one in due:
        left -= size_of(one.locked.row)
        if left < 0 and (found or taken or not terms.is_first):
            break
        found.append(one)
    return found


def hand_out(due: Sequence[DueJob], queue: GraderQueue, grader: str, terms: Terms) -> list[ClaimedJob]:
    """Hand these jobs out, in their order; without those that end instead."""
    usual = [one.locked for one in due if is_usual(one.locked)] if len(due) > 1 else []
    _hand_out_usual(usual, queue, grader, terms)
    done = {locked.row.pk for locked in usual}
    return [
        one.claimed() for one in due if one.locked.row.pk in done or moves.hand_out(one.locked, queue, grader, terms)
    ]


def is_usual(locked: LockedJob) -> bool:
    """Whether it waits, and somebody waits for it: to hand it out ends no earlier claim."""
    return locked.row.status in (Status.PENDING, Status.RETRY) and locked.row.submission.status != DELETED


def _hand_out_usual(rows: Sequence[LockedJob], queue: GraderQueue, grader: str, terms: Terms) -> None:
    if not rows:
        return
    now = rows[0].now
    until = now + timedelta(seconds=terms.lease(queue))
    for locked in rows:
        job = locked.row
        job.status, job.status_time, job.pulled_at, job.available_at = Status.PULLED, now, now, until
        job.grader, job.num_pulls = grader, job.num_pulls + 1
        job.pullkey, job.claim_id = secrets.token_urlsafe(32), terms.draw_id()
    connection = connections[router.db_for_write(Job)]
    times = [connection.ops.adapt_datetimefield_value(time) for time in (now, now, until)]
    keys = [part for locked in rows for part in (locked.row.pk, locked.row.pullkey)]
    names = [part for locked in rows for part in (locked.row.pk, _as_kept(locked, connection))] if terms.named else []
    cases = " WHEN %s THEN %s" * len(rows)
    statement = HAND_OUT.format(
        cases=cases, names=f"CASE id{cases} END" if names else "NULL", ids=", ".join(["%s"] * len(rows))
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*times, grader, *keys, *names, *(locked.row.pk for locked in rows)])


def _as_kept(locked: LockedJob, connection: BaseDatabaseWrapper) -> Any:
    """The claim's name as the database keeps it."""
    return CLAIM_ID.get_db_prep_value(locked.row.claim_id, connection)


Result = tuple[int, str, Given]


def complete(
    results: Sequence[Result], complete_one: Callable[..., GradedJob], tell: Callable[[GradedJob], GradedJob]
) -> list[GradedJob | QueueError]:
    """What became of each of these results, in their order."""
    done: dict[int, GradedJob] = {}
    was_lost = False
    count = Counter(submission_id for submission_id, _, _ in results)
    try:
        # Of two results of one job the first one counts, and the second one is to meet it.
        done = fast.complete_together([result for result in results if count[result[0]] == 1])
    except fast.AnswerLost:
        was_lost = True

    # First of all: what breaks off at another result must not leave a stored one untold.
    told = {submission_id: tell(graded) for submission_id, graded in done.items()}

    def of(submission_id: int, key: str, given: Given) -> GradedJob | QueueError:
        if submission_id in told:
            return told[submission_id]
        try:
            return complete_one(submission_id, key, given, was_lost=was_lost)
        except QueueError as refusal:
            return refusal

    return [of(*result) for result in results]

"""The usual case of a verb as literal SQL, one file for each database; every rare case is the general verb's.

Each entry either does all of its verb or has written nothing and returns None. Then the general verb, in plain ORM,
looks at what is there and decides. So nothing here refuses, counts a failure or knows a lost lease, and a rule that
changes is changed in Python. The statements need Django's own backend and the driver's public cursor, no more.

When it steps aside: `statements_for`. That both ways leave the same rows: ``tests/queue/fast``.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, TypeVar

from django.db import DatabaseError, IntegrityError, InterfaceError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_save, pre_save
from django.utils.crypto import constant_time_compare

from submissions.errors import BadReply
from submissions.models import DELETED, ExternalGraderDetail, GraderQueue, Score, Status
from submissions.models.score import is_better, is_older_attempt
from submissions.queue import claim_log, line, owed, scoring
from submissions.queue.fast import mariadb, mysql, postgresql, sqlite, together, window
from submissions.queue.fast.columns import Held, Picked
from submissions.queue.line import BEGINNING
from submissions.queue.records import ClaimedJob, Given, GradedJob, QueueView, Terms, late_seconds
from submissions.queue.settings import settings_of
from submissions.queue.transactions import is_passing
from submissions.sql import Values, is_watched

logger = logging.getLogger("submissions.queue")

T = TypeVar("T")
# With fewer, the statements of single results are as quick.
FEWEST_TOGETHER = 3
TAKING_RESULTS = Status.taking_results()
CLAIM_ID = ExternalGraderDetail._meta.get_field("claim_id")


class AnswerLost(Exception):
    """The connection broke: whether the statement was committed, nobody has said."""


class Statements(Protocol):
    """What the file of one database offers. Each call is a transaction of its own, or a read."""

    def speaks_to(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether the statements are written for the driver and the server behind this connection."""

    def is_due(self, connection: BaseDatabaseWrapper, values: Values) -> bool:
        """Whether a job is due, by a read without a lock: the poll of an empty queue."""

    def claim(self, connection: BaseDatabaseWrapper, values: Values) -> Picked | None:
        """Take the first job that is due. None where none is; a row without a job where it is no usual one."""

    def held(self, connection: BaseDatabaseWrapper, submission_id: int) -> Held | None:
        """Everything that decides about a result, read without a lock; None where there is no such job."""

    def finish(self, connection: BaseDatabaseWrapper, values: Values, *, first: bool) -> bool:
        """Write the result where all is still as `held` has read it; False where nothing was written.

        `first`: whether the learner has no score at the item yet.
        """


def claim(queue: QueueView, grader: str, terms: Terms) -> list[ClaimedJob] | None:
    """The queue's next job, or an empty list where nothing is due. None: the general verb decides."""
    since, key = window.beginning(queue.name), secrets.token_urlsafe(32)
    claim_id = terms.draw_id()
    values = {
        "queue": queue.name,
        "grader": grader,
        "key": key,
        "lease": terms.lease(queue.row),
        "claim_id": claim_id,
        "since": since,
        "others": queue.others,
    }
    try:
        found = _try(lambda statements, connection: (_claim(statements, connection, _with_id(connection, values)),))
    except AnswerLost:
        return _claimed_by(queue.name, key)
    picked = found[0] if found else None
    if picked is not None and picked.job is not None:
        window.note(queue.name, since, picked.due_since)
        return [picked.job if claim_id is None else replace(picked.job, claim_id=claim_id)]
    window.close(queue.name)
    if found is None or picked is not None:
        return None
    return [] if since == BEGINNING else claim(queue, grader, terms)


def _with_id(connection: BaseDatabaseWrapper, values: dict[str, Any]) -> Values:
    """The claim's name as the database keeps it."""
    if values["claim_id"] is not None:
        values["claim_id"] = CLAIM_ID.get_db_prep_value(values["claim_id"], connection)
    return values


def _claim(statements: Statements, connection: BaseDatabaseWrapper, values: Values) -> Picked | None:
    name = values["queue"]
    if line.was_empty(name) and not statements.is_due(connection, values):
        return None
    picked = statements.claim(connection, values)
    line.note_claim(name, found=picked is not None)
    return picked


def _claimed_by(queue_name: str, key: str) -> list[ClaimedJob] | None:
    """The job that a statement has claimed whose answer was lost; None where it has claimed none."""
    held = ExternalGraderDetail.objects.filter(queue_name=queue_name, status=Status.PULLED, pullkey=key)
    job = held.select_related("submission__student_item", "submit_request").first()
    if job is None:
        return None
    has_json = bool(getattr(job, "submit_request", None) and job.submit_request.has_json_payload)
    return [ClaimedJob.of(job, has_files=True, has_json_payload=has_json)]


def complete(submission_id: int, key: str, given: Given) -> GradedJob | None:
    """The job with its score. None: the general verb decides. Raises AnswerLost."""
    if not _scores_are_silent():
        return None
    return _try(lambda statements, connection: _complete(statements, connection, submission_id, key, given))


def _scores_are_silent() -> bool:
    """Whether nobody wants to hear of a new score's row, which only its `save` tells."""
    return not (pre_save.has_listeners(Score) or post_save.has_listeners(Score))


def complete_together(entries: Sequence[tuple[int, str, Given]]) -> dict[int, GradedJob]:
    """Of these results, by submission, those that were usual and are written now, all of them or none.

    Raises AnswerLost.
    """
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    if len(entries) < FEWEST_TOGETHER or not _scores_are_silent() or statements_for(connection) is None:
        return {}
    if not together.can(connection):
        return {}
    try:
        with transaction.atomic(using=connection.alias):
            return _complete_together(connection, entries)
    except (together.Undo, IntegrityError):
        return {}
    except (DatabaseError, InterfaceError) as error:
        if is_passing(error):
            return {}
        connection.close()
        raise AnswerLost from error


def _complete_together(
    connection: BaseDatabaseWrapper, entries: Sequence[tuple[int, str, Given]]
) -> dict[int, GradedJob]:
    asked = {submission_id: (key, given) for submission_id, key, given in entries}
    queue_of = cache(settings_of)  # in a transaction nobody else remembers them
    items: set[int] = set()
    chosen, done = [], {}
    for held in together.lock(connection, list(asked)):
        key, given = asked[held.submission_id]
        # Of two of one learner's, the second one must see what the first one has made of the summary.
        found = None if held.student_item_id in items else _decided(held, key, given, queue_of)
        if found is not None:
            points, possible = found
            items.add(held.student_item_id)
            chosen.append((held, _finish_values(held, points, possible, given)))
            done[held.submission_id] = _graded(held, points, possible)
    if chosen:
        together.write(connection, connection.alias, chosen)
    return done


def _complete(
    statements: Statements, connection: BaseDatabaseWrapper, submission_id: int, key: str, given: Given
) -> GradedJob | None:
    held = statements.held(connection, submission_id)
    found = None if held is None else _decided(held, key, given)
    if held is None or found is None:
        return None
    points, possible = found
    values = _finish_values(held, points, possible, given)
    if not statements.finish(connection, values, first=held.latest_id is None):
        return None
    return _graded(held, points, possible)


def _decided(
    held: Held, key: str, given: Given, queue_of: Callable[[str], GraderQueue] = settings_of
) -> tuple[float, float] | None:
    """Points earned and possible, where the result is a usual one."""
    if not _is_usual(held, key):
        return None
    queue = queue_of(held.queue_name)
    if not held.has_deliveries and owed.has_usual(queue):
        return None  # made by edx-submissions beside us: its deliveries are still to be made
    try:
        points = queue.points(given.score, held.points_possible if held.points_known else None, given.meaning)
    except BadReply:
        return None
    return points, scoring.possible_for(points, held.points_possible, known=held.points_known)


def _graded(held: Held, points: float, possible: float) -> GradedJob:
    return GradedJob(
        pk=held.job_id,
        submission_id=held.submission_id,
        queue_name=held.queue_name,
        grader=held.grader,
        points_possible=held.points_possible,
        points_earned=points,
        score_possible=possible,
        student_id=held.student_id,
        course_id=held.course_id,
        item_id=held.item_id,
        returned_at=held.now,
        is_owed=held.has_waiting,
        late_seconds=late_seconds(held, held.now),
        points_known=held.points_known,
    )


def _is_usual(held: Held, key: str) -> bool:
    if held.status not in TAKING_RESULTS or held.submission_status == DELETED or not held.pullkey:
        return False
    return constant_time_compare(key.encode("utf-8", "replace"), held.pullkey.encode())


def _finish_values(held: Held, points: float, possible: float, given: Given) -> Values:
    order = held.attempt_number, held.submission_id
    keeps_latest = held.latest_order is not None and is_older_attempt(order, held.latest_order)
    keeps_highest = not is_better(points, possible, held.highest_earned, held.highest_possible)
    return {
        "submission": held.submission_id,
        "job": held.job_id,
        "key": held.pullkey,
        "status": held.status,
        "item": held.student_item_id,
        "now": held.now,
        "reply": given.reply,
        "result": given.result,
        "digest": given.digest,
        "pulls": claim_log.note(held, held.now, claim_log.COMPLETED),
        "earned": points,
        "possible": possible,
        "latest": held.latest_id if keeps_latest else None,
        "highest": held.highest_id if keeps_highest else None,
        "latest_was": held.latest_id,
        "highest_was": held.highest_id,
    }


def _try(send: Callable[[Statements, BaseDatabaseWrapper], T | None]) -> T | None:
    """What `send` returns; None where these statements are not for this connection, or something stood in their way
    that passes: then nothing was written, and the general verb tries again.

    Raises AnswerLost after any other error of the database's; what follows gets a new connection. A driver's own cursor
    tells Django nothing of a lost one.
    """
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    statements = statements_for(connection)
    if statements is None:
        return None
    try:
        with connection.wrap_database_errors:
            return send(statements, connection)
    except (DatabaseError, InterfaceError) as error:
        if is_passing(error):
            return None
        logger.info("the general verb is tried on a new connection: %s", type(error).__name__)
        connection.close()
        raise AnswerLost from error
    except BaseException:
        connection.close()  # with answers that nobody has read it would be out of step
        raise


def statements_for(connection: BaseDatabaseWrapper) -> Statements | None:
    """The statements for this connection, or None where the general verbs must do it all.

    Within somebody's transaction a verb joins it; statements that are logged or wrapped must be seen by who does so;
    and times are read and written as UTC.
    """
    if connection.in_atomic_block or is_watched(connection):
        return None
    if connection.timezone is None or connection.timezone_name != "UTC":
        return None
    connection.ensure_connection()
    statements = _of_vendor(connection)
    if statements is None or not connection.get_autocommit() or not statements.speaks_to(connection):
        return None
    return statements


def _of_vendor(connection: BaseDatabaseWrapper) -> Statements | None:
    if connection.vendor == "mysql":
        return mariadb if getattr(connection, "mysql_is_mariadb", False) else mysql
    return {"postgresql": postgresql, "sqlite": sqlite}.get(connection.vendor)

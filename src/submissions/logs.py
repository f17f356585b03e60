"""The one file that words log lines: ids, queue and outcome. Never a key, a password, an answer or a reply."""

from __future__ import annotations

import logging

from submissions import signals
from submissions.models import Delivery, ExternalGraderDetail, Score, StudentItem, Submission
from submissions.text import one_line

logger = logging.getLogger("submissions.queue")
api_logger = logging.getLogger("submissions.api")

Job = ExternalGraderDetail


def connect() -> None:
    """Called once, when the app is ready."""
    for signal, receiver in (
        (signals.submission_created, submission_created),
        (signals.score_given, score_given),
        (signals.scores_reset, scores_reset),
        (signals.job_enqueued, enqueued),
        (signals.job_claimed, claimed),
        (signals.job_completed, completed),
        (signals.job_failed, failed),
        (signals.job_given_up, given_up),
        (signals.job_released, released),
        (signals.job_retried, retried),
        (signals.job_retired, retired),
        (signals.delivered, delivered),
        (signals.delivery_failed, delivery_failed),
        (signals.delivery_given_up, delivery_given_up),
        (signals.claim_refused, refused),
        (signals.job_not_pushed, not_pushed),
        (signals.submit_refused, submit_refused),
        (signals.logged_in, logged_in),
        (signals.login_refused, login_refused),
        (signals.login_throttled, login_throttled),
        (signals.file_left_behind, file_left_behind),
    ):
        signal.connect(receiver, dispatch_uid=f"submissions.logs.{receiver.__name__}")


def submission_created(submission: Submission, **_: object) -> None:
    api_logger.info("Created submission %s", submission.uuid)


def score_given(score: Score, **_: object) -> None:
    points = (score.points_earned, score.points_possible)
    api_logger.info("Score of (%s/%s) set for submission %s", *points, score.submission_uuid)


def scores_reset(student_item: StudentItem, **_: object) -> None:
    api_logger.info("Score reset for student item %s", student_item.pk)


def _say(level: int, what: str, job: Job, *args: object) -> None:
    where = (job.submission_id, one_line(job.queue_name), *map(one_line, args))
    logger.log(level, f"submission %s in queue %s: {what}", *where)


def enqueued(job: Job, **_: object) -> None:
    _say(logging.INFO, "enqueued", job)


def claimed(job: Job, **_: object) -> None:
    _say(logging.INFO, "claimed by %s, pull %s", job, job.grader, job.num_pulls)


def completed(job: Job, points_earned: float, **_: object) -> None:
    worth = f"of {job.points_possible}" if job.points_known else "points"
    _say(logging.INFO, "scored %s %s by %s", job, points_earned, worth, job.grader)


def failed(job: Job, **_: object) -> None:
    _say(logging.WARNING, "failure %s, by %s; tried again later", job, job.num_failures, job.grader)


def given_up(job: Job, **_: object) -> None:
    _say(logging.ERROR, "given up after %s failures, the last by %s", job, job.num_failures, job.grader)


def released(job: Job, **_: object) -> None:
    _say(logging.INFO, "given back by %s", job, job.grader)


def retried(job: Job, **_: object) -> None:
    _say(logging.INFO, "retried by an operator", job)


def retired(job: Job, reason: str, **_: object) -> None:
    _say(logging.INFO, "ended without score: %s", job, reason)


def _say_of(level: int, what: str, delivery: Delivery, *args: object) -> None:
    # The host and no more of the address: platforms put their secrets into it.
    who = (delivery.pk, delivery.job_id, delivery.transport, one_line(delivery.host), *map(one_line, args))
    logger.log(level, f"delivery %s of job %s, %s to %s: {what}", *who)


def delivered(delivery: Delivery, **_: object) -> None:
    _say_of(logging.INFO, "delivered, attempt %s", delivery, delivery.attempts)


def delivery_failed(delivery: Delivery, reason: str, pause: float, **_: object) -> None:
    what = "attempt %s failed, next in %s seconds: %s"
    # What follows a colon may be a receiver's own words, with a reply in them; it stands with the delivery.
    _say_of(logging.WARNING, what, delivery, delivery.attempts, round(pause), reason.partition(": ")[0])


def delivery_given_up(delivery: Delivery, reason: str, **_: object) -> None:
    short = reason.partition(": ")[0]
    _say_of(logging.ERROR, "given up after %s attempts: %s", delivery, delivery.attempts, short)


def refused(submission_id: int, reason: Exception, **_: object) -> None:
    logger.warning("submission %s: a grader was refused, %s", submission_id, type(reason).__name__)


def not_pushed(job: Job, reason: str, **_: object) -> None:
    _say(logging.WARNING, "could not be pushed: %s", job, reason)


def submit_refused(account: str, reason: str, **_: object) -> None:
    logger.warning("a submission of %s was refused: %s", one_line(account), one_line(reason))


def logged_in(username: str, network: str, first: bool, **_: object) -> None:
    # The oldest graders log in with every poll.
    level = logging.INFO if first else logging.DEBUG
    logger.log(level, "login of %s from %s", one_line(username), network)


def login_refused(username: str, network: str, **_: object) -> None:
    logger.warning("login of %s from %s refused", one_line(username), network)


def login_throttled(username: str, network: str, seconds: int, **_: object) -> None:
    logger.warning("login of %s from %s not looked at for %s seconds", one_line(username), network, seconds)


def file_left_behind(name: str, reason: Exception, **_: object) -> None:
    logger.error(
        "stored file %s belongs to no submission and could not be removed: %s", one_line(name), one_line(reason)
    )

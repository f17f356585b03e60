"""What a result is worth, and the score's row."""

from __future__ import annotations

from submissions import signals
from submissions.models import ExternalGraderDetail, Score, Submission
from submissions.queue.records import GradedJob


def possible_for(points: float, points_possible: float, *, known: bool) -> float:
    """The maximum that stands with the score. Where only the platform knows it (ADR 0051), the points may be more."""
    return points_possible if known else max(points, points_possible)


def record(submission: Submission, points: float, possible: float) -> Score:
    """Write the score, and its summary: a late result of an older attempt does not become the latest."""
    score = Score(
        student_item=submission.student_item, submission=submission, points_earned=points, points_possible=possible
    )
    score.keeps_order_of_attempts = True
    score.save(force_insert=True)
    return score


def graded_before(job: ExternalGraderDetail) -> GradedJob:
    """The job as it was when it was scored."""
    score = Score.objects.filter(submission_id=job.submission_id).order_by("-pk").first() or Score()
    return GradedJob.of(job, score.points_earned, score.points_possible, is_owed=True, is_new=False)


def announce(job: GradedJob) -> None:
    """Tell of the score, once it is committed."""
    signals.announce(
        signals.score_set,
        points_possible=job.score_possible,
        points_earned=job.points_earned,
        anonymous_user_id=job.student_id,
        course_id=job.course_id,
        item_id=job.item_id,
        created_at=job.returned_at,
    )
    if job.is_owed:
        signals.announce(signals.deliveries_due, job=job)
    signals.announce(signals.job_completed, job=job, points_earned=job.points_earned)

"""Scores: read, set from outside the queue, and reset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.dispatch import Signal

from submissions import queue, signals
from submissions.api.caching import forget
from submissions.api.failures import name_database_errors
from submissions.api.lookup import UNIQUE, Data, find_submission, findable, replica
from submissions.errors import (
    NotAllowed,
    SubmissionInternalError,
    SubmissionNotFoundError,
    SubmissionRequestError,
)
from submissions.models import (
    DELETED,
    ExternalGraderDetail,
    Score,
    ScoreSummary,
    Status,
    StudentItem,
    Submission,
    score_reset,
    score_set,
)
from submissions.queue.transactions import in_transaction
from submissions.serializers import ScoreAnnotationSerializer, ScoreSerializer, UnannotatedScoreSerializer


@name_database_errors
def get_score(student_item: Mapping[str, object]) -> Data | None:
    """The latest score of a learner for an item; None where there is none, or it was reset.

    Raises SubmissionRequestError where the item is not named completely: it could be anybody's.
    """
    missing = [name for name in UNIQUE if name not in student_item]
    if missing:
        raise SubmissionRequestError(field_errors={name: ["This field is required."] for name in missing})
    wanted = {name: student_item[name] for name in (*UNIQUE, "item_type") if name in student_item}
    if not findable(*wanted.values()):
        return None
    summary = (
        ScoreSummary.objects.filter(**{f"student_item__{name}": value for name, value in wanted.items()})
        .select_related("latest__submission")
        .first()
    )
    if summary is None or summary.latest.is_hidden():
        return None
    return dict(ScoreSerializer(summary.latest).data)


@name_database_errors
def get_scores(course_id: str, student_id: str) -> dict[str, Data]:
    """The latest scores of a learner in a course, by item id; hidden ones left out."""
    if not findable(course_id, student_id):
        return {}
    summaries = ScoreSummary.objects.filter(
        student_item__course_id=course_id, student_item__student_id=student_id
    ).select_related("latest__submission", "student_item")
    return {
        summary.student_item.item_id: dict(UnannotatedScoreSerializer(summary.latest).data)
        for summary in summaries
        if not summary.latest.is_hidden()
    }


@name_database_errors
def get_latest_score_for_submission(submission_uuid: str | UUID, read_replica: bool = False) -> Data | None:
    """The newest score of one submission; None where there is none."""
    try:
        submission = find_submission(submission_uuid, read_replica)
    except SubmissionNotFoundError:
        return None
    scores = replica(Score.objects.filter(submission=submission), read_replica)
    score = scores.select_related("submission").order_by("-id").first()
    return None if score is None or score.is_hidden() else dict(ScoreSerializer(score).data)


@name_database_errors
def set_score(
    submission_uuid: str | UUID,
    points_earned: float,
    points_possible: float,
    annotation_creator: str | None = None,
    annotation_type: str | None = None,
    annotation_reason: str | None = None,
) -> None:
    """Set a score from outside the queue; it becomes the latest of its learner and item. Sends `score_set`.

    Raises SubmissionNotFoundError, SubmissionInternalError (also for points that are not numbers),
    SubmissionRequestError (an annotation that cannot be kept), Django's ValidationError (no uuid).
    """
    annotation = (annotation_creator, annotation_type, annotation_reason)
    score_submissions([find_submission(submission_uuid)], points_earned, points_possible, annotation)


def score_submissions(
    submissions: Sequence[Submission],
    points_earned: float,
    points_possible: float,
    annotation: tuple[str | None, str | None, str | None],
) -> None:
    """A score for each of these, or for none of them; then `score_set` for each. Raises as `set_score` does.

    `annotation`: creator, type, reason.
    """
    points = {"points_earned": points_earned, "points_possible": points_possible}
    rows = in_transaction(_save_scores)(submissions, points, annotation)
    tell(score_set, [(one.student_item, row) for one, row in zip(submissions, rows, strict=True)], **points)


def tell(signal: Signal, scores: Iterable[tuple[StudentItem, Score]], **facts: object) -> None:
    """Send `score_set` or `score_reset` for each of these; then raise what a receiver raised first."""
    raised: list[Exception] = []
    for item, score in scores:
        where = {"anonymous_user_id": item.student_id, "course_id": item.course_id, "item_id": item.item_id}
        try:
            signal.send(sender=None, **facts, **where, created_at=score.created_at)
        except Exception as error:
            raised.append(error)
    if raised:
        raise raised[0]


def _save_scores(
    submissions: Sequence[Submission],
    points: Mapping[str, float],
    annotation: tuple[str | None, str | None, str | None],
) -> list[Score]:
    return [_save_score(submission, points, annotation) for submission in submissions]


def _save_score(
    submission: Submission, points: Mapping[str, float], annotated: tuple[str | None, str | None, str | None]
) -> Score:
    score = ScoreSerializer(data={"student_item": submission.student_item_id, "submission": submission.pk, **points})
    if not score.is_valid():
        raise SubmissionInternalError(score.errors)
    annotation = _annotation(*annotated)
    row: Score = score.save()
    if annotation is not None:
        annotation.save(score=row)
    signals.announce(signals.score_given, score=row)
    return row


def _annotation(creator: str | None, kind: str | None, reason: str | None) -> ScoreAnnotationSerializer | None:
    """What a creator says about a score; nobody says nothing. Raises SubmissionRequestError."""
    if creator is None:
        return None
    annotation = ScoreAnnotationSerializer(
        data={"creator": creator, "annotation_type": kind or "", "reason": reason or ""}
    )
    if not annotation.is_valid():
        raise SubmissionRequestError(field_errors=annotation.errors)
    return annotation


@name_database_errors
def reset_score(
    student_id: str, course_id: str, item_id: str, clear_state: bool = False, emit_signal: bool = True
) -> None:
    """Let the scores so far no longer count; with `clear_state`, soft-delete the attempts and retire their jobs.

    Sends `score_reset` unless told not to. Raises SubmissionInternalError.
    """
    if not findable(student_id, course_id, item_id):
        return
    item = StudentItem.objects.filter(student_id=student_id, course_id=course_id, item_id=item_id).first()
    if item is None:
        return
    score = in_transaction(reset_item)(item, clear_state)
    if emit_signal:
        tell(score_reset, [(item, score)])


def reset_item(item: StudentItem, clear_state: bool) -> Score:
    """What `reset_score` does in its transaction."""
    score = Score.create_reset_score(item)
    if clear_state:
        attempts = Submission.objects.filter(student_item=item)
        uuids = list(attempts.values_list("uuid", flat=True))
        _retire_jobs(item)
        attempts.update(status=DELETED)
        forget(uuids)
    signals.announce(signals.scores_reset, student_item=item)
    return score


def _retire_jobs(item: StudentItem) -> None:
    open_jobs = ExternalGraderDetail.objects.filter(submission__student_item=item).exclude(status=Status.RETIRED)
    for submission_id in list(open_jobs.values_list("submission_id", flat=True)):
        try:
            queue.retire(submission_id, "The learner's state was cleared.")
        except NotAllowed:  # finished since we looked
            continue

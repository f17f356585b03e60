"""Many learners at once: a course's attempts with their scores, and the best answers to an item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from django.db.models import QuerySet

from submissions.api import caching
from submissions.api.failures import name_database_errors
from submissions.api.lookup import Data, findable, parse_uuid, replica
from submissions.errors import SubmissionRequestError
from submissions.models import Score, ScoreSummary, Submission
from submissions.serializers import ScoreSerializer, StudentItemSerializer, SubmissionSerializer

MAX_TOP_SUBMISSIONS = 100
"""How many of the best answers may be asked for."""
TOP_SUBMISSIONS_CACHE_TIMEOUT = 300
"""How old the best answers may be (seconds)."""

# How many rows are in memory at once.
CHUNK = 500


def get_all_course_submission_information(
    course_id: str, item_type: str, read_replica: bool = True
) -> Iterator[tuple[Data, Data, Data]]:
    """Each attempt at the course's items of this type: its student item, itself, its score; in constant memory.

    The score is empty where it is not the item's latest one, or was reset.
    """
    if not findable(course_id, item_type):
        return
    latest = "student_item__scoresummary__latest"
    rows = replica(Submission.objects.select_related(f"{latest}__submission", "team_submission"), read_replica)
    rows = rows.filter(student_item__course_id=course_id, student_item__item_type=item_type)
    rows = rows.defer(f"{latest}__submission__answer").prefetch_related(f"{latest}__scoreannotation_set")
    for row in rows.iterator(chunk_size=CHUNK):
        score = _latest(row)
        yield (
            dict(StudentItemSerializer(row.student_item).data),
            dict(SubmissionSerializer(row).data),
            {} if score is None else dict(ScoreSerializer(score).data),
        )


def _latest(submission: Submission) -> Score | None:
    """The latest score of the learner at the item, where this attempt has it and it counts."""
    try:
        score: Score = submission.student_item.scoresummary.latest
    except ScoreSummary.DoesNotExist:
        return None
    return score if score.submission_id == submission.pk and not score.is_hidden() else None


@name_database_errors
def get_top_submissions(
    course_id: str,
    item_id: str,
    item_type: str,
    number_of_top_scores: int,
    use_cache: bool = True,
    read_replica: bool = True,
) -> list[Data]:
    """The answers with the most points, by the latest score of each learner: dicts of score and content.

    They may be five minutes old, without `use_cache` they are not. Raises SubmissionRequestError where
    `number_of_top_scores` is not between 1 and MAX_TOP_SUBMISSIONS; SubmissionInternalError.
    """
    if not 1 <= number_of_top_scores <= MAX_TOP_SUBMISSIONS:
        raise SubmissionRequestError(msg=f"number_of_top_scores must be from 1 to {MAX_TOP_SUBMISSIONS}.")
    key = f"submissions.top_submissions.{course_id}.{item_id}.{item_type}.{number_of_top_scores}"
    top: list[Data] | None = caching.read(key) if use_cache else None
    if top is None:
        best = _best(course_id, item_id, item_type, read_replica)[:number_of_top_scores]
        top = [{"score": summary.latest.points_earned, "content": _answer(summary.latest)} for summary in best]
        caching.keep(key, top, timeout=TOP_SUBMISSIONS_CACHE_TIMEOUT)
    return top


def _best(course_id: str, item_id: str, item_type: str, read_replica: bool) -> QuerySet[ScoreSummary]:
    if not findable(course_id, item_id, item_type):
        return ScoreSummary.objects.none()
    summaries = ScoreSummary.objects.filter(
        student_item__course_id=course_id,
        student_item__item_id=item_id,
        student_item__item_type=item_type,
        latest__points_earned__gt=0,
    )
    rows = summaries.select_related("latest__submission").order_by("-latest__points_earned", "pk")
    return replica(rows, read_replica)


def _answer(score: Score) -> object:
    # A score need not belong to an attempt.
    return None if score.submission is None else SubmissionSerializer(score.submission).data["answer"]


@name_database_errors
def get_student_ids_by_submission_uuid(
    course_id: str, submission_uuids: Iterable[str | UUID], read_replica: bool = True
) -> dict[str, str]:
    """Who made these attempts, by uuid; only those of this course. Raises Django's ValidationError for no uuid."""
    wanted = [parse_uuid(uuid) for uuid in submission_uuids]
    if not findable(course_id):
        return {}
    rows = replica(Submission.objects.filter(student_item__course_id=course_id, uuid__in=wanted), read_replica)
    return {str(uuid): student_id for uuid, student_id in rows.values_list("uuid", "student_item__student_id")}

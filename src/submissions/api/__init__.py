"""The Python door: names, arguments and results of edx-submissions' ``submissions.api``.

Everything goes in and comes out as plain data; rows stay inside, but for the job that `create_external_grader_detail`
returns. Where we differ from edx-submissions, ``docs/upgrading.md`` says how.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, IntegrityError, connections, router, transaction
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse

from submissions import files as stored_files
from submissions import queue
from submissions.conf import conf
from submissions.errors import (
    ExternalGraderQueueEmptyError,
    NotAllowed,
    Overtaken,
    SubmissionError,
    SubmissionInternalError,
    SubmissionNotFoundError,
    SubmissionRequestError,
)
from submissions.models import (
    DELETED,
    BrokenJSON,
    ExternalGraderDetail,
    Score,
    ScoreSummary,
    Status,
    StudentItem,
    Submission,
    SubmissionFile,
    TeamSubmission,
    score_reset,
    score_set,
)
from submissions.queue import ClaimedJob, settings_of
from submissions.queue.transactions import in_transaction
from submissions.serializers import (
    ScoreAnnotationSerializer,
    ScoreSerializer,
    StudentItemSerializer,
    SubmissionSerializer,
    UnannotatedScoreSerializer,
)
from submissions.text import storable

__all__ = [
    "ExternalGraderQueueEmptyError",
    "SubmissionError",
    "SubmissionInternalError",
    "SubmissionNotFoundError",
    "SubmissionRequestError",
    "create_external_grader_detail",
    "create_submission",
    "get_all_submissions",
    "get_files_for_grader",
    "get_latest_score_for_submission",
    "get_score",
    "get_scores",
    "get_submission",
    "get_submission_and_student",
    "get_submissions",
    "reset_score",
    "set_score",
]

logger = logging.getLogger("submissions.api")

# What makes a student item one and the same.
UNIQUE = ("student_id", "course_id", "item_id")

P = ParamSpec("P")
T = TypeVar("T")


def _database_errors_named(function: Callable[P, T]) -> Callable[P, T]:
    """A database's failure as SubmissionInternalError, so that callers need to know no driver."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except DatabaseError as error:
            logger.exception("%s: the database failed", function.__name__)
            raise SubmissionInternalError(f"{function.__name__}: the database failed: {error}") from error

    return run


# Submissions. -------------------------------------------------------------------------------------------------------


@_database_errors_named
def create_external_grader_detail(
    student_item_dict: Mapping[str, Any],
    answer: Any,
    queue_name: str,
    queue_key: str | None,
    grader_file_name: str | None = "",
    points_possible: float = 1,
    files: Mapping[str, Any] | None = None,
    grader_payload: Any = None,
    student_info: Any = None,
    **_: Any,
) -> ExternalGraderDetail:
    """Make a submission and its job, with all its files, or nothing at all.

    `grader_payload` and `student_info` reach the grader verbatim; without them the grader is told
    ``{"grader": grader_file_name}`` and who, when. Further keywords are ignored, as edx-submissions does. Raises
    ExternalGraderQueueEmptyError, SubmissionRequestError, InvalidFileTypeError, FileProcessingError, UnknownQueue,
    SubmissionInternalError.
    """
    return create_job(
        student_item_dict,
        answer,
        queue_name=queue_name,
        queue_key=queue_key,
        grader_file_name=grader_file_name,
        points_possible=points_possible,
        files=stored_files.prepared(files),
        grader_payload=grader_payload,
        student_info=student_info,
    )


@in_transaction
def create_job(student_item_dict: Mapping[str, Any], answer: Any, **job: Any) -> ExternalGraderDetail:
    """Submission and job, in the caller's transaction if there is one. `job`: the arguments of `queue.enqueue`.

    Raises as `create_external_grader_detail` does, and DatabaseError as it is.
    """
    submission = _create_submission(student_item_dict, answer)
    return queue.enqueue(submission, **job)


@_database_errors_named
def create_submission(
    student_item_dict: Mapping[str, Any],
    answer: Any,
    submitted_at: datetime | None = None,
    attempt_number: int | None = None,
    team_submission: TeamSubmission | None = None,
) -> dict[str, Any]:
    """Keep an answer; `attempt_number` counts on from the learner's newest attempt where it is not given.

    Returns uuid, student_item, attempt_number, submitted_at, created_at, answer, team_submission_uuid.
    Raises SubmissionRequestError, SubmissionInternalError.
    """
    made = in_transaction(_create_submission)(
        student_item_dict,
        answer,
        submitted_at=submitted_at,
        attempt_number=attempt_number,
        team_submission=team_submission,
    )
    return _submission_data(made)


def _create_submission(
    student_item_dict: Mapping[str, Any],
    answer: Any,
    *,
    submitted_at: datetime | None = None,
    attempt_number: int | None = None,
    team_submission: TeamSubmission | None = None,
) -> Submission:
    item = _student_item(student_item_dict)
    if attempt_number is None:
        attempt_number = _next_attempt(item)
    values: dict[str, Any] = {"student_item": item.pk, "answer": answer, "attempt_number": attempt_number}
    if submitted_at:
        values["submitted_at"] = submitted_at
    if team_submission:
        values["team_submission_uuid"] = team_submission.uuid
    serializer = SubmissionSerializer(data=values)
    if not serializer.is_valid():
        raise SubmissionRequestError(field_errors=serializer.errors)
    made: Submission = serializer.save()
    logger.info("Created submission %s", made.uuid)
    return made


def _next_attempt(item: StudentItem) -> int:
    # Two attempts at once would get the same number. The lock leaves PostgreSQL's foreign key checks alone, so a
    # score of this learner, being written meanwhile, does not wait for it.
    no_key = connections[item._state.db or "default"].features.has_select_for_no_key_update
    StudentItem.objects.select_for_update(no_key=no_key).get(pk=item.pk)
    newest = Submission.objects.filter(student_item=item).first()
    return newest.attempt_number + 1 if newest else 1


@_database_errors_named
def get_submission(submission_uuid: str | UUID, read_replica: bool = False) -> dict[str, Any]:
    """One submission. Raises SubmissionNotFoundError, SubmissionRequestError (no uuid), SubmissionInternalError."""
    if not isinstance(submission_uuid, str | UUID):
        raise SubmissionRequestError(msg=f"submission_uuid ({submission_uuid!r}) must be serializable")
    key = Submission.get_cache_key(_uuid(submission_uuid))
    data: dict[str, Any] | None = _cached(key)
    if data is None:
        row = _submission(submission_uuid, read_replica)
        if isinstance(row.answer, BrokenJSON):
            raise SubmissionInternalError(
                f"The answer of submission {row.uuid} is stored as something that is not JSON."
            )
        data = _submission_data(row)
        _cache(key, data)
    return data


def get_submission_and_student(uuid: str | UUID, read_replica: bool = False) -> dict[str, Any]:
    """One submission with its student item as a dict. Raises as `get_submission` does."""
    submission = dict(get_submission(uuid, read_replica=read_replica))
    key = f"submissions.student_item.{submission['student_item']}"
    item: dict[str, Any] | None = _cached(key)
    if item is None:
        item = _student_item_data(submission["student_item"], read_replica)
        _cache(key, item)
    submission["student_item"] = item
    return submission


@_database_errors_named
def _student_item_data(item_id: int, read_replica: bool) -> dict[str, Any]:
    rows = _replica(StudentItem.objects.all(), read_replica)
    return dict(StudentItemSerializer(rows.get(pk=item_id)).data)


@_database_errors_named
def get_submissions(student_item_dict: Mapping[str, Any], limit: int | None = None) -> list[dict[str, Any]]:
    """The attempts of one learner at one item, newest first, at most `limit`. Raises SubmissionRequestError."""
    rows = Submission.objects.filter(student_item=_student_item(student_item_dict))
    return [_submission_data(row) for row in (rows[:limit] if limit else rows)]


def get_all_submissions(
    course_id: str, item_id: str, item_type: str, read_replica: bool = True
) -> Iterator[dict[str, Any]]:
    """The newest attempt of each learner at an item, with ``student_id``; a generator in constant memory."""
    if not _findable(course_id, item_id, item_type):
        return
    rows = _replica(Submission.objects.select_related("student_item", "team_submission"), read_replica)
    rows = rows.filter(
        student_item__course_id=course_id, student_item__item_id=item_id, student_item__item_type=item_type
    ).order_by("student_item__student_id", "-submitted_at", "-id")
    for student_id, attempts in itertools.groupby(rows.iterator(), lambda row: row.student_item.student_id):
        yield {**_submission_data(next(attempts)), "student_id": student_id}


# Scores. ------------------------------------------------------------------------------------------------------------


@_database_errors_named
def get_score(student_item: Mapping[str, Any]) -> dict[str, Any] | None:
    """The latest score of a learner for an item; None where there is none, or it was reset.

    Raises SubmissionRequestError where the item is not named completely: it could be anybody's.
    """
    missing = [name for name in UNIQUE if name not in student_item]
    if missing:
        raise SubmissionRequestError(field_errors={name: ["This field is required."] for name in missing})
    wanted = {name: student_item[name] for name in (*UNIQUE, "item_type") if name in student_item}
    if not _findable(*wanted.values()):
        return None
    summary = (
        ScoreSummary.objects.filter(**{f"student_item__{name}": value for name, value in wanted.items()})
        .select_related("latest__submission")
        .first()
    )
    if summary is None or summary.latest.is_hidden():
        return None
    return dict(ScoreSerializer(summary.latest).data)


@_database_errors_named
def get_scores(course_id: str, student_id: str) -> dict[str, dict[str, Any]]:
    """The latest scores of a learner in a course, by item id; hidden ones left out."""
    if not _findable(course_id, student_id):
        return {}
    summaries = ScoreSummary.objects.filter(
        student_item__course_id=course_id, student_item__student_id=student_id
    ).select_related("latest__submission", "student_item")
    return {
        summary.student_item.item_id: dict(UnannotatedScoreSerializer(summary.latest).data)
        for summary in summaries
        if not summary.latest.is_hidden()
    }


@_database_errors_named
def get_latest_score_for_submission(submission_uuid: str | UUID, read_replica: bool = False) -> dict[str, Any] | None:
    """The newest score of one submission; None where there is none."""
    try:
        submission = _submission(submission_uuid, read_replica)
    except SubmissionNotFoundError:
        return None
    scores = _replica(Score.objects.filter(submission=submission), read_replica)
    score = scores.select_related("submission").order_by("-id").first()
    return None if score is None or score.is_hidden() else dict(ScoreSerializer(score).data)


@_database_errors_named
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
    SubmissionRequestError (an annotation that cannot be kept).
    """
    submission = _submission(submission_uuid)
    item = submission.student_item
    score = ScoreSerializer(
        data={
            "student_item": item.pk,
            "submission": submission.pk,
            "points_earned": points_earned,
            "points_possible": points_possible,
        }
    )
    if not score.is_valid():
        raise SubmissionInternalError(score.errors)
    annotation = _annotation(annotation_creator, annotation_type, annotation_reason)
    row = in_transaction(_save_score)(score, annotation)
    score_set.send(
        sender=None,
        points_possible=points_possible,
        points_earned=points_earned,
        anonymous_user_id=item.student_id,
        course_id=item.course_id,
        item_id=item.item_id,
        created_at=row.created_at,
    )


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


def _save_score(score: ScoreSerializer, annotation: ScoreAnnotationSerializer | None) -> Score:
    row: Score = score.save()
    if annotation is not None:
        annotation.save(score=row)
    logger.info("Score of (%s/%s) set for submission %s", row.points_earned, row.points_possible, row.submission_uuid)
    return row


@_database_errors_named
def reset_score(
    student_id: str, course_id: str, item_id: str, clear_state: bool = False, emit_signal: bool = True
) -> None:
    """Let the scores so far no longer count; with `clear_state`, soft-delete the attempts and retire their jobs.

    Sends `score_reset` unless told not to. Raises SubmissionInternalError.
    """
    if not _findable(student_id, course_id, item_id):
        return
    item = StudentItem.objects.filter(student_id=student_id, course_id=course_id, item_id=item_id).first()
    if item is None:
        return
    score = in_transaction(_reset)(item, clear_state)
    if emit_signal:
        score_reset.send(
            sender=None,
            anonymous_user_id=student_id,
            course_id=course_id,
            item_id=item_id,
            created_at=score.created_at,
        )


def _reset(item: StudentItem, clear_state: bool) -> Score:
    score = Score.create_reset_score(item)
    if clear_state:
        attempts = Submission.objects.filter(student_item=item)
        uuids = list(attempts.values_list("uuid", flat=True))
        _retire_jobs(item)
        attempts.update(status=DELETED)
        # At once for the caller's own eyes; and again, because others may have read and cached the old rows meanwhile.
        _forget(uuids)
        transaction.on_commit(partial(_forget, uuids), using=router.db_for_write(Submission), robust=True)
    logger.info("Score reset for student item %s", item.pk)
    return score


def _retire_jobs(item: StudentItem) -> None:
    open_jobs = ExternalGraderDetail.objects.filter(submission__student_item=item).exclude(status=Status.RETIRED)
    for submission_id in list(open_jobs.values_list("submission_id", flat=True)):
        try:
            queue.retire(submission_id, "The learner's state was cleared.")
        except NotAllowed:  # finished since we looked
            continue


# Files. -------------------------------------------------------------------------------------------------------------


def get_files_for_grader(
    external_grader: ExternalGraderDetail | ClaimedJob, mount: str | None = None
) -> dict[str, str]:
    """File names and the addresses that a grader fetches them from, without a session, until they expire.

    `mount` is the absolute address under which `submissions.urls` is mounted; without it ``SUBMISSIONS_BASE_URL``.
    """
    if isinstance(external_grader, ClaimedJob) and not external_grader.has_files:
        return _links(external_grader.file_links)
    rows = list(SubmissionFile.objects.filter(external_grader_id=external_grader.pk).order_by("id"))
    links = _links(external_grader.file_links)
    if not rows:
        return links
    lease = settings_of(external_grader.queue_name).lease
    mount = mount or files_mount()
    return links | {row.original_filename: stored_files.address(row, mount, lease) for row in rows}


def _links(kept: str | None) -> dict[str, str]:
    """The files that are kept elsewhere; the column is only written by an import, which checked it."""
    return dict(json.loads(kept)) if kept else {}


def files_mount() -> str:
    """Where `submissions.urls` is mounted, with its slash: under ``SUBMISSIONS_BASE_URL``, else a path alone."""
    return str(conf.BASE_URL).rstrip("/") + mount_path()


def mount_path() -> str:
    """Below which path of the host `submissions.urls` is mounted, with its slashes."""
    for name in ("submissions:xqueue-login", "xqueue-login"):
        try:
            return reverse(name).removesuffix("login/")
        except NoReverseMatch:
            continue
    return "/xqueue/"


# What the functions above share. ------------------------------------------------------------------------------------


def _student_item(fields: Mapping[str, Any]) -> StudentItem:
    """The item with these fields, made where there is none. Raises SubmissionRequestError."""
    if not isinstance(fields, Mapping):
        raise SubmissionRequestError(msg=f"A student item must be a mapping, not {type(fields).__name__}.")
    unique = {name: fields.get(name) for name in UNIQUE}
    if all(isinstance(value, str) and value and storable(value) for value in unique.values()):
        known = StudentItem.objects.filter(**unique).first()
        if known is not None:
            return _of_kind(known, fields.get("item_type", known.item_type))
    serializer = StudentItemSerializer(data=dict(fields))
    if not serializer.is_valid():
        raise SubmissionRequestError(field_errors=serializer.errors)
    valid = dict(serializer.validated_data)
    kind = valid.pop("item_type")
    try:
        return _of_kind(StudentItem.objects.get_or_create(**valid, defaults={"item_type": kind})[0], kind)
    except IntegrityError as error:
        # REPEATABLE READ: somebody else has just made it, and this transaction cannot see it.
        raise Overtaken("The student item was made by another transaction.") from error


def _of_kind(item: StudentItem, kind: Any) -> StudentItem:
    if item.item_type != (kind.strip() if isinstance(kind, str) else kind):
        raise SubmissionRequestError(
            field_errors={"item_type": [f"The item is known as {item.item_type!r}, not as {kind!r:.60}."]}
        )
    return item


def _findable(*texts: Any) -> bool:
    """Whether a row can hold these: what no database can store, some refuse even to look for."""
    return all(storable(text) for text in texts if isinstance(text, str))


def _submission(uuid: str | UUID, read_replica: bool = False) -> Submission:
    """The row. Raises SubmissionNotFoundError."""
    rows = _replica(Submission.objects.select_related("student_item", "team_submission"), read_replica)
    wanted = _uuid(uuid)
    found = rows.filter(uuid=wanted).first() or _written_with_hyphens(rows, wanted)
    if found is None:
        raise SubmissionNotFoundError(f"No submission matching uuid {uuid}")
    return found


def _uuid(text: str | UUID) -> UUID:
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise SubmissionNotFoundError(f"No submission matching uuid {text!r:.60}") from None


def _written_with_hyphens(rows: QuerySet[Submission], uuid: UUID) -> Submission | None:
    """Old sites have rows whose uuid is stored in the long form, where the column is text."""
    if connections[rows.db].features.has_native_uuid_field:
        return None
    return rows.extra(where=["submissions_submission.uuid = %s"], params=[str(uuid)]).first()


def _submission_data(row: Submission) -> dict[str, Any]:
    # An answer that is not JSON stays the text it is: one old row must not keep a list of others from being read.
    return dict(SubmissionSerializer(row).data)


def _replica(rows: QuerySet[Any], wanted: bool) -> QuerySet[Any]:
    return rows.using("read_replica") if wanted and "read_replica" in settings.DATABASES else rows


def _cached(key: str) -> Any:
    try:
        return cache.get(key)
    except Exception:  # a cache that is down or dislikes the key must not stop a reader
        logger.exception("The cache could not be read")
        return None


def _forget(uuids: list[UUID]) -> None:
    try:
        cache.delete_many([Submission.get_cache_key(uuid) for uuid in uuids])
    except Exception:
        logger.exception("The cache could not be cleared")


def _cache(key: str, value: Any) -> None:
    try:
        cache.set(key, value)
    except Exception:
        logger.exception("The cache could not be written")

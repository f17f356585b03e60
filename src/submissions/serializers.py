"""Plain data in, checked; rows out, as the plain dicts of edx-submissions' API."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers

from submissions.errors import ExternalGraderQueueEmptyError, SubmissionRequestError
from submissions.models import (
    BrokenJSON,
    ExternalGraderDetail,
    Score,
    ScoreAnnotation,
    StudentItem,
    Submission,
    TeamSubmission,
    whole,
)
from submissions.text import LARGEST_ID, is_name, queue_name_of


class RawField(serializers.Field):  # type: ignore[type-arg]
    """A value that is JSON already and goes through untouched."""

    def to_representation(self, value: object) -> object:
        return value

    def to_internal_value(self, data: object) -> object:
        return data


class AnswerField(RawField):
    def to_representation(self, value: object) -> object:
        # Outside it is a text like any other: kept again as an answer, it becomes JSON.
        return str(value) if isinstance(value, BrokenJSON) else value


class VerbatimField(serializers.CharField):
    """Text exactly as it came; a UUID as its text; anything else that is JSON is written as JSON."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, allow_null=True, default=None, **kwargs)

    def to_internal_value(self, data: object) -> str:
        if isinstance(data, str | UUID):
            return str(data)
        try:
            return json.dumps(data, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise serializers.ValidationError("Must be text or JSON.") from error


class PointsPossibleField(serializers.Field):  # type: ignore[type-arg]
    """A finite number, 0 or more; a fraction is kept. Out of 0 points a job is graded all the same: for practice."""

    def to_internal_value(self, data: object) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float | Decimal):
            raise serializers.ValidationError("Must be a number.")
        try:
            points = float(data)
        except (OverflowError, ValueError):  # beyond a float; a Decimal's signalling NaN
            points = math.inf
        if not 0 <= points < math.inf:
            raise serializers.ValidationError("Must be a finite number, 0 or more.")
        return whole(points) or 0

    def to_representation(self, value: float) -> float:
        return value


# Of edx-submissions' columns (characters).
LONGEST_SHORT = 128


class JobSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The arguments of a new job."""

    queue_name = serializers.CharField(max_length=128, trim_whitespace=False)
    queue_key = VerbatimField()
    grader_file_name = VerbatimField()
    points_possible = PointsPossibleField(default=1)
    grader_payload = VerbatimField()
    student_info = VerbatimField()

    def to_internal_value(self, data: dict[str, Any]) -> dict[str, Any]:
        """Spaces at the ends of a queue's name do not count (`queue_name_of`)."""
        name = data.get("queue_name")
        given = {**data, "queue_name": queue_name_of(name) if isinstance(name, str) else name}
        return dict(super().to_internal_value(given))

    def validate_queue_name(self, name: str) -> str:
        if not is_name(name) or not name.strip():
            raise serializers.ValidationError("Must be printable text.")
        return name

    def validate(self, job: dict[str, Any]) -> dict[str, Any]:
        """What is longer than its column is kept beside it, whole."""
        key, file_name = job["queue_key"], job["grader_file_name"]
        if key is not None and len(key) > LONGEST_SHORT:
            job.update(queue_key=key[:LONGEST_SHORT], long_queue_key=key)
        if len(file_name) > LONGEST_SHORT:
            job["grader_file_name"] = file_name[:LONGEST_SHORT]
            # What the grader would be told of it.
            job["grader_payload"] = job["grader_payload"] or json.dumps({"grader": file_name})
        return job

    def validate_grader_file_name(self, name: str | None) -> str:
        return name or ""


JOB_FIELDS = {"queue_name", "queue_key", "grader_file_name", "points_possible", "grader_payload", "student_info"}


def validated_job(**fields: object) -> dict[str, Any]:
    """`fields` of a new job, checked and complete. Raises ExternalGraderQueueEmptyError, SubmissionRequestError."""
    if fields.get("queue_name") in (None, ""):
        raise ExternalGraderQueueEmptyError("The parameter queue_name can not be empty.")
    if unknown := set(fields) - JOB_FIELDS:
        raise SubmissionRequestError(field_errors={name: ["There is no such argument."] for name in sorted(unknown)})
    job = JobSerializer(data=fields)
    if not job.is_valid():
        raise SubmissionRequestError(field_errors=job.errors)
    return dict(job.validated_data)


class StudentItemSerializer(serializers.ModelSerializer[StudentItem]):
    class Meta:
        model = StudentItem
        fields = ("student_id", "course_id", "item_id", "item_type")
        # Uniqueness is the database's to decide: a look before the insert is only a race.
        validators: tuple[object, ...] = ()


class SubmissionSerializer(serializers.ModelSerializer[Submission]):
    # format=None: datetimes, not text. DRF no longer refuses negative PositiveIntegers by itself.
    submitted_at = serializers.DateTimeField(format=None, required=False)
    created_at = serializers.DateTimeField(format=None, required=False)
    attempt_number = serializers.IntegerField(min_value=0, max_value=LARGEST_ID)
    answer = AnswerField()
    team_submission_uuid = serializers.SlugRelatedField(
        slug_field="uuid",
        source="team_submission",
        queryset=TeamSubmission.objects,  # not a query: which database is asked is not known yet
        allow_null=True,
        required=False,
    )

    class Meta:
        model = Submission
        fields = (
            "uuid",
            "student_item",
            "attempt_number",
            "submitted_at",
            "created_at",
            "answer",
            "team_submission_uuid",
        )

    def validate_answer(self, value: object) -> object:
        if flaw := flaw_of_answer(value):
            raise serializers.ValidationError(flaw)
        return value


class SubmissionListSerializer(serializers.ModelSerializer[Submission]):
    """An attempt as it stands in the table."""

    answer = AnswerField()

    class Meta:
        model = Submission
        fields = (
            "id",
            "uuid",
            "student_item",
            "attempt_number",
            "submitted_at",
            "created_at",
            "answer",
            "status",
            "team_submission",
        )


class PointsSerializerField(serializers.FloatField):
    """Points at 0 or above, finite; whole ones as int."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, **kwargs)

    def to_internal_value(self, data: float | str) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        try:
            points = super().to_internal_value(data)
        except OverflowError:
            points = math.inf
        if not math.isfinite(points):
            self.fail("invalid")
        return whole(points) or 0

    def to_representation(self, value: float) -> Any:
        return whole(float(value))


class ExternalGraderDetailSerializer(serializers.ModelSerializer[ExternalGraderDetail]):
    """A job, with its key: not for the eyes of learners."""

    submission = SubmissionListSerializer(read_only=True)
    points_possible = PointsSerializerField(required=False)

    class Meta:
        model = ExternalGraderDetail
        fields = (
            "id",
            "submission",
            "queue_name",
            "queue_key",
            "grader_file_name",
            "points_possible",
            "status",
            "pullkey",
            "grader_reply",
            "status_time",
            "created_at",
            "num_failures",
        )


class TeamSubmissionSerializer(serializers.ModelSerializer[TeamSubmission]):
    """A team's response. Its answer is its members'; before they have one, ``context["answer"]``."""

    team_submission_uuid = serializers.UUIDField(source="uuid", read_only=True)
    submission_uuids: Any = serializers.SlugRelatedField(
        source="submissions", many=True, read_only=True, slug_field="uuid"
    )
    submitted_at = serializers.DateTimeField(format=None, required=False)
    created_at = serializers.DateTimeField(source="created", format=None, required=False)
    attempt_number = serializers.IntegerField(min_value=0, max_value=LARGEST_ID)
    answer = serializers.SerializerMethodField()

    class Meta:
        model = TeamSubmission
        fields = (
            "team_submission_uuid",
            "attempt_number",
            "submitted_at",
            "course_id",
            "item_id",
            "team_id",
            "submitted_by",
            "created_at",
            "answer",
            "submission_uuids",
        )

    def get_answer(self, row: TeamSubmission) -> object:
        given: object = self.context.get("answer")
        if given is not None:
            return given
        first = next(iter(row.submissions.all()), None)
        return None if first is None else AnswerField().to_representation(first.answer)


def flaw_of_answer(value: object) -> str | None:
    """Why an answer cannot be kept, as a sentence; None where it can."""
    try:
        size = len(_text_of(value).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        return "Answer value must be JSON-serializable"
    if size > Submission.MAXSIZE:
        return f"Maximum answer size exceeded: {size} bytes, where {Submission.MAXSIZE} are allowed."
    return None


def _text_of(answer: object) -> str:
    # NaN and Infinity are not JSON, and what follows us could not read them.
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, allow_nan=False)


class ScoreAnnotationSerializer(serializers.ModelSerializer[ScoreAnnotation]):
    class Meta:
        model = ScoreAnnotation
        fields = ("creator", "reason", "annotation_type")
        extra_kwargs: ClassVar[dict[str, object]] = {
            name: {"allow_blank": True, "trim_whitespace": False} for name in ("creator", "reason", "annotation_type")
        }


class UnannotatedScoreSerializer(serializers.ModelSerializer[Score]):
    created_at = serializers.DateTimeField(format=None, required=False)
    points_earned = PointsSerializerField()
    points_possible = PointsSerializerField()

    class Meta:
        model = Score
        fields: tuple[str, ...] = (
            "student_item",
            "submission",
            "points_earned",
            "points_possible",
            "created_at",
            "submission_uuid",
        )


class ScoreSerializer(UnannotatedScoreSerializer):
    annotations = serializers.SerializerMethodField()

    class Meta(UnannotatedScoreSerializer.Meta):
        fields = (*UnannotatedScoreSerializer.Meta.fields, "annotations")

    def get_annotations(self, score: Score) -> list[dict[str, object]]:
        return [dict(ScoreAnnotationSerializer(row).data) for row in score.scoreannotation_set.all()]

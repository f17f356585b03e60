"""Plain data in, checked; rows out, as the plain dicts of edx-submissions' API."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

from rest_framework import serializers

from submissions.errors import ExternalGraderQueueEmptyError, SubmissionRequestError
from submissions.models import Score, ScoreAnnotation, StudentItem, Submission, TeamSubmission, whole
from submissions.text import LARGEST_ID


class RawField(serializers.Field):  # type: ignore[type-arg]
    """A value that is JSON already and goes through untouched."""

    def to_representation(self, value: object) -> object:
        return value

    def to_internal_value(self, data: object) -> object:
        return data


class VerbatimField(serializers.CharField):
    """Text exactly as it came; anything else that is JSON is written as JSON."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, allow_null=True, default=None, **kwargs)

    def to_internal_value(self, data: object) -> str:
        if isinstance(data, str):
            return data
        try:
            return json.dumps(data, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise serializers.ValidationError("Must be text or JSON.") from error


class PointsPossibleField(serializers.Field):  # type: ignore[type-arg]
    """A finite number above 0; a fraction is kept. Out of 0 points there is nothing to score: it would be hidden."""

    def to_internal_value(self, data: object) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("Must be a number.")
        try:
            points = float(data)
        except OverflowError:
            points = math.inf
        if not 0 < points < math.inf:
            raise serializers.ValidationError("Must be a finite number above 0.")
        return whole(points) or points

    def to_representation(self, value: float) -> float:
        return value


class JobSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The arguments of a new job."""

    queue_name = serializers.CharField(max_length=128, trim_whitespace=False)
    queue_key = VerbatimField(max_length=128)
    grader_file_name = VerbatimField(max_length=128)
    points_possible = PointsPossibleField(default=1)
    grader_payload = VerbatimField()
    student_info = VerbatimField()

    def validate_queue_name(self, name: str) -> str:
        if not name.isprintable() or name != name.strip():
            raise serializers.ValidationError("Must be printable text that neither begins nor ends with a space.")
        return name

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
    answer = RawField()
    team_submission_uuid = serializers.SlugRelatedField(
        slug_field="uuid",
        source="team_submission",
        queryset=TeamSubmission.objects.all(),
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

"""What is answered, for the OpenAPI document; the codec of each resource makes it."""

from __future__ import annotations

from rest_framework import serializers

from submissions.models import Scope, ScoreMeaning
from submissions.rest import states

Serializer = serializers.Serializer


class ProblemOut(Serializer):  # type: ignore[type-arg]
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField(required=False)
    errors = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)  # type: ignore[assignment]


class OfSubmission(Serializer):  # type: ignore[type-arg]
    uuid = serializers.UUIDField()
    attempt_number = serializers.IntegerField()
    course_id = serializers.CharField()
    item_id = serializers.CharField()
    item_type = serializers.CharField()
    learner_id = serializers.CharField()


class FileOut(Serializer):  # type: ignore[type-arg]
    name = serializers.CharField()
    url = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_null=True)


class LinkOut(Serializer):  # type: ignore[type-arg]
    name = serializers.CharField()
    url = serializers.CharField()


class ClaimOut(Serializer):  # type: ignore[type-arg]
    """A job that this account holds. Members may be added; ignore what you do not know."""

    id = serializers.UUIDField()
    submission = OfSubmission()
    queue_name = serializers.CharField()
    answer = serializers.JSONField()
    grader_payload = serializers.JSONField()
    student_info = serializers.CharField(allow_null=True)
    files = FileOut(many=True)
    links = LinkOut(many=True)
    points_possible = serializers.FloatField(allow_null=True)
    score_meaning = serializers.ChoiceField(choices=ScoreMeaning.values)
    lease_expires_at = serializers.DateTimeField(allow_null=True)
    lease_seconds_left = serializers.IntegerField()
    next_heartbeat_seconds = serializers.IntegerField()
    deadline_at = serializers.DateTimeField()
    previous_claims = serializers.IntegerField()
    last_error = serializers.CharField(allow_null=True)
    traceparent = serializers.CharField(allow_null=True)


class ClaimsOut(Serializer):  # type: ignore[type-arg]
    claims = ClaimOut(many=True)
    poll_after_seconds = serializers.IntegerField()


class HeartbeatOut(Serializer):  # type: ignore[type-arg]
    lease_expires_at = serializers.DateTimeField()
    lease_seconds_left = serializers.IntegerField()
    next_heartbeat_seconds = serializers.IntegerField()
    instruction = serializers.ChoiceField(choices=["continue", "cancel"])


class OneHeartbeatOut(Serializer):  # type: ignore[type-arg]
    """Of one claim: what a heartbeat is answered, or a problem."""

    id = serializers.CharField()
    lease_expires_at = serializers.DateTimeField(required=False)
    lease_seconds_left = serializers.IntegerField(required=False)
    next_heartbeat_seconds = serializers.IntegerField(required=False)
    instruction = serializers.ChoiceField(choices=["continue", "cancel"], required=False)
    problem = ProblemOut(required=False)


class HeartbeatsOut(Serializer):  # type: ignore[type-arg]
    claims = OneHeartbeatOut(many=True)


class OneResultOut(Serializer):  # type: ignore[type-arg]
    claim_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["stored"], required=False)
    problem = ProblemOut(required=False)


class ResultsOut(Serializer):  # type: ignore[type-arg]
    results = OneResultOut(many=True)


class FailureOut(Serializer):  # type: ignore[type-arg]
    status = serializers.ChoiceField(choices=states.WORDS)
    available_at = serializers.DateTimeField(allow_null=True)


class LinksOut(Serializer):  # type: ignore[type-arg]
    self = serializers.CharField()
    result = serializers.CharField()
    position = serializers.CharField()


class SubmissionOut(Serializer):  # type: ignore[type-arg]
    uuid = serializers.UUIDField()
    queue_name = serializers.CharField()
    course_id = serializers.CharField()
    item_id = serializers.CharField()
    item_type = serializers.CharField()
    learner_id = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=states.WORDS)
    claim_count = serializers.IntegerField()
    points_possible = serializers.FloatField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    progress = serializers.FloatField(allow_null=True)
    phase = serializers.CharField(allow_null=True)
    links = LinksOut()


class PageOut(Serializer):  # type: ignore[type-arg]
    count = serializers.IntegerField()
    count_is_exact = serializers.BooleanField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    num_pages = serializers.IntegerField()
    current_page = serializers.IntegerField()
    start = serializers.IntegerField()
    results = SubmissionOut(many=True)


class EtaOut(Serializer):  # type: ignore[type-arg]
    low = serializers.IntegerField()
    high = serializers.IntegerField()


class PositionOut(Serializer):  # type: ignore[type-arg]
    status = serializers.ChoiceField(choices=states.WORDS)
    ahead = serializers.IntegerField()
    ahead_is_exact = serializers.BooleanField()
    eta_seconds = EtaOut(allow_null=True)
    note = serializers.CharField()


class QueueOut(Serializer):  # type: ignore[type-arg]
    name = serializers.CharField()
    paused = serializers.BooleanField()
    lease_seconds = serializers.IntegerField()
    max_grading_seconds = serializers.IntegerField()
    max_failures = serializers.IntegerField()
    backoff_seconds = serializers.IntegerField()
    score_meaning = serializers.ChoiceField(choices=ScoreMeaning.values)
    supersede = serializers.BooleanField()
    initial_delay_seconds = serializers.IntegerField()
    is_restricted = serializers.BooleanField()
    is_pushed = serializers.BooleanField()


class QueuesOut(Serializer):  # type: ignore[type-arg]
    results = QueueOut(many=True)


class PercentilesOut(Serializer):  # type: ignore[type-arg]
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)


class StatisticsOut(Serializer):  # type: ignore[type-arg]
    queued = serializers.IntegerField()
    grading = serializers.IntegerField()
    failed = serializers.IntegerField()
    oldest_queued_seconds = serializers.FloatField(allow_null=True)
    wait_seconds = PercentilesOut()
    grading_seconds = PercentilesOut()
    arrivals_per_minute = serializers.FloatField()
    graded_per_minute = serializers.FloatField()
    active_workers = serializers.IntegerField()
    desired_workers = serializers.IntegerField()


class TokenOut(Serializer):  # type: ignore[type-arg]
    id = serializers.CharField()
    name = serializers.CharField()
    account = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.values))
    queues = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField(allow_null=True)
    server_version = serializers.CharField()

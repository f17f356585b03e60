from __future__ import annotations

from django.db import models

from submissions.models.job import ExternalGraderDetail
from submissions.models.table import Table


class ClaimNote(Table):
    """What a grader said of its claim of a job by REST. Beside the job: its row is written by every claim.

    It counts for one claim alone: that of `claim_id`.
    """

    job = models.OneToOneField(
        ExternalGraderDetail, on_delete=models.CASCADE, primary_key=True, related_name="claim_note"
    )
    claim_id = models.UUIDField()
    # The length of the claim, which a heartbeat renews (seconds); none: as the queue says.
    lease_seconds = models.PositiveIntegerField(null=True)
    # When the lease ended that a cancellation cut short.
    expired_at = models.DateTimeField(null=True)
    # How much is done, 0 to 1.
    progress = models.FloatField(null=True)
    phase = models.CharField(max_length=100, default="")
    # Of the program that holds the claim: its name, version, labels, as JSON.
    worker = models.TextField(default="")

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"Claim {self.claim_id}"


class ClaimRequest(Table):
    """The answer to a request for claims that had an Idempotency-Key: the same again gives the same claims."""

    # SHA-256 of account and key, as hex: some databases take keys for equal that differ in their letters' case.
    request_key = models.CharField(max_length=64, unique=True)
    # SHA-256 of the request's body, as hex.
    digest = models.CharField(max_length=64)
    # The ids of the claims, with blanks between them.
    claim_ids = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return self.request_key


class SubmitRequest(Table):
    """A submission that was handed in by REST: whose it is, and by which request it was made."""

    job = models.OneToOneField(
        ExternalGraderDetail, on_delete=models.CASCADE, primary_key=True, related_name="submit_request"
    )
    account = models.CharField(max_length=150)
    # SHA-256 of account and Idempotency-Key, as hex.
    request_key = models.CharField(max_length=64, unique=True)
    # SHA-256 of the request, as hex.
    digest = models.CharField(max_length=64)
    # Whether grader_payload was sent as JSON, and not as text.
    has_json_payload = models.BooleanField(default=False)

    class Meta:
        app_label = "submissions"
        # For an account's own list, newest first.
        indexes = [models.Index(fields=["account", "job"], name="submissions_of_account_idx")]

    def __str__(self) -> str:
        return f"{self.account}: {self.request_key}"

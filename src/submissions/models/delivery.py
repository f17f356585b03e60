from __future__ import annotations

from django.db import models

from submissions.models.external_grader import ExternalGraderDetail


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting for the result"
    """Made with the job; there is nothing to send yet."""
    DUE = "due", "Due"
    """The result is there; to be sent from due_at on."""
    DELIVERED = "delivered", "Delivered"
    GIVEN_UP = "given_up", "Given up"
    """Refused for good, or too old; waits for an operator."""


class Delivery(models.Model):
    """One result on its way to one destination: made with the job, due when the job ends (DESIGN section 5)."""

    job = models.ForeignKey(ExternalGraderDetail, on_delete=models.CASCADE, related_name="deliveries")
    transport = models.CharField(max_length=20)
    destination = models.TextField(blank=True, default="")
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(null=True, blank=True)

    class Meta:
        app_label = "submissions"
        verbose_name_plural = "deliveries"
        permissions = [("can_resend", "Can send deliveries again")]
        indexes = [models.Index(fields=["state", "due_at", "id"], name="submissions_due_idx")]

    def __str__(self) -> str:
        return f"{self.transport} of job {self.job_id}: {self.state}"

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.models.table import Table


class Door(models.TextChoices):
    """Where an operator came in."""

    DASHBOARD = "dashboard", _("Dashboard")
    ADMIN = "admin", _("Admin")
    COMMAND = "command", _("Command")
    REST = "rest", "REST"


class OperatorMove(Table):
    """What an operator did in one queue with one press of a button, one command or one request (ADR 0133)."""

    at = models.DateTimeField(db_index=True)
    """When it began."""
    # Not a foreign key: what an account did stays when the account goes. A command's: "command: osuser@host".
    actor = models.CharField(max_length=255)
    door = models.CharField(max_length=10, choices=Door.choices)
    # A name of submissions.operators.MOVES or submissions.activity.OTHER.
    move = models.CharField(max_length=20)
    queue_name = models.CharField(max_length=128, blank=True, default="")
    """Empty where it concerns no queue, as a new password does."""
    subject = models.CharField(max_length=500, blank=True, default="")
    """What was moved, if it is no job: an account, a host, settings with their values."""
    reason = models.CharField(max_length=500, blank=True, default="")
    number = models.PositiveIntegerField(default=0)
    """How many jobs or deliveries it moved."""
    # The same in all queues that the press moved jobs of, and in each request that went on with it.
    group = models.UUIDField(db_index=True)

    class Meta:
        app_label = "submissions"
        verbose_name = _("operator move")
        verbose_name_plural = _("operator moves")
        indexes = [
            models.Index(fields=["queue_name", "at"], name="submissions_acts_queue_idx"),
            models.Index(fields=["actor", "at"], name="submissions_acts_actor_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.move}"


class MovedJob(Table):
    """One job, or one delivery of a job, that an operator moved."""

    move = models.ForeignKey(OperatorMove, on_delete=models.CASCADE, related_name="jobs")
    # Not foreign keys: what was done stays when a job is pruned.
    submission_id = models.PositiveIntegerField(db_index=True)
    delivery_id = models.PositiveIntegerField(null=True)
    at = models.DateTimeField()

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"Submission {self.submission_id}"

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils.timezone import now

from submissions.errors import DuplicateTeamSubmissionsError
from submissions.models.submission import ACTIVE, STATUS_CHOICES, SoftDeletedManager


class TeamSubmission(models.Model):
    """One response of a team; each member has a Submission that points here."""

    created = models.DateTimeField(default=now, editable=False)
    modified = models.DateTimeField(default=now, editable=False)
    uuid = models.UUIDField(db_index=True, default=uuid4)
    attempt_number = models.PositiveIntegerField()
    submitted_at = models.DateTimeField(default=now, db_index=True)
    course_id = models.CharField(max_length=255, db_index=True)
    item_id = models.CharField(max_length=255, db_index=True)
    team_id = models.CharField(max_length=255, db_index=True)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    status = models.CharField(max_length=1, choices=STATUS_CHOICES, default=ACTIVE)

    objects = SoftDeletedManager()
    _objects = models.Manager()

    class Meta:
        app_label = "submissions"
        ordering = ["-submitted_at", "-id"]

    def __str__(self) -> str:
        return f"Team Submission {self.uuid}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.modified = now()
        fields = kwargs.get("update_fields")
        if fields is not None:
            kwargs["update_fields"] = {*fields, "modified"}
        super().save(*args, **kwargs)


@receiver(pre_save, sender=TeamSubmission)
def one_active_submission_per_team(instance: TeamSubmission, **_: object) -> None:
    """Raise DuplicateTeamSubmissionsError where the team has another active submission for the item."""
    others = TeamSubmission.objects.filter(
        course_id=instance.course_id, item_id=instance.item_id, team_id=instance.team_id, status=ACTIVE
    )
    if others.exclude(id=instance.id).exists():
        raise DuplicateTeamSubmissionsError("Can only have one submission per team.")

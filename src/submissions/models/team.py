from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from submissions.errors import DuplicateTeamSubmissionsError, TeamSubmissionInternalError, TeamSubmissionNotFoundError
from submissions.models.student_item import StudentItem
from submissions.models.submission import ACTIVE, STATUS_CHOICES, SoftDeletedManager
from submissions.models.table import Rows, Table

logger = logging.getLogger("submissions.models")


class TeamSubmission(Table):
    """One response of a team; each member has a Submission that points here."""

    created = models.DateTimeField(default=now, editable=False)
    modified = models.DateTimeField(verbose_name=_("modified"), default=now, editable=False)
    uuid = models.UUIDField(verbose_name=_("uuid"), db_index=True, default=uuid4)
    attempt_number = models.PositiveIntegerField(verbose_name=_("attempt number"))
    submitted_at = models.DateTimeField(default=now, db_index=True)
    course_id = models.CharField(verbose_name=_("course id"), max_length=255, db_index=True)
    item_id = models.CharField(verbose_name=_("item id"), max_length=255, db_index=True)
    team_id = models.CharField(verbose_name=_("team id"), max_length=255, db_index=True)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("submitted by"), null=True, on_delete=models.SET_NULL
    )
    status = models.CharField(verbose_name=_("status"), max_length=1, choices=STATUS_CHOICES, default=ACTIVE)

    SoftDeletedManager = SoftDeletedManager
    objects = SoftDeletedManager()  # type: ignore[misc]  # on the class, as all managers
    _objects = Rows()

    class Meta:
        app_label = "submissions"
        verbose_name = _("team submission")
        verbose_name_plural = _("team submissions")
        ordering = ["-submitted_at", "-id"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not args and "modified" not in kwargs:
            self.modified = self.created  # until it is

    def __str__(self) -> str:
        return f"Team Submission {self.uuid}"

    @staticmethod
    def get_cache_key(sub_uuid: UUID | str) -> str:
        return f"submissions.team_submission.{sub_uuid}"

    @staticmethod
    def get_team_submission_by_uuid(team_submission_uuid: UUID | str) -> TeamSubmission:
        """Raises TeamSubmissionNotFoundError; TeamSubmissionInternalError, also for what is no uuid."""
        return _the_one(f"uuid {team_submission_uuid}", uuid=team_submission_uuid)

    @staticmethod
    def get_team_submission_by_course_item_team(course_id: str, item_id: str, team_id: str) -> TeamSubmission:
        """Raises TeamSubmissionNotFoundError, TeamSubmissionInternalError."""
        what = f"course_id={course_id} item_id={item_id} team_id={team_id}"
        return _the_one(what, course_id=course_id, item_id=item_id, team_id=team_id)

    @staticmethod
    def get_team_submission_by_student_item(student_item: StudentItem) -> TeamSubmission:
        """The one that an attempt of this learner belongs to. Raises as `get_team_submission_by_uuid` does."""
        return _the_one(str(student_item), submissions__student_item=student_item)

    @staticmethod
    def get_all_team_submissions_for_course_item(course_id: str, item_id: str) -> models.QuerySet[TeamSubmission]:
        """Raises TeamSubmissionInternalError."""
        with _named(f"course_id={course_id} item_id={item_id}"):
            return _with_members().filter(course_id=course_id, item_id=item_id)

    def save(self, *args: Any, **kwargs: Any) -> None:
        fields = kwargs.get("update_fields")
        if not self._state.adding and (fields is None or fields):
            self.modified = now()
        if fields:
            kwargs["update_fields"] = {*fields, "modified"}
        super().save(*args, **kwargs)


def _with_members() -> models.QuerySet[TeamSubmission]:
    return TeamSubmission.objects.prefetch_related("submissions")


def _the_one(what: str, **wanted: object) -> TeamSubmission:
    with _named(what):
        # A member may have several attempts that belong to it: it is one all the same.
        return _with_members().filter(**wanted).distinct().get()


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Whatever goes wrong, as edx-submissions' errors of team submissions. `what` was looked for."""
    try:
        yield
    except TeamSubmission.DoesNotExist as error:
        raise TeamSubmissionNotFoundError(f"There is no team submission with {what}") from error
    except Exception as error:
        message = f"To look for the team submission with {what} caused error: {error}"
        logger.error("%a", message)
        raise TeamSubmissionInternalError(message) from error


@receiver(pre_save, sender=TeamSubmission)
def require_only_one(instance: TeamSubmission, **_: object) -> None:
    """Raises DuplicateTeamSubmissionsError where the team has another active submission for the item."""
    if instance.status != ACTIVE:
        return
    others = TeamSubmission.objects.filter(
        course_id=instance.course_id, item_id=instance.item_id, team_id=instance.team_id, status=ACTIVE
    )
    if others.exclude(id=instance.id).exists():
        raise DuplicateTeamSubmissionsError("Can only have one submission per team.")

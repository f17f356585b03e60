from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.db import models
from django.utils.functional import classproperty
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from submissions.conf import conf
from submissions.models.fields import JSONTextField
from submissions.models.student_item import StudentItem
from submissions.models.table import Rows, Table

DELETED = "D"
ACTIVE = "A"
STATUS_CHOICES = ((DELETED, _("Deleted")), (ACTIVE, _("Active")))


class SoftDeletedManager(Rows[Any]):
    """Leaves out the rows that somebody deleted."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().exclude(status=DELETED)


class Submission(Table):
    """One attempt of one learner at one item. It is never changed after it was made, only soft-deleted."""

    uuid = models.UUIDField(verbose_name=_("uuid"), db_index=True, default=uuid4)
    student_item = models.ForeignKey(StudentItem, on_delete=models.CASCADE)
    attempt_number = models.PositiveIntegerField(verbose_name=_("attempt number"))
    submitted_at = models.DateTimeField(default=now, db_index=True)
    created_at = models.DateTimeField(editable=False, default=now, db_index=True)
    answer = JSONTextField(blank=True, db_column="raw_answer")
    status = models.CharField(verbose_name=_("status"), max_length=1, choices=STATUS_CHOICES, default=ACTIVE)
    team_submission = models.ForeignKey(
        "submissions.TeamSubmission",
        verbose_name=_("team submission"),
        related_name="submissions",
        null=True,
        blank=True,
        db_index=True,
        on_delete=models.SET_NULL,
    )

    SoftDeletedManager = SoftDeletedManager
    objects = SoftDeletedManager()  # type: ignore[misc]  # on the class, as all managers
    _objects = Rows()

    class Meta:
        app_label = "submissions"
        verbose_name = _("submission")
        verbose_name_plural = _("submissions")
        ordering = ["-submitted_at", "-id"]

    def __str__(self) -> str:
        return f"Submission {self.uuid}"

    def __repr__(self) -> str:
        return f"<Submission {self.pk} {self.uuid} attempt {self.attempt_number}>"

    @classproperty
    def MAXSIZE(cls) -> int:  # noqa: N802, N805 - edx-submissions' public name; a property of the class
        """The largest answer that is taken (bytes of UTF-8)."""
        return int(conf.ANSWER_MAX_BYTES)

    @staticmethod
    def get_cache_key(sub_uuid: UUID | str) -> str:
        return f"submissions.submission.{sub_uuid}"

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.models.fields import AnonymizedUserIDField
from submissions.models.table import Table


class StudentItem(Table):
    """One item (a problem) of one course, for one learner."""

    student_id = AnonymizedUserIDField(verbose_name=_("student id"))
    course_id = models.CharField(verbose_name=_("course id"), max_length=255, db_index=True)
    item_id = models.CharField(verbose_name=_("item id"), max_length=255, db_index=True)
    item_type = models.CharField(verbose_name=_("item type"), max_length=100)

    class Meta:
        app_label = "submissions"
        verbose_name = _("student item")
        verbose_name_plural = _("student items")
        unique_together = (("course_id", "student_id", "item_id"),)

    def __str__(self) -> str:
        return f"({self.student_id}, {self.course_id}, {self.item_type}, {self.item_id})"

    def __repr__(self) -> str:
        return repr(self.student_item_dict)

    @property
    def student_item_dict(self) -> dict[str, str]:
        return {
            "student_id": self.student_id,
            "course_id": self.course_id,
            "item_id": self.item_id,
            "item_type": self.item_type,
        }

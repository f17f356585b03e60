"""What edx-submissions has for the admin of other apps. Ours shows the same on its own pages in another way."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions.models import Score, ScoreSummary, Submission

WithItem = Submission | Score | ScoreSummary


class StudentItemAdminMixin:
    """Columns, and fields to search, for the admin of a table with a foreign key `student_item`."""

    search_fields = (
        "student_item__course_id",
        "student_item__student_id",
        "student_item__item_id",
        "student_item__id",
    )

    @admin.display(ordering="student_item__course_id")
    def course_id(self, obj: WithItem) -> str:
        return obj.student_item.course_id

    @admin.display(ordering="student_item__item_id")
    def item_id(self, obj: WithItem) -> str:
        return obj.student_item.item_id

    @admin.display(ordering="student_item__student_id")
    def student_id(self, obj: WithItem) -> str:
        return str(obj.student_item.student_id)

    @admin.display(description="S.I. ID", ordering="student_item__id")
    def student_item_id(self, obj: WithItem) -> SafeString:
        url = reverse("admin:submissions_studentitem_change", args=[obj.student_item_id])
        # As edx-submissions makes it: other apps show this column, too.
        return format_html('<a href="{}">{}</a>', url, obj.student_item_id)


class SubmissionInlineAdmin(admin.TabularInline, StudentItemAdminMixin):  # type: ignore[type-arg]
    """The members' submissions on the page of a team's."""

    model = Submission
    fields = readonly_fields = ("uuid", "student_id", "status")
    can_delete = False
    extra = max_num = 0

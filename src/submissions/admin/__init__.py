"""Rows to look at. They are read-only: a job is moved by the verbs of `submissions.queue` alone."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from submissions.models import ExternalGraderDetail, GraderQueue, Score, StudentItem, Submission, SubmissionFile


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whoever has Django's view permission may look; nobody adds, changes or deletes here."""

    show_full_result_count = False
    # Never shown: who has a job's key can end its claim.
    exclude: ClassVar[tuple[str, ...]] = ("pullkey",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(ExternalGraderDetail)
class JobAdmin(ReadOnly):
    list_display = ("submission_id", "queue_name", "status", "grader", "num_pulls", "num_failures", "created_at")
    list_filter = ("status",)
    search_fields = ("=submission__id", "=queue_name")
    search_help_text = "The id of a submission, or the name of a queue"


@admin.register(GraderQueue)
class QueueAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "paused", "score_meaning", "last_polled_at", "last_polled_by")
    readonly_fields = ("last_polled_at", "last_polled_by")
    filter_horizontal = ("graders", "observers")

    def get_readonly_fields(self, request: HttpRequest, obj: GraderQueue | None = None) -> tuple[str, ...]:
        # Jobs name their queue by its name.
        return (*self.readonly_fields, "name") if obj else self.readonly_fields


@admin.register(Submission)
class SubmissionAdmin(ReadOnly):
    list_display = ("id", "uuid", "student_item", "attempt_number", "submitted_at", "status")
    list_select_related = ("student_item",)
    search_fields = ("=id", "=uuid")


@admin.register(Score)
class ScoreAdmin(ReadOnly):
    list_display = ("id", "student_item", "points_earned", "points_possible", "created_at", "reset")
    list_select_related = ("student_item",)
    search_fields = ("=submission__id",)


@admin.register(StudentItem)
class StudentItemAdmin(ReadOnly):
    list_display = ("id", "course_id", "item_id", "student_id", "item_type")
    search_fields = ("=course_id", "=item_id", "=student_id")


@admin.register(SubmissionFile)
class FileAdmin(ReadOnly):
    list_display = ("id", "original_filename", "external_grader_id", "created_at")
    # No address to click on: a stored file is handed out under a signature only.
    exclude = ("file",)
    search_fields = ("=external_grader__submission__id",)

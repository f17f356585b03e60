"""Learners, attempts, scores, files, logins: read-only rows, each with links to the rows that belong to it."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from submissions import api, files
from submissions.admin import display
from submissions.admin.base import ReadOnly, may_view
from submissions.admin.terms import Id, Text, Uuid
from submissions.models import (
    ExternalGraderDetail,
    LoginCounter,
    Score,
    ScoreAnnotation,
    ScoreSummary,
    StudentItem,
    Submission,
    SubmissionFile,
    TeamSubmission,
)

DOWNLOAD_SECONDS = 60


class Row(ReadOnly):
    """Times and links that several tables show."""

    @admin.display(description=_("Created"))
    def created(self, row: Submission | Score | SubmissionFile) -> str:
        return display.moment(row.created_at)

    @admin.display(description=_("Submitted"))
    def submitted(self, row: Submission | TeamSubmission) -> str:
        return display.moment(row.submitted_at)

    @admin.display(description=_("State"))
    def state(self, row: Submission | TeamSubmission) -> str:
        return display.badge("deleted" if row.status == "D" else "open", row.get_status_display())

    @admin.display(description=_("Student, course, item"))
    def item(self, row: Submission | Score | ScoreSummary) -> str:
        item = row.student_item
        return display.subject("", item.student_id, item.course_id, item.item_id)

    @admin.display(description=_("Student item"))
    def item_link(self, row: Submission | Score | ScoreSummary) -> str:
        return self.page(row.student_item)

    @admin.display(description=_("Submission"))
    def submission_link(self, row: Score) -> str:
        return self.page(row.submission, f"{row.submission.pk} ({row.submission.uuid})" if row.submission else None)

    @admin.display(description=_("Job"))
    def job_link(self, row: Submission | Score | SubmissionFile) -> str:
        """Of a submission, a score, a file."""
        submission = row if isinstance(row, Submission) else getattr(row, "submission", None)
        job = getattr(row, "external_grader", None) or getattr(submission, "external_grader_detail", None)
        return self.page(job)


@admin.register(Submission)
class SubmissionAdmin(Row):
    list_display = ("id", "item", "attempt_number", "submitted", "state")
    belongs_to: ClassVar[dict[str, type[models.Model]]] = {"score_list": Score, "job_link": ExternalGraderDetail}
    list_select_related = ("student_item",)
    routes = {"pk": Id, "uuid": Uuid}
    path_to_item = "student_item"
    search_help_text = _("Exactly: an id, a uuid, a student, course or item id")
    fieldsets = (
        (
            None,
            {"fields": ("uuid", "item_link", "job_link", "score_list", "team_submission", "attempt_number", "state")},
        ),
        (_("Timing"), {"fields": ("submitted", "created")}),
        (_("Answer"), {"fields": ("answer_text",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Submission]:
        # Not the default manager: it hides what was deleted, and a deleted submission still has a job to look at.
        return Submission._objects.select_related("student_item", "external_grader_detail", "team_submission")

    def rows(self, ids: list[int]) -> list[Submission]:
        found = Submission._objects.defer("answer").select_related("student_item").in_bulk(ids)
        return [found[pk] for pk in ids if pk in found]

    @admin.display(description=_("Scores"))
    def score_list(self, row: Submission) -> str:
        found = [self.page(score, display.points(score)) for score in row.score_set.order_by("-id")[:20]]
        return display.lines(found)

    @admin.display(description=_("Answer"))
    def answer_text(self, row: Submission) -> str:
        return display.value(row.answer)


@admin.register(TeamSubmission)
class TeamSubmissionAdmin(Row):
    list_display = ("id", "team_id", "course_id", "item_id", "attempt_number", "submitted", "state")
    list_filter = ("status",)
    routes = {"pk": Id, "uuid": Uuid, "team_id": Text, "course_id": Text, "item_id": Text}
    search_help_text = _("Exactly: an id, a uuid, a team, course or item id")
    fieldsets = (
        (None, {"fields": ("uuid", "team_id", "course_id", "item_id", "attempt_number", "state", "submitted_by")}),
        (_("Submissions of its members"), {"fields": ("members",)}),
        (_("Timing"), {"fields": ("submitted", "began", "modified")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamSubmission]:
        return TeamSubmission._objects.select_related("submitted_by")

    @admin.display(description=_("Created"))
    def began(self, row: TeamSubmission) -> str:
        return display.moment(row.created)

    @admin.display(description=_("Members"))
    def members(self, row: TeamSubmission) -> str:
        own = Submission._objects.filter(team_submission=row).select_related("student_item").defer("answer")
        found = [self.page(one, f"{one.pk}: {one.student_item.student_id}") for one in own.order_by("id")[:100]]
        return display.lines(found)


@admin.register(StudentItem)
class StudentItemAdmin(Row):
    list_display = ("id", "student_id", "course_id", "item_id", "item_type")
    routes = {"pk": Id}
    path_to_item = ""
    search_help_text = _("Exactly: an id, a student, course or item id")
    fieldsets = (
        (None, {"fields": ("student_id", "course_id", "item_id", "item_type")}),
        (_("Related rows"), {"fields": ("submissions", "scores", "summary")}),
    )
    belongs_to: ClassVar[dict[str, type[models.Model]]] = {
        "submissions": Submission,
        "scores": Score,
        "summary": ScoreSummary,
    }

    @admin.display(description=_("Submissions"))
    def submissions(self, row: StudentItem) -> str:
        own = Submission._objects.filter(student_item=row).select_related("external_grader_detail").defer("answer")
        found = [self._attempt(one) for one in own.order_by("-id")[:100]]
        return display.table(
            gettext("Submissions"), (gettext("Submission"), gettext("Submitted"), gettext("Job")), found
        )

    def _attempt(self, one: Submission) -> tuple[str, str, str]:
        job = getattr(one, "external_grader_detail", None)
        status = "" if job is None else self.page(job, display.badge_of(job))
        words = gettext("%(id)s, attempt %(number)s") % {"id": one.pk, "number": one.attempt_number}
        return self.page(one, words), display.moment(one.submitted_at), status

    @admin.display(description=_("Scores"))
    def scores(self, row: StudentItem) -> str:
        found = [self.page(score, display.points(score)) for score in row.score_set.order_by("-id")[:100]]
        return display.lines(found)

    @admin.display(description=_("Summary"))
    def summary(self, row: StudentItem) -> str:
        return self.page(ScoreSummary.objects.filter(student_item=row).select_related("latest", "highest").first())


@admin.register(Score)
class ScoreAdmin(Row):
    list_display = ("id", "item", "points", "created", "reset")
    list_select_related = ("student_item",)
    routes = {"submission__id": Id, "submission__uuid": Uuid}
    path_to_item = "student_item"
    search_help_text = _("Exactly: a submission's id or uuid, a student, course or item id")
    fieldsets = (
        (None, {"fields": ("points", "reset", "created")}),
        (_("Belongs to"), {"fields": ("item_link", "submission_link", "job_link", "summary", "annotations")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Score]:
        rows = Score.objects.select_related("student_item", "submission__external_grader_detail")
        return rows.defer("submission__answer")

    @admin.display(description=_("Points"))
    def points(self, row: Score) -> str:
        job = getattr(row.submission, "external_grader_detail", None)
        if job is not None and not job.points_known:
            return gettext("%(earned)s; only the platform knows of how many") % {"earned": row.points_earned}
        words = gettext("%(earned)s of %(possible)s")
        return words % {"earned": row.points_earned, "possible": row.points_possible}

    @admin.display(description=_("Summary"))
    def summary(self, row: Score) -> str:
        found = ScoreSummary.objects.filter(student_item_id=row.student_item_id).select_related("latest", "highest")
        return self.page(found.first())

    @admin.display(description=_("Annotations"))
    def annotations(self, row: Score) -> str:
        found = [self.page(one) for one in row.scoreannotation_set.order_by("-id")[:20]]
        return display.lines(found)


@admin.register(ScoreSummary)
class ScoreSummaryAdmin(Row):
    list_display = ("id", "item", "latest", "highest")
    list_select_related = ("student_item", "latest", "highest")
    routes = {"pk": Id}
    path_to_item = "student_item"
    search_help_text = _("Exactly: an id, a student, course or item id")
    fieldsets = ((None, {"fields": ("item_link", "latest_link", "highest_link")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScoreSummary]:
        return ScoreSummary.objects.select_related("student_item", "latest", "highest")

    @admin.display(description=_("Latest"))
    def latest_link(self, row: ScoreSummary) -> str:
        return self.page(row.latest)

    @admin.display(description=_("Highest"))
    def highest_link(self, row: ScoreSummary) -> str:
        return self.page(row.highest)


@admin.register(ScoreAnnotation)
class ScoreAnnotationAdmin(Row):
    list_display = ("id", "score", "annotation_type", "creator", "reason")
    list_select_related = ("score",)
    routes = {"score__id": Id, "annotation_type": Text, "creator": Text}
    search_help_text = _("Exactly: a score's id, a type, a creator")
    fieldsets = ((None, {"fields": ("score_link", "annotation_type", "creator", "reason")}),)

    @admin.display(description=_("Score"))
    def score_link(self, row: ScoreAnnotation) -> str:
        return self.page(row.score)


@admin.register(SubmissionFile)
class FileAdmin(Row):
    """No address of the storage: a file is handed out under our signature only, with the permission to view files."""

    list_display = ("id", "original_filename", "submission_id", "created")
    list_select_related = ("external_grader",)
    routes = {"external_grader__submission__id": Id, "external_grader__submission__uuid": Uuid}
    search_help_text = _("Exactly: a submission's id or uuid")
    fieldsets = ((None, {"fields": ("original_filename", "download_link", "job_link", "uuid", "created")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubmissionFile]:
        return SubmissionFile.objects.select_related("external_grader")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download)
        return [path("<int:pk>/download/", view, name="submissions_submissionfile_download"), *super().get_urls()]

    def download(self, request: HttpRequest, pk: int) -> HttpResponseRedirect:
        """To a fresh signed address: on the page, it would be valid for anybody who reads the page."""
        if not may_view(request, SubmissionFile) or (row := SubmissionFile.objects.filter(pk=pk).first()) is None:
            raise Http404
        return HttpResponseRedirect(files.address(row, api.files_mount(), DOWNLOAD_SECONDS))

    @admin.display(description=_("Submission"))
    def submission_id(self, row: SubmissionFile) -> int | str:
        return row.external_grader.submission_id if row.external_grader else display.EMPTY

    @admin.display(description=_("Content"))
    def download_link(self, row: SubmissionFile) -> str:
        return display.link(self.url(SubmissionFile, "download", row.pk), gettext("Download"))


@admin.register(LoginCounter)
class LoginCounterAdmin(Row):
    """No names and no addresses: the table has digests only, and they are not shown."""

    list_display = ("id", "failures", "blocked", "known", "seen")
    ordering = ("-seen_at",)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {}  # its rows name nobody: whoever needs one knows its address

    routes = {"pk": Id}
    search_help_text = _("Exactly: an id")
    fieldsets = ((None, {"fields": ("failures", "blocked", "known", "seen")}),)

    @admin.display(description=_("Blocked until"))
    def blocked(self, row: LoginCounter) -> str:
        return display.moment(row.blocked_until)

    @admin.display(description=_("Seen"))
    def seen(self, row: LoginCounter) -> str:
        return display.moment(row.seen_at)

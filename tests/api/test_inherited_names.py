"""What edx-submissions' models, serializers, views and admin offer to the code of a platform, beside the two APIs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client, RequestFactory
from django.urls import include, path, resolve
from pytest_django import Settings
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from submissions import admin as ours
from submissions import api, team_api, urls
from submissions.errors import DuplicateTeamSubmissionsError, TeamSubmissionInternalError, TeamSubmissionNotFoundError
from submissions.models import (
    ExternalGraderDetail,
    Score,
    ScoreSummary,
    StudentItem,
    Submission,
    TeamSubmission,
)
from submissions.permissions import IsXQueueUser
from submissions.serializers import ExternalGraderDetailSerializer, SubmissionListSerializer
from submissions.views import get_submissions_for_student_item
from submissions.views.xqueue import MAX_SCORE_UPDATE_RETRIES, XQueueViewSet
from tests.api.conftest import item, submit

pytestmark = pytest.mark.django_db


# Models. --------------------------------------------------------------------------------------------------------------


def team(name: str = "apple", **fields: Any) -> TeamSubmission:
    usual = {"course_id": "c", "item_id": "i", "attempt_number": 1}
    made: TeamSubmission = TeamSubmission.objects.create(team_id=name, **usual, **fields)
    return made


def test_a_team_submission_is_got_in_four_ways() -> None:
    made, other = team(), team("pear")
    learner = StudentItem.objects.create(**item())
    for number in (1, 2):
        Submission.objects.create(student_item=learner, team_submission=made, attempt_number=number, answer="x")
    assert TeamSubmission.get_team_submission_by_uuid(made.uuid) == made
    assert TeamSubmission.get_team_submission_by_course_item_team("c", "i", "apple") == made
    assert TeamSubmission.get_team_submission_by_student_item(learner) == made
    assert set(TeamSubmission.get_all_team_submissions_for_course_item("c", "i")) == {made, other}
    assert TeamSubmission.get_cache_key("u") == "submissions.team_submission.u"


def test_what_is_not_there_or_cannot_be_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeamSubmissionNotFoundError):
        TeamSubmission.get_team_submission_by_uuid(UUID(int=1))
    with pytest.raises(TeamSubmissionNotFoundError):
        TeamSubmission.get_team_submission_by_student_item(StudentItem.objects.create(**item()))
    with pytest.raises(TeamSubmissionInternalError, match="not a valid UUID"):
        TeamSubmission.get_team_submission_by_uuid("no uuid")

    def fail(manager: object) -> None:
        raise OSError("no way there")

    monkeypatch.setattr(TeamSubmission.SoftDeletedManager, "get_queryset", fail)
    with pytest.raises(TeamSubmissionInternalError, match="no way there"):
        TeamSubmission.get_all_team_submissions_for_course_item("c", "i")


def test_a_team_has_one_active_submission_and_any_number_of_others() -> None:
    made = team()
    with pytest.raises(DuplicateTeamSubmissionsError):
        team()
    team(status="D")
    made.save()
    assert list(TeamSubmission.objects.all()) == [made]


LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)


def test_a_team_submission_says_when_it_was_modified() -> None:
    made = team()
    assert made.modified == made.created
    assert team("pear", created=LONG_AGO).modified == LONG_AGO
    assert team("plum", modified=LONG_AGO).modified == LONG_AGO
    made.save(update_fields=[])
    made.refresh_from_db()
    assert made.modified == made.created
    made.save(update_fields=["status"])
    made.refresh_from_db()
    assert made.modified > made.created
    old = TeamSubmission.objects.get(team_id="plum")
    assert (old.modified, old.created > LONG_AGO) == (LONG_AGO, True)
    old.save()
    assert old.modified > LONG_AGO


@pytest.mark.parametrize("field", ["points_earned", "points_possible"])
def test_points_below_0_are_not_valid(field: str) -> None:
    score = Score(**{"points_earned": 1, "points_possible": 1, field: -1})
    with pytest.raises(ValidationError) as refusal:
        score.clean_fields(exclude=["student_item", "submission"])
    assert refusal.value.message_dict == {field: ["Ensure this value is greater than or equal to 0."]}
    score.points_earned = score.points_possible = 0
    score.clean_fields(exclude=["student_item", "submission"])


def test_a_summary_is_brought_in_step_with_a_score_that_was_written_past_save() -> None:
    learner = StudentItem.objects.create(**item())
    Score.objects.create(student_item=learner, points_earned=5, points_possible=10)
    Score.objects.bulk_create([Score(student_item=learner, points_earned=9, points_possible=10)])
    newest = Score.objects.get(points_earned=9)
    ScoreSummary.update_score_summary(sender=Score, instance=newest, created=True)
    summary = ScoreSummary.objects.get()
    assert (summary.latest, summary.highest) == (newest, newest)


# Serializers. ---------------------------------------------------------------------------------------------------------


def test_a_job_is_shown_with_its_submission() -> None:
    job = api.create_external_grader_detail(item(), {"a": "☃"}, "q", "key", grader_file_name="g.py", points_possible=4)
    submission = job.submission
    shown = dict(ExternalGraderDetailSerializer(ExternalGraderDetail.objects.get()).data)
    inner = dict(shown.pop("submission"))
    assert [shown.pop("status_time"), shown.pop("created_at")] != [None, None]
    assert shown == {
        "id": job.pk,
        "queue_name": "q",
        "queue_key": "key",
        "grader_file_name": "g.py",
        "points_possible": 4,
        "status": "pending",
        "pullkey": None,
        "grader_reply": None,
        "num_failures": 0,
    }
    assert type(shown["points_possible"]) is int
    assert inner == dict(SubmissionListSerializer(submission).data)
    assert [inner.pop("submitted_at"), inner.pop("created_at")] != [None, None]
    assert inner == {
        "id": submission.pk,
        "uuid": str(submission.uuid),
        "student_item": submission.student_item_id,
        "attempt_number": 1,
        "answer": {"a": "☃"},
        "status": "A",
        "team_submission": None,
    }


# Views. ---------------------------------------------------------------------------------------------------------------

urlpatterns = [
    path("admin/", admin.site.urls),
    path("routed/", include(urls.router.urls)),
    path("<str:course_id>/<str:student_id>/<str:item_id>/", get_submissions_for_student_item),
]


def user(name: str, *permissions: str, group: str = "") -> User:
    made = User.objects.create_user(name, password="x")
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    if group:
        made.groups.add(Group.objects.get_or_create(name=group)[0])
    return made


@pytest.fixture
def mounted(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.api.test_inherited_names"


@pytest.mark.usefixtures("mounted")
def test_a_learners_attempts_are_shown_to_who_may_view_submissions() -> None:
    api.create_submission(item(), "<script>alert(1)</script>")
    request = RequestFactory().get("/Demo_Course/Tim/item_one/")
    where = resolve(request.path).kwargs
    request.user = user("staff", "view_submission")
    page = get_submissions_for_student_item(request, **where).content.decode()
    assert "1 in all" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    nobody = get_submissions_for_student_item(request, **{**where, "student_id": "nobody"}).content.decode()
    assert "There is no such student item." in nobody
    request.user = user("learner")
    with pytest.raises(PermissionDenied):
        get_submissions_for_student_item(request, **where)
    request.user = AnonymousUser()
    assert get_submissions_for_student_item(request, **where).status_code == 302


@pytest.mark.usefixtures("mounted")
def test_the_router_leads_to_the_xqueue_endpoints(client: Client) -> None:
    user("watcher", group="xqueue")
    login = client.post("/routed/login/", {"username": "watcher", "password": "x"})
    assert (login.status_code, login.json()) == (200, {"return_code": 0, "content": "Logged in"})
    submit_job = api.create_external_grader_detail(item(), "print(1)", "q", "key")
    asked = client.get("/routed/get_submission/", {"queue_name": "q"})
    assert asked.json()["return_code"] == 0
    assert ExternalGraderDetail.objects.get(pk=submit_job.pk).status == "pulled"


def test_the_view_set_says_who_may_and_how_it_answers() -> None:
    views = XQueueViewSet()
    views.action = "login"
    assert [type(one) for one in views.get_permissions()] == [AllowAny]
    views.action = "put_result"
    assert [type(one) for one in views.get_permissions()] == [IsXQueueUser]
    assert views.compose_reply(False, "why") == {"return_code": 1, "content": "why"}
    assert views.compose_reply(True, "") == {"return_code": 0, "content": ""}
    assert MAX_SCORE_UPDATE_RETRIES == 5


@pytest.mark.parametrize(("group", "may"), [("xqueue", True), ("", False)])
def test_a_graders_account_has_the_permission(group: str, may: bool) -> None:
    request = Request(RequestFactory().get("/"))
    request.user = user("somebody", group=group)
    assert IsXQueueUser().has_permission(request, XQueueViewSet()) is may


# Admin. ---------------------------------------------------------------------------------------------------------------


def test_the_admins_classes_have_their_old_names() -> None:
    for model, name in (
        (ExternalGraderDetail, "ExternalGraderDetailAdmin"),
        (Score, "ScoreAdmin"),
        (ScoreSummary, "ScoreSummaryAdmin"),
        (StudentItem, "StudentItemAdmin"),
        (Submission, "SubmissionAdmin"),
        (TeamSubmission, "TeamSubmissionAdmin"),
    ):
        assert type(admin.site.get_model_admin(model)) is getattr(ours, name)


def test_another_apps_admin_can_mix_in_the_students_columns() -> None:
    class ScoreOfAnother(admin.ModelAdmin, ours.StudentItemAdminMixin):  # type: ignore[misc,type-arg]
        list_display = ("course_id", "item_id", "student_id", "student_item_id")

    page = ScoreOfAnother(Score, admin.site)
    score = Score(student_item=StudentItem.objects.create(pk=7, **item()))
    assert page.search_fields == ()
    assert [getattr(page, name)(score) for name in page.list_display] == [
        "Demo_Course",
        "item_one",
        "Tim",
        '<a href="/admin/submissions/studentitem/7/change/">7</a>',
    ]


def test_a_teams_page_of_another_app_can_list_the_members(admin_client: Client) -> None:
    class TeamOfAnother(admin.ModelAdmin):  # type: ignore[type-arg]
        inlines = (ours.SubmissionInlineAdmin,)

    team_api.create_submission_for_team("c", "i", "apple", None, ["ada", "ben"], "x")
    made = TeamSubmission.objects.get()
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="admin")
    shown: Any = TeamOfAnother(TeamSubmission, admin.site).change_view(request, str(made.pk))
    page = shown.render().content.decode()
    assert page.count("field-student_id") >= 2
    assert all(str(uuid) in page for uuid in Submission.objects.values_list("uuid", flat=True))
    assert submit() not in page

"""Who sees what: nothing without Django's view permission, nothing to write for anybody, deletion for superusers."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from submissions import queue
from submissions.models import ExternalGraderDetail as Job
from submissions.models import GraderQueue, Score, SubmissionFile, Token
from tests.admin.conftest import Login, address, page_of, text
from tests.make import make
from tests.queue.jobs import claim_one, key_of

pytestmark = pytest.mark.django_db

MODELS = (
    "externalgraderdetail", "submission", "score", "scoresummary", "scoreannotation", "studentitem",
    "teamsubmission", "submissionfile", "delivery", "graderqueue", "logincounter",
)  # fmt: skip


def graded() -> Job:
    make("q", student="anna", files={"notes.txt": "seen"})
    job = claim_one("q")
    queue.complete(job.submission_id, key_of(job), score=1, reply='{"msg": "<p>All well</p>"}')
    return job


@pytest.mark.parametrize("model", MODELS)
def test_staff_without_permissions_see_nothing(login: Login, model: str) -> None:
    client = login()
    assert client.get(address(model)).status_code == 403
    assert "Submissions" not in text(client.get("/admin/"))


def test_staff_without_permissions_do_not_see_a_job_or_a_file(login: Login) -> None:
    job = graded()
    client = login()
    assert client.get(page_of(job)).status_code == 403
    row = SubmissionFile.objects.get()
    assert client.get(address("submissionfile", "download", row.pk)).status_code == 404


@pytest.mark.parametrize("model", MODELS)
def test_the_view_permission_shows_that_table(login: Login, model: str) -> None:
    graded()
    client = login(f"view_{model}")
    assert client.get(address(model)).status_code == 200
    other = "score" if model != "score" else "delivery"
    assert client.get(address(other)).status_code == 403


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"graderqueue"}))
def test_rows_are_read_only_for_superusers_too(root: Client, model: str) -> None:
    assert root.get(address(model, "add")).status_code == 403


def test_a_job_cannot_be_written(root: Client) -> None:
    job = make("q")
    assert root.post(page_of(job), {"status": "retired"}).status_code == 403
    assert Job.objects.get().status == "pending"


def test_only_superusers_delete(root: Client, login: Login) -> None:
    job = make("q")
    url = address("externalgraderdetail", "delete", job.pk)
    everything = login("view_externalgraderdetail", "delete_externalgraderdetail")
    assert everything.get(url).status_code == 403
    assert everything.post(url, {"post": "yes"}).status_code == 403
    assert Job.objects.count() == 1
    assert root.post(url, {"post": "yes"}).status_code == 302
    assert Job.objects.count() == 0


def test_what_belongs_to_other_tables_needs_their_permission(login: Login) -> None:
    job = graded()
    shown = text(login("view_externalgraderdetail").get(page_of(job)))
    for hidden in ("print(1)", "notes.txt", "1/1 points"):
        assert hidden not in shown
    names = ("view_externalgraderdetail", "view_submission", "view_submissionfile", "view_score", "view_delivery")
    shown = text(login(*names, name="other").get(page_of(job)))
    for there in ("print(1)", "notes.txt", "1/1 points"):
        assert there in shown


def test_a_file_is_downloaded_by_a_signed_address(login: Login) -> None:
    graded()
    row = SubmissionFile.objects.get()
    response = login("view_submissionfile").get(address("submissionfile", "download", row.pk), follow=True)
    assert b"".join(response.streaming_content) == b"seen"  # type: ignore[attr-defined]
    assert "signature=" in response.redirect_chain[0][0]
    assert response["Content-Disposition"] == 'attachment; filename="notes.txt"'


def test_secrets_of_a_queue_are_for_those_who_may_set_them(login: Login) -> None:
    row = GraderQueue.objects.create(name="q", webhook_secrets="whsec_abc")
    url = address("graderqueue", "change", row.pk)
    assert "whsec_abc" not in login("view_graderqueue").get(url).content.decode()
    assert "whsec_abc" in login("view_graderqueue", "change_graderqueue", name="b").get(url).content.decode()


def test_pages_lead_to_one_another(root: Client) -> None:
    """From each of a job's rows a person gets to each other one by links."""
    job = graded()
    score, file = Score.objects.get(), SubmissionFile.objects.get()
    item = job.submission.student_item
    places = {
        page_of(job), address("submission", "change", job.submission_id), address("score", "change", score.pk),
        address("studentitem", "change", item.pk), address("submissionfile", "change", file.pk),
        address("scoresummary", "change", item.scoresummary.pk),
    }  # fmt: skip
    for start in places:
        assert reached(root, start, places) == places, start


def reached(client: Client, start: str, places: set[str]) -> set[str]:
    seen, ahead = {start}, [start]
    while ahead:
        body = client.get(ahead.pop()).content.decode()
        new = {place for place in places if f'href="{place}"' in body} - seen
        seen |= new
        ahead += new
    return seen


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("externalgraderdetail", "pullkey"),
        ("externalgraderdetail", "pullkey__startswith"),
        ("externalgraderdetail", "grader_reply__contains"),
        ("externalgraderdetail", "submission__student_item__student_id__startswith"),
        ("graderqueue", "webhook_secrets__startswith"),
        ("logincounter", "key__startswith"),
        ("delivery", "job__pullkey__startswith"),
    ],
)
def test_nobody_feels_for_a_secret_through_the_address(root: Client, model: str, lookup: str) -> None:
    assert root.get(address(model), {lookup: "a"}).status_code == 400


def test_who_makes_tokens_gets_no_rights_of_other_staff(login: Login, root: Client) -> None:
    boss = User.objects.get(username="root")
    client = login("add_token", "view_token", "view_externalgraderdetail")
    own = User.objects.get(username="operator")
    scopes = {"name": "x", "scopes": ["operate"], "queue_patterns": "*"}
    refused = text(client.post(address("token", "add"), {**scopes, "account": boss.pk}))
    assert "Only a superuser can make a token of another member of staff." in refused
    assert not Token.objects.exists()
    assert client.post(address("token", "add"), {**scopes, "account": own.pk}).status_code == 302
    assert root.post(address("token", "add"), {**scopes, "account": own.pk}).status_code == 302
    assert list(Token.objects.values_list("account__username", flat=True)) == ["operator", "operator"]

"""Who gets what at which address: one table, written out. A new endpoint is a new row; a new kind of user, a column."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from submissions import api
from submissions.models import ExternalGraderDetail, GraderQueue, SubmissionFile
from tests.make import enqueue
from tests.xqueue.talk import PASSWORD, Http, job, log_in, make_grader, pull

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "user", "grader", "outsider", "submitter", "observer", "staff", "superuser")
# `grader` may pull from the queue; `outsider` is a grader of another one; `observer` may look at this queue in the
# dashboard; `staff` may look at everything, and change nothing; `superuser` is in no group. What stands in the table is
# what the client gets: the status, and in the dialect the envelope's return_code; "login" leads to a login page.
TABLE = {
    #                                   anonymous user      grader    outsider  submitter observer  staff     superuser
    "GET /xqueue/status/":            ("200 0",  "200 0",  "200 0",  "200 0",  "200 0",  "200 0",  "200 0",  "200 0"),
    "GET /xqueue/login/":             ("200 1",  "200 1",  "200 1",  "200 1",  "200 1",  "200 1",  "200 1",  "200 1"),
    "POST /xqueue/login/":            ("401 1",  "401 1",  "200 0",  "200 0",  "200 0",  "401 1",  "401 1",  "401 1"),
    "POST /xqueue/logout/":           ("200 0",  "200 0",  "200 0",  "200 0",  "200 0",  "200 0",  "200 0",  "200 0"),
    "GET /xqueue/get_queuelen/":      ("login",  "login",  "200 0",  "200 1",  "200 1",  "login",  "login",  "login"),
    "GET /xqueue/get_submission/":    ("login",  "login",  "200 0",  "200 1",  "200 1",  "login",  "login",  "login"),
    "POST /xqueue/put_result/":       ("login",  "login",  "409 1",  "404 1",  "404 1",  "login",  "login",  "login"),
    "GET /xqueue/submit/":            ("login",  "login",  "200 1",  "200 1",  "200 1",  "login",  "login",  "login"),
    "POST /xqueue/submit/":           ("login",  "login",  "200 1",  "200 1",  "200 0",  "login",  "login",  "login"),
    "GET /xqueue/files/ signed":      ("200",    "200",    "200",    "200",    "200",    "200",    "200",    "200"),
    "GET /xqueue/files/ unsigned":    ("403 1",  "403 1",  "403 1",  "403 1",  "403 1",  "403 1",  "403 1",  "403 1"),
    "GET /livez":                     ("200",    "200",    "200",    "200",    "200",    "200",    "200",    "200"),
    "GET /readyz":                    ("200",    "200",    "200",    "200",    "200",    "200",    "200",    "200"),
    "GET /metrics":                   ("403",    "403",    "403",    "403",    "403",    "403",    "403",    "403"),
    "GET /autoscaling/closed":        ("403",    "403",    "403",    "403",    "403",    "403",    "403",    "403"),
    "GET /":                          ("302",    "302",    "302",    "302",    "302",    "302",    "302",    "302"),
    "GET /admin/":                    ("login",  "login",  "login",  "login",  "login",  "login",  "200",    "200"),
    "GET /admin/ jobs":               ("login",  "login",  "login",  "login",  "login",  "login",  "200",    "200"),
    "GET /admin/ job":                ("login",  "login",  "login",  "login",  "login",  "login",  "200",    "200"),
    "GET /admin/ queue":              ("login",  "login",  "login",  "login",  "login",  "login",  "200",    "200"),
    "POST /admin/ queue":             ("login",  "login",  "login",  "login",  "login",  "login",  "403",    "302"),
    "POST /admin/ job":               ("login",  "login",  "login",  "login",  "login",  "login",  "403",    "403"),
    "POST /admin/ delete job":        ("login",  "login",  "login",  "login",  "login",  "login",  "403",    "302"),
    "GET /admin/ users":              ("login",  "login",  "login",  "login",  "login",  "login",  "403",    "200"),
    "GET /dashboard/":                ("login",  "403",    "403",    "403",    "403",    "200",    "200",    "200"),
    "GET /dashboard/login/":          ("200",    "200",    "200",    "200",    "200",    "200",    "200",    "200"),
    "GET /dashboard/find/":           ("login",  "403",    "403",    "403",    "403",    "200",    "200",    "200"),
    "GET /dashboard/ queue":          ("login",  "403",    "403",    "403",    "403",    "200",    "200",    "200"),
    "GET /dashboard/ another queue":  ("login",  "403",    "403",    "403",    "403",    "404",    "200",    "200"),
    "GET /dashboard/ submission":     ("login",  "403",    "403",    "403",    "403",    "200",    "200",    "200"),
    "GET /dashboard/ reply":          ("login",  "403",    "403",    "403",    "403",    "200",    "200",    "200"),
    "GET /dashboard/ file":           ("login",  "403",    "403",    "403",    "403",    "302",    "302",    "302"),
    "POST /dashboard/ pause":         ("login",  "403",    "403",    "403",    "403",    "403",    "403",    "302"),
    "POST /dashboard/ release":       ("login",  "403",    "403",    "403",    "403",    "403",    "403",    "302"),
    "POST /dashboard/ resend":        ("login",  "403",    "403",    "403",    "403",    "403",    "403",    "302"),
    "POST /dashboard/ retire":        ("login",  "403",    "403",    "403",    "403",    "403",    "403",    "302"),
    # By REST a session is nobody: who has no token, whoever he is, gets no further.
    "GET /api/external_grading/v1/tokens/me/": ("401", "401", "401", "401", "401", "401", "401", "401"),
    "GET /api/external_grading/v1/queues/":    ("401", "401", "401", "401", "401", "401", "401", "401"),
    "POST /api/external_grading/v1/claims/":   ("401", "401", "401", "401", "401", "401", "401", "401"),
    "GET /api/external_grading/v1/schema/":    ("401", "401", "401", "401", "401", "401", "200", "200"),
    "GET /api/external_grading/v1/docs/":      ("401", "401", "401", "401", "401", "401", "200", "200"),
}  # fmt: skip


class World:
    """A closed queue with one job that has a file, and an account of each kind."""

    def __init__(self) -> None:
        make_grader("outsider")
        make_grader("submitter", group="xqueue-submitters")
        User.objects.create_user("user", password=PASSWORD)
        User.objects.create_superuser("superuser", password=PASSWORD)
        staff = User.objects.create_user("staff", password=PASSWORD, is_staff=True)
        looking = Permission.objects.filter(content_type__app_label="submissions", codename__startswith="view_")
        staff.user_permissions.set(looking)
        grader = make_grader("grader")
        self.job = job(enqueue("closed", files={"a.py": "print(1)"}))
        self.file = SubmissionFile.objects.get()
        self.queue = GraderQueue.objects.get(name="closed")
        self.queue.graders.add(grader)
        self.queue.observers.add(User.objects.create_user("observer", password=PASSWORD))
        self.other = GraderQueue.objects.create(name="another")

    def address(self) -> str:
        found = api.get_files_for_grader(self.job, "http://testserver/xqueue/")["a.py"]
        return found.removeprefix("http://testserver")

    def client(self, role: str) -> Client:
        if role in ("grader", "outsider"):
            return log_in(role)
        http = Http()
        if role != "anonymous":
            http.force_login(User.objects.get(username=role))
        http.get("/xqueue/login/")  # a CSRF token: rights are asked for here, not tokens
        return http

    def ask(self, row: str, role: str, http: Client) -> Any:
        method, _, path = row.partition(" ")
        admin = "/admin/submissions"
        queue, one = f"{admin}/graderqueue/{self.queue.pk}/change/", f"{admin}/externalgraderdetail/{self.job.pk}/"
        paths = {
            "/xqueue/files/ signed": self.address(),
            "/xqueue/files/ unsigned": self.address().partition("?")[0],
            "/admin/ jobs": f"{admin}/externalgraderdetail/",
            "/admin/ job": f"{one}change/",
            "/admin/ queue": queue,
            "/admin/ delete job": f"{one}delete/",
            "/admin/ users": "/admin/auth/user/",
            "/dashboard/ queue": f"/dashboard/queues/{self.queue.pk}/",
            "/dashboard/ another queue": f"/dashboard/queues/{self.other.pk}/",
            "/dashboard/ submission": f"/dashboard/submissions/{self.job.submission_id}/",
            "/dashboard/ reply": f"/dashboard/submissions/{self.job.submission_id}/reply/",
            "/dashboard/ file": f"/dashboard/submissions/{self.job.submission_id}/files/{self.file.pk}/",
            "/dashboard/ pause": f"/dashboard/queues/{self.other.pk}/pause/",
            "/dashboard/ retire": f"/dashboard/submissions/{self.job.submission_id}/retire/",
            "/dashboard/ release": f"/dashboard/submissions/{self.job.submission_id}/release/",
            "/dashboard/ resend": f"/dashboard/submissions/{self.job.submission_id}/resend/",
        }
        fields: dict[str, Any] = {"queue_name": "closed"}
        if method == "POST":
            posts: dict[str, dict[str, Any]] = {
                "/xqueue/login/": {"username": role, "password": PASSWORD},
                "/xqueue/put_result/": {
                    "xqueue_header": json.dumps({"submission_id": self.job.submission_id, "submission_key": "no"}),
                    "xqueue_body": '{"score": 1}',
                },
                "/xqueue/submit/": {
                    "xqueue_header": json.dumps(
                        {"lms_callback_url": "https://lms.example.org/", "lms_key": "k", "queue_name": "closed"}
                    ),
                    "xqueue_body": json.dumps({"student_response": "x", "student_info": "{}", "grader_payload": ""}),
                },
                "/admin/ queue": {"score_meaning": "ratio", "initial_delay_seconds": 0, "wait_milliseconds": 0},
            }
            fields = posts.get(path, {})
            token = http.cookies.get("csrftoken")
            fields["csrfmiddlewaretoken"] = token.value if token else ""
        asks_for_queue = path.startswith("/xqueue/get_")
        ask: Callable[..., Any] = http.post if method == "POST" else http.get
        return ask(paths.get(path, path), fields if method == "POST" or asks_for_queue else None)


def told(response: Any) -> str:
    if response.status_code == 302 and "/login/" in response["Location"]:
        return "login"
    if response["Content-Type"] == "application/json" and "return_code" in response.json():
        return f"{response.status_code} {response.json()['return_code']}"
    return str(response.status_code)


@pytest.fixture
def world(settings: Settings) -> World:
    settings.METRICS_TOKEN = "for the monitors"
    settings.SUBMISSIONS_CALLBACK_HOSTS = ["lms.example.org"]
    return World()


@pytest.mark.once
@pytest.mark.parametrize("row", TABLE)
def test_each_gets_what_is_theirs(world: World, row: str) -> None:
    assert tuple(told(world.ask(row, role, world.client(role))) for role in ROLES) == TABLE[row]


def test_an_outsider_learns_nothing_of_a_closed_queue(world: World, settings: Settings) -> None:
    # Where the first job sets a queue up, a name that nobody has is an empty queue.
    settings.SUBMISSIONS_STRICT_QUEUES = True
    http = world.client("outsider")

    def answers(name: str) -> list[str]:
        return [
            http.get(f"/xqueue/{endpoint}/", {"queue_name": name}).content.decode().replace(name, "NAME")
            for endpoint in ("get_queuelen", "get_submission")
        ]

    assert answers("closed") == answers("no-such")
    assert "closed" not in http.get("/xqueue/get_queuelen/", {"queue_name": "no-such"}).content.decode()


def test_an_outsider_cannot_tell_which_submissions_a_closed_queue_has(world: World) -> None:
    """A guessed key is answered as if there were no such submission; who may pull there is told that it is the key."""

    def answer(role: str, submission_id: int, reply: str) -> tuple[int, str]:
        header = json.dumps({"submission_id": submission_id, "submission_key": "k" * 43})
        form = {"xqueue_header": header, "xqueue_body": reply}
        response = world.client(role).post("/xqueue/put_result/", form)
        return response.status_code, response.json()["content"]

    there, nowhere = world.job.submission_id, 2_000_000_000
    for reply in ('{"score": 1}', '{"score": "none"}', "no JSON"):
        assert answer("outsider", there, reply) == answer("outsider", nowhere, reply)
        assert answer("outsider", there, reply) == (404, "Submission does not exist")
        assert answer("grader", there, reply) == (409, "Incorrect key for submission")


def test_no_page_of_the_admin_shows_a_key(world: World) -> None:
    key = pull(world.client("grader"), "closed").key
    assert ExternalGraderDetail.objects.get(pk=world.job.pk).pullkey == key
    for role in ("staff", "superuser"):
        for row in ("GET /admin/ jobs", "GET /admin/ job"):
            page = world.ask(row, role, world.client(role))
            assert page.status_code == 200
            assert key not in page.content.decode()


def test_every_address_of_the_service_has_a_row() -> None:
    """Whoever adds an endpoint says here who may use it."""
    known = {row.split(" ")[1].strip("/").split("/")[0] for row in TABLE}
    verbs = {row.split(" ")[1].strip("/").removeprefix("xqueue/") for row in TABLE if "/xqueue/" in row}
    found: set[str] = set()
    for pattern in get_resolver("gradequeue.urls").url_patterns:
        first = str(pattern.pattern).strip("^$/").split("/")[0].split("(")[0]
        assert first in known, pattern
        if isinstance(pattern, URLResolver) and first == "xqueue":
            found |= {
                str(one.pattern).strip("^/").split("/")[0]
                for one in pattern.url_patterns
                if isinstance(one, URLPattern)
            }
    found.discard("api")  # what is no address of REST, which has a row below its own
    assert found == verbs

"""Hostile requests to every address of the service, as each kind of user: no 5xx, no traceback, the headers there."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from submissions.models import ExternalGraderDetail, GraderQueue
from tests.make import enqueue
from tests.xqueue import hostile
from tests.xqueue.talk import PASSWORD

pytestmark = pytest.mark.django_db

ADMIN = "/admin/submissions"
FORM = "application/x-www-form-urlencoded"
PATHS = [
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/autoscaling/q",
    "/static/admin/css/base.css",
    "/static/../../etc/passwd",
    "/xqueue/",
    "/xqueue/submit/",
    "/xqueue/files/1/a.py",
    "/dashboard/",
    "/dashboard/login/",
    "/dashboard/find/",
    "/dashboard/queues/1/",
    "/dashboard/queues/1/retry/",
    "/dashboard/queues/1/pause/",
    "/dashboard/submissions/1/",
    "/dashboard/submissions/1/reply/",
    "/dashboard/submissions/1/files/1/",
    "/admin/",
    "/admin/login/",
    "/admin/logout/",
    "/admin/password_change/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/1/change/",
    f"{ADMIN}/externalgraderdetail/",
    f"{ADMIN}/externalgraderdetail/1/change/",
    f"{ADMIN}/externalgraderdetail/1/history/",
    f"{ADMIN}/graderqueue/",
    f"{ADMIN}/graderqueue/add/",
    f"{ADMIN}/graderqueue/1/change/",
    f"{ADMIN}/submission/",
    f"{ADMIN}/score/",
    f"{ADMIN}/studentitem/",
    f"{ADMIN}/submissionfile/",
]
parts = st.one_of(
    hostile.texts, st.sampled_from(["..", ".", "%2e%2e", "%00", "1", "-1", "9" * 30, "_5F", "change", "r"])
)
odd_paths = st.builds(lambda start, more: start + "/".join(more), st.sampled_from(PATHS), st.lists(parts, max_size=3))
paths = st.one_of(st.sampled_from(PATHS), st.sampled_from(PATHS), odd_paths)
FIELDS = (
    "q",
    "p",
    "o",
    "e",
    "all",
    "status__exact",
    "action",
    "_selected_action",
    "name",
    "username",
    "password",
    "queue_name",
    "next",
    "expires",
    "signature",
    "lease_seconds",
    "score_meaning",
    "graders",
    "_popup",
    "_to_field",
    "submission__id",
    "id__in",
    "queue_name__in",
)
fields = st.lists(st.tuples(st.sampled_from(FIELDS), hostile.values.map(hostile.as_text)), max_size=4)
roles = st.sampled_from(["", "grader", "superuser", "superuser"])

fuzz_settings = settings(
    max_examples=hostile.EXAMPLES * 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_no_request_to_any_address_breaks_the_service(grader: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "for the monitors"
    User.objects.create_superuser("superuser", password=PASSWORD)
    operator = Client()
    operator.login(username="superuser", password=PASSWORD)
    job = enqueue("q", files={"a.py": "print(1)"})
    sessions = {name: http.cookies["sessionid"].value for name, http in (("grader", grader), ("superuser", operator))}
    before = ExternalGraderDetail.objects.get(submission_id=job).grader_reply

    @fuzz_settings
    @given(
        role=roles,
        path=paths,
        pairs=fields,
        request=hostile.requests("GET", {"q": hostile.values}),
        token=st.booleans(),
    )
    @example("superuser", f"{ADMIN}/externalgraderdetail/", [("q", "\0")], hostile.Request("GET", "", "", b""), False)
    @example(
        "superuser",
        f"{ADMIN}/externalgraderdetail/",
        [("status__exact", "\0")],
        hostile.Request("GET", "", "", b""),
        False,
    )
    @example("superuser", "/admin/auth/user/1/change/", [("_to_field", "")], hostile.Request("GET", "", "", b""), False)
    @example("superuser", f"{ADMIN}/graderqueue/add/", [("name", "a\nb\0")], hostile.Request("POST", "", "", b""), True)
    @example("superuser", "/admin/submissions/graderqueue/%00/change/", [], hostile.Request("GET", "", "", b""), False)
    @example(
        "",
        "/autoscaling/\0",
        [],
        hostile.Request("GET", "", "", b"", {"HTTP_AUTHORIZATION": "Bearer for the monitors"}),
        False,
    )
    @example("", "/", [], hostile.Request("POST", "", FORM, b"q=null", length="abc"), False)
    @example("", "/admin/login/", [], hostile.Request("POST", "", FORM, b"q=null", length="9" * 5000), False)
    def ask(role: str, path: str, pairs: list[tuple[str, str]], request: hostile.Request, token: bool) -> None:
        assert_answered(sessions.get(role, ""), path, pairs, request, token=token)

    ask()
    row = ExternalGraderDetail.objects.get(submission_id=job)
    assert (row.status, row.grader_reply) == ("pending", before)
    assert GraderQueue.objects.filter(name="q").exists()


def assert_answered(
    session: str, path: str, pairs: list[tuple[str, str]], request: hostile.Request, *, token: bool
) -> None:
    posts = request.method not in ("GET", "HEAD")
    secret = "a" * 32
    body = hostile.form([*pairs, ("csrfmiddlewaretoken", secret)]) if posts and token else request.body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        # As a server hands it on: bytes, each as one sign.
        "PATH_INFO": path.encode("utf-8", "surrogatepass").decode("latin-1"),
        "QUERY_STRING": "" if posts else hostile.form(pairs).decode() or quote_from_bytes(request.query.encode()),
        "CONTENT_TYPE": "application/x-www-form-urlencoded" if token else request.content_type,
        "CONTENT_LENGTH": str(len(body)) if request.length is None else request.length,
        "HTTP_COOKIE": f"sessionid={session}; csrftoken={secret}; {request.cookie}",
        "wsgi.input": io.BytesIO(body),
        **request.headers,
    }
    content, status, headers = hostile.through_the_door(environ)
    assert int(status.partition(" ")[0]) < 500, (status, content[:500])
    assert b"Traceback" not in content
    assert headers.get("X-Content-Type-Options") == "nosniff", (status, path)
    # The dashboard frames replies, a file forbids more.
    assert "default-src 'none'" in headers["Content-Security-Policy"]

"""Hostile requests: each gets the envelope and no 5xx, and none of them loses a submission."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from submissions.models import Delivery, ExternalGraderDetail, Score
from tests.make import enqueue
from tests.xqueue import hostile
from tests.xqueue.hostile import Request, send
from tests.xqueue.talk import (
    GOOD,
    PASSWORD,
    Work,
    job,
    let_leases_run_out,
    log_in,
    make_submitter,
    points,
    pull,
    put,
)

# One database and one job for all examples of a test: what the earlier ones left behind is part of what is tested.
hostile_settings = settings(
    max_examples=hostile.EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
BIG = "x" * (5 * 1024 * 1024)


@pytest.fixture
def session(grader: Client) -> str:
    """The cookie of a logged-in grader."""
    return grader.cookies["sessionid"].value


@pytest.fixture
def waiting(session: str) -> int:
    return enqueue("q")


def assert_still_gradable(submission_id: int) -> None:
    """Whatever came before: the job waits or is held, and ends with its score."""
    assert job(submission_id).status in ("pending", "pulled")
    let_leases_run_out()
    http = log_in("grader")
    work = pull(http)
    assert work.submission_id == submission_id
    assert put(http, work.header) == (200, {"return_code": 0, "content": ""})
    assert points(submission_id) == 1
    assert Score.objects.count() == 1


names = hostile.mostly("grader", hostile.values, 2)
passwords = hostile.mostly(PASSWORD, hostile.values, 2)


@hostile_settings
@given(request=hostile.requests("POST", {"username": names, "password": passwords}))
@example(Request("POST", "", "application/json", json.dumps({"username": BIG, "password": BIG}).encode()))
@example(Request("POST", "", "application/x-www-form-urlencoded", f"username=grader&password={BIG}".encode()))
def _login(session: str, request: Request) -> None:
    _, body = send(session, "login", request)
    if body["return_code"] == 0:
        assert body["content"] == "Logged in"
        assert PASSWORD in (request.body + request.query.encode()).decode("utf-8", "replace").replace("%20", " ")


def test_login(session: str, waiting: int) -> None:
    _login(session)
    assert_still_gradable(waiting)


@hostile_settings
@given(request=hostile.requests("POST", {"username": hostile.values}))
@example(Request("POST", "", "application/json", b"[" * 100_000))
def _logout(session: str, request: Request) -> None:
    send(session, "logout", request)


def test_logout(session: str, waiting: int) -> None:
    _logout(session)
    assert_still_gradable(waiting)


@hostile_settings
@given(request=hostile.requests("GET", {"queue_name": hostile.values}))
def _status(session: str, request: Request) -> None:
    send(session, "status", request)


def test_status(session: str, waiting: int) -> None:
    _status(session)
    assert_still_gradable(waiting)


queue_names = hostile.mostly("q", hostile.values, 2)


@hostile_settings
@given(request=hostile.requests("GET", {"queue_name": queue_names}))
@example(Request("GET", "queue_name=" + "q" * 60_000, "", b""))
@example(Request("GET", "queue_name=%ff%fe&queue_name=%00", "", b""))
def _get_queuelen(session: str, request: Request) -> None:
    _, body = send(session, "get_queuelen", request)
    if body["return_code"] == 0:
        assert body["content"] == 1


def test_get_queuelen(session: str, waiting: int) -> None:
    _get_queuelen(session)
    assert job(waiting).status == "pending"
    assert_still_gradable(waiting)


@hostile_settings
@given(request=hostile.requests("GET", {"queue_name": queue_names}))
@example(Request("HEAD", "queue_name=q", "", b""))
@example(Request("GET", "queue_name=" + "q" * 60_000, "", b""))
@example(Request("GET", "&".join(["queue_name=q"] * 2000), "", b""))
@example(Request("GET", "queue_name=\\ud800", "text/plain; charset=unicode_escape", b""))
def _get_submission(session: str, request: Request) -> None:
    _, body = send(session, "get_submission", request)
    if body["return_code"] == 0:
        assert request.method.upper() == "GET"
        assert "queue_name=q" in request.query


def test_get_submission(session: str, waiting: int) -> None:
    _get_submission(session)
    assert job(waiting).num_pulls <= 1
    assert_still_gradable(waiting)


# In the fields of put_result these stand for the id and the key of a job that the grader holds.
ID, KEY = 424_242_424, "the key of the job"
ids = st.one_of(st.just(str(ID)), hostile.mostly(ID, hostile.values, 4))
keys = hostile.mostly(KEY, hostile.values, 6)
heads = st.fixed_dictionaries({"submission_id": ids, "submission_key": keys}, optional={"x": hostile.values})
scores = st.one_of(st.sampled_from([0, 1, 0.5, 1.0]), hostile.numbers, hostile.values)
replies = st.fixed_dictionaries({"score": scores}, optional={"msg": hostile.values, "correct": hostile.values})
headers = st.one_of(heads.map(json.dumps), heads, heads.map(json.dumps), hostile.values)
bodies = st.one_of(replies.map(json.dumps), replies, replies.map(json.dumps), hostile.values)


def filled(request: Request, work: Work) -> Request:
    """`request` about the job of `work`."""
    quoted = KEY.replace(" ", "%20").encode()
    body = request.body.replace(str(ID).encode(), str(work.submission_id).encode())
    body = body.replace(KEY.encode(), work.key.encode()).replace(quoted, work.key.encode())
    return Request(**{**request.__dict__, "body": body})


def head_and(reply: str) -> bytes:
    head = json.dumps({"submission_id": ID, "submission_key": KEY})
    return json.dumps({"xqueue_header": head, "xqueue_body": reply}).encode()


def test_put_result(grader: Client, session: str) -> None:
    for _ in range(2):
        enqueue("q")
    held = [pull(grader)]

    @hostile_settings
    @given(request=hostile.requests("POST", {"xqueue_header": headers, "xqueue_body": bodies}))
    @example(Request("POST", "", "application/json", head_and(BIG)))
    @example(Request("POST", "", "application/json", head_and('{"score": "' + BIG + '"}')))
    @example(Request("POST", "", "application/json", head_and('{"score": ' + "[" * 100_000)))
    @example(Request("POST", "", "application/json", head_and('{"score": 1e400, "score": NaN}')))
    @example(Request("POST", "", "application/x-www-form-urlencoded", b"xqueue_header=" + BIG.encode()))
    def put_result(request: Request) -> None:
        work = held[-1]
        _, body = send(session, "put_result", filled(request, work))
        assert_told_as_stored(work, body)
        if body["return_code"] == 0:
            enqueue("q")
            held.append(pull(grader))

    put_result()
    scored = len(held) - 1
    assert put(grader, held[-1].header, GOOD) == (200, {"return_code": 0, "content": ""})
    assert Score.objects.count() == scored + 1
    assert put(grader, pull(grader).header, GOOD) == (200, {"return_code": 0, "content": ""})


def assert_told_as_stored(work: Work, body: dict[str, Any]) -> None:
    """ok means that the score is there; anything else, that the key is still good and nothing is stored."""
    row = job(work.submission_id)
    if body["return_code"] == 0:
        assert (row.status, body["content"]) == ("retired", "")
        assert points(work.submission_id) is not None
    else:
        assert row.status in ("pulled", "retry")
        assert (row.pullkey, points(work.submission_id)) == (work.key, None)
        assert row.num_failures <= 1


# What a platform hands in. What is taken is claimed by a grader as it came, and scored.
CALL = "https://lms.example/courses/c/xqueue/7/b/score_update"
calls = hostile.mostly(CALL, hostile.values, 6)
submit_names = hostile.mostly("sq", hostile.values, 6)
submit_keys = hostile.mostly("k", hostile.values, 2)
submit_heads = st.fixed_dictionaries(
    {"lms_callback_url": calls, "lms_key": submit_keys, "queue_name": submit_names}, optional={"x": hostile.values}
)
infos = st.one_of(hostile.values, hostile.values.map(json.dumps), st.just('{"anonymous_student_id": "s"}'))
submit_bodies = st.fixed_dictionaries(
    {"student_response": hostile.values}, optional={"student_info": infos, "grader_payload": infos}
)
submit_fields = {
    "xqueue_header": st.one_of(
        submit_heads.map(json.dumps), submit_heads, submit_heads.map(json.dumps), hostile.values
    ),
    "xqueue_body": st.one_of(submit_bodies.map(json.dumps), submit_bodies, hostile.values),
}


def handed_in(head: object, body: object) -> bytes:
    return json.dumps({"xqueue_header": head, "xqueue_body": body}).encode()


GOOD_HEAD = json.dumps({"lms_callback_url": CALL, "lms_key": "k", "queue_name": "sq"})
LONG_CALL = "https://lms.example" + "/courses/a/xqueue/b" * 100_000


def test_submit(grader: Client) -> None:
    make_submitter("lms")
    http = log_in("lms")
    cookie = http.cookies["sessionid"].value
    taken = []

    @hostile_settings
    @given(request=hostile.requests("POST", submit_fields))
    @example(Request("POST", "", "application/json", handed_in(GOOD_HEAD, BIG)))
    @example(Request("POST", "", "application/json", handed_in(GOOD_HEAD, "[" * 100_000)))
    @example(Request("POST", "", "application/json", handed_in({"queue_name": "sq", "lms_key": [], "x": BIG}, {})))
    @example(
        Request(
            "POST",
            "",
            "application/json",
            handed_in({"queue_name": "sq", "lms_key": "k", "lms_callback_url": LONG_CALL}, BIG),
        )
    )
    @example(Request("POST", "", "application/x-www-form-urlencoded", b"xqueue_header=" + BIG.encode()))
    @example(Request("POST", "", "multipart/form-data; boundary=b", b"--b" * 100_000))
    def submit(request: Request) -> None:
        before = ExternalGraderDetail.objects.count()
        status, body = send(cookie, "submit", request)
        made = ExternalGraderDetail.objects.count() - before
        if body["return_code"] == 1:
            assert made == 0
        else:
            assert (status, made in (0, 1)) == (200, True)
            assert body["content"].isdigit()
            taken.append(made)

    submit()
    assert sum(taken) > 0
    assert ExternalGraderDetail.objects.count() == Delivery.objects.filter(transport="callback").count()
    for name in ExternalGraderDetail.objects.values_list("queue_name", flat=True).distinct():
        while ExternalGraderDetail.objects.filter(queue_name=name, status="pending").exists():
            work = pull_raw(grader, name)
            assert work["xqueue_body"] == ExternalGraderDetail.objects.get(submission_id=work["id"]).body
            assert put(grader, work["xqueue_header"]) == (200, {"return_code": 0, "content": ""})


def pull_raw(http: Client, name: str) -> dict[str, Any]:
    content = json.loads(http.get("/xqueue/get_submission/", {"queue_name": name}).json()["content"])
    return {**content, "id": json.loads(content["xqueue_header"])["submission_id"]}


@pytest.mark.parametrize(
    "charset", ["zlib", "hex", "rot13", "utf-16", "unicode_escape", "idna", "undefined", "no-such"]
)
def test_an_odd_charset_breaks_nothing(session: str, waiting: int, charset: str) -> None:
    request = Request("GET", "queue_name=\\ud800", f"text/plain; charset={charset}", b"")
    status, body = send(session, "get_submission", request)
    assert (status, body["return_code"]) in ((200, 1), (400, 1))
    assert_still_gradable(waiting)

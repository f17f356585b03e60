"""A grader that is pushed to, which can be anything that HTTP can be: a job is graded, failed, or given back."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from pytest_django import Settings

from submissions import queue
from submissions.errors import NotAllowed
from submissions.models import Delivery, ExternalGraderDetail, GraderQueue
from submissions.xqueue.push import Dispatcher, Pause, _grade, push_one
from tests.make import enqueue
from tests.platform_stub import Answer, Platform, Reply
from tests.queue.jobs import later
from tests.server import free_port

pytestmark = pytest.mark.django_db

MOUNT = "https://queue.example/xqueue/"
GOOD = json.dumps({"correct": True, "score": 0.5, "msg": "<p>Gut \u00fc</p>"})


@pytest.fixture
def grader(settings: Settings) -> Iterator[Platform]:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    settings.SUBMISSIONS_PUSH_TIMEOUT_SECONDS = 1
    with Platform() as running:
        running.answer = lambda call: Reply(body=GOOD.encode())
        GraderQueue.objects.create(name="q", push_url=f"{running.url}/grade?x=1")
        yield running


def the_job() -> ExternalGraderDetail:
    return ExternalGraderDetail.objects.get()


def push(pause: Pause | None = None) -> bool:
    return push_one("q", pause or Pause(), MOUNT)


def test_a_job_is_sent_as_xqueue_sent_it_and_the_answer_is_its_reply(grader: Platform) -> None:
    submission_id = enqueue(points_possible=10, grader_payload="{}", student_info="{}", files={"a.c": "int"})
    queue.create_delivery(the_job(), "callback", "https://lms.example/back", header="{}")
    assert push()
    (call,) = grader.calls
    assert (call.path, call.headers["Content-Type"]) == ("/grade?x=1", "application/json")
    sent = json.loads(call.body)
    assert list(sent) == ["xqueue_body", "xqueue_files"]
    assert json.loads(sent["xqueue_body"]) == {
        "student_info": "{}",
        "grader_payload": "{}",
        "student_response": "print(1)",
    }
    ((name, address),) = json.loads(sent["xqueue_files"]).items()
    assert (name, address.partition("?")[0].rpartition("/")[2]) == ("a.c", "a.c")
    assert address.startswith("https://queue.example/xqueue/files/")
    job = the_job()
    assert (job.submission_id, job.status, job.grader, job.grader_reply) == (submission_id, "retired", "push", GOOD)
    assert job.submission.score_set.get().points_earned == 5
    assert Delivery.objects.get().state == "due"
    assert not push()


def test_a_body_of_a_platform_goes_byte_for_byte(grader: Platform) -> None:
    enqueue()
    ExternalGraderDetail.objects.update(body='{ "odd" :\t1}')
    push()
    assert json.loads(grader.calls[0].body) == {"xqueue_body": '{ "odd" :\t1}', "xqueue_files": "{}"}


def test_pulling_graders_get_nothing_of_such_a_queue(grader: Platform) -> None:
    enqueue()
    assert queue.claim("q", grader="ada") == []
    assert queue.depth("q", grader="ada") == 0
    assert queue.depth("q") == 1
    assert queue.claim("other", grader="ada") == []


def test_a_queue_that_is_pulled_from_is_not_pushed(grader: Platform) -> None:
    GraderQueue.objects.update(push_url="")
    enqueue()
    assert not push()
    assert Dispatcher().run_until_idle() == 0
    assert len(queue.claim("q", grader="ada")) == 1


def test_neither_is_a_paused_one_nor_one_that_is_gone(grader: Platform) -> None:
    enqueue()
    GraderQueue.objects.update(paused=True)
    assert not push()
    GraderQueue.objects.all().delete()
    assert not push()
    assert grader.calls == []


def test_a_queue_that_is_closed_is_pushed_all_the_same(grader: Platform) -> None:
    GraderQueue.objects.update(restricted=True)
    enqueue()
    assert push()
    assert the_job().status == "retired"


# The job's failures. --------------------------------------------------------------------------------------------------


def close_at_once(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + GOOD.encode())


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")


NO_ANSWER = "The grader was sent the job and gave no answer: "
BROKE_OFF = "The grader's answer broke off, or is longer than 7340032 bytes."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (500, "The grader answered 500."),
        (404, "The grader answered 404."),
        (201, "The grader answered 201."),
        (Reply(302, {"Location": "http://127.0.0.1:1/"}), "The grader answered 302."),
        (Reply(after=3), NO_ANSWER + "It took too long."),
        (close_at_once, NO_ANSWER),
        (garbage, NO_ANSWER),
        (break_off, BROKE_OFF),
        (Reply(body=b"\xff"), "The grader's answer is not UTF-8."),
        (Reply(body=b""), "The reply is not a JSON object."),
        (Reply(body=b"[1]"), "The reply is not a JSON object."),
        (Reply(body=b'{"correct": true}'), "The reply has no score."),
        (Reply(body=b'{"score": 7}'), "The score must be between 0 and 1, not 7."),
    ],
)
def test_what_the_grader_does_with_a_job_is_the_jobs_failure(grader: Platform, answer: Answer, reason: str) -> None:
    enqueue()
    grader.answer = lambda call: answer
    pause = Pause()
    assert push(pause)
    job = the_job()
    assert (job.status, job.num_failures) == ("retry", 1)
    assert str(job.last_error).startswith(reason)
    assert pause.failures == 1
    grader.answer = lambda call: Reply(body=GOOD.encode())
    later(6)
    assert push(pause)
    assert (the_job().status, pause.failures) == ("retired", 0)


def test_an_endless_answer_is_cut_off(grader: Platform, settings: Settings) -> None:
    settings.SUBMISSIONS_REPLY_MAX_BYTES = 1000
    enqueue()
    grader.answer = lambda call: Reply(body=b" " * 1001)
    assert push()
    assert the_job().last_error == "The grader's answer broke off, or is longer than 1000 bytes."


def test_at_the_limit_the_job_waits_for_an_operator(grader: Platform) -> None:
    enqueue()
    grader.answer = lambda call: 500
    for _ in range(5):
        assert push()
        later(301)
    assert (the_job().status, the_job().num_failures, len(grader.calls)) == ("failed", 5, 5)
    assert not push()


# The grader's. --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_grader_that_is_busy_or_away_costs_the_job_nothing(grader: Platform, status: int) -> None:
    enqueue()
    grader.answer = lambda call: status
    for _ in range(7):
        assert push()
        later(1)
    job = the_job()
    assert (job.status, job.num_failures, job.num_pulls) == ("retry", 0, 7)


def test_nor_does_one_that_cannot_be_reached(grader: Platform, caplog: pytest.LogCaptureFixture) -> None:
    GraderQueue.objects.update(push_url=f"http://127.0.0.1:{free_port()}/")
    enqueue()
    pause = Pause()
    for number in range(1, 8):
        assert push(pause)
        assert pause.failures == number
        later(1)
    assert (the_job().status, the_job().num_failures) == ("retry", 0)
    assert f"submission {the_job().submission_id} in queue q: could not be pushed: Connection refused" in caplog.text


@pytest.mark.parametrize("url", ["{}", "http://169.254.169.254/latest/", "http://localhost:{port}/", "http://[::1]/"])
def test_nor_does_an_address_that_must_not_be_asked(grader: Platform, settings: Settings, url: str) -> None:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = []
    GraderQueue.objects.update(push_url=url.format(grader.url, port=grader.port))
    enqueue()
    assert push()
    assert (the_job().status, the_job().num_failures, grader.calls) == ("retry", 0, [])


def test_each_failure_doubles_the_pause_of_the_queue_and_a_success_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submissions.xqueue.push.time.monotonic", lambda: 1000.0)
    pause, seen = Pause(), []
    for _ in range(8):
        pause.note(well=False)
        seen.append(pause.until - 1000)
    assert seen == [1, 2, 4, 8, 16, 32, 60, 60]
    pause.note(well=False, seconds=300)
    assert pause.until == 1300
    pause.note(well=True)
    assert pause.until == 1000


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("120", 120), ("86400", 3600), ("Wed, 21 Oct 2099 07:28:00 GMT", 3600), ("-5", 1), ("soon", 1)],
)
def test_retry_after_is_heeded(grader: Platform, monkeypatch: pytest.MonkeyPatch, given: str, seconds: float) -> None:
    monkeypatch.setattr("submissions.xqueue.push.time.monotonic", lambda: 1000.0)
    enqueue()
    grader.answer = lambda call: Reply(503, {"Retry-After": given})
    pause = Pause()
    push(pause)
    assert pause.until == 1000 + seconds


# In between. ----------------------------------------------------------------------------------------------------------


def test_what_an_operator_took_away_meanwhile_is_left_alone(grader: Platform) -> None:
    submission_id = enqueue()
    jobs = queue.claim("q", grader="push", pushing=True)
    assert [job.submission_id for job in jobs] == [submission_id]
    queue.retire(submission_id, "enough")
    assert _grade(jobs[0], MOUNT) == (False, None)
    assert (the_job().status, the_job().last_error) == ("retired", "enough")


def test_a_job_can_be_taken_out_of_turn_while_it_waits_and_only_then() -> None:
    submission_id = enqueue()
    job = queue.take(submission_id, grader="old")
    assert (job.status, job.grader, job.num_pulls) == ("pulled", "old", 1)
    with pytest.raises(NotAllowed):
        queue.take(submission_id, grader="old")


def test_a_dispatcher_that_can_begin_no_thread_tries_again(grader: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def start(thread: threading.Thread) -> None:
        begun.append(thread.name)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("submissions.xqueue.push.threading.Thread.start", start)
    monkeypatch.setattr("submissions.xqueue.push.close_old_connections", lambda: None)
    dispatcher = Dispatcher(base_url="https://queue.example")
    for _ in range(2):
        dispatcher._start_threads(threading.Event())
    assert [name for name in begun if name.startswith("push")] == ["push q", "push q"]


def test_once_leaves_a_queue_alone_whose_grader_does_not_answer(grader: Platform) -> None:
    for _ in range(3):
        enqueue()
    GraderQueue.objects.create(name="other", push_url=f"http://127.0.0.1:{free_port()}/")
    assert Dispatcher(base_url="https://queue.example").run_until_idle() == 3
    grader.answer = lambda call: 503
    for _ in range(3):
        enqueue()
    assert Dispatcher().run_until_idle() == 1
    assert len(grader.calls) == 4

"""get_submission/ claims one job and hands it out as JSON in JSON in JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.timezone import now
from pytest_django import Settings

from submissions.models import ExternalGraderDetail, GraderQueue, Submission
from tests.make import enqueue
from tests.xqueue.talk import job, let_leases_run_out, log_in, make_grader, points, pull, put, said

PATH = "/xqueue/get_submission/"
EMPTY = (200, {"return_code": 1, "content": "Queue 'q' is empty"})
NOT_FOUND = (200, {"return_code": 1, "content": "Queue 'q' not found"})

REBUILT = (
    r'{"return_code":0,"content":"{'
    r"\"xqueue_header\": \"{\\\"submission_id\\\": ID, \\\"submission_key\\\": \\\"KEY\\\"}\", "
    r"\"xqueue_body\": \"{"
    r"\\\"student_info\\\": \\\"{"
    r"\\\\\\\"anonymous_student_id\\\\\\\": \\\\\\\"anon\\\\\\\", "
    r"\\\\\\\"submission_time\\\\\\\": \\\\\\\"20260131120509\\\\\\\", "
    r"\\\\\\\"random_seed\\\\\\\": 1}\\\", "
    r"\\\"grader_payload\\\": \\\"{\\\\\\\"grader\\\\\\\": \\\\\\\"ps1/hello.py\\\\\\\"}\\\", "
    r"\\\"student_response\\\": \\\"print(1)\\\"}\", "
    r'\"xqueue_files\": \"{}\"}"}'
)
VERBATIM = (
    r'{"return_code":0,"content":"{'
    r"\"xqueue_header\": \"{\\\"submission_id\\\": ID, \\\"submission_key\\\": \\\"KEY\\\"}\", "
    r"\"xqueue_body\": \"{"
    r"\\\"student_info\\\": \\\"{'no': json}\\\", "
    r"\\\"grader_payload\\\": \\\"  plain text \\\\n\\\", "
    r"\\\"student_response\\\": \\\"print(1)\\\"}\", "
    r'\"xqueue_files\": \"{}\"}"}'
)


def ask(http: Client, queue_name: str = "q") -> tuple[int, dict[str, Any]]:
    return said(http.get(PATH, {"queue_name": queue_name}))


def filled(template: str, submission_id: int) -> bytes:
    return template.replace("ID", str(submission_id)).replace("KEY", str(job(submission_id).pullkey)).encode()


# What is in it. -----------------------------------------------------------------------------------------------------


def test_a_rebuilt_body_byte_for_byte(grader: Client) -> None:
    submission_id = enqueue("q", student="anon", grader_file_name="ps1/hello.py")
    ExternalGraderDetail.objects.update(created_at=datetime(2026, 1, 31, 12, 5, 9, 999_999, tzinfo=UTC))
    response = grader.get(PATH, {"queue_name": "q"})
    assert response.content == filled(REBUILT, submission_id)


def test_a_verbatim_body_byte_for_byte(grader: Client) -> None:
    submission_id = enqueue("q", grader_payload="  plain text \n", student_info="{'no': json}")
    response = grader.get(PATH, {"queue_name": "q"})
    assert response.content == filled(VERBATIM, submission_id)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "1",
        "null",
        "plain text",
        '{"grader": "x",  "extra": [1, 2]}',
        "[]",
        "\n",
        "sch\u00f6n \U0001f600",
        "</script>",
    ],
)
def test_the_authors_payload_is_handed_on_as_it_is(grader: Client, payload: str) -> None:
    enqueue("q", grader_file_name="x.py", grader_payload=payload, student_info=payload)
    body = pull(grader).body
    assert body["grader_payload"] == payload
    assert body["student_info"] == payload


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ("", ""),
        ("print('sch\u00f6n \U0001f600')\n\ttab", "print('sch\u00f6n \U0001f600')\n\ttab"),
        ("nul \0 and \x7f", "nul \0 and \x7f"),
        ("lone \ud800 surrogate", "lone \ud800 surrogate"),
        ("' OR 1=1; -- <script>alert(1)</script> %s {} \\", "' OR 1=1; -- <script>alert(1)</script> %s {} \\"),
        (["a", "b"], '["a", "b"]'),
        ({"a": 1}, '{"a": 1}'),
        (7, "7"),
    ],
)
def test_the_answer_is_handed_on_as_text(grader: Client, answer: Any, response: str) -> None:
    enqueue("q", answer)
    assert pull(grader).body["student_response"] == response


def test_an_answer_of_five_megabytes_is_handed_on_whole(grader: Client) -> None:
    answer = "0123456789abcde\n" * (5 * 1024 * 1024 // 16)
    enqueue("q", answer)
    assert pull(grader).body["student_response"] == answer


def test_the_header_is_text_with_a_number_and_a_secret(grader: Client) -> None:
    submission_id = enqueue("q")
    work = pull(grader)
    assert work.submission_id == submission_id
    assert type(work.submission_id) is int
    assert len(work.key) == 43
    assert work.header == f'{{"submission_id": {submission_id}, "submission_key": "{work.key}"}}'


@pytest.mark.parametrize("query", ["?queue_name=q", "?queue_name=q&block=true&x=%00", "?queue_name=no&queue_name=q"])
@pytest.mark.parametrize("path", ["/xqueue/get_submission/", "/xqueue/get_submission"])
def test_both_paths_and_further_parameters_will_do(grader: Client, path: str, query: str) -> None:
    submission_id = enqueue("q")
    assert said(grader.get(path + query))[1]["return_code"] == 0
    assert job(submission_id).status == "pulled"


# Files. -------------------------------------------------------------------------------------------------------------


def test_a_job_without_files_says_so_with_an_empty_object(grader: Client) -> None:
    enqueue("q")
    content = json.loads(ask(grader)[1]["content"])
    assert content["xqueue_files"] == "{}"


def test_files_have_absolute_addresses_that_need_no_session(grader: Client, stranger: Client) -> None:
    names = {
        "hello.c": b"int main;",
        'sch\u00f6n "1" & 2.txt': b"\xff\0",
        "../../etc/passwd": b"",
        "a/b.py": b"x" * 100_000,
    }
    enqueue("q", files=names)
    work = pull(grader)
    assert list(work.files) == ["hello.c", 'sch\u00f6n "1" & 2.txt', "etc/passwd", "a/b.py"]
    for name, address in zip(names, work.files.values(), strict=True):
        assert address.startswith("http://testserver/xqueue/files/")
        assert ".." not in address
        response = stranger.get(address.removeprefix("http://testserver"))
        assert response.status_code == 200
        assert b"".join(response.streaming_content) == names[name]  # type: ignore[attr-defined]


def test_addresses_are_below_the_configured_server(grader: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_BASE_URL = "https://queue.example.org/"
    enqueue("q", files={"a.py": b"1"})
    (address,) = pull(grader).files.values()
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("https", "queue.example.org")
    assert parts.path.startswith("/xqueue/files/")
    assert parts.path.endswith("/a.py")


def test_an_https_request_gets_https_addresses(grader: Client) -> None:
    enqueue("q", files={"a.py": b"1"})
    content = json.loads(said(grader.get(PATH, {"queue_name": "q"}, secure=True))[1]["content"])
    assert json.loads(content["xqueue_files"])["a.py"].startswith("https://testserver/xqueue/files/")


# Who gets what. -----------------------------------------------------------------------------------------------------


def test_jobs_come_in_the_order_of_their_arrival_each_once(grader: Client) -> None:
    ids = [enqueue("q") for _ in range(4)]
    other = enqueue("other")
    assert [pull(grader).submission_id for _ in range(4)] == ids
    assert ask(grader) == EMPTY
    assert job(other).status == "pending"


def test_the_claim_is_written_down(grader: Client) -> None:
    submission_id = enqueue("q")
    work = pull(grader)
    row = job(submission_id)
    assert (row.status, row.pullkey, row.grader, row.num_pulls, row.num_failures) == (
        "pulled",
        work.key,
        "grader",
        1,
        0,
    )
    queue = GraderQueue.objects.get(name="q")
    assert queue.last_polled_by == "grader"
    assert queue.last_polled_at is not None


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_no_other_method_claims(grader: Client, method: str) -> None:
    submission_id = enqueue("q")
    for path in ("/xqueue/get_submission/?queue_name=q", "/xqueue/get_submission?queue_name=q"):
        assert grader.generic(method, path).status_code == 405
    assert (job(submission_id).status, job(submission_id).num_pulls) == ("pending", 0)
    assert pull(grader).submission_id == submission_id


def test_a_stranger_claims_nothing(stranger: Client) -> None:
    submission_id = enqueue("q")
    assert ask(stranger) == (302, {"return_code": 1, "content": "login_required"})
    assert job(submission_id).status == "pending"


def test_somebody_logged_in_who_is_no_grader_claims_nothing(stranger: Client) -> None:
    stranger.force_login(User.objects.create_superuser("root", password="x"))
    submission_id = enqueue("q")
    assert ask(stranger) == (302, {"return_code": 1, "content": "login_required"})
    assert job(submission_id).status == "pending"


def test_a_lease_that_ran_out_goes_to_one_other_grader_with_a_new_key(grader: Client) -> None:
    submission_id = enqueue("q")
    first = pull(grader)
    make_grader("second")
    second_grader = log_in("second")
    assert ask(second_grader) == EMPTY
    let_leases_run_out()
    second = pull(second_grader)
    assert second.submission_id == submission_id
    assert second.key != first.key
    assert ask(grader) == EMPTY
    assert put(grader, first.header) == (409, {"return_code": 1, "content": "Incorrect key for submission"})
    assert put(second_grader, second.header) == (200, {"return_code": 0, "content": ""})
    assert (points(submission_id), job(submission_id).num_failures, job(submission_id).num_pulls) == (1, 1, 2)


def test_a_job_that_nobody_finishes_is_given_up_at_the_limit(grader: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_MAX_FAILURES = 3
    poison, next_one = enqueue("q"), enqueue("q")
    for _ in range(3):
        ExternalGraderDetail.objects.filter(submission_id=poison).update(available_at=datetime(2000, 1, 1, tzinfo=UTC))
        assert pull(grader).submission_id == poison
    ExternalGraderDetail.objects.filter(submission_id=poison).update(available_at=datetime(2000, 1, 1, tzinfo=UTC))
    assert pull(grader).submission_id == next_one
    assert (job(poison).status, job(poison).num_failures) == ("failed", 3)


def test_a_job_under_back_off_waits_and_comes_back(grader: Client) -> None:
    submission_id = enqueue("q")
    put(grader, pull(grader).header, "{}")
    assert ask(grader) == EMPTY
    assert job(submission_id).available_at > now()  # type: ignore[operator]
    let_leases_run_out()
    assert pull(grader).submission_id == submission_id


def test_a_deleted_submission_is_not_handed_out(grader: Client) -> None:
    submission_id = enqueue("q")
    Submission.objects.filter(pk=submission_id).update(status="D")
    assert ask(grader) == EMPTY
    assert job(submission_id).status == "retired"


# Which queue. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"queue_name": ""}, {"queue": "q"}, {"QUEUE_NAME": "q"}])
def test_a_missing_queue_name_is_told(grader: Client, query: dict[str, str]) -> None:
    said_so = {"return_code": 1, "content": "'get_submission' must provide parameter 'queue_name'"}
    assert said(grader.get(PATH, query)) == (400, said_so)


def test_an_empty_queue_says_so(grader: Client) -> None:
    GraderQueue.objects.create(name="q")
    assert ask(grader) == EMPTY


def test_a_queue_that_nobody_set_up_looks_empty(grader: Client) -> None:
    assert ask(grader) == EMPTY
    assert not GraderQueue.objects.exists()


def test_a_strict_registry_knows_only_what_was_set_up(grader: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_STRICT_QUEUES = True
    assert ask(grader) == NOT_FOUND
    GraderQueue.objects.create(name="q")
    assert ask(grader) == EMPTY


def test_a_paused_queue_looks_empty_and_keeps_its_jobs(grader: Client) -> None:
    submission_id = enqueue("q")
    GraderQueue.objects.filter(name="q").update(paused=True)
    assert ask(grader) == EMPTY
    GraderQueue.objects.filter(name="q").update(paused=False)
    assert pull(grader).submission_id == submission_id


def test_a_queue_granted_to_others_is_not_found(account: User, grader: Client) -> None:
    submission_id = enqueue("q")
    queue = GraderQueue.objects.get(name="q")
    queue.graders.add(make_grader("other"))
    assert ask(grader) == NOT_FOUND
    assert job(submission_id).status == "pending"
    queue.graders.add(account)
    assert pull(grader).submission_id == submission_id


def test_a_grant_taken_away_ends_the_access(account: User, grader: Client) -> None:
    enqueue("q")
    queue = GraderQueue.objects.get(name="q")
    queue.graders.add(account, make_grader("other"))
    queue.graders.remove(account)
    assert ask(grader) == NOT_FOUND


@pytest.mark.parametrize(
    "name", ["' OR 1=1 --", "<script>", "q" * 129, "q" * 5000, "sch\u00f6n \U0001f600", "%", "../q"]
)
def test_a_hostile_name_is_the_name_of_an_empty_queue(grader: Client, name: str) -> None:
    submission_id = enqueue("q")
    assert ask(grader, name) == (200, {"return_code": 1, "content": f"Queue '{name}' is empty"})
    assert job(submission_id).status == "pending"


@pytest.mark.parametrize("name", ["\0", "q\0", "q\n", "\u202eq", "\x7f"])
def test_a_name_that_cannot_be_printed_is_the_name_of_no_queue(grader: Client, name: str) -> None:
    submission_id = enqueue("q")
    assert ask(grader, name) == (200, {"return_code": 1, "content": f"Queue '{name}' not found"})
    assert job(submission_id).status == "pending"

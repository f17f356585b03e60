"""What is too much is refused whole, with a sentence; grants close a queue for good; proxies are counted."""

from __future__ import annotations

import io
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client
from pytest_django import Settings

from gradequeue.http import bodies, proxies
from gradequeue.wsgi import application
from submissions import queue
from submissions.errors import QueueFull, SubmissionRequestError
from submissions.models import ExternalGraderDetail, GraderQueue, Submission, SubmissionFile
from tests.make import enqueue
from tests.xqueue.talk import make_grader, pull, put, said


def stored() -> tuple[int, int, int]:
    return Submission.objects.count(), ExternalGraderDetail.objects.count(), SubmissionFile.objects.count()


def test_a_full_queue_says_so_and_keeps_nothing(grader: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_QUEUE_MAX_WAITING = 2
    enqueue("q")
    enqueue("q")
    with pytest.raises(QueueFull, match=r"^Queue 'q' is full: 2 jobs wait already. Try again later.$"):
        enqueue("q", files={"a.txt": "x"})
    assert stored() == (2, 2, 0)
    enqueue("another")
    put(grader, pull(grader).header)
    enqueue("q")


def test_a_student_has_a_share_of_a_queue(db: None, settings: Settings) -> None:
    settings.SUBMISSIONS_STUDENT_MAX_WAITING = 1
    enqueue("q", student="ada")
    with pytest.raises(QueueFull, match="1 job of this student waits already"):
        enqueue("q", student="ada")
    enqueue("q", student="bob")
    assert stored() == (2, 2, 0)


@pytest.mark.parametrize(
    ("setting", "files", "sentence"),
    [
        ("FILES_MAX_COUNT", {"a": "1", "b": "2", "c": "3"}, "A submission can have 2 files, not 3."),
        ("FILE_MAX_BYTES", {"a": "123"}, "The file 'a' has 3 bytes, where 2 are allowed."),
        ("FILE_MAX_BYTES", {"a": io.BytesIO(b"123")}, "The file 'a' has 3 bytes, where 2 are allowed."),
        ("FILES_MAX_BYTES", {"a": "12", "b": "3"}, "The files have 3 bytes together, where 2 are allowed."),
    ],
)
def test_too_many_or_too_large_files_are_refused_whole(
    db: None, settings: Settings, setting: str, files: dict[str, object], sentence: str
) -> None:
    setattr(settings, f"SUBMISSIONS_{setting}", 2)
    with pytest.raises(SubmissionRequestError) as refusal:
        enqueue("q", files=files)
    assert refusal.value.field_errors == {"files": [sentence]}
    assert stored() == (0, 0, 0)


@pytest.mark.parametrize(
    ("limits", "files", "sentence"),
    [
        ({"files_max_count": 1}, {"a": "1", "b": "2"}, "A submission to this queue can have 1 file, not 2."),
        ({"files_max_count": 0}, {"a": "1"}, "A submission to this queue can have 0 files, not 1."),
        ({"files_max_bytes": 2}, {"a": "12", "b": "3"}, "The files have 3 bytes together, where 2 are allowed."),
        ({"files_max_bytes": 2}, {"a": io.BytesIO(b"123")}, "The files have 3 bytes together, where 2 are allowed."),
    ],
)
def test_a_queue_may_take_less_than_the_site(
    db: None, limits: dict[str, int], files: dict[str, object], sentence: str
) -> None:
    GraderQueue.objects.create(name="q", **limits)
    with pytest.raises(SubmissionRequestError) as refusal:
        enqueue("q", files=files)
    assert refusal.value.field_errors == {"files": [sentence]}
    assert stored() == (0, 0, 0)
    enqueue("another", files=files)
    assert stored() == (1, 1, len(files))


def test_a_queue_whose_only_grader_is_deleted_stays_closed(grader: Client) -> None:
    other = make_grader("other")
    GraderQueue.objects.create(name="q").graders.add(other)
    enqueue("q")
    other.delete()
    response = grader.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert said(response) == (200, {"return_code": 1, "content": "Queue 'q' not found"})
    assert queue.depth("q") == 1


def test_a_grant_from_the_accounts_side_closes_the_queue_too(account: User) -> None:
    row = GraderQueue.objects.create(name="q")
    account.granted_queues.add(row)
    row.refresh_from_db()
    assert row.restricted is True


def test_the_deployment_check_names_open_queues(db: None) -> None:
    GraderQueue.objects.create(name="open")
    GraderQueue.objects.create(name="closed", restricted=True)
    found = [warning.msg for warning in run_checks(include_deployment_checks=True) if warning.id == "submissions.W001"]
    assert found == ["Every grader may pull from these queues: 'open'."]


@pytest.mark.parametrize(
    ("count", "header", "address"),
    [
        (0, "6.6.6.6", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "6.6.6.6, 10.0.0.1", "10.0.0.1"),
        (2, "6.6.6.6, 10.0.0.1, 10.0.0.2", "10.0.0.1"),
        (3, "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        (1, "10.0.0.1:4711", "10.0.0.1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "<script>", "127.0.0.1"),
    ],
)
def test_as_many_proxies_are_believed_as_are_counted(settings: Settings, count: int, header: str, address: str) -> None:
    settings.TRUSTED_PROXIES = count
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": header, "HTTP_X_FORWARDED_PROTO": "http, https"}
    proxies.apply(environ)
    assert environ["REMOTE_ADDR"] == address
    assert environ.get("HTTP_X_FORWARDED_PROTO") == {0: None, 1: "https", 2: "http", 3: "http"}[count]


# Bodies, before anybody is known. -------------------------------------------------------------------------------------

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("path", "length", "left"),
    [
        ("/admin/login/", 16_384, "16384"),
        ("/admin/login/", 16_385, "0"),
        ("/xqueue/login/", 16_385, "0"),
        ("/dashboard/notifications/", MIB, "1048576"),
        ("/dashboard/notifications/", MIB + 1, "0"),
        ("/admin/submissions/graderqueue/add/", MIB + 1, "0"),
        ("/", MIB + 1, "0"),
        # Too much anywhere: the view says so.
        ("/admin/", 25 * MIB + 1, "26214401"),
        ("/xqueue/put_result/", MIB + 1, "1048577"),
        ("/xqueue/submit/", MIB + 1, "1048577"),
        ("/api/external_grading/v1/submissions/", MIB + 1, "1048577"),
    ],
)
def test_a_page_reads_no_more_of_a_form_than_it_needs(path: str, length: int, left: str) -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(length),
        "wsgi.input": io.BytesIO(b"x" * length),
    }
    assert bodies.read_whole(environ)
    assert environ["CONTENT_LENGTH"] == left
    assert len(environ["wsgi.input"].read()) == (0 if path == "/admin/" else int(left))


@pytest.mark.parametrize(
    ("charset", "read_as"),
    [
        ("punycode", "application/octet-stream"),
        ("PunyCode", "application/octet-stream"),
        ("idna", "application/octet-stream"),
        ("latin-1", "multipart/form-data; boundary=b; charset=latin-1"),
    ],
)
def test_no_charset_is_read_that_takes_the_square_of_a_text(db: None, charset: str, read_as: str) -> None:
    """Two megabytes of punycode take Python minutes, and Django reads a form before anybody is known."""
    environ: dict[str, Any] = {
        "CONTENT_TYPE": f"multipart/form-data; boundary=b; charset={charset}",
        "CONTENT_LENGTH": "9",
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/livez",
        "wsgi.input": io.BytesIO(b"--b--\r\n\r\n"),
    }
    setup_testing_defaults(environ)
    b"".join(application(environ, lambda *_: lambda data: None))
    assert environ["CONTENT_TYPE"] == read_as

"""submit/: what a platform hands in over HTTP is a job, byte for byte, once."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from submissions.models import Delivery, ExternalGraderDetail, GraderQueue, Submission, SubmissionFile
from tests.make import enqueue
from tests.xqueue.talk import (
    CALLBACK,
    PASSWORD,
    STUDENT_INFO,
    Http,
    header,
    job,
    lms_body,
    log_in,
    make_grader,
    make_submitter,
    points,
    pull,
    put,
    said,
    submit,
)

OK = (200, {"return_code": 0, "content": "1"})
INVALID = (200, {"return_code": 1, "content": "Queue request has invalid format"})
LOGIN_REQUIRED = {"return_code": 1, "content": "login_required"}


def refused(content: str) -> tuple[int, dict[str, Any]]:
    return 200, {"return_code": 1, "content": content}


@pytest.fixture
def lms(db: None) -> Client:
    """A logged-in platform's client."""
    make_submitter()
    return log_in("lms")


def the_job() -> ExternalGraderDetail:
    return ExternalGraderDetail.objects.get()


# All is well. ---------------------------------------------------------------------------------------------------------


def test_a_submission_reaches_the_grader_byte_for_byte_and_owes_its_callback(lms: Client, grader: Client) -> None:
    head, body = header(), lms_body("print('\u00e4\U0001f600')\r\n")
    assert submit(lms, head, body) == OK
    content = grader.get("/xqueue/get_submission/", {"queue_name": "q"}).json()["content"]
    assert json.loads(content)["xqueue_body"] == body
    assert json.loads(content)["xqueue_files"] == "{}"
    delivery = Delivery.objects.get(transport="callback")
    assert (delivery.header, delivery.destination) == (head, CALLBACK.format("p1"))
    assert (delivery.state, delivery.job_id, delivery.account) == ("waiting", the_job().pk, "lms")


def test_the_result_makes_the_callback_due(lms: Client, grader: Client) -> None:
    submit(lms)
    work = pull(grader)
    assert put(grader, work.header) == (200, {"return_code": 0, "content": ""})
    assert Delivery.objects.get(transport="callback").state == "due"
    assert (job(work.submission_id).status, points(work.submission_id)) == ("retired", 1)


def test_what_is_recognised_can_be_searched(lms: Client) -> None:
    assert submit(lms) == OK
    found = the_job()
    assert found.submission.student_item.student_item_dict == {
        "student_id": "a1b2c3",
        "course_id": "course-v1:X+CS101+R1",
        "item_id": "block-v1:X+CS101+R1+type@problem+block@p1",
        "item_type": "problem",
    }
    assert (found.submission.answer, found.queue_key) == ("print(1)", "key-1")
    assert (found.grader_file_name, found.grader_payload) == ("ps1/one.py", '{"grader": "ps1/one.py"}')
    assert found.student_info == STUDENT_INFO


@pytest.mark.parametrize("path", ["/xqueue/submit/", "/xqueue/submit"])
@pytest.mark.parametrize("kind", ["form", "json", "nested json"])
def test_any_form_of_the_request_will_do(lms: Client, path: str, kind: str) -> None:
    head, body = header(), lms_body("a=1&b=%20+\u20ac")
    if kind == "form":
        text = urlencode({"xqueue_header": head, "xqueue_body": body, "block": "true"})
        response = lms.post(path, text, content_type="application/x-www-form-urlencoded")
    elif kind == "json":
        response = lms.post(path, {"xqueue_header": head, "xqueue_body": body}, content_type="application/json")
    else:
        nested = {"xqueue_header": json.loads(head), "xqueue_body": json.loads(body)}
        response = lms.post(path, nested, content_type="application/json")
    assert said(response) == OK
    assert json.loads(str(the_job().body)) == json.loads(body)
    assert json.loads(str(Delivery.objects.get().header)) == json.loads(head)
    if kind != "nested json":
        assert (the_job().body, Delivery.objects.get().header) == (body, head)


def test_files_are_known_by_the_names_of_their_parts(lms: Client, grader: Client) -> None:
    files = {
        "hello.c": SimpleUploadedFile("other name.c", b"int main() {}\0\xff"),
        "na\u00efve \U0001f600.txt": SimpleUploadedFile("x", b"seen"),
        "empty": SimpleUploadedFile("empty", b""),
    }
    assert submit(lms, **files) == OK
    assert {row.original_filename: row.file.read() for row in SubmissionFile.objects.all()} == {
        "hello.c": b"int main() {}\0\xff",
        "na\u00efve \U0001f600.txt": b"seen",
        "empty": b"",
    }
    work = pull(grader)
    assert sorted(work.files) == ["empty", "hello.c", "na\u00efve \U0001f600.txt"]
    assert b"".join(Http().get(work.files["hello.c"])) == b"int main() {}\0\xff"


def test_a_file_with_an_odd_file_name_is_kept_too(lms: Client) -> None:
    fields = part("xqueue_header", header().encode()), part("xqueue_body", b"b")
    assert post_parts(lms, *fields, part("a/b.c", b"x", b'; filename=".."')) == OK
    assert [row.original_filename for row in SubmissionFile.objects.all()] == ["a/b.c"]


def test_the_content_counts_what_waits_as_a_text(lms: Client, grader: Client) -> None:
    for number in (1, 2, 3):
        assert submit(lms, header(f"k{number}", problem=f"p{number}")) == (
            200,
            {"return_code": 0, "content": str(number)},
        )
    pull(grader)
    assert submit(lms, header("k4", problem="p4")) == (200, {"return_code": 0, "content": "3"})


@pytest.mark.parametrize(
    "body", ["", "plain text", "[1, 2]", "null", "1", '{"a": 1}', "{" * 5000, '"\\ud800"', " \r\n"]
)
def test_a_body_that_is_no_lms_body_is_handed_on_as_it_is(lms: Client, grader: Client, body: str) -> None:
    assert submit(lms, body=body) == OK
    content = grader.get("/xqueue/get_submission/", {"queue_name": "q"}).json()["content"]
    assert json.loads(content)["xqueue_body"] == body
    item = the_job().submission.student_item
    assert (item.student_id, item.course_id) == ("7", "course-v1:X+CS101+R1")
    assert the_job().submission.answer == body


def test_an_odd_callback_names_host_and_address_instead_of_course_and_item(lms: Client) -> None:
    url = "https://platform.example:8443/back?attempt=5"
    assert submit(lms, header(lms_callback_url=url), "text") == OK
    item = the_job().submission.student_item
    assert (item.student_id, item.course_id, item.item_id) == ("unknown", "platform.example", url)
    assert Delivery.objects.get().destination == url


def test_nothing_is_cut_at_128_or_1024_characters(lms: Client) -> None:
    url = f"https://lms.example/{'x' * 3000}/back"
    head = header("k" * 500, lms_callback_url=url, more="y" * 2000)
    assert submit(lms, head) == OK
    delivery = Delivery.objects.get()
    assert (delivery.header, delivery.destination) == (head, url)
    assert the_job().queue_key == "k" * 128
    item_id = the_job().submission.student_item.item_id
    assert (len(item_id), item_id[:190]) == (255, url[:190])


@pytest.mark.parametrize(
    "body",
    [
        {"student_info": 5, "grader_payload": {"grader": 7}, "student_response": [1]},
        {"student_info": "[" * 2000, "grader_payload": "\0", "student_response": "\ud800"},
        {"student_info": '{"anonymous_student_id": "\\u0000"}', "grader_payload": None},
        {"student_info": {"anonymous_student_id": "  "}, "student_response": None},
        {"student_info": json.dumps({"anonymous_student_id": "z" * 300})},
    ],
)
def test_odd_members_of_the_body_refuse_nothing(lms: Client, grader: Client, body: dict[str, Any]) -> None:
    assert submit(lms, body=json.dumps(body)) == OK
    content = grader.get("/xqueue/get_submission/", {"queue_name": "q"}).json()["content"]
    assert json.loads(content)["xqueue_body"] == json.dumps(body)


def test_an_answer_larger_than_answers_may_be_stays_in_the_body_alone(lms: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_ANSWER_MAX_BYTES = 100
    assert submit(lms, body=lms_body("x" * 100)) == OK
    assert the_job().submission.answer == "x" * 100
    assert submit(lms, header("k2"), lms_body("\u00e4" * 51)) == OK
    newest = Submission.objects.latest("pk")
    assert newest.answer == ""
    assert json.loads(str(job(newest.pk).body))["student_response"] == "\u00e4" * 51


def test_a_body_of_many_megabytes_is_handed_on_or_refused_with_the_reason(
    lms: Client, grader: Client, kind: str
) -> None:
    # The answer, 6 MB, is more than answers may be; the quotes take twice their length in an SQL text.
    body = lms_body('"x' * 2_000_000)
    assert submit(lms, body=body) == OK
    content = grader.get("/xqueue/get_submission/", {"queue_name": "q"}).json()["content"]
    assert json.loads(content)["xqueue_body"] == body
    status, told = submit(lms, header("k2"), "'" * 12_000_000)
    if kind == "mariadb" and max_allowed_packet() < 24_000_000:
        assert (status, told) == refused("xqueue_body: The database takes no text of this length.")
    else:
        assert (status, told["return_code"]) == (200, 0)


def max_allowed_packet() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        return int(cursor.fetchone()[0])


# Refusals. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_submits(lms: Client, method: str) -> None:
    assert said(lms.generic(method, "/xqueue/submit/")) == refused("Queue requests should use HTTP POST")


@pytest.mark.parametrize(
    "head",
    [
        "",
        "text",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        json.dumps({"lms_callback_url": "https://a.example/", "lms_key": "k"}),
        json.dumps({"lms_callback_url": "https://a.example/", "queue_name": "q"}),
        json.dumps({"lms_key": "k", "queue_name": "q"}),
        header(lms_callback_url=None),
        header(lms_callback_url=["https://a.example/"]),
        header(lms_key=None),
        header(queue_name={"a": 1}),
        header(queue_name=True),
    ],
)
def test_a_header_that_cannot_be_understood_is_refused(lms: Client, head: str) -> None:
    assert submit(lms, head) == INVALID
    assert not ExternalGraderDetail.objects.exists()


@pytest.mark.parametrize("fields", [{}, {"xqueue_header": header()}, {"xqueue_body": "b"}, {"xqueue_header": ""}])
def test_both_fields_are_needed(lms: Client, fields: dict[str, str]) -> None:
    assert said(lms.post("/xqueue/submit/", fields)) == INVALID
    assert said(lms.post("/xqueue/submit/", fields, content_type="application/json")) == INVALID
    text = urlencode(fields)
    assert said(lms.post("/xqueue/submit/", text, content_type="application/x-www-form-urlencoded")) == INVALID


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data"])
def test_a_body_of_another_kind_is_refused(lms: Client, kind: str) -> None:
    text = urlencode({"xqueue_header": header(), "xqueue_body": "b"})
    assert said(lms.generic("POST", "/xqueue/submit/", text, content_type=kind)) == INVALID


NOT_UTF8 = refused("Queue request has invalid format: it is not UTF-8")


def part(name: str, content: bytes, extra: bytes = b"") -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="' + name.encode("latin-1") + b'"' + extra
    return head + b"\r\n\r\n" + content + b"\r\n"


def post_parts(http: Client, *parts: bytes, end: bytes = b"--b--\r\n") -> tuple[int, dict[str, Any]]:
    data = b"".join(parts) + end
    return said(http.generic("POST", "/xqueue/submit/", data, content_type="multipart/form-data; boundary=b"))


def test_a_body_that_is_not_utf8_is_refused_with_the_reason(lms: Client) -> None:
    quoted = urlencode({"xqueue_header": header()}) + "&xqueue_body=%ff"
    assert said(lms.post("/xqueue/submit/", quoted, content_type="application/x-www-form-urlencoded")) == NOT_UTF8
    raw = urlencode({"xqueue_header": header()}).encode() + b"&xqueue_body=\xe4"
    response = lms.generic("POST", "/xqueue/submit/", raw, content_type="application/x-www-form-urlencoded")
    assert said(response) == NOT_UTF8
    assert post_parts(lms, part("xqueue_header", header().encode()), part("xqueue_body", b"\xe4")) == NOT_UTF8
    text = json.dumps({"xqueue_header": header(), "xqueue_body": "x"}).encode().replace(b'"x"', b'"\xe4"')
    assert said(lms.generic("POST", "/xqueue/submit/", text, content_type="application/json")) == NOT_UTF8
    assert not ExternalGraderDetail.objects.exists()


def test_a_body_in_chunks_that_breaks_off_is_no_submission(lms: Client) -> None:
    """No header says how long it is; only that its JSON has no end."""
    whole = urlencode({"xqueue_header": header(), "xqueue_body": '{"student_response": "print(1)"}'})
    form, chunks = "application/x-www-form-urlencoded", {"Transfer-Encoding": "chunked"}
    answer = said(lms.post("/xqueue/submit/", whole[:-6], content_type=form, headers=chunks))
    assert answer == refused("Queue request has invalid format: it may have broken off")
    assert not ExternalGraderDetail.objects.exists()
    assert said(lms.post("/xqueue/submit/", whole, content_type=form, headers=chunks)) == OK


def test_a_replacement_character_of_the_learners_own_is_no_fault(lms: Client) -> None:
    assert submit(lms, body="\ufffd") == OK
    assert the_job().body == "\ufffd"


@pytest.mark.parametrize("body", ["\0", "a\0b"])
def test_a_body_with_nul_is_refused_with_the_reason(lms: Client, body: str) -> None:
    reason = "xqueue_body has characters that cannot be kept (NUL, or half of a surrogate pair)"
    assert submit(lms, body=body) == refused(f"Queue request has invalid format: {reason}")


def test_half_a_surrogate_pair_is_refused_with_the_reason(lms: Client) -> None:
    fields = {"xqueue_header": header(), "xqueue_body": "\ud800"}
    reason = "xqueue_body has characters that cannot be kept (NUL, or half of a surrogate pair)"
    response = lms.post("/xqueue/submit/", json.dumps(fields), content_type="application/json")
    assert said(response) == refused(f"Queue request has invalid format: {reason}")


def test_a_file_whose_part_cannot_be_read_is_not_lost_in_silence(lms: Client) -> None:
    fields = part("xqueue_header", header().encode()), part("xqueue_body", b"b")
    broken = refused("Queue request has invalid format: a part of it cannot be read")
    assert post_parts(lms, *fields, part("\xe4.c", b"x", b'; filename="a"')) == broken
    assert post_parts(lms, *fields, b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n") == broken
    assert post_parts(lms, *fields, part("a.c", b"x", b'; filename="a.c"'), end=b"") == broken
    assert not ExternalGraderDetail.objects.exists()
    assert post_parts(lms, *fields, part("a.c", b"x", b'; filename="a.c"')) == OK


def test_of_two_files_with_one_name_none_is_lost_in_silence(lms: Client) -> None:
    fields = part("xqueue_header", header().encode()), part("xqueue_body", b"b")
    first, second = part("a.c", b"1", b'; filename="a.c"'), part("a.c", b"2", b'; filename="a.c"')
    reason = "Queue request has invalid format: it has 2 files named 'a.c'"
    assert post_parts(lms, *fields, first, second) == refused(reason)
    assert not ExternalGraderDetail.objects.exists()


BEGIN = "The address must begin with https:// or http:// and name a host."
CHARACTERS = "The address has characters that no URL has."


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", BEGIN),
        ("lms.example/x", BEGIN),
        ("ftp://lms.example/", BEGIN),
        ("javascript:alert(1)", BEGIN),
        ("file:///etc/passwd", BEGIN),
        ("https:///x", BEGIN),
        ("https://lms.example/\n", CHARACTERS),
        ("https://a b/", CHARACTERS),
        ("https://[::1", "The address is no URL."),
        ("https://user:word@lms.example/", "The address must not hold a name or a password."),
        ("http://127.0.0.1/x", "127.0.0.1 is not a public address."),
        ("http://169.254.169.254/latest/", "169.254.169.254 is not a public address."),
        ("http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1 is not a public address."),
    ],
)
def test_a_callback_that_can_never_be_called_is_refused_at_once(lms: Client, url: str, reason: str) -> None:
    told = f"Queue request has invalid format: lms_callback_url: {reason}"
    assert submit(lms, header(lms_callback_url=url)) == refused(told)
    assert not ExternalGraderDetail.objects.exists()


def test_a_callback_to_a_host_that_is_not_allowed_is_refused_at_once(lms: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_CALLBACK_HOSTS = ["lms.example"]
    told = "Queue request has invalid format: lms_callback_url: Results may not be sent to evil.example."
    assert submit(lms, header(lms_callback_url="https://evil.example/")) == refused(told)
    assert submit(lms) == OK
    queue = GraderQueue.objects.get(name="q")
    queue.callback_hosts = "*.other.example"
    queue.save()
    assert submit(lms, header("k2"))[1]["content"] == told.replace("evil", "lms")
    assert submit(lms, header("k3", lms_callback_url="https://a.other.example/"))[1]["return_code"] == 0


def test_a_private_address_can_be_allowed(lms: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    assert submit(lms, header(lms_callback_url="http://127.0.0.1:9/back")) == OK


def test_an_unknown_queue_is_set_up_by_its_first_submission_unless_the_registry_is_strict(
    lms: Client, settings: Settings
) -> None:
    settings.SUBMISSIONS_STRICT_QUEUES = True
    assert submit(lms) == refused("Queue 'q' not found")
    assert not ExternalGraderDetail.objects.exists()
    GraderQueue.objects.create(name="q")
    assert submit(lms) == OK
    settings.SUBMISSIONS_STRICT_QUEUES = False
    assert submit(lms, header(queue_name="Org-Course_1")) == OK


@pytest.mark.parametrize("name", ["", " ", "a\n", "q" * 129, "\0"])
def test_a_queue_that_cannot_be_is_not_found(lms: Client, name: str) -> None:
    assert submit(lms, header(queue_name=name)) == refused(f"Queue '{name}' not found")


def test_a_full_queue_says_so(lms: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_QUEUE_MAX_WAITING = 1
    assert submit(lms) == OK
    full = refused("Queue 'q' is full: 1 job waits already. Try again later.")
    assert submit(lms, header("k2", problem="p2")) == full
    assert submit(lms) == OK


def test_too_large_is_told_and_not_read(lms: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_REQUEST_MAX_BYTES = 1000
    assert submit(lms, body="x" * 1000) == refused("The request is larger than 1000 bytes")
    assert not ExternalGraderDetail.objects.exists()


def test_files_over_the_limits_refuse_the_whole_submission(lms: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_FILES_MAX_COUNT = 1
    files = {"a": SimpleUploadedFile("a", b"1"), "b": SimpleUploadedFile("b", b"2")}
    assert submit(lms, **files) == refused("files: A submission can have 1 file, not 2.")
    many = {f"f{number}": SimpleUploadedFile("f", b"1") for number in range(102)}
    assert submit(lms, **many) == refused("Queue request has invalid format: it has more than 101 files")
    assert not ExternalGraderDetail.objects.exists()
    assert not SubmissionFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_storage_that_fails_keeps_nothing_and_says_that_it_is_our_fault(
    lms: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EDX_SUBMISSIONS = {
        "MEDIA": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": "/dev/null/no"}}
    }
    internal = (500, {"return_code": 1, "content": "Internal error; please try again"})
    assert submit(lms, **{"a.c": SimpleUploadedFile("a.c", b"x")}) == internal
    assert not Submission.objects.exists()
    assert "could not be stored" in caplog.text


# Who may. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_session_the_platform_is_sent_to_login(stranger: Client, db: None, method: str) -> None:
    response = stranger.generic(method, "/xqueue/submit/")
    assert said(response) == (302, LOGIN_REQUIRED)
    assert response["Location"] == "/xqueue/login/?next=/xqueue/submit/"
    assert said(stranger.get(response["Location"])) == (200, LOGIN_REQUIRED)
    assert said(stranger.generic(method, "/xqueue/submit", headers={"Authorization": "Bearer x"})) == (
        401,
        LOGIN_REQUIRED,
    )


def test_a_grader_may_not_submit_and_is_not_sent_to_login(grader: Client) -> None:
    assert submit(grader) == refused("This account may not submit")
    assert not ExternalGraderDetail.objects.exists()


def test_a_platform_may_not_grade_and_is_not_sent_to_login(lms: Client, grader: Client) -> None:
    submit(lms)
    assert said(lms.get("/xqueue/get_submission/", {"queue_name": "q"})) == refused("Queue 'q' not found")
    assert said(lms.get("/xqueue/get_queuelen/", {"queue_name": "q"})) == refused("Valid queue names are: ")
    work = pull(grader)
    assert put(lms, work.header) == (404, {"return_code": 1, "content": "Submission does not exist"})
    assert job(work.submission_id).status == "pulled"
    assert put(grader, work.header) == (200, {"return_code": 0, "content": ""})


def test_an_account_in_both_groups_may_do_both(account: User) -> None:
    make_submitter("lms").groups.set([*account.groups.all(), *User.objects.get(username="lms").groups.all()])
    http = log_in("lms")
    assert submit(http) == OK
    assert pull(http).body["student_response"] == "print(1)"


@pytest.mark.parametrize("fields", [{"is_superuser": True}, {"is_staff": True}, {}])
def test_whoever_is_in_neither_group_cannot_log_in(db: None, stranger: Client, fields: dict[str, Any]) -> None:
    User.objects.create_user("root", password=PASSWORD, **fields)
    response = stranger.post("/xqueue/login/", {"username": "root", "password": PASSWORD})
    assert said(response) == (401, {"return_code": 1, "content": "Incorrect login credentials"})


@pytest.mark.parametrize("how", ["group", "inactive", "password"])
def test_a_session_ends_with_the_right_to_it(lms: Client, how: str) -> None:
    user = User.objects.get(username="lms")
    if how == "group":
        user.groups.clear()
    elif how == "inactive":
        User.objects.update(is_active=False)
    else:
        user.set_password("another one")
        user.save()
    assert submit(lms) == (302, LOGIN_REQUIRED)
    assert said(lms.get("/xqueue/get_submission/", {"queue_name": "q"})) == (302, LOGIN_REQUIRED)
    assert not ExternalGraderDetail.objects.exists()


def test_a_grant_lets_an_account_submit_to_its_queue_and_no_other(db: None) -> None:
    user = User.objects.create_user("course", password=PASSWORD)
    GraderQueue.objects.create(name="q").submitters.add(user)
    GraderQueue.objects.create(name="other")
    http = log_in("course")
    assert submit(http) == OK
    for name in ("other", "new"):
        assert submit(http, header(queue_name=name)) == refused(f"Queue '{name}' not found")
    assert said(http.get("/xqueue/get_submission/", {"queue_name": "q"})) == refused("Queue 'q' not found")
    user.submitting_queues.clear()
    assert submit(http) == (302, LOGIN_REQUIRED)


def test_a_queue_that_is_closed_to_graders_takes_submissions(lms: Client) -> None:
    GraderQueue.objects.create(name="q").graders.add(make_grader("other"))
    assert submit(lms) == OK


def test_pages_of_other_sites_are_refused(lms: Client) -> None:
    response = lms.post("/xqueue/submit/", {"xqueue_header": header()}, headers={"Sec-Fetch-Site": "cross-site"})
    assert said(response) == (403, {"return_code": 1, "content": "Requests from other sites are refused"})


# Once. ----------------------------------------------------------------------------------------------------------------


def test_the_same_post_again_is_one_job_and_the_same_answer(lms: Client) -> None:
    for _ in range(2):
        assert submit(lms, **{"a.c": SimpleUploadedFile("a.c", b"x")}) == OK
    assert (ExternalGraderDetail.objects.count(), SubmissionFile.objects.count()) == (1, 1)


def test_the_same_post_after_the_result_is_still_the_same_job(lms: Client, grader: Client) -> None:
    submit(lms)
    put(grader, pull(grader).header)
    assert submit(lms) == (200, {"return_code": 0, "content": "0"})
    assert the_job().status == "retired"


@pytest.mark.parametrize("what", ["key", "body", "file", "queue", "callback", "account"])
def test_another_submission_is_another_job(lms: Client, what: str) -> None:
    submit(lms, **{"a.c": SimpleUploadedFile("a.c", b"x")})
    http, head, body, content = lms, header(), lms_body(), b"x"
    if what == "key":
        head = header("key-2")
    elif what == "body":
        body = lms_body("print(2)")
    elif what == "file":
        content = b"y"
    elif what == "queue":
        head = header(queue_name="q2")
    elif what == "callback":
        head = header(problem="p2")
    else:
        make_submitter("another")
        http = log_in("another")
    assert submit(http, head, body, **{"a.c": SimpleUploadedFile("a.c", content)})[1]["return_code"] == 0
    assert ExternalGraderDetail.objects.count() == 2


# Superseding. ---------------------------------------------------------------------------------------------------------


def states() -> list[str]:
    return list(ExternalGraderDetail.objects.order_by("pk").values_list("status", flat=True))


def test_a_newer_submission_to_the_same_callback_retires_the_one_that_waits(lms: Client) -> None:
    submit(lms, header("k1"))
    submit(lms, header("k2"))
    assert states() == ["retired", "pending"]
    first, second = ExternalGraderDetail.objects.order_by("pk")
    assert first.last_error == f"Superseded by submission {second.submission_id}."


def test_another_problem_of_the_same_learner_stays_however_alike_the_addresses_begin(lms: Client) -> None:
    assert len(CALLBACK.partition("{")[0]) < 128 < len(CALLBACK.format("f" * 32))
    long = "https://lms.example/courses/course-v1:Organisation+CourseNumber101+2026_Spring_Semester/xqueue/1234567/"
    urls = [f"{long}block-v1:Organisation+CourseNumber101+type@problem+block@{n}/score_update" for n in "ab"]
    assert urls[0][:128] == urls[1][:128]
    for number, url in enumerate(urls):
        submit(lms, header(f"k{number}", lms_callback_url=url))
    assert states() == ["pending", "pending"]


def test_what_a_grader_has_already_is_not_superseded(lms: Client, grader: Client) -> None:
    submit(lms, header("k1"))
    work = pull(grader)
    submit(lms, header("k2"))
    assert states() == ["pulled", "pending"]
    assert put(grader, work.header) == (200, {"return_code": 0, "content": ""})


def test_two_learners_with_one_callback_do_not_supersede_each_other(lms: Client) -> None:
    url = "https://platform.example/back"
    for number, info in enumerate(["", '{"anonymous_student_id": "a"}', '{"anonymous_student_id": "b"}', ""]):
        submit(lms, header(f"k{number}", lms_callback_url=url), lms_body(info=info))
    assert states() == ["pending"] * 4
    submit(lms, header("k9", lms_callback_url=url), lms_body(info='{"anonymous_student_id": "a"}'))
    assert states() == ["pending", "retired", "pending", "pending", "pending"]


def test_another_account_does_not_supersede_what_waits_whatever_address_it_names(lms: Client) -> None:
    make_submitter("other")
    submit(lms, header("k1"))
    submit(log_in("other"), header("k2"))
    assert states() == ["pending", "pending"]
    submit(lms, header("k3"))
    assert states() == ["retired", "pending", "pending"]


# Scores. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", ["ratio", "points"])
@pytest.mark.parametrize(("score", "earned", "possible"), [(0.7, 0.7, 1), (25, 25, 25), (1, 1, 1), (0, 0, 1)])
def test_the_maximum_is_the_platforms_to_know(
    lms: Client, grader: Client, meaning: str, score: float, earned: float, possible: float
) -> None:
    GraderQueue.objects.create(name="q", score_meaning=meaning)
    submit(lms)
    work = pull(grader)
    reply = json.dumps({"correct": True, "score": score, "msg": "<p/>"})
    assert put(grader, work.header, reply) == (200, {"return_code": 0, "content": ""})
    score_row = the_job().submission.score_set.get()
    assert (score_row.points_earned, score_row.points_possible) == (earned, possible)
    assert the_job().grader_reply == reply
    out = io.StringIO()
    call_command("show", str(work.submission_id), "--json", stdout=out)
    shown = json.loads(out.getvalue())
    assert (shown["points_earned"], shown["points_possible"]) == (earned, None)


@pytest.mark.parametrize("score", ["-1", "1000001", "1e400", "NaN", "true", '"1"', "null"])
def test_what_is_no_number_of_points_is_refused(lms: Client, grader: Client, score: str) -> None:
    submit(lms)
    status, told = put(grader, pull(grader).header, f'{{"score": {score}}}')
    assert (status, told["return_code"]) == (400, 1)
    assert told["content"].startswith("The score must be ")
    assert the_job().status == "retry"


def test_a_submission_of_the_python_api_keeps_its_maximum(grader: Client) -> None:
    enqueue()
    told = put(grader, pull(grader).header, '{"score": 7}')
    assert told == (400, {"return_code": 1, "content": "The score must be between 0 and 1, not 7."})

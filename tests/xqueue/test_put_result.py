"""put_result/ ends a claim: with a score that is stored, or with a refusal that loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from submissions import queue, signals
from submissions.models import GraderQueue, Score, Submission
from tests.make import enqueue
from tests.xqueue.talk import (
    GOOD,
    PASSWORD,
    Work,
    job,
    let_leases_run_out,
    log_in,
    make_grader,
    points,
    pull,
    put,
    put_json,
    said,
)

OK = (200, {"return_code": 0, "content": ""})
MALFORMED = (400, {"return_code": 1, "content": "Incorrect reply format"})
UNKNOWN = (404, {"return_code": 1, "content": "Submission does not exist"})
STALE = (409, {"return_code": 1, "content": "Incorrect key for submission"})
OTHERWISE_GRADED = (409, {"return_code": 1, "content": "Submission was already graded with another result"})


def refused(sentence: str) -> tuple[int, dict[str, Any]]:
    return 400, {"return_code": 1, "content": sentence}


@pytest.fixture
def work(grader: Client) -> Work:
    """A job that the grader has claimed."""
    enqueue("q", points_possible=10)
    return pull(grader)


def header(work: Work, **changes: Any) -> str:
    return json.dumps({"submission_id": work.submission_id, "submission_key": work.key} | changes)


def scored(work: Work) -> tuple[str, float | None, int]:
    """Status, points and number of scores of the job."""
    return job(work.submission_id).status, points(work.submission_id), Score.objects.count()


# A right result. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/xqueue/put_result/", "/xqueue/put_result", "/xqueue/put_result/?block=true"])
def test_a_result_is_stored(grader: Client, work: Work, path: str) -> None:
    reply = json.dumps({"correct": True, "score": 0.7, "msg": "<p>Sch\u00f6n \U0001f600</p>", "grader_id": 5})
    response = grader.post(path, {"xqueue_header": work.header, "xqueue_body": reply, "extra": "1"})
    assert response.content == b'{"return_code":0,"content":""}'
    assert said(response) == OK
    assert scored(work) == ("retired", 7, 1)
    assert job(work.submission_id).grader_reply == reply


def test_a_result_may_come_as_form_urlencoded(grader: Client, work: Work) -> None:
    header = f"%7B%22submission_id%22%3A{work.submission_id}%2C+%22submission_key%22%3A%22{work.key}%22%7D"
    text = f"xqueue_header={header}&xqueue_body=%7B%22score%22%3A1%7D"
    response = grader.post("/xqueue/put_result/", text, content_type="application/x-www-form-urlencoded")
    assert said(response) == OK
    assert (scored(work), job(work.submission_id).grader_reply) == (("retired", 10, 1), '{"score":1}')


def test_a_result_may_come_as_json_with_texts(grader: Client, work: Work) -> None:
    assert put_json(grader, {"xqueue_header": work.header, "xqueue_body": GOOD}) == OK
    assert (scored(work), job(work.submission_id).grader_reply) == (("retired", 10, 1), GOOD)


def test_a_result_may_come_as_json_with_objects(grader: Client, work: Work) -> None:
    head = {"submission_id": work.submission_id, "submission_key": work.key}
    assert put_json(grader, {"xqueue_header": head, "xqueue_body": {"score": 0.5, "msg": "\u00f6"}}) == OK
    assert scored(work) == ("retired", 5, 1)
    assert json.loads(str(job(work.submission_id).grader_reply)) == {"score": 0.5, "msg": "\u00f6"}


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense"])
def test_any_accept_header_will_do(grader: Client, work: Work, accept: str) -> None:
    assert put(grader, work.header, headers={"Accept": accept}) == OK


@pytest.mark.parametrize("value", ["Basic Z3JhZGVyOndyb25n", "Bearer abc"])
def test_an_authorization_header_beside_the_session_changes_nothing(grader: Client, work: Work, value: str) -> None:
    assert put(grader, work.header, headers={"Authorization": value}) == OK


def test_a_foreign_origin_and_a_wrong_token_do_not_matter(grader: Client, work: Work) -> None:
    grader.cookies["csrftoken"] = "x" * 32
    headers = {"Referer": "https://elsewhere.example/", "X-CSRFToken": "y"}
    assert put(grader, work.header, secure=True, headers=headers) == OK


def test_the_id_may_be_text_and_the_header_written_anew(grader: Client, work: Work) -> None:
    text = f'{{"submission_key":"{work.key}", "submission_id":"{work.submission_id}", "requestor_id": 1}}'
    assert put(grader, text) == OK


def test_the_id_may_have_leading_zeros(grader: Client, work: Work) -> None:
    assert put(grader, header(work, submission_id=f"00{work.submission_id}")) == OK


@pytest.mark.parametrize(
    ("score", "earned"),
    [("0", 0), ("1", 10), ("0.5", 5), ("1.0", 10), ("0.0", 0), ("-0.0", 0), ("1e-1", 1), ("0.07", 0.7)],
)
def test_a_ratio_is_worth_its_share_of_the_points(grader: Client, work: Work, score: str, earned: float) -> None:
    assert put(grader, work.header, f'{{"score": {score}}}') == OK
    assert scored(work) == ("retired", earned, 1)


def test_a_queue_of_points_takes_points(grader: Client, work: Work) -> None:
    GraderQueue.objects.filter(name="q").update(score_meaning="points")
    assert put(grader, work.header, '{"score": 7.5}') == OK
    assert scored(work) == ("retired", 7.5, 1)


@pytest.mark.parametrize("message", ["nul \\u0000", "\\ud800", "\0", "</script>", "' OR 1=1 --", "%s {} \\\\"])
def test_a_message_with_odd_signs_is_kept(grader: Client, work: Work, message: str) -> None:
    assert put(grader, work.header, f'{{"score": 1, "msg": "{message}"}}') == OK
    assert scored(work) == ("retired", 10, 1)
    kept = json.loads(str(job(work.submission_id).grader_reply))["msg"]
    assert kept == json.loads(f'"{message}"', strict=False)


def test_a_lone_surrogate_in_json_is_kept_as_an_escape(grader: Client, work: Work) -> None:
    body = '"{\\"score\\": 1, \\"msg\\": \\"\ud800\\"}"'
    text = f'{{"xqueue_header": {json.dumps(work.header)}, "xqueue_body": {body}}}'.encode("ascii", "backslashreplace")
    assert put_json(grader, text) == OK
    assert job(work.submission_id).grader_reply == '{"score": 1, "msg": "\\ud800"}'


@pytest.mark.parametrize("character", ["x", "\u20ac"])
def test_a_reply_of_five_megabytes_is_kept_whole(grader: Client, work: Work, character: str) -> None:
    message = character * (5 * 1024 * 1024 // len(character.encode()))
    reply = json.dumps({"score": 1, "msg": message}, ensure_ascii=False)
    assert put(grader, work.header, reply) == OK
    assert json.loads(str(job(work.submission_id).grader_reply))["msg"] == message


def test_the_longest_reply_is_kept_whole_also_where_the_database_escapes_each_sign(grader: Client, work: Work) -> None:
    reply = '{"score": 1, "msg": "' + '\\"' * ((7 * 1024 * 1024 - 23) // 2) + '" }'
    assert len(reply) == 7 * 1024 * 1024
    assert put_json(grader, {"xqueue_header": work.header, "xqueue_body": reply}) == OK
    assert job(work.submission_id).grader_reply == reply


# The same again, and another. ---------------------------------------------------------------------------------------


def test_the_same_result_again_gets_the_same_answer(grader: Client, work: Work) -> None:
    assert put(grader, work.header) == OK
    assert put(grader, work.header) == OK
    rewritten = json.dumps(json.loads(GOOD), indent=2)
    assert put(grader, header(work, submission_id=str(work.submission_id)), rewritten) == OK
    assert scored(work) == ("retired", 10, 1)


def test_another_result_for_a_graded_job_is_refused(grader: Client, work: Work) -> None:
    assert put(grader, work.header) == OK
    assert put(grader, work.header, '{"score": 0}') == OTHERWISE_GRADED
    assert put(grader, work.header, "{}") == OTHERWISE_GRADED
    assert put(grader, work.header, "no json") == OTHERWISE_GRADED
    assert scored(work) == ("retired", 10, 1)
    assert job(work.submission_id).grader_reply == GOOD


# Who may. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["wrong", "", " ", "\0", "\ud800", "x" * 100_000, "' OR 1=1 --", "\u00fc"])
def test_a_wrong_key_is_refused_and_changes_nothing(grader: Client, work: Work, key: str) -> None:
    before = job(work.submission_id).__dict__
    assert put(grader, header(work, submission_key=key)) == STALE
    after = job(work.submission_id).__dict__
    assert {name: value for name, value in after.items() if name != "_state"} == {
        name: value for name, value in before.items() if name != "_state"
    }
    assert put(grader, work.header) == OK


def test_a_stale_key_is_refused_after_another_claim_and_changes_nothing(grader: Client, work: Work) -> None:
    let_leases_run_out()
    newer = pull(grader)
    assert put(grader, work.header) == STALE
    assert put(grader, work.header, "{}") == STALE
    assert scored(work) == ("pulled", None, 0)
    assert (job(work.submission_id).num_failures, job(work.submission_id).grader_reply) == (1, None)
    assert put(grader, newer.header) == OK
    assert put(grader, work.header) == STALE
    assert scored(work) == ("retired", 10, 1)


def test_a_key_is_good_past_the_end_of_the_lease_until_somebody_else_claims(grader: Client, work: Work) -> None:
    let_leases_run_out()
    assert put(grader, work.header) == OK
    assert scored(work) == ("retired", 10, 1)


def test_a_job_that_was_never_claimed_has_no_key(grader: Client) -> None:
    submission_id = enqueue("q")
    for key in ("", "None", "null"):
        text = json.dumps({"submission_id": submission_id, "submission_key": key})
        assert put(grader, text) == STALE
    assert job(submission_id).status == "pending"


def test_a_job_that_an_operator_took_out_takes_no_result(grader: Client, work: Work) -> None:
    queue.retire(work.submission_id)
    assert put(grader, work.header) == STALE
    assert scored(work) == ("retired", None, 0)


def test_a_deleted_submission_takes_no_result(grader: Client, work: Work) -> None:
    Submission.objects.filter(pk=work.submission_id).update(status="D")
    assert put(grader, work.header) == STALE
    assert scored(work)[0] == "retired"
    assert Score.objects.count() == 0


def test_the_key_is_the_proof_for_any_connection_of_the_account(grader: Client, work: Work) -> None:
    assert put(log_in("grader"), work.header) == OK


def test_a_stranger_with_the_key_is_sent_to_login(stranger: Client, work: Work) -> None:
    response = stranger.post("/xqueue/put_result/", {"xqueue_header": work.header, "xqueue_body": GOOD})
    assert said(response) == (302, {"return_code": 1, "content": "login_required"})
    assert response["Location"] == "/xqueue/login/?next=/xqueue/put_result/"
    assert scored(work) == ("pulled", None, 0)


# What cannot be understood changes nothing. -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 0, 999_999, 2**31 - 1, 2**31, 2**63, 10**400, -1, -(10**400), "0", "9" * 5000])
def test_an_unknown_id_is_not_found(grader: Client, work: Work, number: Any) -> None:
    unknown = work.submission_id + 1 if number == 1 else number
    assert put(grader, header(work, submission_id=unknown)) == UNKNOWN
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize(
    "number",
    [
        "true",
        "false",
        "null",
        '"abc"',
        '""',
        "1.0",
        "1.9",
        "NaN",
        "Infinity",
        "[1]",
        "{}",
        '"1.0"',
        '" 1"',
        '"+1"',
        '"-1"',
        '"\\u0661"',
        '"1\\u0000"',
        '"0x1"',
        "1e3",
        "9" * 5000,
    ],
)
def test_an_id_that_is_no_number_is_malformed(grader: Client, work: Work, number: str) -> None:
    assert put(grader, f'{{"submission_id": {number}, "submission_key": "{work.key}"}}') == MALFORMED
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize("key", ["null", "5", "true", "[]", "{}", "NaN"])
def test_a_key_that_is_no_text_is_malformed(grader: Client, work: Work, key: str) -> None:
    assert put(grader, f'{{"submission_id": {work.submission_id}, "submission_key": {key}}}') == MALFORMED


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "5", "[]", '"s"', "NaN", "true", "{}", "no json", "[" * 100_000, '{"submission_id": 1}', "\0"],
)
def test_a_header_that_is_no_header_is_malformed(grader: Client, work: Work, text: str) -> None:
    assert put(grader, text) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize("fields", [{}, {"xqueue_header": "H"}, {"xqueue_body": GOOD}, {"header": "H", "body": GOOD}])
def test_a_missing_field_is_malformed(grader: Client, work: Work, fields: dict[str, str]) -> None:
    sent = {name: work.header if value == "H" else value for name, value in fields.items()}
    assert said(grader.post("/xqueue/put_result/", sent)) == MALFORMED
    assert put_json(grader, sent) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize(
    "value",
    ["", "{", "null", "5", "[]", '["xqueue_header"]', '"s"', "NaN", b"\xff\xfe", "[" * 100_000, '{"a":' * 100_000],
)
def test_json_that_is_no_object_is_malformed(grader: Client, work: Work, value: Any) -> None:
    assert put_json(grader, value) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize("body", [None, 5, True, ["x"], 1.5])
def test_a_body_that_is_neither_text_nor_object_is_malformed(grader: Client, work: Work, body: Any) -> None:
    assert put_json(grader, {"xqueue_header": work.header, "xqueue_body": body}) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-16",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "application/json; charset=zlib",
    ],
)
def test_a_content_type_that_lies_is_malformed(grader: Client, work: Work, content_type: str) -> None:
    text = f"xqueue_header={work.header}&xqueue_body={GOOD}".encode()
    assert said(grader.generic("POST", "/xqueue/put_result/", text, content_type=content_type)) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


def test_files_are_no_fields(grader: Client, work: Work) -> None:
    part = '--b\r\nContent-Disposition: form-data; name="{0}"; filename="{0}"\r\n\r\n{1}\r\n'
    body = part.format("xqueue_header", work.header) + part.format("xqueue_body", GOOD) + "--b--\r\n"
    response = grader.post("/xqueue/put_result/", body, content_type="multipart/form-data; boundary=b")
    assert said(response) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


@pytest.mark.parametrize(
    "disposition", ["form-data; name*=zzz''x", "form-data; name*=utf-8''%00", "form-data", "\xff", ""]
)
def test_a_part_with_an_unreadable_name_is_malformed(grader: Client, work: Work, disposition: str) -> None:
    body = f"--b\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--b--\r\n"
    response = grader.post("/xqueue/put_result/", body, content_type="multipart/form-data; boundary=b")
    assert said(response) == MALFORMED


def test_more_fields_than_anybody_needs_are_malformed(grader: Client, work: Work) -> None:
    fields = {f"field{number}": "x" for number in range(2000)}
    response = grader.post("/xqueue/put_result/", {**fields, "xqueue_header": work.header, "xqueue_body": GOOD})
    assert said(response) == MALFORMED
    assert scored(work) == ("pulled", None, 0)


def test_the_last_of_two_equal_fields_counts(grader: Client, work: Work) -> None:
    assert put(grader, ["no json", work.header], ["no json", GOOD]) == OK


# A reply without a usable score is this grader's failure. -----------------------------------------------------------

UNUSABLE = [
    ("{}", "The reply has no score."),
    ('{"correct": true, "msg": "x"}', "The reply has no score."),
    ('{"score": null}', "The score must be a number, not null."),
    ('{"score": true}', "The score must be a number, not true."),
    ('{"score": "1"}', "The score must be a number, not '1'."),
    ('{"score": "<script>"}', "The score must be a number, not '<script>'."),
    ('{"score": []}', "The score must be a number, not []."),
    ('{"score": [1]}', "The score must be a number, not [1]."),
    ('{"score": {"a": 1}}', "The score must be a number, not {'a': 1}."),
    ('{"score": NaN}', "The score must be between 0 and 1, not nan."),
    ('{"score": Infinity}', "The score must be between 0 and 1, not inf."),
    ('{"score": -Infinity}', "The score must be between 0 and 1, not -inf."),
    ('{"score": 1e999}', "The score must be between 0 and 1, not inf."),
    ('{"score": -0.1}', "The score must be between 0 and 1, not -0.1."),
    ('{"score": 1.01}', "The score must be between 0 and 1, not 1.01."),
    ('{"score": 2}', "The score must be between 0 and 1, not 2."),
    ('{"score": 1000000000000000000000}', "The score must be between 0 and 1, not 1000000000000000000000."),
    ("", "Incorrect reply format"),
    ("no json", "Incorrect reply format"),
    ("null", "Incorrect reply format"),
    ("5", "Incorrect reply format"),
    ("[1]", "Incorrect reply format"),
    ('"text"', "Incorrect reply format"),
    ('{"score": 1', "Incorrect reply format"),
]


@pytest.mark.parametrize(("reply", "sentence"), UNUSABLE)
def test_an_unusable_reply_is_told_kept_and_counted_once(grader: Client, work: Work, reply: str, sentence: str) -> None:
    for _ in range(3):
        assert put(grader, work.header, reply) == refused(sentence)
        row = job(work.submission_id)
        assert (row.status, row.num_failures, row.grader_reply, row.pullkey) == ("retry", 1, reply, work.key)
        assert points(work.submission_id) is None
    assert put(grader, work.header, '{"score": 0.5}') == OK
    assert scored(work) == ("retired", 5, 1)
    assert job(work.submission_id).last_error is None


def test_a_score_too_long_to_be_a_number_is_unusable(grader: Client, work: Work) -> None:
    assert put(grader, work.header, '{"score": ' + "9" * 5000 + "}") == refused("Incorrect reply format")
    assert put(grader, work.header, '{"score": ' + "9" * 4000 + "}")[0] == 400
    assert job(work.submission_id).num_failures == 1


@pytest.mark.parametrize("reply", ["[" * 90_000, '{"score":' * 90_000, '{"score": 1, "msg": ' + "[" * 90_000])
def test_a_deeply_nested_reply_is_unusable(grader: Client, work: Work, reply: str) -> None:
    assert put(grader, work.header, reply) == refused("Incorrect reply format")
    assert (job(work.submission_id).status, job(work.submission_id).num_failures) == ("retry", 1)


@pytest.mark.parametrize("length", [7 * 1024 * 1024 + 1, 16 * 1024 * 1024])
def test_a_reply_beyond_the_limit_is_unusable_and_its_beginning_kept(grader: Client, work: Work, length: int) -> None:
    reply = '{"score": 1, "msg": "' + "x" * (length - 23) + '"}'
    assert len(reply) == length
    assert put(grader, work.header, reply) == refused("The reply is longer than 7340032 bytes.")
    row = job(work.submission_id)
    assert (row.status, row.num_failures, row.grader_reply) == ("retry", 1, reply[:10_000])
    assert put(grader, work.header) == OK


def test_the_reason_is_kept_for_the_operator(grader: Client, work: Work) -> None:
    put(grader, work.header, "no json")
    assert job(work.submission_id).last_error == "The reply is not a JSON object."
    put(grader, work.header, '{"score": 7}')
    assert job(work.submission_id).last_error == "The score must be between 0 and 1, not 7."


def test_points_above_the_possible_ones_are_unusable(grader: Client, work: Work) -> None:
    GraderQueue.objects.filter(name="q").update(score_meaning="points")
    assert put(grader, work.header, '{"score": 10.5}') == refused("The score must be between 0 and 10, not 10.5.")
    assert put(grader, work.header, '{"score": 10}') == OK


def test_an_unusable_reply_with_objects_is_counted_too(grader: Client, work: Work) -> None:
    body = {"xqueue_header": json.loads(work.header), "xqueue_body": {"score": "1"}}
    assert put_json(grader, body) == refused("The score must be a number, not '1'.")
    assert job(work.submission_id).num_failures == 1


def test_a_second_claim_counts_a_second_failure(grader: Client, work: Work) -> None:
    put(grader, work.header, "{}")
    let_leases_run_out()
    second = pull(grader)
    assert put(grader, work.header) == STALE
    assert put(grader, second.header, "{}") == refused("The reply has no score.")
    assert job(work.submission_id).num_failures == 2


def test_at_the_limit_the_job_is_failed_and_its_key_no_longer_good(grader: Client, work: Work) -> None:
    GraderQueue.objects.filter(name="q").update(max_failures=1)
    assert put(grader, work.header, "{}") == refused("The reply has no score.")
    row = job(work.submission_id)
    assert (row.status, row.num_failures, row.available_at, row.last_error) == (
        "failed",
        1,
        None,
        "The reply has no score.",
    )
    assert put(grader, work.header, "{}") == STALE
    assert put(grader, work.header, GOOD) == STALE
    assert scored(work) == ("failed", None, 0)
    queue.retry(work.submission_id)
    assert put(grader, pull(grader).header) == OK


# In a platform that wraps each request in a transaction. ------------------------------------------------------------


@pytest.fixture
def open_transactions() -> Iterator[list[bool]]:
    """For each refusal that is told: whether a transaction is still open then."""
    seen: list[bool] = []

    def look(**_: Any) -> None:
        seen.append(connections["default"].in_atomic_block)

    signals.claim_refused.connect(look)
    yield seen
    signals.claim_refused.disconnect(look)


def test_the_counted_failure_survives_in_a_host_with_atomic_requests(
    transactional_db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, open_transactions: list[bool]
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    settings.SUBMISSIONS_MAX_FAILURES = 2
    make_grader("grader")
    grader = log_in("grader", PASSWORD)
    enqueue("q")
    work = pull(grader)
    assert put(grader, work.header, '{"score": 7}') == refused("The score must be between 0 and 1, not 7.")
    assert (job(work.submission_id).status, job(work.submission_id).num_failures) == ("retry", 1)
    let_leases_run_out()
    second = pull(grader)
    assert put(grader, work.header) == STALE
    assert put(grader, second.header, "{}") == refused("The reply has no score.")
    assert (job(work.submission_id).status, job(work.submission_id).num_failures) == ("failed", 2)
    # The verbs bring their own transactions; one around the request would hold their locks until it has ended.
    assert open_transactions == [False, False]

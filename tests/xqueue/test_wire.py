"""The codec alone: text in, frozen data out, and back, without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from submissions.text import made_storable
from submissions.xqueue import wire

HEADER = '{"submission_id": 72, "submission_key": "ab12"}'


def parsed(header: Any = HEADER, body: Any = '{"score": 1}', longest: int = 1000) -> wire.Result:
    return wire.parse_result({"xqueue_header": header, "xqueue_body": body}, longest=longest)


def test_the_envelope_has_two_members_in_this_order() -> None:
    assert json.dumps(wire.envelope(0, "")) == '{"return_code": 0, "content": ""}'
    assert json.dumps(wire.envelope(1, 7)) == '{"return_code": 1, "content": 7}'


def test_a_result_is_parsed_from_texts() -> None:
    assert parsed() == wire.Result(72, "ab12", '{"score": 1}', score=1, flaw=None, is_complete=False)


def test_a_result_is_parsed_from_objects() -> None:
    result = parsed({"submission_id": "72", "submission_key": "ab12"}, {"score": 0.5, "msg": "\u00f6"})
    assert result == wire.Result(
        72, "ab12", '{"score": 0.5, "msg": "\\u00f6"}', score=0.5, flaw=None, is_complete=False
    )


def test_further_members_do_not_matter() -> None:
    result = wire.parse_result({"xqueue_header": HEADER, "xqueue_body": "{}", "block": "true"}, longest=10)
    assert result == wire.Result(72, "ab12", "{}", flaw="The reply has no score.")


@pytest.mark.parametrize(
    ("number", "submission_id"),
    [
        ("1", 1),
        ("2147483647", 2147483647),
        ('"72"', 72),
        ('"0072"', 72),
        ("0", 0),
        ("-1", 0),
        ("2147483648", 0),
        ("1" + "0" * 400, 0),
        ('"99999999999"', 0),
        ('"00000000072"', 0),
    ],
)
def test_ids_that_cannot_exist_become_0(number: str, submission_id: int) -> None:
    assert parsed(f'{{"submission_id": {number}, "submission_key": ""}}').submission_id == submission_id


@pytest.mark.parametrize("fields", [None, 5, "s", [], [1], True])
def test_fields_that_are_no_object_are_malformed(fields: Any) -> None:
    with pytest.raises(wire.Malformed):
        wire.parse_result(fields, longest=10)


@pytest.mark.parametrize("header", [None, 5, True, [], "", "{", "[]", "null", {}, "{}", '{"submission_id": 1}', b"{}"])
def test_headers_without_an_id_and_a_key_are_malformed(header: Any) -> None:
    with pytest.raises(wire.Malformed):
        parsed(header)


@pytest.mark.parametrize("body", [None, 5, 0.5, True, [], b"{}"])
def test_bodies_that_are_neither_text_nor_object_are_malformed(body: Any) -> None:
    with pytest.raises(wire.Malformed):
        parsed(body=body)


@pytest.mark.parametrize("body", ["", "5", "null", "[]", "[" * 100_000, '"s"', '{"score": 1', "9" * 5000])
def test_a_reply_that_is_no_object_has_that_flaw(body: str) -> None:
    result = parsed(body=body, longest=1_000_000)
    assert (result.reply, result.score, result.flaw) == (body, None, "The reply is not a JSON object.")


def test_a_score_of_null_is_not_the_same_as_none_at_all() -> None:
    assert parsed(body='{"score": null}').flaw is None
    assert parsed(body='{"scores": 1}').flaw == "The reply has no score."


@pytest.mark.parametrize(("longest", "flaw"), [(15, None), (14, "The reply is longer than 14 bytes.")])
def test_a_reply_is_measured_in_bytes(longest: int, flaw: str | None) -> None:
    assert parsed(body='{"score": "\u00f6"}', longest=longest).flaw == flaw


def test_only_the_beginning_of_a_reply_that_is_too_long_is_kept() -> None:
    result = parsed(body="x" * 50_000, longest=20_000)
    assert result == wire.Result(72, "ab12", "x" * 10_000, flaw="The reply is longer than 20000 bytes.")


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\0b", "a\\u0000b"), ("\ud800", "\\ud800"), ("\U0001f600 \u00f6\n", "\U0001f600 \u00f6\n"), ("", "")],
)
def test_what_no_database_can_keep_becomes_an_escape(text: str, kept: str) -> None:
    assert made_storable(text) == kept


def test_a_submission_is_json_in_json_in_json() -> None:
    content = wire.submission(
        submission_id=72,
        key="ab12",
        body=wire.body(student_response="print(1)", grader_payload="", student_info="{}"),
        files={"a.py": "https://example.org/a"},
    )
    assert json.loads(content) == {
        "xqueue_header": '{"submission_id": 72, "submission_key": "ab12"}',
        "xqueue_body": '{"student_info": "{}", "grader_payload": "", "student_response": "print(1)"}',
        "xqueue_files": '{"a.py": "https://example.org/a"}',
    }
    assert content.isascii()


def test_the_payload_is_rebuilt_only_where_the_platform_sent_none() -> None:
    assert wire.payload(None, "x.py") == '{"grader": "x.py"}'
    assert wire.payload("", "x.py") == ""
    assert wire.payload("{}", "x.py") == "{}"


def test_the_time_of_a_submission_is_told_in_utc_to_the_second() -> None:
    submitted = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-5)))
    assert wire.student_info("anon", submitted) == (
        '{"anonymous_student_id": "anon", "submission_time": "20260201045959", "random_seed": 1}'
    )
    assert '"20260131120000"' in wire.student_info("anon", datetime(2026, 1, 31, 12, tzinfo=UTC))

"""What a page may show of a grader's reply."""

from __future__ import annotations

import json

import pytest

from submissions.xqueue import replies

pytestmark = pytest.mark.once


def with_message(html: str) -> str:
    return json.dumps({"correct": True, "score": 1, "msg": html})


def test_json_is_indented() -> None:
    assert replies.pretty('{"score":1,"msg":"\\u00fc"}') == '{\n  "score": 1,\n  "msg": "ü"\n}'


@pytest.mark.parametrize("text", ["no JSON {", "", "[" * 100_000])
def test_what_is_no_json_stands_as_it_came(text: str) -> None:
    assert replies.pretty(text) == text
    assert replies.html_of(text) == ""


def test_there_may_be_no_reply() -> None:
    assert (replies.pretty(None), replies.html_of(None)) == ("", "")


@pytest.mark.parametrize("reply", ["null", "[1]", '"msg"', "{}", '{"msg": null}', '{"msg": ["<b>"]}'])
def test_a_reply_without_a_message_has_no_html(reply: str) -> None:
    assert replies.html_of(reply) == ""


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>7 of <b>10</b></p>", "<p>7 of <b>10</b></p>"),
        ("<script>alert(1)</script>ok", "ok"),
        ("<p onclick='x()'>ok</p>", "<p>ok</p>"),
        ("<img src=//evil.example/x onerror=x()>ok", "ok"),
        ("<a href='javascript:x()'>ok</a>", "ok"),
        ("<a href='https://evil.example'>ok</a>", "ok"),
        ("<style>p{}</style>ok", "ok"),
        ("<iframe src='//evil.example'></iframe>ok", "ok"),
        ("<form action='//evil.example'><input name=p></form>ok", "ok"),
        ("<svg><script>x()</script></svg>ok", "ok"),
        ("<p style='background:url(//evil.example)'>ok</p>", "<p>ok</p>"),
        ("<meta http-equiv=refresh content='0;url=//evil.example'>ok", "ok"),
    ],
)
def test_nothing_runs_loads_or_leads_away(html: str, shown: str) -> None:
    assert replies.html_of(with_message(html)) == shown


def test_a_half_surrogate_can_be_sent() -> None:
    assert replies.pretty('{"msg": "\\ud800"}') == '{\n  "msg": "\\ud800"\n}'


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert replies.pretty("x" * 200_010) == "x" * 200_000 + "\n... 10 more characters"
    assert len(replies.html_of(with_message("<p>" + "x" * 5_000_000))) < 200_100

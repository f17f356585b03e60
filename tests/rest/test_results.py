"""claims/{id}/result/, failure/, heartbeats/, and their batches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from submissions import queue
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score
from tests.make import make
from tests.queue.jobs import later, limit
from tests.rest.talk import NO_CLAIM, Rest, grader

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> Rest:
    return grader("ada")


def held(ada: Rest, **fields: Any) -> tuple[Job, str]:
    job = make(**fields)
    return job, f"claims/{ada.claim()['id']}/"


@pytest.mark.parametrize(
    ("meaning", "possible", "result", "points", "told"),
    [
        ("ratio", 10, {"score": 0.7}, 7, 0.7),
        ("ratio", 10, {"points_earned": 7}, 7, 0.7),
        ("points", 10, {"score": 0.7}, 7, 7),
        ("points", 10, {"points_earned": 7}, 7, 7),
        ("ratio", 10, {"score": 0.7, "points_earned": 7}, 7, 0.7),
        ("ratio", 10, {"score": 1 + 1e-10}, 10, 1 + 1e-10),
        ("ratio", 10, {"score": -1e-10}, 0, -1e-10),
        ("ratio", 3, {"points_earned": 3.0000000001}, 3, 1.0000000000333333),
        (
            "ratio",
            10,
            {
                "tests": [
                    {"status": "passed", "points": 1, "max_points": 1},
                    {"status": "failed", "points": 0, "max_points": 3},
                ]
            },
            2.5,
            0.25,
        ),
        ("ratio", 10, {"tests": [{"status": "passed", "points": 4}, {"status": "passed", "points": 1}]}, 5, 0.5),
        ("ratio", 1e300, {"score": 0.5}, 5e299, 0.5),
        ("points", 1e300, {"points_earned": 1e300}, 1e300, 1e300),
    ],
)  # fmt: skip
def test_what_a_score_is_worth(
    ada: Rest, meaning: str, possible: float, result: Any, points: float, told: float
) -> None:
    limit(score_meaning=meaning)
    job, place = held(ada, points_possible=possible)
    said = ada.put(f"{place}result/", result)
    assert (said.status, said.body) == (200, result)
    score = Score.objects.get()
    assert (score.points_earned, score.points_possible) == (points, possible)
    assert json.loads(Job.objects.get(pk=job.pk).grader_reply or "")["score"] == told


@pytest.mark.parametrize(
    "result",
    [{}, {"score": 1.1}, {"score": -0.1}, {"points_earned": 11}, {"correct": True}, {"tests": [{"status": "passed"}]}],
)
def test_no_usable_score_is_counted_once_and_the_right_one_may_still_come(ada: Rest, result: Any) -> None:
    job, place = held(ada, points_possible=10)
    for _ in range(2):
        said = ada.put(f"{place}result/", result)
        assert (said.status, said.kind) == (422, "invalid-score")
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.num_failures) == ("retry", 1)
    assert ada.post(f"{place}heartbeats/").kind == "conflict"
    assert ada.put(f"{place}failure/", {"kind": "infrastructure", "message": "x"}).kind == "conflict"
    assert ada.put(f"{place}result/", {"score": 1}).status == 200


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ('{"score": null}', "score"),
        ('{"score": "1"}', "score"),
        ('{"score": true}', "score"),
        ('{"score": 1, "points_earned": 5}', "points_earned"),
        ('{"score": 1, "correct": 1}', "correct"),
        ('{"score": 1, "feedback": "x"}', "feedback"),
        ('{"score": 1, "feedback": {}}', "feedback.text"),
        ('{"score": 1, "feedback": {"text": "x", "format": "rtf"}}', "feedback.format"),
        ('{"score": 1, "tests": {}}', "tests"),
        ('{"score": 1, "tests": [{}]}', "tests.0.status"),
        ('{"score": 1, "tests": [{"status": "ok"}]}', "tests.0.status"),
        ('{"score": 1, "tests": [{"status": "passed", "colour": 1}]}', "tests.0.colour"),
        ('{"score": 1, "extra": []}', "extra"),
        ('{"score": 1, "skore": 1}', "skore"),
        ('{"score": 1, "visibility": null}', "visibility"),
        ("[]", "result"),
        ("null", "result"),
        ('{"score": 1%s}' % ("0" * 400), "score"),
        ('{"score": 1, "points_earned": 1%s}' % ("0" * 400), "points_earned"),
        ('{"tests": [{"status": "passed", "points": 1%s}]}' % ("0" * 400), "tests.0.points"),
        (json.dumps({"tests": [{"status": "passed", "points": 1e308}] * 2}), "tests"),
        (json.dumps({"tests": [{"status": "passed", "points": 1, "max_points": 1e308}] * 2}), "tests"),
        ("", None),
        ('{"score": 1%s}' % ("0" * 5000), None),
        ('{"score": NaN}', None),
        ('{"score": Infinity}', None),
        ('{"score": 1e999}', None),
        ('{"score": 1, "score": 1}', None),
        ("{", None),
        ("[" * 100_000, None),
        ('{"score": 1, "extra": ' + '{"a":' * 64 + "1" + "}" * 64 + "}", None),
        ('{"score": 1, "tests": [' + ",".join(['{"status": "passed"}'] * 2001) + "]}", "tests"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_named_and_nothing_is_counted(ada: Rest, raw: str, field: str | None) -> None:
    job, place = held(ada)
    said = ada.ask("PUT", f"{place}result/", raw=raw.encode())
    assert (said.status, said.kind) == (400, "validation"), said.body
    assert list(said.body.get("errors", [])) == ([field] if field else [])
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.num_failures, row.grader_reply) == ("pulled", 0, None)


def test_no_utf8_and_another_media_type_and_too_much(ada: Rest) -> None:
    _, place = held(ada)
    assert ada.ask("PUT", f"{place}result/", raw=b'{"score": "\xff"}').kind == "validation"
    assert ada.ask("PUT", f"{place}result/", raw=b"score=1", content_type="text/plain").kind == "media-type"
    assert ada.put(f"{place}result/", {"score": 1, "extra": {"a": "x" * 1024 * 1024}}).kind == "too-large"
    assert ada.put(f"{place}result/", {"score": 1, "extra": {"a": "x" * 1024 * 1000}}).status == 200


def test_the_same_again_is_the_same_and_another_one_is_refused(ada: Rest) -> None:
    _, place = held(ada)
    sent = {"score": 1, "tests": [{"status": "passed", "output": "x" * 70_000 + "1"}]}
    first = ada.put(f"{place}result/", sent)
    assert first.body["tests"][0]["output"] == "x" * 65_536 + "\n[cut: 65536 of 70001 bytes]"
    assert ada.put(f"{place}result/", {"tests": sent["tests"], "score": 1.0}).body == {**first.body, "score": 1.0}
    other = {"score": 1, "tests": [{"status": "passed", "output": "x" * 70_000 + "2"}]}
    assert ada.put(f"{place}result/", other).kind == "already-graded"
    assert ada.post(f"{place}heartbeats/").kind == "already-graded"
    assert ada.put(f"{place}failure/", {"kind": "grader", "message": "x"}).kind == "already-graded"
    assert ada.delete(place).status == 204
    assert Score.objects.count() == 1


def test_texts_are_cut_between_characters_and_what_no_text_can_have_is_replaced(ada: Rest) -> None:
    job, place = held(ada)
    sent = '{"score": 1, "stdout": {"text": "a\\u0000b\\ud800c"}, "feedback": {"text": "%s"}}' % ("é" * 140_000)
    said = ada.ask("PUT", f"{place}result/", raw=sent.encode())
    assert said.body["stdout"] == {"text": "a\ufffdb\ufffdc"}
    assert said.body["feedback"]["text"] == "é" * 131_072 + "\n[cut: 262144 of 280000 bytes]"
    kept = json.loads(Job.objects.get(pk=job.pk).result or "")
    assert kept == said.body


def test_the_learner_is_shown_what_is_visible_and_nothing_that_runs(ada: Rest) -> None:
    job, place = held(ada)
    ada.put(
        f"{place}result/",
        {
            "score": 0.5,
            "feedback": {"format": "html", "text": "<b>Good</b><script>x()</script><br>"},
            "tests": [
                {"status": "passed", "name": "a < b", "points": 1, "max_points": 2},
                {"status": "failed", "name": "secret", "visibility": "hidden"},
                {"status": "failed", "name": "late", "visibility": "after_due_date"},
                {"status": "error", "name": "odd", "visibility": "sometimes"},
            ],
            "stdout": {"text": "seed 7"},
        },
    )
    reply = json.loads(Job.objects.get(pk=job.pk).grader_reply or "")
    assert reply == {
        "correct": False,
        "score": 0.5,
        "msg": "<div><div><b>Good</b><br/></div><p>✓ a &lt; b: passed (1 of 2)</p></div>",
    }


def test_the_message_is_xml_whatever_a_grader_prints(ada: Rest) -> None:
    job, place = held(ada)
    ada.put(
        f"{place}result/",
        {
            "score": 1,
            "feedback": {"format": "html", "text": "a\uffff<hr width='9'><table><colgroup><col span='2'></table><br>"},
            "tests": [{"status": "passed", "name": "\x1b[31madds\ufffe", "output": "b\x08\U0001f600"}],
        },
    )
    message = json.loads(Job.objects.get(pk=job.pk).grader_reply or "")["msg"]
    assert message == (
        '<div><div>a<hr width="9"/><table><colgroup><col span="2"/></colgroup></table><br/></div>'
        "<p>✓ [31madds: passed</p><pre>b\U0001f600</pre></div>"
    )


# Failures. ------------------------------------------------------------------------------------------------------------


def test_a_failure_of_the_grader_is_counted_once(ada: Rest) -> None:
    job, place = held(ada)
    for _ in range(2):
        said = ada.put(f"{place}failure/", {"kind": "grader", "message": "no memory", "retry_after_seconds": 600})
        assert (said.status, said.body["status"]) == (200, "queued")
        assert said.body["available_at"].endswith("Z")
    row = Job.objects.get(pk=job.pk)
    assert (row.num_failures, row.last_error) == (1, "no memory")
    assert row.available_at is not None
    assert (row.available_at - row.status_time).total_seconds() == 600
    assert ada.put(f"{place}failure/", {"kind": "ungradable", "message": "x"}).kind == "conflict"
    assert ada.post(f"{place}heartbeats/").kind == "conflict"
    assert ada.get(place).status == 200
    assert ada.put(f"{place}result/", {"score": 1}).status == 200


def test_infrastructure_is_uncounted_and_rests_from_the_second_on(ada: Rest) -> None:
    limit(backoff_seconds=5)
    job, place = held(ada)
    pauses = []
    for _ in range(3):
        ada.put(f"{place}failure/", {"kind": "infrastructure", "message": "disk"})
        row = Job.objects.get(pk=job.pk)
        pauses.append((row.available_at - row.status_time).total_seconds())  # type: ignore[operator]
        later(100)
        place = f"claims/{ada.claim()['id']}/"
    assert pauses == [0, 5, 10]
    assert Job.objects.get(pk=job.pk).num_failures == 0
    ada.put(f"{place}failure/", {"kind": "grader", "message": "x"})
    assert Job.objects.get(pk=job.pk).interruptions == 0


def test_ungradable_ends_the_job_with_its_message(ada: Rest) -> None:
    job, place = held(ada)
    for _ in range(2):
        said = ada.put(f"{place}failure/", {"kind": "ungradable", "message": "not a program"})
        assert (said.status, said.body) == (200, {"status": "failed", "available_at": None})
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.last_error, row.num_failures) == ("failed", "not a program", 0)
    assert ada.put(f"{place}failure/", {"kind": "grader", "message": "x"}).kind == "conflict"
    assert ada.put(f"{place}result/", {"score": 1}).kind == "conflict"
    assert ada.delete(place).status == 204
    queue.retry(job.submission_id)
    assert ada.put(f"{place}result/", {"score": 1}).kind == "claim-lost"


def test_the_limit_gives_the_job_up(ada: Rest) -> None:
    limit(max_failures=1)
    job, place = held(ada)
    for _ in range(2):
        said = ada.put(f"{place}failure/", {"kind": "grader", "message": "x"})
        assert said.body == {"status": "failed", "available_at": None}
    assert Job.objects.get(pk=job.pk).num_failures == 1
    assert ada.put(f"{place}result/", {"score": 1}).kind == "conflict"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": "x"}, "kind"),
        ({"kind": "grader"}, "message"),
        ({"kind": "colour", "message": "x"}, "kind"),
        ({"kind": ["grader"], "message": "x"}, "kind"),
        ({"kind": "grader", "message": None}, "message"),
        ({"kind": "grader", "message": "a\0"}, "message"),
        ({"kind": "grader", "message": "x", "retry_after_seconds": 3601}, "retry_after_seconds"),
        ({"kind": "grader", "message": "x", "retry_after_seconds": -1}, "retry_after_seconds"),
    ],
)
def test_a_faulty_failure_changes_nothing(ada: Rest, body: Any, field: str) -> None:
    job, place = held(ada)
    said = ada.put(f"{place}failure/", body)
    assert (said.status, list(said.body["errors"])) == (400, [field])
    assert Job.objects.get(pk=job.pk).status == "pulled"


def test_a_long_message_is_cut_however_it_is_spelled(ada: Rest) -> None:
    job, place = held(ada)
    assert ada.put(f"{place}failure/", {"kind": "ungradable", "message": "\x01" * 65_537}).status == 200
    assert Job.objects.get(pk=job.pk).last_error == "\x01" * 65_536 + "\n[cut: 65536 of 65537 bytes]"


# Heartbeats. ----------------------------------------------------------------------------------------------------------


def test_a_heartbeat_renews_the_lease(ada: Rest) -> None:
    limit(lease_seconds=100)
    job, place = held(ada)
    later(90)
    said = ada.post(f"{place}heartbeats/", {"progress": 0.5, "phase": "compiling"})
    assert (said.status, said.body["instruction"]) == (200, "continue")
    assert 99 <= said.body["lease_seconds_left"] <= 100
    assert said.body["next_heartbeat_seconds"] == 33
    assert 9 <= ada.post(f"{place}heartbeats/", {"lease_seconds": 10}).body["lease_seconds_left"] <= 10
    later(20)
    assert ada.post(f"{place}heartbeats/").body["instruction"] == "continue"
    note = Job.objects.get(pk=job.pk).claim_note
    assert (note.progress, note.phase) == (0.5, "compiling")


def test_past_the_deadline_it_says_cancel_and_extends_nothing(ada: Rest) -> None:
    limit(lease_seconds=100, max_grading_seconds=150)
    job, place = held(ada)
    later(90)
    said = ada.post(f"{place}heartbeats/").body
    assert 59 <= said["lease_seconds_left"] <= 60
    assert 19 <= said["next_heartbeat_seconds"] <= 20
    later(61)
    before = Job.objects.get(pk=job.pk).available_at
    assert ada.post(f"{place}heartbeats/").body["instruction"] == "cancel"
    assert Job.objects.get(pk=job.pk).available_at == before
    assert ada.put(f"{place}result/", {"score": 1}).status == 200


def test_a_cancelled_job_is_told_with_the_heartbeat(ada: Rest) -> None:
    job, place = held(ada)
    before = ada.get(place).body["lease_expires_at"]
    queue.cancel(job.submission_id)
    said = ada.post(f"{place}heartbeats/")
    assert (said.status, said.body["instruction"], said.body["lease_expires_at"]) == (200, "cancel", before)
    assert ada.put(f"{place}result/", {"score": 1}).kind == "conflict"
    assert ada.get(place).kind == "conflict"
    assert ada.get(f"{place}files/1/").kind == "conflict"
    said = ada.put(f"{place}failure/", {"kind": "grader", "message": "x"})
    assert (said.status, said.body) == (200, {"status": "cancelled", "available_at": None})
    assert ada.delete(place).status == 204
    assert Job.objects.get(pk=job.pk).num_failures == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"progress": 1.1}, "progress"),
        ({"progress": "1"}, "progress"),
        ({"progress": None}, "progress"),
        ({"phase": "x" * 101}, "phase"),
        ({"phase": 1}, "phase"),
        ({"lease_seconds": 0}, "lease_seconds"),
        ({"leese": 1}, "leese"),
    ],
)
def test_a_faulty_heartbeat(ada: Rest, body: Any, field: str) -> None:
    _, place = held(ada)
    said = ada.post(f"{place}heartbeats/", body)
    assert (said.status, list(said.body["errors"])) == (400, [field])


# Batches. -------------------------------------------------------------------------------------------------------------


def test_heartbeats_of_several_claims_each_by_itself(ada: Rest) -> None:
    make(), make()
    first, second = ada.claim()["id"], ada.claim()["id"]
    said = ada.post(
        "heartbeats/",
        {"claims": [{"id": first, "progress": 1}, {"id": NO_CLAIM}, {"id": second, "progress": 2}, {}, None]},
    )
    assert said.status == 200
    ok, lost, faulty, nameless, nothing = said.body["claims"]
    assert (ok["id"], ok["instruction"]) == (first, "continue")
    assert lost["id"] == NO_CLAIM
    assert lost["problem"] == {
        "type": "urn:gradequeue:problem:claim-lost",
        "title": "The claim is not current",
        "status": 409,
        "detail": "This is no current claim of this account.",
    }
    assert list(faulty["problem"]["errors"]) == ["progress"]
    assert nameless["problem"]["status"] == nothing["problem"]["status"] == 400
    assert ada.post("heartbeats/", {"claims": [{"id": first}] * 201}).status == 400
    assert ada.post("heartbeats/", {"claims": {}}).status == 400


def test_results_of_several_claims_in_their_order(ada: Rest) -> None:
    for _ in range(3):
        make()
    ids = [ada.claim()["id"] for _ in range(3)]
    body = {
        "results": [
            {"claim_id": ids[0], "result": {"score": 1}},
            {"claim_id": ids[1], "result": {"score": 7}},
            {"claim_id": ids[2], "result": {"score": 1, "extra": {"a": "x" * 1024 * 1024}}},
            {"claim_id": NO_CLAIM, "result": {"score": 1}},
            {"claim_id": ids[2]},
            {"claim_id": ids[2], "result": {"tests": [{"status": "passed", "points": 1e308}] * 2}},
            None,
        ]
    }
    for _ in range(2):
        said = ada.post("results/", body)
        assert said.status == 200
        stored, bad, large, lost, *faulty = said.body["results"]
        assert stored == {"claim_id": ids[0], "status": "stored"}
        assert [one["problem"]["status"] for one in (bad, large, lost, *faulty)] == [422, 413, 409, 400, 400, 400]
    assert ada.post("results/", {"results": body["results"][:1] * 51}).status == 400
    assert ada.post("results/", {"results": [{"a": "x" * 8 * 1024 * 1024}]}).kind == "too-large"


def test_what_goes_by_itself_goes_in_a_batch_too(ada: Rest) -> None:
    # 1,048,567 bytes; with a space behind each comma it would be more than a result may have.
    sent = '{"score":1,"extra":{"a":[' + ",".join(['"abcdefg"'] * 104_854) + "]}}"
    assert len(sent) == 1_048_567
    _, alone = held(ada)
    assert ada.ask("PUT", f"{alone}result/", raw=sent.encode()).status == 200
    _, place = held(ada)
    claim_id = place.split("/")[1]
    said = ada.ask(
        "POST", "results/", raw=b'{"results":[{"claim_id":"%b","result":%b}]}' % (claim_id.encode(), sent.encode())
    )
    assert said.body == {"results": [{"claim_id": claim_id, "status": "stored"}]}

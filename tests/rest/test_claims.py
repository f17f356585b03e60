"""claims/: taking jobs, looking at them, giving them back."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from submissions import queue
from submissions.models import ClaimNote, ClaimRequest, GraderQueue, SubmissionFile
from submissions.models import ExternalGraderDetail as Job
from submissions.queue import batch, moves
from tests.make import make
from tests.queue.jobs import later, limit
from tests.rest.talk import NO_CLAIM, account, grader, with_token

pytestmark = pytest.mark.django_db


def test_a_claim_tells_all_that_a_grader_needs() -> None:
    limit(lease_seconds=90, max_grading_seconds=900)
    job = make(grader_payload='{"a": 1}', points_possible=4, files={"a.txt": b"abc"}, student="ada")
    said = grader().post("claims/", {"queue_name": "q", "worker": {"name": "w1", "labels": {"arch": "x86"}}})
    assert said.status == 200
    assert said.body["poll_after_seconds"] == 0
    (claim,) = said.body["claims"]
    row = Job.objects.get(pk=job.pk)
    assert claim["id"] == str(row.claim_id)
    assert claim["submission"] == {
        "uuid": str(row.submission.uuid),
        "attempt_number": 1,
        "course_id": "c",
        "item_id": "item",
        "item_type": "problem",
        "learner_id": "ada",
    }
    assert claim["answer"] == "print(1)"
    assert claim["grader_payload"] == '{"a": 1}'
    (file,) = claim["files"]
    assert (file["name"], file["size"]) == ("a.txt", 3)
    assert file["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file["url"].endswith(f"/api/external_grading/v1/claims/{claim['id']}/files/1/")
    assert (claim["points_possible"], claim["score_meaning"], claim["previous_claims"]) == (4, "ratio", 0)
    assert 88 <= claim["lease_seconds_left"] <= 90
    assert 29 <= claim["next_heartbeat_seconds"] <= 30
    assert claim["lease_expires_at"].endswith("Z")
    assert ClaimNote.objects.get().worker == '{"name": "w1", "labels": {"arch": "x86"}}'


def test_nothing_there_is_an_empty_list() -> None:
    said = grader().post("claims/", {"queue_name": "never-used"})
    assert (said.status, said.body) == (200, {"claims": [], "poll_after_seconds": 2})


def test_a_paused_queue_gives_nothing_and_asks_for_patience() -> None:
    limit(paused=True)
    make()
    said = grader().post("claims/", {"queue_name": "q", "wait_seconds": 5})
    assert (said.status, said.body) == (200, {"claims": [], "poll_after_seconds": 30})


def test_several_queues_in_the_order_of_preference() -> None:
    make("b"), make("a"), make("a")
    said = grader().post("claims/", {"queues": ["a", "b"], "max_claims": 50})
    assert [claim["queue_name"] for claim in said.body["claims"]] == ["a", "a", "b"]
    assert len({claim["id"] for claim in said.body["claims"]}) == 3


def test_what_does_not_fit_is_not_claimed() -> None:
    big = "x" * (4 * 1024 * 1024 + 1)
    for _ in range(5):
        job = make("q")
        type(job.submission)._objects.filter(pk=job.submission_id).update(answer=big)
    said = grader().post("claims/", {"queue_name": "q", "max_claims": 50})
    assert len(said.body["claims"]) == 3
    assert Job.objects.filter(status="pending").count() == 2


def test_what_does_not_fit_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    attach = moves.attach_submissions

    def count(jobs: list[Job]) -> None:
        read.append(len(jobs))
        attach(jobs)

    monkeypatch.setattr(moves, "attach_submissions", count)
    monkeypatch.setattr(batch, "ROOM", 1000)
    for _ in range(8):
        make(answer="x" * 300)
    assert len(grader().post("claims/", {"queue_name": "q", "max_claims": 50}).body["claims"]) == 3
    assert sum(read) == 4  # the fourth tells that there are more


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "queue_name"),
        ({"queue_name": "q", "queues": ["q"]}, "queue_name"),
        ({"queues": []}, "queues"),
        ({"queues": ["q"] * 51}, "queues"),
        ({"queue_name": None}, "queue_name"),
        ({"queue_name": 7}, "queue_name"),
        ({"queue_name": "q\0"}, "queue_name"),
        ({"queue_name": "\ud800"}, "queue_name"),
        ({"queue_name": "q", "max_claims": 0}, "max_claims"),
        ({"queue_name": "q", "max_claims": 51}, "max_claims"),
        ({"queue_name": "q", "max_claims": "1"}, "max_claims"),
        ({"queue_name": "q", "max_claims": True}, "max_claims"),
        ({"queue_name": "q", "max_claims": 1.5}, "max_claims"),
        ({"queue_name": "q", "wait_seconds": 21}, "wait_seconds"),
        ({"queue_name": "q", "wait_seconds": -1}, "wait_seconds"),
        ({"queue_name": "q", "lease_seconds": 0}, "lease_seconds"),
        ({"queue_name": "q", "lease_seconds": None}, "lease_seconds"),
        ({"queue_name": "q", "worker": {"name": "x" * 101}}, "worker.name"),
        ({"queue_name": "q", "worker": {"labels": ["x"] * 21}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"labels": {str(number): "x" for number in range(21)}}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"labels": {"x": 1}}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"labels": {"x" * 101: ""}}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"labels": {"x\0": ""}}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"labels": "x"}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"labels": None}}, "worker.labels"),
        ({"queue_name": "q", "worker": {"nome": "x"}}, "worker.nome"),
        ({"queue_name": "q", "worker": []}, "worker"),
        ({"queue_name": "q", "colour": "red"}, "colour"),
    ],
)
def test_a_faulty_field_is_named_and_nothing_is_claimed(body: Any, field: str) -> None:
    job = make()
    said = grader().post("claims/", body)
    assert (said.status, said.kind) == (400, "validation")
    assert list(said.body["errors"]) == [field]
    assert Job.objects.get(pk=job.pk).num_pulls == 0


def test_labels_may_be_a_list() -> None:
    make()
    grader().claim(worker={"labels": ["x86", ""]})
    assert ClaimNote.objects.get().worker == '{"labels": ["x86", ""]}'


def test_a_lease_is_clamped_to_the_queues_own() -> None:
    limit(lease_seconds=60)
    make(), make(), make()
    ada = grader()
    assert 58 <= ada.claim(lease_seconds=100_000)["lease_seconds_left"] <= 60
    assert 58 <= ada.claim(lease_seconds=10**100)["lease_seconds_left"] <= 60
    short = ada.claim(lease_seconds=10)
    assert 8 <= short["lease_seconds_left"] <= 10
    renewed = ada.post(f"claims/{short['id']}/heartbeats/")
    assert 8 <= renewed.body["lease_seconds_left"] <= 10


def test_the_claim_again_while_it_is_current() -> None:
    make()
    ada, other = grader(), grader("other")
    claim = ada.claim()
    again = ada.get(f"claims/{claim['id']}/")
    assert again.status == 200
    assert {name: value for name, value in again.body.items() if "seconds" not in name} == {
        name: value for name, value in claim.items() if "seconds" not in name
    }
    assert other.get(f"claims/{claim['id']}/").kind == "claim-lost"
    later(301)
    assert ada.get(f"claims/{claim['id']}/").status == 200
    assert len(queue.claim("q", grader="other")) == 1
    assert ada.get(f"claims/{claim['id']}/").kind == "claim-lost"


@pytest.mark.parametrize("name", [NO_CLAIM, "no-uuid", "0" * 32, "%00", "x" * 300])
def test_what_is_no_claim(name: str) -> None:
    ada = grader()
    assert ada.get(f"claims/{name}/").kind == "claim-lost"
    assert ada.put(f"claims/{name}/result/", {"score": 1}).kind == "claim-lost"
    assert ada.put(f"claims/{name}/failure/", {"kind": "grader", "message": "x"}).kind == "claim-lost"
    assert ada.post(f"claims/{name}/heartbeats/").kind == "claim-lost"
    assert ada.get(f"claims/{name}/files/1/").kind == "claim-lost"
    assert ada.delete(f"claims/{name}/").status == 204


def test_giving_back_is_uncounted_and_ends_the_claim() -> None:
    job = make()
    ada = grader()
    claim = ada.claim()
    for _ in range(2):
        assert ada.delete(f"claims/{claim['id']}/").status == 204
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.num_failures, row.pullkey, row.claim_id) == ("retry", 0, None, None)
    assert ada.put(f"claims/{claim['id']}/result/", {"score": 1}).kind == "claim-lost"
    assert ada.claim()["previous_claims"] == 1


def test_twenty_in_a_row_are_a_failure() -> None:
    job = make()
    ada = grader()
    for _ in range(19):
        ada.delete(f"claims/{ada.claim()['id']}/")
    assert Job.objects.get(pk=job.pk).num_failures == 0
    ada.delete(f"claims/{ada.claim()['id']}/")
    row = Job.objects.get(pk=job.pk)
    assert (row.num_failures, row.interruptions, row.status) == (1, 0, "retry")


def test_a_job_with_a_damaged_file_is_not_handed_out() -> None:
    damaged, whole = make(files={"a.txt": b"abc"}), make(files={"b.txt": b"abc"})
    row = SubmissionFile.objects.get(external_grader=damaged)
    row.file.storage.delete(str(row.file.name))
    (claim,) = grader().post("claims/", {"queue_name": "q", "max_claims": 2}).body["claims"]
    assert claim["submission"]["uuid"] == str(whole.submission.uuid)
    job = Job.objects.get(pk=damaged.pk)
    assert (job.status, job.num_failures) == ("retry", 1)
    assert job.last_error == "The job could not be handed out: The submission lost its file 'a.txt'."


def test_an_answer_that_is_no_json_is_its_jobs_failure_and_no_harm_to_the_others() -> None:
    """NaN: edx-submissions kept it."""
    wrong, fine = make(), make()
    type(wrong.submission)._objects.filter(pk=wrong.submission_id).update(answer={"a": float("nan")})
    said = grader().post("claims/", {"queue_name": "q", "max_claims": 2})
    assert [claim["submission"]["uuid"] for claim in said.body["claims"]] == [str(fine.submission.uuid)]
    job = Job.objects.get(pk=wrong.pk)
    assert (job.status, job.num_failures) == ("retry", 1)
    assert str(job.last_error).startswith("The job could not be handed out: Out of range float values")


def test_a_file_that_is_an_address_is_linked_and_not_kept() -> None:
    address = "https://files.example.org/b?x=1"
    texts = {"c.txt": f"{address}\n", "d": "http://", "e": "http://[x", "f": f"see {address}", "g": "ftp://a.example/"}
    make(files={"a.txt": b"abc", "../b.txt": address, **texts})
    claim = grader().claim()
    assert claim["links"] == [{"name": "b.txt", "url": "https://files.example.org/b?x=1"}]
    assert [file["name"] for file in claim["files"]] == ["a.txt", "c.txt", "d", "e", "f", "g"]
    assert SubmissionFile.objects.count() == 6


def test_the_files_of_a_claim() -> None:
    make(files={"a.html": b"<script>", "b": b"2"})
    ada = grader()
    claim = ada.claim()
    place = f"claims/{claim['id']}/files/"
    said = ada.get(f"{place}1/")
    assert (said.status, said.body) == (200, b"<script>")
    assert said.headers["Content-Type"] == "application/octet-stream"
    assert said.headers["Content-Disposition"] == 'attachment; filename="a.html"'
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in said.headers["Content-Security-Policy"]
    assert ada.get(f"{place}2/").body == b"2"
    for number in (0, 3, 99999):
        assert ada.get(f"{place}{number}/").kind == "not-found"
    assert grader("other").get(f"{place}1/").kind == "claim-lost"
    SubmissionFile.objects.first().file.delete()  # type: ignore[union-attr]
    assert ada.get(f"{place}1/").kind == "not-found"


def test_a_queue_outside_the_patterns_does_not_exist() -> None:
    make("q"), make("python-1")
    ada = account("ada")
    narrow, wide = with_token(ada, "claim", queues=("python-*",)), with_token(ada, "claim", queues=("*",))
    assert narrow.post("claims/", {"queue_name": "q"}).kind == "not-found"
    assert narrow.post("claims/", {"queues": ["python-1", "q"]}).kind == "not-found"
    assert Job.objects.filter(num_pulls__gt=0).count() == 0
    claim = wide.claim("q")
    assert narrow.get(f"claims/{claim['id']}/").kind == "not-found"
    assert narrow.put(f"claims/{claim['id']}/result/", {"score": 1}).kind == "not-found"
    assert narrow.claim("python-1")


def test_of_several_queues_one_that_is_closed_is_refused_before_a_job_is_taken() -> None:
    make("a")
    limit("b", restricted=True)
    assert grader().post("claims/", {"queues": ["a", "b"], "max_claims": 2}).kind == "not-found"
    assert Job.objects.get().status == "pending"


def test_a_claim_may_be_finished_when_the_grant_goes() -> None:
    make()
    ada = grader("ada")
    claim = ada.claim()
    GraderQueue.objects.update(restricted=True)
    queue.forget()
    assert ada.post("claims/", {"queue_name": "q"}).kind == "not-found"
    assert ada.put(f"claims/{claim['id']}/result/", {"score": 1}).status == 200


# Idempotency-Key. -----------------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_claims_that_are_still_held() -> None:
    for _ in range(4):
        make()
    ada = grader()
    body = {"queue_name": "q", "max_claims": 2}
    first = ada.post("claims/", body, Idempotency_Key="k1").body["claims"]
    again = ada.post("claims/", {"max_claims": 2, "queue_name": "q"}, Idempotency_Key="k1").body["claims"]
    assert [claim["id"] for claim in again] == [claim["id"] for claim in first]
    ada.put(f"claims/{first[0]['id']}/result/", {"score": 1})
    again = ada.post("claims/", body, Idempotency_Key="k1").body["claims"]
    assert [claim["id"] for claim in again] == [first[1]["id"]]
    assert ada.post("claims/", {"queue_name": "q"}, Idempotency_Key="k1").kind == "idempotency-mismatch"
    ada.delete(f"claims/{first[1]['id']}/")
    fresh = ada.post("claims/", {"queue_name": "q"}, Idempotency_Key="k1").body["claims"]
    assert fresh[0]["id"] not in (first[0]["id"], first[1]["id"])


def test_keys_of_others_letters_in_other_cases_and_empty_answers_are_no_repetition() -> None:
    ada, bob = grader("ada"), grader("bob")
    assert ada.post("claims/", {"queue_name": "q"}, Idempotency_Key="K").body["claims"] == []
    assert ClaimRequest.objects.count() == 0
    for _ in range(3):
        make()
    ids = {
        who.post("claims/", {"queue_name": "q"}, Idempotency_Key=key).body["claims"][0]["id"]
        for who, key in ((ada, "K"), (ada, "k"), (bob, "K"))
    }
    assert len(ids) == 3
    for key in ("", "a b", "é", "x" * 256):
        said = ada.post("claims/", {"queue_name": "q"}, Idempotency_Key=key)
        assert (said.status, list(said.body["errors"])) == (400, ["Idempotency-Key"])


def test_a_key_is_forgotten_after_ten_minutes() -> None:
    make(), make()
    ada = grader()
    first = ada.post("claims/", {"queue_name": "q"}, Idempotency_Key="k").body["claims"]
    record = ClaimRequest.objects.get()
    ClaimRequest.objects.update(created_at=record.created_at - timedelta(seconds=601))
    assert ada.post("claims/", {"queue_name": "q"}, Idempotency_Key="k").body["claims"] != first
    assert ClaimRequest.objects.count() == 1
    assert uuid.UUID(ClaimRequest.objects.get().claim_ids)

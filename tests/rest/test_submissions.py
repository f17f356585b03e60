"""submissions/: handing in, lists, results, positions, and what ends or moves a job."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import Settings

from submissions import operators, queue
from submissions.models import Delivery, GraderQueue, OperatorMove
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Submission as Kept
from submissions.statistics import expectation
from tests.make import make
from tests.queue.jobs import limit
from tests.rest.talk import Rest, Said, account, grader, operator, platform, with_token

pytestmark = pytest.mark.django_db

GOOD = {"queue_name": "q", "course_id": "c", "item_id": "i", "learner_id": "l", "answer": "print(1)"}


@pytest.fixture
def lms(db: None) -> Rest:
    return platform()


def hand_in(lms: Rest, key: str = "k", **changes: Any) -> Said:
    return lms.post("submissions/", GOOD | changes, Idempotency_Key=key)


def uuid_of(said: Said) -> str:
    assert said.status == 201, said.body
    return str(said.body["uuid"])


def test_a_submission_is_made_and_told(lms: Rest) -> None:
    said = hand_in(lms, points_possible=4, reference="ref-1", grader_payload={"grader": "a.py"})
    assert said.status == 201
    row = Job.objects.get()
    links = said.body.pop("links")
    assert said.headers["Location"] == links["self"]
    assert links["self"].endswith(f"/api/external_grading/v1/submissions/{row.submission.uuid}/")
    created = said.body.pop("created_at")
    assert created.endswith("Z")
    assert said.body == {
        "uuid": str(row.submission.uuid),
        "queue_name": "q",
        "course_id": "c",
        "item_id": "i",
        "item_type": "problem",
        "learner_id": "l",
        "reference": "ref-1",
        "status": "queued",
        "claim_count": 0,
        "points_possible": 4,
        "started_at": None,
        "finished_at": None,
        "progress": None,
        "phase": None,
    }
    claim = grader().claim()
    assert claim["grader_payload"] == {"grader": "a.py"}
    assert lms.get(f"submissions/{row.submission.uuid}/").body["status"] == "grading"


def test_what_is_owed_for_a_submission_has_its_account(lms: Rest, settings: Settings) -> None:
    settings.SUBMISSIONS_WEBHOOK_URL = "https://site.example.org/hook"
    assert hand_in(lms).status == 201
    assert list(Delivery.objects.values_list("transport", "account")) == [("webhook", "lms")]


def test_the_same_key_is_one_submission(lms: Rest) -> None:
    first = uuid_of(hand_in(lms))
    assert uuid_of(hand_in(lms)) == first
    assert uuid_of(lms.post("submissions/", dict(reversed(GOOD.items())), Idempotency_Key="k")) == first
    assert hand_in(lms, answer="2").kind == "idempotency-mismatch"
    assert uuid_of(hand_in(platform("other"))) != first
    assert uuid_of(hand_in(lms, "K")) != first
    assert Job.objects.count() == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"queue_name": None}, "queue_name"),
        ({"queue_name": " q"}, "queue_name"),
        ({"queue_name": "x" * 129}, "queue_name"),
        ({"course_id": ""}, "course_id"),
        ({"course_id": "x" * 256}, "course_id"),
        ({"item_id": 7}, "item_id"),
        ({"item_type": "x" * 101}, "item_type"),
        ({"learner_id": "a\0"}, "learner_id"),
        ({"learner_id": "\ud800"}, "learner_id"),
        ({"answer": None}, "answer"),
        ({"grader_payload": None}, "grader_payload"),
        ({"points_possible": -1}, "points_possible"),
        ({"points_possible": "1"}, "points_possible"),
        ({"points_possible": 10**400}, "points_possible"),
        ({"reference": "x" * 129}, "reference"),
        ({"lerner_id": "x"}, "lerner_id"),
    ],
)
def test_a_faulty_field_is_named_and_nothing_is_made(lms: Rest, changes: Any, field: str) -> None:
    said = hand_in(lms, **changes)
    assert (said.status, said.kind) == (400, "validation"), said.body
    assert list(said.body["errors"]) == [field]
    assert Kept._objects.count() == 0


def test_a_key_is_needed(lms: Rest) -> None:
    said = lms.post("submissions/", GOOD)
    assert (said.status, list(said.body["errors"])) == (400, ["Idempotency-Key"])


def test_odd_answers_come_back_as_they_were(lms: Rest) -> None:
    answers: list[Any] = ["a\0b", "\ud800", {"a": [1, None, "\0"]}, False, 0, "", [], "é😀"]
    for number, answer in enumerate(answers):
        uuid_of(hand_in(lms, f"k{number}", answer=answer, grader_payload=answer))
    ada = grader()
    claims = [ada.claim() for _ in answers]
    assert [claim["answer"] for claim in claims] == answers
    assert [claim["grader_payload"] for claim in claims] == answers


def test_an_answer_has_its_own_limit(lms: Rest, settings: Settings) -> None:
    settings.SUBMISSIONS_ANSWER_MAX_BYTES = 1000
    assert hand_in(lms, answer="x" * 1000).status == 201
    said = hand_in(lms, "k2", answer="x" * 1001)
    assert (said.status, said.kind, said.body["detail"]) == (413, "too-large", "The answer is larger than 1000 bytes.")


def test_files_come_as_parts_of_a_form(lms: Rest) -> None:
    def send(key: str, content: bytes, name: str = "é.txt") -> Said:
        boundary = "xyz"
        lines = [
            f"--{boundary}",
            'Content-Disposition: form-data; name="submission"',
            "Content-Type: application/json",
            "",
            json.dumps(GOOD),
            f"--{boundary}",
            f'Content-Disposition: form-data; name="f"; filename="{name}"',
            "",
            content.decode("latin-1"),
            f"--{boundary}--",
            "",
        ]
        raw = "\r\n".join(lines).encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return lms.ask("POST", "submissions/", raw=raw, content_type=kind, Idempotency_Key=key)

    first = uuid_of(send("k", b"abc"))
    assert uuid_of(send("k", b"abc")) == first
    assert send("k", b"abd").kind == "idempotency-mismatch"
    assert send("k", b"abc", "b.txt").kind == "idempotency-mismatch"
    (file,) = grader().claim()["files"]
    assert (file["name"], file["size"]) == ("é.txt", 3)
    assert send("k2", b"abc", "語" * 255).status == 201
    assert grader().claim()["files"][0]["name"] == "語" * 255
    for name in ("../a", "a/b", "..", "a\\\\b", "x" * 256):
        said = send("k3", b"abc", name)
        assert (said.status, list(said.body["errors"])) == (400, ["files"]), name
    for raw in (b"", b"--xyz\r\n", b"--xyz--\r\n"):
        said = lms.ask(
            "POST", "submissions/", raw=raw, content_type="multipart/form-data; boundary=xyz", Idempotency_Key="k4"
        )
        assert said.status == 400


def test_queues_that_nobody_has_used(settings: Settings) -> None:
    wide, spelled = platform("wide"), platform("spelled", queues=("new", "other-*"))
    assert hand_in(wide, queue_name="fresh").status == 201
    settings.SUBMISSIONS_STRICT_QUEUES = True
    queue.forget()
    assert hand_in(wide, "k2", queue_name="newer").kind == "not-found"
    assert hand_in(spelled, "k3", queue_name="other-1").kind == "not-found"
    assert hand_in(spelled, "k4", queue_name="q").kind == "not-found"
    assert hand_in(spelled, "k5", queue_name="new").status == 201


def test_a_full_queue(lms: Rest, settings: Settings) -> None:
    settings.SUBMISSIONS_QUEUE_MAX_WAITING = 1
    assert hand_in(lms).status == 201
    said = hand_in(lms, "k2")
    assert (said.status, said.kind) == (429, "queue-full")
    assert said.headers["Retry-After"] == "30"


# Looking. -------------------------------------------------------------------------------------------------------------


def test_an_account_sees_its_own_and_an_operator_all(lms: Rest) -> None:
    mine = uuid_of(hand_in(lms))
    foreign = str(make("q").submission.uuid)
    other = platform("other")
    assert lms.get(f"submissions/{mine}/").status == 200
    assert lms.get(f"submissions/{foreign}/").kind == "not-found"
    assert other.get(f"submissions/{mine}/").kind == "not-found"
    assert [row["uuid"] for row in lms.get("submissions/").body["results"]] == [mine]
    root = operator()
    assert {row["uuid"] for row in root.get("submissions/").body["results"]} == {mine, foreign}
    assert operator(queues=("python",)).get("submissions/").body["results"] == []
    assert operator(queues=("python",)).get(f"submissions/{mine}/").kind == "not-found"


def test_json_of_too_many_values_is_refused_before_it_is_read(lms: Rest) -> None:
    raw = json.dumps(GOOD | {"answer": [0] * 600_000}).encode()
    said = lms.ask("POST", "submissions/", raw=raw, Idempotency_Key="many")
    assert (said.status, said.kind, said.body["detail"]) == (
        400,
        "validation",
        "The body has more than 500,000 values.",
    )
    assert Job.objects.count() == 0


def test_a_list_is_filtered_and_ordered(lms: Rest) -> None:
    first = uuid_of(hand_in(lms, "k1", reference="r1", item_id="i1"))
    second = uuid_of(hand_in(lms, "k2", learner_id="l2", course_id="c2", queue_name="q2"))
    third = uuid_of(hand_in(lms, "k3", item_id="i3"))
    grader().claim()

    def found(query: str) -> list[str]:
        said = lms.get(f"submissions/?{query}")
        assert said.status == 200, said.body
        return [row["uuid"] for row in said.body["results"]]

    assert found("") == [third, second, first]
    assert found("ordering=created_at") == [first, second, third]
    assert found("status=queued") == [third, second]
    assert found("status=grading") == [first]
    assert found("status=graded") == []
    assert found("queue_name=q2") == [second]
    assert found("course_id=c2") == [second]
    assert found("item_id=i3") == [third]
    assert found("learner_id=l2") == [second]
    assert found("reference=r1") == [first]
    for other in ("reference=%20r1", "reference=r1%20", "reference=R1", "learner_id=L2", "learner_id=%C4%BA2"):
        assert found(other) == []
    assert found("created_after=2020-01-01T00:00:00Z") == [third, second, first]
    assert found("created_before=2020-01-01T00:00:00Z") == []
    assert lms.get("submissions/?view=minimal&status=grading").body["results"] == [{"uuid": first, "status": "grading"}]
    assert lms.get("submissions/?created_after=0001-01-01T00:00:00%2B14:00").status == 400
    for query in (
        "status=gone", "colour=red", "created_after=soon", "ordering=uuid", "view=all", "page=0", "page=x", "status=",
        "learner_id=", "learner_id=l&learner_id=l2", "learner_id=%20", "course_id=%C2%A0",
    ):  # fmt: skip
        said = lms.get(f"submissions/?{query}")
        assert (said.status, list(said.body["errors"])) == (400, [query.partition("=")[0]])


def test_pages_lead_to_where_clients_reach_the_server(lms: Rest, settings: Settings) -> None:
    settings.SUBMISSIONS_BASE_URL = "https://grades.example.org"
    hand_in(lms, "k1"), hand_in(lms, "k2")
    root = "https://grades.example.org/api/external_grading/v1/submissions/"
    said = lms.get("submissions/?page_size=1").body
    assert said["next"] == f"{root}?page_size=1&page=2"
    assert said["results"][0]["links"]["self"] == f"{root}{said['results'][0]['uuid']}/"


def test_pages(lms: Rest) -> None:
    for number in range(5):
        hand_in(lms, f"k{number}")
    first = lms.get("submissions/?page_size=2").body
    assert {name: value for name, value in first.items() if name not in ("results", "next")} == {
        "count": 5,
        "count_is_exact": True,
        "previous": None,
        "num_pages": 3,
        "current_page": 1,
        "start": 0,
    }
    assert first["next"].endswith("/submissions/?page_size=2&page=2")
    last = lms.get("submissions/?page_size=2&page=3").body
    assert (len(last["results"]), last["next"], last["start"]) == (1, None, 4)
    assert lms.get("submissions/?page_size=2&page=4").kind == "not-found"
    assert lms.get("submissions/?page=100001").status == 400
    after = lms.get(f"submissions/?page_size=2&after={first['results'][-1]['uuid']}").body
    assert after["results"] == lms.get("submissions/?page_size=2&page=2").body["results"]
    for size in ("1000", "1" + "0" * 30, "9" * 5000):
        assert lms.get(f"submissions/?page_size={size}").body["num_pages"] == 1
    for page in ("1" + "0" * 30, "9" * 5000, "0", "00", "1.0"):
        assert lms.get(f"submissions/?page={page}").kind == "validation"


def test_a_page_goes_on_behind_a_submission_that_has_left_the_list(lms: Rest) -> None:
    first, second, third = [uuid_of(hand_in(lms, f"k{number}")) for number in range(3)]
    grader().claim()  # the first one, which waits no more
    query = f"submissions/?status=queued&ordering=created_at&after={first}"
    for who in (lms, operator()):
        assert [row["uuid"] for row in who.get(query).body["results"]] == [second, third]
    foreign = uuid_of(hand_in(platform("other"), "k"))
    assert list(lms.get(f"submissions/?after={foreign}").body["errors"]) == ["after"]


def test_a_result_without_its_hidden_parts(lms: Rest) -> None:
    name = uuid_of(hand_in(lms, points_possible=10))
    ada, root = grader(), operator()
    place = f"submissions/{name}/result/"
    assert lms.get(place).kind == "not-found"
    ada.put(
        f"claims/{ada.claim()['id']}/result/",
        {
            "score": 0.5,
            "feedback": {"format": "html", "text": "<b>x</b><script>1</script>"},
            "tests": [
                {"status": "passed", "name": "a"},
                {"status": "failed", "name": "b", "visibility": "hidden"},
                {"status": "failed", "name": "c", "visibility": "after_due_date"},
            ],
            "stdout": {"text": "secret"},
        },
    )
    said = lms.get(place).body
    assert said.pop("graded_at").endswith("Z")
    assert said == {
        "score": 0.5,
        "feedback": {"format": "html", "text": "<b>x</b>"},
        "tests": [
            {"status": "passed", "name": "a"},
            {"status": "failed", "name": "c", "visibility": "after_due_date"},
        ],
        "points_earned": 5,
        "points_possible": 10,
    }
    assert set(lms.get(f"{place}?view=minimal").body) == {"points_earned", "points_possible", "graded_at"}
    whole = root.get(place).body
    assert [test["name"] for test in whole["tests"]] == ["a", "b", "c"]
    assert whole["stdout"] == {"text": "secret"}
    assert lms.get(f"submissions/{name}/").body["status"] == "graded"


def test_a_hair_beyond_the_maximum_is_told_as_the_maximum(lms: Rest) -> None:
    ada = grader()
    for key, sent, told in (("k1", 1 + 1e-10, 1), ("k2", -1e-10, 0)):
        name = uuid_of(hand_in(lms, key, points_possible=10))
        assert ada.put(f"claims/{ada.claim()['id']}/result/", {"score": sent}).status == 200
        said = lms.get(f"submissions/{name}/result/").body
        assert (said["score"], said["points_earned"]) == (told, told * 10)


def test_the_result_of_a_grader_of_xqueues(lms: Rest) -> None:
    name = uuid_of(hand_in(lms))
    (job,) = queue.claim("q", grader="old")
    reply = json.dumps({"correct": True, "score": 1, "msg": "<p>Good<script>x</script></p>"})
    queue.complete(job.submission_id, job.pullkey, score=1, reply=reply)
    said = lms.get(f"submissions/{name}/result/").body
    assert said["feedback"] == {"format": "html", "text": "<p>Good</p>"}
    assert (said["score"], said["correct"], said["points_earned"]) == (1, True, 1)


def test_a_position_and_why_nothing_moves(lms: Rest) -> None:
    for number in range(3):
        last = uuid_of(hand_in(lms, f"k{number}"))
    place = f"submissions/{last}/position/"
    assert lms.get(place).body == {
        "status": "queued",
        "ahead": 2,
        "ahead_is_exact": True,
        "eta_seconds": None,
        "note": "2 jobs ahead; no grader has ever polled this queue.",
    }
    limit(paused=True)
    assert lms.get(place).body["note"] == "2 jobs ahead; the queue is paused."
    limit(paused=False)
    ada = grader()
    for _ in range(2):
        ada.put(f"claims/{ada.claim()['id']}/result/", {"score": 1})
    said = lms.get(place).body
    assert said["ahead"] == 0
    assert said["eta_seconds"]["low"] > 0
    assert said["eta_seconds"]["high"] > said["eta_seconds"]["low"]
    assert said["note"].startswith("Next in line; about ")


def test_a_grader_that_has_just_come_is_known_to_have_polled(lms: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(lms, "k1")
    last = uuid_of(hand_in(lms, "k2"))
    remembered = queue.settings_of("q")
    monkeypatch.setattr(expectation, "settings_of", lambda _: remembered)
    grader().claim()
    said = lms.get(f"submissions/{last}/position/").body
    assert said["note"] == "Next in line; nothing was graded in the last hour."


# Ending and moving. ---------------------------------------------------------------------------------------------------


def test_a_platform_takes_its_submission_back(lms: Rest) -> None:
    name = uuid_of(hand_in(lms))
    place = f"submissions/{name}/cancellations/"
    assert platform("other").post(place).kind == "not-found"
    said = lms.post(place, {"reason": "a mistake"})
    assert (said.status, said.body["status"]) == (201, "cancelled")
    assert lms.post(place).status == 200
    assert Job.objects.get().last_error == "a mistake"
    graded = uuid_of(hand_in(lms, "k2"))
    ada = grader()
    ada.put(f"claims/{ada.claim()['id']}/result/", {"score": 1})
    assert lms.post(f"submissions/{graded}/cancellations/").kind == "already-graded"
    assert lms.get(f"submissions/{name}/result/").kind == "not-found"


def test_an_operator_retries_and_releases(lms: Rest) -> None:
    name = uuid_of(hand_in(lms))
    root, ada = operator(), grader()
    assert lms.post(f"submissions/{name}/retries/").kind == "authz"
    assert root.post(f"submissions/{name}/retries/").kind == "conflict"
    claim = ada.claim()
    said = root.post(f"submissions/{name}/lease_releases/")
    assert (said.status, said.body["status"]) == (201, "queued")
    assert ada.put(f"claims/{claim['id']}/result/", {"score": 1}).kind == "claim-lost"
    claim = ada.claim()
    ada.put(f"claims/{claim['id']}/failure/", {"kind": "ungradable", "message": "x"})
    said = root.post(f"submissions/{name}/retries/")
    assert (said.status, said.body["status"]) == (201, "queued")


def test_a_staff_account_moves_what_its_permissions_say() -> None:
    from django.contrib.auth.models import Permission

    user = account("staff", "", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_externalgraderdetail"))
    staff = with_token(user, "operate", queues=("*",))
    name = str(make().submission.uuid)
    for move in ("retries", "lease_releases", "cancellations"):
        said = staff.post(f"submissions/{name}/{move}/")
        assert (said.status, said.kind) == (403, "authz"), move
    assert Job.objects.get().status == "pending"
    assert staff.ask("PATCH", "queues/q/", {"paused": True}).kind == "authz"
    assert GraderQueue.objects.get().paused is False


def test_who_may_submit_takes_back_no_others_submission_without_the_permission(lms: Rest) -> None:
    from django.contrib.auth.models import Permission

    theirs = uuid_of(hand_in(lms))
    user = account("both", "xqueue-submitters", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_externalgraderdetail"))
    both = with_token(user, "submit", "operate", queues=("*",))
    own = uuid_of(hand_in(both))
    said = both.post(f"submissions/{theirs}/cancellations/")
    assert (said.status, said.kind) == (403, "authz")
    assert both.post(f"submissions/{own}/cancellations/").status == 201
    assert {str(job.submission.uuid): job.status for job in Job.objects.all()} == {theirs: "pending", own: "retired"}
    user.user_permissions.add(Permission.objects.get(codename=operators.RETIRE.permission))
    assert both.post(f"submissions/{theirs}/cancellations/", {"reason": "enough"}).status == 201
    assert [(move.move, move.reason) for move in OperatorMove.objects.all()] == [("retire", "enough")]


def test_a_platform_supersedes_its_own_submissions_alone(lms: Rest) -> None:
    limit(supersede=True)
    first = uuid_of(hand_in(lms))
    second = uuid_of(hand_in(platform("staging")))
    assert lms.get(f"submissions/{first}/").body["status"] == "queued"
    third = uuid_of(hand_in(lms, "k2"))
    assert {str(job.submission.uuid): job.status for job in Job.objects.all()} == {
        first: "retired",
        second: "pending",
        third: "pending",
    }
    make(student="l", course="c", item="i")
    assert sorted(job.status for job in Job.objects.all()) == ["pending", "pending", "pending", "retired"]


def test_a_submission_whose_queue_was_deleted_is_no_error_when_it_is_sent_again() -> None:
    lms = platform(queues=("py*",))
    uuid_of(hand_in(lms, queue_name="python"))
    GraderQueue.objects.all().delete()
    assert hand_in(lms, queue_name="python").kind == "not-found"

"""What graders, platforms, tables and commands are told is English, whatever language a host has chosen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import translation

from gradequeue.accounts.places import Crowded
from submissions import operators, queue
from submissions.accounts.throttle import Throttled
from submissions.activity import Actor
from submissions.errors import LeaseLost, NotAllowed, UnknownJob
from submissions.models import Door, OperatorMove
from submissions.models import ExternalGraderDetail as Job
from submissions.statistics import lights
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit
from tests.rest.talk import grader as rest_grader
from tests.rest.talk import platform
from tests.xqueue.talk import PASSWORD, log_in, make_grader, pull, put

pytestmark = pytest.mark.django_db

CALM = "No jobs waiting; no grader has polled yet"


@pytest.fixture(autouse=True)
def spanish() -> Iterator[None]:
    """Of the host: it is active, and our words have a translation."""
    with translation.override("es"):
        assert lights.light(lights.Facts()).causes != (CALM,)
        yield


def test_an_answer_of_xqueue_and_what_is_stored_with_it() -> None:
    make_grader("grader")
    http = log_in("grader", PASSWORD)
    job = make(points_possible=2)
    work = pull(http)
    said = put(http, work.header, json.dumps({"correct": True, "score": "much", "msg": "<p>Good</p>"}))
    assert said == (400, {"return_code": 1, "content": "The score must be a number, not 'much'."})
    job.refresh_from_db()
    assert job.last_error == "The score must be a number, not 'much'."
    assert "The score must be a number" in str(job.pulls)
    assert translation.get_language() == "es"


def test_a_problem_of_rest() -> None:
    said = platform().get("submissions/6a1c9b1c-6f0e-4b5e-9c55-000000000000/", Accept_Language="es")
    assert (said.status, said.body["detail"]) == (404, "There is no such submission.")
    said = platform("other").post("submissions/", {"queue_name": "q"}, Idempotency_Key="k", Accept_Language="es")
    assert said.status == 422 or said.status == 400
    assert "required" in json.dumps(said.body["errors"])
    assert rest_grader().ask("PATCH", "claims/", {}).body["detail"] == 'Method "PATCH" not allowed.'


def test_a_position_of_rest() -> None:
    lms = platform()
    given = {"queue_name": "q", "course_id": "c", "item_id": "i", "learner_id": "l", "answer": "a"}
    made = lms.post("submissions/", given, Idempotency_Key="k").body
    assert lms.get(f"submissions/{made['uuid']}/position/").body["note"] == (
        "Next in line; no grader has ever polled this queue."
    )


def test_what_the_python_api_stores() -> None:
    limit(lease_seconds=60)
    job = make()
    lost = claim_one()
    later(1000)
    claimed = claim_one(grader="other")
    with pytest.raises(LeaseLost) as refused:
        queue.complete(job.submission_id, key_of(lost), score=1, reply="late")
    assert str(refused.value) == "The key is not, or no longer, the key of this job."
    assert "Its result came 16 min after the claim." in str(Job.objects.get().pulls)
    queue.fail(job.submission_id, key_of(claimed), reason="no space left on device")
    assert Job.objects.get().last_error == "no space left on device"


def test_a_refusal_has_both() -> None:
    job = make()
    with pytest.raises(NotAllowed) as refused:
        queue.retry(job.submission_id)
    assert str(refused.value) == f"Submission {job.submission_id} is pending; only failed can be retried."
    assert refused.value.in_words() != str(refused.value)
    assert str(UnknownJob()) == "There is no job for this submission."


def test_a_throttled_login_has_both() -> None:
    failed, crowded = Throttled(8), Crowded(1)
    assert str(failed) == "Too many failed logins; try again in 8 seconds"
    assert failed.in_words() == "Demasiados inicios de sesión fallidos; inténtelo de nuevo dentro de 8 segundos"
    assert str(crowded) == "Too many logins at once; try again in 1 second"
    assert crowded.in_words() == "Demasiados inicios de sesión a la vez; inténtelo de nuevo dentro de 1 segundo"


def test_what_is_written_down_of_a_move() -> None:
    row = limit()
    operators.PAUSE.run(row.pk, operators.PAUSE.by(Actor("ada", Door.ADMIN), ""))
    written = OperatorMove.objects.get()
    assert (written.move, written.door, written.reason, written.subject) == ("pause", "admin", "", "")
    with pytest.raises(NotAllowed) as refused:
        operators.PAUSE.run(row.pk, operators.PAUSE.by(Actor("ada", Door.ADMIN), ""))
    assert str(refused.value) == "Queue q is paused already."


def test_a_command() -> None:
    make()
    out, told = StringIO(), StringIO()
    call_command("queues", stdout=out)
    assert "1 job waiting; no grader has ever polled" in out.getvalue()
    call_command("jobs", stdout=out, stderr=told)
    assert "waiting" in out.getvalue()
    assert translation.get_language() == "es"


def test_what_commands_say_of_a_move() -> None:
    assert operators.RETIRE.will(3) == "Will end 3 jobs without a score."
    assert (operators.RETRY.done, operators.PAUSE.outcome) == ("retried", "paused; graders receive no jobs")
    assert operators.RETRY.told(12000) != "12,000 jobs will be graded again."
    with translation.override(None):
        assert operators.RETRY.told(12000) == "12,000 jobs will be graded again."
        assert lights.light(lights.Facts(waiting=1200)).causes == ("1,200 jobs waiting; no grader has ever polled",)
        assert lights.light(lights.Facts(silent=timedelta(minutes=30))).causes == (
            "No jobs waiting; no grader has polled for 30 min",
        )

"""What Prometheus reads: names, numbers, who may ask, and what asking costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from submissions import queue
from submissions.models import Delivery, ExternalGraderDetail, GraderQueue, GraderSighting, Tally, Transport
from submissions.statistics import history
from submissions.statistics.rollup import Watermark, watermark
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit
from tests.xqueue.talk import Http, make_grader

pytestmark = pytest.mark.django_db

TOKEN = "a token of some length"
LABELS = ("queue", "transport", "state", "outcome", "health", "le")


@pytest.fixture(autouse=True)
def _token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def get(path: str = "/metrics", token: str = TOKEN, **extra: str) -> tuple[int, str]:
    response = Client().get(path, headers={"Authorization": f"Bearer {token}", "Host": "10.1.2.3"}, **extra)  # type: ignore[arg-type]
    return response.status_code, response.content.decode()


def samples() -> dict[tuple[str, ...], float]:
    """Each sample's value by its name and labels' values."""
    status, text = get()
    assert status == 200
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, *(sample.labels[label] for label in LABELS if label in sample.labels))
            assert key not in found
            found[key] = sample.value
    return found


def test_a_queue_in_numbers() -> None:
    limit("q", max_failures=2, paused=False)
    for _ in range(4):
        make("q")
    queue.complete((job := claim_one("q")).submission_id, key_of(job), score=1, reply="{}")
    queue.fail((job := claim_one("q")).submission_id, key_of(job), reason="broke")
    queue.release((job := claim_one("q")).submission_id, key_of(job))
    claim_one("q")
    found = samples()
    assert {
        key: value
        for key, value in found.items()
        if key[1:]
        and key[0]
        in (
            "gradequeue_submissions",
            "gradequeue_enqueued_total",
            "gradequeue_claims_total",
            "gradequeue_results_total",
            "gradequeue_lease_expired_total",
            "gradequeue_dead_lettered_total",
            "gradequeue_queue_paused",
        )
    } == {
        ("gradequeue_submissions", "q", "pending"): 0,
        ("gradequeue_submissions", "q", "pulled"): 1,
        ("gradequeue_submissions", "q", "retry"): 2,
        ("gradequeue_submissions", "q", "failed"): 0,
        ("gradequeue_enqueued_total", "q"): 4,
        ("gradequeue_claims_total", "q", "scored"): 1,
        ("gradequeue_claims_total", "q", "failed"): 1,
        ("gradequeue_claims_total", "q", "lost"): 0,
        ("gradequeue_claims_total", "q", "released"): 1,
        ("gradequeue_results_total", "q", "scored"): 1,
        ("gradequeue_results_total", "q", "failed"): 1,
        ("gradequeue_lease_expired_total", "q"): 0,
        ("gradequeue_dead_lettered_total", "q"): 0,
        ("gradequeue_queue_paused", "q"): 0,
    }
    assert found["gradequeue_wait_seconds_count", "q"] == found["gradequeue_grade_seconds_count", "q"] == 1
    assert found["gradequeue_wait_seconds_bucket", "q", "+Inf"] == 1
    assert found["gradequeue_wait_seconds_bucket", "q", "14400.0"] == 1
    assert found["gradequeue_workers", "q", "live"] == 1
    assert found["gradequeue_workers", "q", "silent"] == 0


def test_leases_that_ran_out_and_jobs_that_were_given_up() -> None:
    limit("q", max_failures=1)
    make("q")
    claim_one("q")
    later(301)
    assert queue.claim("q", grader="grader") == []
    found = samples()
    assert found["gradequeue_lease_expired_total", "q"] == 1
    assert found["gradequeue_dead_lettered_total", "q"] == 1
    assert found["gradequeue_submissions", "q", "failed"] == 1


def test_graders_that_fell_silent() -> None:
    row = GraderQueue.objects.create(name="q")
    for name, minutes in (("a", 1), ("b", 5), ("c", 60 * 25)):
        GraderSighting.objects.create(queue=row, grader=name, seen_at=now() - timedelta(minutes=minutes))
    found = samples()
    assert (found["gradequeue_workers", "q", "live"], found["gradequeue_workers", "q", "silent"]) == (1, 1)


def test_deliveries_and_refused_logins() -> None:
    job = make("q")
    Delivery.objects.create(job=job, transport="callback", state="due", due_at=now() - timedelta(seconds=60))
    Delivery.objects.create(job=job, transport="callback", state="waiting")
    Tally.objects.add("deliveries:callback:delivered", 3)
    make_grader("ada")
    for password in ("wrong", "wrong again"):
        assert Http().post("/xqueue/login/", {"username": "ada", "password": password}).status_code == 401
    found = samples()
    assert found["gradequeue_outbox_pending",] == 1
    assert 60 <= found["gradequeue_outbox_oldest_seconds",] < 120
    assert found["gradequeue_deliveries_total", "callback", "delivered"] == 3
    assert found["gradequeue_logins_refused_total",] == 2


def test_what_was_given_up_is_counted_from_nothing_on() -> None:
    """A rule that asks for an increase sees none in a counter that appears with the first hundred."""
    Tally.objects.add("deliveries:callback:given_up", 100)
    found = samples()
    given_up = {name: found["gradequeue_deliveries_total", name, "given_up"] for name in Transport.values}
    assert given_up == {"signal": 0, "event": 0, "callback": 100, "webhook": 0}


def test_a_queue_of_any_name_is_written_so_that_it_can_be_read() -> None:
    name = 'q"\\ \u00fc {x="1"}'
    make(name)
    assert samples()["gradequeue_submissions", name, "pending"] == 1


def test_openmetrics_is_spoken_to_whom_asks_for_it() -> None:
    make("q")
    accept = "application/openmetrics-text; version=1.0.0"
    response = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept})
    assert response["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.endswith(b"# EOF\n")


def test_asking_costs_the_same_however_many_jobs_there_are() -> None:
    def statements() -> int:
        samples()
        with CaptureQueriesContext(connection) as caught:
            samples()
        return len(caught)

    make("q")
    first = statements()
    for number in range(30):
        make(f"q{number % 7}")
    assert statements() == first <= 31


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/autoscaling/q"])
@pytest.mark.parametrize(
    ("token", "networks", "given", "address", "status"),
    [
        ("", [], "", "127.0.0.1", 404),
        ("", [], "x", "127.0.0.1", 404),
        (TOKEN, [], "", "127.0.0.1", 403),
        (TOKEN, [], TOKEN[:-1], "127.0.0.1", 403),
        (TOKEN, [], "caf\u00e9", "127.0.0.1", 403),
        (TOKEN, [], TOKEN, "127.0.0.1", 200),
        ("", ["10.0.0.0/8"], "", "127.0.0.1", 403),
        ("", ["10.0.0.0/8"], "", "10.9.9.9", 200),
        ("", ["10.0.0.0/8"], "", "::ffff:10.9.9.9", 200),
        ("", ["10.0.0.0/8", "fd00::/8"], "", "fd00::1", 200),
        ("", ["10.0.0.0/8"], "", "", 403),
    ],
)
def test_numbers_are_for_whom_they_are_meant(
    settings: Settings, path: str, token: str, networks: list[str], given: str, address: str, status: int
) -> None:
    make("q")
    settings.METRICS_TOKEN = token
    settings.METRICS_NETWORKS = [ip_network(network) for network in networks]
    assert get(path, given, REMOTE_ADDR=address)[0] == status


def test_a_superusers_session_is_no_token(admin_client: Client) -> None:
    assert admin_client.get("/metrics").status_code == 403
    assert admin_client.get("/autoscaling/q").status_code == 403


def scaled(name: str) -> dict[str, object]:
    response = Client().get(f"/autoscaling/{name}", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return dict(response.json())


def test_a_scaler_learns_how_many_graders_would_do(settings: Settings) -> None:
    settings.TARGET_WAIT_SECONDS = 60
    for _ in range(13):
        make("q")
    claim_one("q")
    later(30, status="pending")
    answer = scaled("q")
    age = answer.pop("oldest_age_seconds")
    assert isinstance(age, float)
    assert 30 <= age < 60
    # 13 jobs of 10 seconds each, as nothing is known of them yet, within a minute.
    assert answer == {"queue": "q", "waiting": 12, "in_flight": 1, "desired_graders": 3}
    for _ in range(10):
        job = claim_one("q")
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    ExternalGraderDetail.objects.filter(status="retired").update(pulled_at=now() - timedelta(seconds=58))
    assert scaled("q")["desired_graders"] == 3  # 3 jobs of nearly a minute each
    GraderQueue.objects.update(paused=True)
    assert scaled("q")["desired_graders"] == 1


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_scaler_is_answered_by_a_node_whose_clock_is_wrong(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    make("q")

    def of_the_database() -> Watermark | None:
        found = watermark()
        return found and replace(found, now=found.now + timedelta(hours=hours))

    monkeypatch.setattr(history, "watermark", of_the_database)
    assert scaled("q")["desired_graders"] == 1


def test_an_idle_queue_needs_nobody_and_an_unknown_one_is_not_there() -> None:
    GraderQueue.objects.create(name="idle queue")
    assert scaled("idle queue") == {
        "queue": "idle queue",
        "waiting": 0,
        "in_flight": 0,
        "oldest_age_seconds": 0,
        "desired_graders": 0,
    }
    assert get("/autoscaling/nobody")[0] == 404
    assert get("/autoscaling/%00")[0] == 404

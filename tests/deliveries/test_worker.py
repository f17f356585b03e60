"""Workers as they run: several at once, killed at any time, with platforms that are down, slow or broken."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import connections
from django.db.models import Sum
from pytest_django import Settings

from submissions import queue, signals
from submissions.deliveries import Outcome, Worker, claims
from submissions.models import Delivery, DeliveryHost
from submissions.upkeep import audit
from tests.deliveries.owed import deliver, later, owed_many, wait_for
from tests.platform_stub import Answer, Call, Platform, Reply
from tests.queue.jobs import claim_one, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("local")]


@contextmanager
def working(threads: int = 8) -> Iterator[Worker]:
    """A worker in this process, ended afterwards."""
    stop, worker = threading.Event(), Worker(threads)

    def run() -> None:
        try:
            worker.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def sooner(seconds: float) -> bool:
    later(seconds)
    return True


def all_delivered() -> bool:
    return not Delivery.objects.exclude(state="delivered").exists()


def test_a_worker_killed_at_any_moment_loses_nothing(platform: Platform) -> None:
    paths = owed_many(150, platform.url)
    platform.answer = lambda call: Reply(after=random.uniform(0, 0.03))
    for _ in range(5):
        process = deliver("--threads", "6")
        calls = len(platform.calls) + random.randint(1, 15)
        wait_for(lambda calls=calls: len(platform.calls) >= calls)  # type: ignore[misc]
        process.kill()
        process.wait()
        # What it had in its hands comes back when the lease is over.
        later(80)
    assert deliver("--once").wait(60) == 0
    assert all_delivered()
    counts = Counter(call.path for call in platform.done)
    assert sorted(counts) == sorted(paths)
    # At most what a killed worker was just sending or writing down goes twice.
    assert counts.total() - len(paths) <= 5 * 6
    assert list(audit.problems()) == []


def test_workers_side_by_side_send_each_result_once(platform: Platform) -> None:
    paths = owed_many(200, platform.url)
    processes = [deliver("--once", "--threads", "4") for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert all_delivered()
    assert Counter(call.path for call in platform.calls) == Counter(paths)


def test_sigterm_ends_a_worker_and_what_is_on_its_way_is_finished(platform: Platform) -> None:
    owed_many(1, platform.url)
    begun = threading.Event()

    def slowly(call: Call) -> Reply:
        begun.set()
        return Reply(after=1)

    platform.answer = slowly
    process = deliver()
    assert begun.wait(30)
    process.terminate()
    assert process.wait(30) == 0
    assert (all_delivered(), Delivery.objects.get().attempts) == (True, 1)


def test_a_platform_that_fails_three_times_in_ten_gets_everything(platform: Platform, settings: Settings) -> None:
    settings.SUBMISSIONS_DELIVERY_BACKOFF_SECONDS = 0
    paths = owed_many(100, platform.url)

    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()

    answers: list[Answer] = [200, 500, 404, hang_up]
    platform.answer = lambda call: random.choices(answers, [7, 1, 1, 1])[0]
    with working():
        wait_for(lambda: sooner(2) and all_delivered())
    assert {call.path for call in platform.done} == set(paths)


def test_a_dead_host_holds_up_nobody_else_and_costs_few_attempts(platform: Platform) -> None:
    with Platform() as dead:
        address = dead.url
    owed_many(5000, address)
    # Newer ones, to a host that answers.
    paths = owed_many(30, f"http://localhost:{platform.port}", first=10_000)
    began = time.monotonic()
    with working():
        platform.wait(30, 20)
        wait_for(lambda: DeliveryHost.objects.filter(host="127.0.0.1", failures__gte=5).exists())
    assert time.monotonic() - began < 20
    assert {call.path for call in platform.calls} == set(paths)
    attempts = Delivery.objects.filter(host="127.0.0.1").aggregate(total=Sum("attempts"))["total"]
    assert 5 <= attempts < 50
    assert Delivery.objects.filter(host="127.0.0.1", state="due").count() == 5000


def test_more_hosts_than_one_round_looks_at_keep_none_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_HOSTS", 3)
    for name in ("a", "b", "c", "d", "z"):
        owed_many(1, f"http://{name}.example.org")

    def taken(*away: str) -> list[str]:
        return [due.row.host for due in claims.take(9, lambda host: host[0] not in away)]

    # Those at the beginning have no room, as while they do not answer.
    assert [taken("a", "b", "c"), taken("a", "b", "c", "d")] == [[], ["z.example.org"]]
    assert sorted(taken()) == ["a.example.org", "b.example.org", "c.example.org"]
    # Those at the beginning wait for their next attempt.
    assert [taken(), taken(), taken()] == [["d.example.org"], [], []]
    Delivery.objects.filter(host__startswith="z").update(due_at="2026-01-01T00:00:00Z")
    assert [taken(), taken()] == [["z.example.org"], []]


def test_a_host_that_is_back_gets_everything_soon_and_not_all_at_once(settings: Settings) -> None:
    settings.SUBMISSIONS_DELIVERY_PER_HOST = 4
    platform = Platform().start()
    platform.stop()
    paths = owed_many(300, platform.url)
    busy, most = [0], [0]
    lock = threading.Lock()

    def counting(call: Call) -> Reply:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.003)
        with lock:
            busy[0] -= 1
        return Reply()

    platform.answer = counting
    with working(threads=8):
        # Down for most of an hour.
        for failures in range(5, 11):
            wait_for(lambda failures=failures: DeliveryHost.objects.filter(failures__gte=failures).exists())  # type: ignore[misc]
            later(400)
        worst = Delivery.objects.order_by("-attempts")[0]
        platform.start()
        # Five minutes at most until somebody looks again, and two for those that were put off for longer.
        later(400)
        platform.wait(200, 30)
        wait_for(lambda: sooner(5) and all_delivered())
    platform.stop()
    assert {call.path for call in platform.done} == set(paths)
    assert most[0] <= 4
    assert worst.attempts < 20
    assert not DeliveryHost.objects.exists()
    # The first one went alone.
    assert platform.calls[1].at > platform.calls[0].at


def test_only_one_of_many_workers_tries_a_host_that_was_held(platform: Platform) -> None:
    owed_many(50, platform.url)
    DeliveryHost.objects.create(host="127.0.0.1", failures=9, held_until="2020-01-01T00:00:00Z")
    together = threading.Barrier(8)

    def take() -> list[Any]:
        together.wait()
        try:
            return claims.take(9, lambda _: 9)
        finally:
            connections.close_all()

    found: list[list[Any]] = []
    threads = [threading.Thread(target=lambda: found.append(take())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(rows) for rows in found) == [0, 0, 0, 0, 0, 0, 0, 1]


# In a platform that embeds the app. ---------------------------------------------------------------------------------


@pytest.fixture
def at_once(settings: Settings) -> None:
    settings.SUBMISSIONS_DELIVER_AT_ONCE = True
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]


def test_a_result_is_sent_at_once_and_the_grader_does_not_wait(at_once: None) -> None:
    heard = []

    def slow(message: Any, **_: Any) -> None:
        time.sleep(1)
        heard.append(message.submission_id)

    signals.result_ready.connect(slow)
    try:
        ids = [make().submission_id for _ in range(3)]
        began = time.monotonic()
        for _ in ids:
            job = claim_one()
            queue.complete(job.submission_id, str(job.pullkey), score=1, reply='{"score": 1}')
        assert time.monotonic() - began < 1
        wait_for(all_delivered)
    finally:
        signals.result_ready.disconnect(slow)
    assert sorted(heard) == ids
    wait_for(lambda: not any(one.name == "deliveries" for one in threading.enumerate()))


def test_a_listener_that_raises_at_once_is_asked_again_later(at_once: None) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("the platform is broken")

    signals.result_ready.connect(broken)
    try:
        make()
        job = claim_one()
        queue.complete(job.submission_id, str(job.pullkey), score=1, reply='{"score": 1}')
        wait_for(lambda: Delivery.objects.get().last_error)
    finally:
        signals.result_ready.disconnect(broken)
    assert Delivery.objects.get().last_error == "RuntimeError: the platform is broken"
    wait_for(lambda: not any(one.name == "deliveries" for one in threading.enumerate()))
    later(10)
    worker = Worker(1)
    worker.run(threading.Event(), until_idle=True)
    assert worker.outcomes == {Outcome.DELIVERED: 1}

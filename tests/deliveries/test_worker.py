"""Workers as they run: several at once, killed at any time, with platforms that are down, slow or broken."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import connections
from django.db.models import Sum
from pytest_django import Settings

from submissions import queue, signals
from submissions.deliveries import Outcome, Worker, claims
from submissions.deliveries.attempt import attempt_all
from submissions.deliveries.worker import Limits
from submissions.models import Delivery, DeliveryHost
from submissions.upkeep import audit
from tests.deliveries.owed import deliver, later, owed_many, wait_for
from tests.make import make
from tests.platform_stub import Answer, Call, Platform, Reply
from tests.queue.jobs import claim_one

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


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of every address of this machine: connections are made, and nobody answers."""
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))
        listening.listen(500)
        yield listening.getsockname()[1]


def owed_to_silent_hosts(count: int, port: int, *, account: str | None = None) -> list[str]:
    """One result for each of so many hosts of this `port`; the hosts."""
    found = [f"127.9.{number // 200}.{number % 200 + 1}" for number in range(count)]
    for number, host in enumerate(found):
        owed_many(1, f"http://{host}:{port}", first=100_000 + number, account=account)
    return found


def tried(hosts: Iterable[str]) -> int:
    """To how many of these hosts something was sent."""
    return Delivery.objects.filter(host__in=hosts, attempts__gt=0).count()


@pytest.mark.databases("postgresql")
def test_many_silent_hosts_leave_the_others_their_senders(platform: Platform, silent: int) -> None:
    owed_many(1, f"http://localhost:{platform.port}", first=1)
    assert deliver("--once").wait(60) == 0
    hosts = owed_to_silent_hosts(300, silent)
    with working(8) as worker:
        wait_for(lambda: tried(hosts) >= 2)
        # Some time for the others to be taken, if they were.
        time.sleep(1)
        assert tried(hosts) == 2
        paths = owed_many(8, f"http://localhost:{platform.port}", first=1000)
        platform.wait(9, 10)
        assert {call.path for call in platform.calls} >= set(paths)
        assert worker.outcomes[Outcome.UNREACHABLE] == 0


@pytest.mark.databases("postgresql")
def test_an_account_with_many_silent_hosts_leaves_another_one_its_senders(platform: Platform, silent: int) -> None:
    """Though the other one's host has not answered before either."""
    hosts = owed_to_silent_hosts(100, silent, account="ada")
    with working(8) as worker:
        wait_for(lambda: tried(hosts) >= 1)
        time.sleep(1)
        assert tried(hosts) == 1
        paths = owed_many(3, f"http://localhost:{platform.port}", account="ben")
        platform.wait(3, 10)
        assert {call.path for call in platform.calls} == set(paths)
        assert (tried(hosts), worker.outcomes[Outcome.UNREACHABLE]) == (1, 0)


@pytest.mark.databases("postgresql")
def test_an_account_whose_hosts_have_answered_and_are_slow_now_has_half_of_the_senders(
    platform: Platform, silent: int
) -> None:
    hosts = owed_to_silent_hosts(100, silent, account="ada")
    past = [Delivery(job=Delivery.objects.all()[0].job, transport="callback", host=host) for host in hosts]
    for row in past:
        row.state, row.delivered_at = "delivered", row.job.returned_at
    Delivery.objects.bulk_create(past)
    with working(8) as worker:
        wait_for(lambda: tried(hosts) >= 4)
        time.sleep(1)
        assert tried(hosts) == 4
        owed_many(3, f"http://localhost:{platform.port}", account="ben")
        platform.wait(3, 10)
        assert (tried(hosts), worker.outcomes[Outcome.UNREACHABLE]) == (4, 0)


def test_of_two_accounts_at_one_host_the_one_that_has_its_share_holds_up_none(settings: Settings) -> None:
    owed_many(30, "http://lms.example.org", account="ada")
    owed_many(4, "http://lms.example.org", first=100, account="ben")
    owed_many(2, "http://lms.example.org", first=200)
    rooms = {"ada": 1, "ben": 2, None: 9}

    def taken() -> list[str | None]:
        found = claims.take_by_host(9, lambda _: 8, room=lambda _, account: rooms[account])
        return [due.row.account for rows in found for due in rows]

    assert taken() == ["ada", "ben", "ben", None, None]
    rooms["ada"] = 0
    assert taken() == ["ben", "ben"]
    assert taken() == []


def test_hosts_that_never_answer_leave_nothing_in_memory() -> None:
    limits = Limits(16)
    for number in range(100):
        place = limits.begin(f"{number}.example", "lms")
        limits.to_host(place.host)
        limits.end(place, [Outcome.UNREACHABLE])
    for outcomes in ([Outcome.DELIVERED], [Outcome.DELIVERED], [Outcome.FAILED]):
        limits.end(limits.begin("up.example", "lms"), outcomes)
    assert limits._most == {"up.example": 1.5}
    limits.end(limits.begin("up.example", "lms"), [Outcome.FAILED])
    assert limits._most == {}


def test_what_has_not_failed_lately_comes_first() -> None:
    for name in ("a", "b", "c", "d"):
        owed_many(1, f"http://{name}.example.org", account=name)
    DeliveryHost.objects.create(host="a.example.org", failures=1)
    order = {"a": 0, "b": 2, "c": 1, "d": 0}
    found = claims.take_by_host(9, lambda _: 1, order=lambda _, account: order[str(account)])
    assert [due.row.account for rows in found for due in rows] == ["d", "c", "b", "a"]


def test_more_hosts_than_one_round_looks_at_keep_none_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_HOSTS", 3)
    monkeypatch.setattr(claims, "NEWEST", 1)
    for name in ("a", "b", "c", "d", "z"):
        owed_many(1, f"http://{name}.example.org")

    def taken(*away: str) -> list[str]:
        return [due.row.host for due in claims.take(9, lambda host: host[0] not in away)]

    # Those at the beginning have no room, as while they do not answer; the last one is the newest.
    assert [taken("a", "b", "c"), taken("a", "b", "c", "d")] == [["z.example.org"], []]
    assert sorted(taken("d")) == ["a.example.org", "b.example.org", "c.example.org"]
    # Those at the beginning wait for their next attempt.
    assert [taken(), taken(), taken()] == [["d.example.org"], [], []]
    Delivery.objects.filter(host__startswith="z").update(due_at="2026-01-01T00:00:00Z")
    assert [taken(), taken()] == [["z.example.org"], []]


def test_a_result_that_has_just_come_is_found_however_many_hosts_another_account_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "MOST_HOSTS", 3)
    monkeypatch.setattr(claims, "_walked_to", None)
    for number in range(10):
        owed_many(1, f"http://a{number}.example.org", account="ada")
    owed_many(1, "http://z.example.org", account="ben")
    rooms = {"ada": 0, "ben": 9}
    found = claims.take_by_host(9, lambda _: 8, room=lambda _, account: rooms[str(account)])
    assert [due.row.host for rows in found for due in rows] == ["z.example.org"]


@pytest.mark.databases("postgresql")
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


# Results that stay in the process. ----------------------------------------------------------------------------------


def owed_to_listeners(count: int) -> list[int]:
    """As many results that are due as signals; the ids of their submissions."""
    ids = [make(item=f"i{number}").submission_id for number in range(count)]
    for job in queue.claim("q", grader="grader", limit=count):
        queue.complete(job.submission_id, str(job.pullkey), score=1, reply='{"score": 1}')
    return ids


def test_one_that_a_listener_refuses_holds_up_none_that_is_taken_with_it(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    ids = owed_to_listeners(40)
    heard: list[int] = []

    def listen(message: Any, **_: Any) -> None:
        if message.submission_id == ids[2]:
            raise ValueError("not this one")
        heard.append(message.submission_id)

    signals.result_ready.connect(listen)
    try:
        worker = Worker(2)
        worker.run(threading.Event(), until_idle=True)
    finally:
        signals.result_ready.disconnect(listen)
    assert worker.outcomes == {Outcome.DELIVERED: 39, Outcome.FAILED: 1}
    assert sorted(heard) == [pk for pk in ids if pk != ids[2]]
    (left,) = Delivery.objects.exclude(state="delivered")
    assert (left.job.submission_id, left.state, left.last_error) == (ids[2], "due", "ValueError: not this one")


def test_what_slow_listeners_leave_no_time_for_is_not_sent_beside_the_next_worker(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    settings.SUBMISSIONS_DELIVERY_TIMEOUT_SECONDS = -14  # a lease of two seconds
    owed_to_listeners(8)
    heard: list[int] = []

    def slow(message: Any, **_: Any) -> None:
        heard.append(message.submission_id)
        time.sleep(0.4)

    signals.result_ready.connect(slow)
    try:
        (taken,) = claims.take_by_host(1, lambda _: 1, together=16)
        outcomes = attempt_all(taken)
    finally:
        signals.result_ready.disconnect(slow)
    assert 1 <= len(heard) <= 4
    assert outcomes == [Outcome.DELIVERED] * len(heard)
    told = Delivery.objects.filter(state="delivered").values_list("job__submission_id", flat=True)
    assert sorted(told) == sorted(heard)
    assert Delivery.objects.filter(state="due").count() == 8 - len(heard)


def test_of_those_taken_together_one_that_was_taken_over_is_not_counted_as_told(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    owed_to_listeners(3)
    (taken,) = claims.take_by_host(1, lambda _: 1, together=16)
    assert len(taken) == 3
    Delivery.objects.filter(pk=taken[1].row.pk).update(attempts=2)
    assert claims.record_delivered(taken) == [taken[0], taken[2]]
    states = Delivery.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["delivered", "due", "delivered"]


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


def test_a_listener_that_raises_at_once_is_asked_again_later(at_once: None, listener: None) -> None:
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


@pytest.mark.once
def test_where_no_further_thread_can_be_started_those_that_began_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's process begins with each result anew, and would have more and more that wait for ever."""
    begun: list[threading.Thread] = []
    start = threading.Thread.start

    def start_two(thread: threading.Thread) -> None:
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Worker(4).run(threading.Event())
    assert [one.is_alive() for one in begun] == [False, False]

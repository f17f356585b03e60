"""Who waits for a job, and the thread that watches for it: within this process. Over a server: tests/rest."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection, connections

from submissions import queue, waiting
from submissions.queue import ClaimedJob
from submissions.waiting import Outcome, Room
from tests.make import make

pytestmark = pytest.mark.django_db(transaction=True)


def claim() -> list[ClaimedJob]:
    return queue.claim("q", grader="ada")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """One of its own: nobody tells it of new jobs, so its watcher has to see them."""
    monkeypatch.setattr(waiting, "LINGER_SECONDS", 0.1)
    room = Room()
    yield room
    for thread in threading.enumerate():
        if thread.name == "gradequeue-watcher":
            thread.join(5)


@pytest.fixture
def many_files() -> Iterator[None]:
    """As a server has with a thousand idle connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("NOT RUN: this machine gives a process no more files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    files = [os.dup(0) for _ in range(1100)]
    yield
    for file in files:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def come_later() -> None:
    time.sleep(0.3)
    try:
        make("q")
    finally:
        connections.close_all()


@pytest.mark.usefixtures("many_files")
def test_a_process_with_many_files_watches_again_and_again(room: Room) -> None:
    for _ in range(2):
        assert room.wait(["q"], "ada", 0.2, claim) == ([], Outcome.TIMED_OUT)
        time.sleep(0.5)  # the watcher ends meanwhile
    coming = threading.Thread(target=come_later)
    coming.start()
    jobs, outcome = room.wait(["q"], "ada", 10, claim)
    coming.join()
    assert (len(jobs), outcome) == (1, Outcome.CAME)


def test_who_gets_a_job_wakes_the_next_one(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ASK_SECONDS", 4)
    monkeypatch.setattr(waiting, "ASK_BESIDE_SECONDS", 4)
    outcomes: list[Outcome] = []

    def wait() -> None:
        try:
            outcomes.append(room.wait(["q"], "ada", 3, claim)[1])
        finally:
            connections.close_all()

    for _ in range(4):
        make("q")
    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Outcome.CAME] * 4


def test_where_no_watcher_can_be_started_nobody_waits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    with pytest.raises(RuntimeError):
        room.wait(["q"], "ada", 10, claim)
    assert room.queues() == []
    monkeypatch.setattr(threading.Thread, "start", start)
    make("q")
    jobs, outcome = room.wait(["q"], "ada", 10, claim)
    assert (len(jobs), outcome) == (1, Outcome.CAME)


def test_who_joins_others_has_the_database_asked_for_nothing_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ASK_SECONDS", 5)
    monkeypatch.setattr(waiting, "ASK_BESIDE_SECONDS", 5)
    asked: list[list[str]] = []

    def note(names: list[str]) -> dict[str, object]:
        asked.append(names)
        return {}

    monkeypatch.setattr(waiting, "waiting_since", note)
    threads = []
    for names in (["q"], ["q"], ["q", "other"], ["other"]):
        threads.append(threading.Thread(target=room.wait, args=(names, "ada", 3, list)))
        threads[-1].start()
        time.sleep(0.4)
    for thread in threads:
        thread.join()
    assert asked == [["q"], ["other", "q"]]


@pytest.mark.databases("postgresql")
def test_a_connection_that_goes_back_to_a_pool_is_told_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)  # a pool keeps it open
    with waiting._listening() as listener:
        assert listener is not None
        assert listens() == [waiting.CHANNEL]
    assert listens() == []


def listens() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_listening_channels()")
        return [name for (name,) in cursor.fetchall()]

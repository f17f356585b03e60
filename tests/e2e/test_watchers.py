"""Each known generation of graders, through real sockets, grades a queue to its end."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.clients.bux import Bux
from tests.e2e.clients.course import reply_to
from tests.e2e.clients.new_watcher import NewWatcher
from tests.e2e.clients.old_watcher import OldWatcher
from tests.e2e.clients.pull_ref import PullRef
from tests.e2e.clients.tutor import Tutor
from tests.server import Server

pytestmark = [pytest.mark.walk, pytest.mark.databases("postgresql")]

EMPTY = "Queue '{}' is empty"
STALE = (409, {"return_code": 1, "content": "Incorrect key for submission"})
OK = (200, {"return_code": 0, "content": ""})

# Of ten points each; the last four answers are in their files.
ANSWERS = [
    "right",
    "half",
    "wrong",
    "tenth",
    "right",
    "wrong",
    "half",
    "half",
    "F right",
    "F tenth",
    "F half",
    "F wrong",
]
POINTS = [10, 5, 0, 1, 10, 0, 5, 5, 10, 1, 5, 0]


def submissions(queue: str, answers: list[str]) -> list[dict[str, Any]]:
    return [submission(queue, number, answer) for number, answer in enumerate(answers)]


def submission(queue: str, number: int, answer: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"queue_name": queue, "student_id": f"{queue}-{number}", "points_possible": 10}
    if answer.startswith("F "):
        fields |= {"answer": "see the file", "files": {"answer.txt": answer[2:], 'na\u00efve "1".txt': "x"}}
    else:
        fields |= {"answer": answer}
    return fields | {"grader_payload": json.dumps({"grader": "ps1/one.py"})}


@dataclass(frozen=True)
class Course:
    """One account for all the graders of the file, and for each of them queues of its own with jobs in them."""

    server: Server
    name: str
    password: str
    ids: dict[str, list[int]]

    def client(self, kind: Callable[..., Any], queue: str) -> Any:
        return kind(self.server.url, f"{self.name}-{queue}", self.name, self.password)

    def points(self, queue: str) -> list[Any]:
        rows = self.server.show(*self.ids[queue])
        assert {row["status"] for row in rows} == {"retired"}, rows
        return [row["points_earned"] for row in rows]

    def login(self) -> requests.Session:
        http = requests.Session()
        fields = {"username": self.name, "password": self.password}
        response = http.post(f"{self.server.url}/xqueue/login/", data=fields, timeout=30)
        assert (response.status_code, response.json()) == (200, {"return_code": 0, "content": "Logged in"})
        return http


QUEUES = {
    **dict.fromkeys(("old", "new", "ref", "bux", "tutor"), ANSWERS),
    **{f"{queue} lost": ANSWERS[:4] for queue in ("old", "new", "ref", "bux", "tutor")},
    **{f"{queue} gone": ANSWERS[:2] for queue in ("old", "new")},
    "many": ["right", "half", "wrong", "tenth"] * 50,
}


@pytest.fixture(scope="module")
def course(server: Server) -> Course:
    name = f"n{uuid.uuid4().hex[:10]}"
    rows = [row for queue, answers in QUEUES.items() for row in submissions(f"{name}-{queue}", answers)]
    made = iter(server.enqueue(*rows))
    ids = {queue: list(itertools.islice(made, len(answers))) for queue, answers in QUEUES.items()}
    return Course(server, name, server.grader(name), ids)


# To the end. --------------------------------------------------------------------------------------------------------


def test_the_old_watcher_grades_its_queue_to_the_end(course: Course) -> None:
    watcher = course.client(OldWatcher, "old")
    assert watcher.work() == 12
    assert (watcher.logins, watcher.dropped) == (1, 0)
    assert course.points("old") == POINTS


def test_the_new_watcher_grades_its_queue_to_the_end(course: Course) -> None:
    watcher = course.client(NewWatcher, "new")
    assert watcher.work() == 12
    assert (watcher.logins, watcher.dropped) == (1, 0)
    assert "X-CSRFToken" in watcher.token()
    assert course.points("new") == POINTS


def test_the_reference_grader_grades_its_queue_to_the_end(course: Course) -> None:
    grader = course.client(PullRef, "ref")
    assert grader.work() == 12
    assert grader.logins == 13
    assert course.points("ref") == POINTS


def test_the_framework_of_workers_grades_its_queue_to_the_end(course: Course) -> None:
    framework = course.client(Bux, "bux")
    assert framework.work() == 12
    assert (framework.logins, framework.most_at_once) == (1, 12)
    assert course.points("bux") == POINTS


def test_the_command_line_grades_its_queue_to_the_end(course: Course) -> None:
    assert course.client(Tutor, "tutor").work() == 12
    assert course.points("tutor") == POINTS


# Sessions that are lost. --------------------------------------------------------------------------------------------


def end_session(server: Server, http: requests.Session) -> None:
    """Log out elsewhere, with the cookie of `http`."""
    response = requests.post(f"{server.url}/xqueue/logout/", cookies=http.cookies, timeout=30)
    assert response.json() == {"return_code": 0, "content": "Goodbye"}


@pytest.mark.parametrize(("generation", "queue"), [(OldWatcher, "old lost"), (NewWatcher, "new lost")])
def test_a_watcher_logs_in_again_when_its_session_is_lost(
    course: Course, generation: type[OldWatcher], queue: str
) -> None:
    class Unlucky(generation):  # type: ignore[misc, valid-type]
        """Loses its session before each request of grading."""

        def request(self, method: str, endpoint: str, **fields: Any) -> tuple[bool, Any]:
            end_session(course.server, self.http)
            return super().request(method, endpoint, **fields)  # type: ignore[no-any-return]

    watcher = course.client(Unlucky, queue)
    assert watcher.work() == 4
    # The first login, then one for each of four submissions, four results, and the poll that found nothing.
    assert (watcher.logins, watcher.dropped) == (10, 0)
    assert course.points(queue) == [10, 5, 0, 1]


def test_the_framework_logs_in_again_when_its_session_is_lost(course: Course) -> None:
    framework = course.client(Bux, "bux lost")
    assert framework.ask("GET", "get_queuelen", params={"queue_name": framework.queue}) == 4
    for _ in range(2):
        end_session(course.server, framework.http)
        content = json.loads(framework.ask("GET", "get_submission", params={"queue_name": framework.queue}))
        reply = reply_to(content["xqueue_body"], {})
        end_session(course.server, framework.http)
        result = {"xqueue_header": content["xqueue_header"], "xqueue_body": json.dumps(reply)}
        assert framework.ask("POST", "put_result", data=result) == ""
    end_session(course.server, framework.http)
    assert framework.work() == 2
    assert framework.logins == 6
    assert course.points("bux lost") == [10, 5, 0, 1]


def test_the_reference_grader_loses_one_result_with_its_session_and_the_queue_gives_the_job_again(
    course: Course,
) -> None:
    grader = course.client(PullRef, "ref lost")
    assert grader.look()
    result = grader.pulled()
    end_session(course.server, grader.http)
    # It takes the page behind the redirect for an ok, so that the job must come back by itself, or by an operator.
    grader.deliver(result)
    assert course.server.show(course.ids["ref lost"][0])[0]["status"] == "pulled"
    course.server.run("release", str(course.ids["ref lost"][0]))
    assert grader.work() == 5
    assert course.points("ref lost") == [10, 5, 0, 1]


def test_the_command_line_knows_no_lost_session(course: Course) -> None:
    tutor = course.client(Tutor, "tutor lost")
    assert tutor.count() == 4
    assert tutor.work() == 4
    assert course.points("tutor lost") == [10, 5, 0, 1]


def test_watchers_of_both_generations_survive_that_all_sessions_are_deleted(course: Course) -> None:
    watchers = [course.client(OldWatcher, "old gone"), course.client(NewWatcher, "new gone")]
    for watcher in watchers:
        assert watcher.login()
        assert watcher.process_one()
    code = "from django.contrib.sessions.models import Session; Session.objects.all().delete()"
    course.server.run("shell", "-c", code)
    for watcher in watchers:
        assert watcher.process_one()
        assert (watcher.logins, watcher.sent, watcher.dropped) == (2, 2, 0)
    assert course.points("old gone") == [10, 5]
    assert course.points("new gone") == [10, 5]


def test_twenty_logins_of_one_account_at_once_evict_nobody(course: Course) -> None:
    with ThreadPoolExecutor(20) as threads:
        sessions = list(threads.map(lambda _: course.login(), range(20)))
        assert len({http.cookies["sessionid"] for http in sessions}) == 20
        ask = {"queue_name": f"{course.name}-nothing"}
        url = f"{course.server.url}/xqueue/get_submission/"
        replies = list(threads.map(lambda http: http.get(url, params=ask, allow_redirects=False, timeout=30), sessions))
    content = EMPTY.format(f"{course.name}-nothing")
    assert [(reply.status_code, reply.json()["content"]) for reply in replies] == [(200, content)] * 20


# Many at once. ------------------------------------------------------------------------------------------------------


def test_sixteen_threads_pull_two_hundred_jobs_each_once(course: Course) -> None:
    queue = f"{course.name}-many"
    delivered: list[int] = []

    def pull_and_grade(_: int) -> None:
        http = course.login()
        while True:
            params = {"queue_name": queue}
            got = http.get(f"{course.server.url}/xqueue/get_submission/", params=params, timeout=60)
            assert got.status_code == 200, got.text
            if got.json()["return_code"] == 1:
                assert got.json()["content"] == EMPTY.format(queue)
                return
            content = json.loads(got.json()["content"])
            delivered.append(json.loads(content["xqueue_header"])["submission_id"])
            reply = json.dumps(reply_to(content["xqueue_body"], {}))
            result = {"xqueue_header": content["xqueue_header"], "xqueue_body": reply}
            put = http.post(f"{course.server.url}/xqueue/put_result/", data=result, timeout=60)
            assert (put.status_code, put.json()) == OK

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(pull_and_grade, range(16)))
    assert sorted(delivered) == course.ids["many"]
    rows = course.server.show(*course.ids["many"])
    assert [(row["status"], row["num_pulls"], row["num_failures"]) for row in rows] == [("retired", 1, 0)] * 200
    assert [row["points_earned"] for row in rows] == [10, 5, 0, 1] * 50


# A lease that runs out. ---------------------------------------------------------------------------------------------


@pytest.fixture
def short_leases(fresh_database: str, tmp_path: Path) -> Iterator[Server]:
    server = Server(fresh_database, tmp_path, GRADEQUEUE_LEASE_SECONDS="2")
    try:
        yield server.start(workers=1)
    finally:
        server.stop()


class Asker:
    """One machine of a grader's account."""

    def __init__(self, server: Server, name: str, password: str) -> None:
        self.server, self.http = server, requests.Session()
        fields = {"username": name, "password": password}
        assert self.http.post(f"{server.url}/xqueue/login/", data=fields, timeout=30).ok

    def pull(self) -> tuple[int, str] | None:
        """The id and the header of a job; None where the queue is empty."""
        got = self.http.get(f"{self.server.url}/xqueue/get_submission/", params={"queue_name": "q"}, timeout=30).json()
        if got["return_code"] == 1:
            assert got["content"] == "Queue 'q' is empty"
            return None
        header = json.loads(got["content"])["xqueue_header"]
        return json.loads(header)["submission_id"], header

    def put(self, header: str, score: float) -> tuple[int, Any]:
        fields = {"xqueue_header": header, "xqueue_body": json.dumps({"correct": True, "score": score, "msg": ""})}
        put = self.http.post(f"{self.server.url}/xqueue/put_result/", data=fields, timeout=30)
        return put.status_code, put.json()


def first_to_pull(graders: list[Asker]) -> list[tuple[Asker, int, str]]:
    """Let all of them poll at once until somebody is handed a job; what was handed out, to whom."""
    handed: list[tuple[Asker, int, str]] = []
    found = threading.Event()

    def poll(grader: Asker) -> None:
        while not found.wait(0.05):
            if job := grader.pull():
                found.set()
                handed.append((grader, *job))

    with ThreadPoolExecutor(len(graders)) as threads:
        list(threads.map(poll, graders))
    return handed


def test_a_late_result_is_refused_changes_nothing_and_holds_up_nobody(short_leases: Server) -> None:
    slow = Asker(short_leases, "slow", short_leases.grader("slow"))
    password = short_leases.grader("quick")
    others = [Asker(short_leases, "quick", password) for _ in range(2)]
    ids = short_leases.enqueue(*[{"queue_name": "q", "student_id": f"s{n}", "points_possible": 10} for n in range(3)])
    held = slow.pull()
    assert held is not None
    assert held[0] == ids[0]
    # While it is held, the rest of the queue goes on.
    for expected in ids[1:]:
        job = others[0].pull()
        assert job is not None
        assert job[0] == expected
        assert others[0].put(job[1], 1) == OK
    # Then exactly one other grader gets it, with a new key.
    ((other, submission_id, header),) = first_to_pull(others)
    assert submission_id == ids[0]
    assert header != held[1]
    assert slow.put(held[1], 0) == STALE
    (row,) = short_leases.show(ids[0])
    assert (row["status"], row["num_pulls"], row["num_failures"]) == ("pulled", 2, 1)
    assert (row["points_earned"], row["grader_reply"]) == (None, None)
    assert other.put(header, 0.7) == OK
    assert slow.put(held[1], 0) == STALE
    rows = short_leases.show(*ids)
    assert [(row["status"], row["points_earned"]) for row in rows] == [("retired", 7), ("retired", 10), ("retired", 10)]
    assert short_leases.run("audit").returncode == 0

"""Graders and a platform that are never wrong: whatever goes wrong is the service's. They speak HTTP and write down."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from tests.nemesis.grader import Job, _reply
from tests.nemesis.incoming import RATIO, Wanted
from tests.nemesis.journal import Answered, Delivered, Journal, Noticed, Sent
from tests.nemesis.wire import AnswerLost, Wire

Address = tuple[str, int]

IDLE = 0.2  # between polls that found nothing (seconds)
INSIST = 90  # how long a result is sent again while nobody says what became of it (seconds)


class Grader:
    """A thread with one session: polls, thinks, sends, and sends again until it is told what became of it.

    `places`: where the service can be reached, as a load balancer would choose: the first that answers.
    """

    def __init__(self, name: str, places: Sequence[Address], account: tuple[str, str], folder: Path) -> None:
        self.name, self.places, self.account = name, list(places), account
        self.journal = Journal(folder / f"grader-{name}.jsonl")
        self.pace = 0.6
        """How long a job takes it (seconds)."""
        self.wire = self._wire()
        self.acknowledged: list[float] = []
        """When it was told that a result is stored (seconds of this machine's clock)."""
        self.numbers = itertools.count(1)
        self.mark = ""
        """What its next reply says beside its number; a proxy looks for it."""
        self.stopped = threading.Event()
        self.failures: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """It finishes the job that it has."""
        self.stopped.set()
        self.thread.join(INSIST + 60)
        assert not self.thread.is_alive(), f"grader {self.name} does not end"
        if self.failures:
            raise self.failures[0]

    def _wire(self) -> Wire:
        host, port = self.places[0]
        wire = Wire(port, *self.account)
        wire.connection = http.client.HTTPConnection(host, port, timeout=2)
        return wire

    def _go_elsewhere(self) -> None:
        """The session is good at every web node."""
        self.places.append(self.places.pop(0))
        session, self.wire = self.wire.session, self._wire()
        self.wire.session = session

    def _run(self) -> None:
        try:
            while not self.stopped.is_set():
                job = self._poll()
                if job is None:
                    self.stopped.wait(IDLE)
                    continue
                self.stopped.wait(self.pace)
                self._insist(job)
        except BaseException as failure:
            self.failures.append(failure)

    def _poll(self) -> Job | None:
        asked = time.time()
        try:
            answer = self.wire.poll(RATIO)
            if answer.status == 302:
                self._notice("login", self.wire.login().status)
                return None
        except AnswerLost:
            self._notice("poll without an answer", None)
            self._go_elsewhere()
            return None
        if answer.status != 200:
            self._notice("poll", answer.status)
        if answer.return_code != 0 or not answer.content.startswith("{"):
            return None
        return self._taken(asked, json.loads(answer.content))

    def _taken(self, asked: float, content: dict[str, str]) -> Job:
        header = json.loads(content["xqueue_header"])
        learner = str(json.loads(content["xqueue_body"])["student_response"])
        job = Job(header["submission_id"], header["submission_key"], content["xqueue_header"], time.time(), score=0.5)
        files = len(json.loads(content["xqueue_files"]))
        self.journal.write(Delivered(self.name, asked, job.taken, RATIO, job.submission_id, job.key, learner, files))
        return job

    def _insist(self, job: Job) -> None:
        mark, self.mark = self.mark, ""
        job.reply = _reply(job.score, f"{self.name}/{next(self.numbers)} {mark}")
        deadline = time.monotonic() + INSIST
        while time.monotonic() < deadline and not self._send(job):
            time.sleep(IDLE)

    def _send(self, job: Job) -> bool:
        """Whether the service said what became of it."""
        number = f"{self.name}/s{next(self.numbers)}"
        self.journal.write(Sent(number, time.time(), "right", job.submission_id, job.key, job.reply, job.score))
        try:
            answer = self.wire.put(job.header, job.reply)
            if answer.status == 302:
                self._notice("login", self.wire.login().status)
        except AnswerLost:
            self._go_elsewhere()
            return False
        self.journal.write(Answered(number, time.time(), answer.status, answer.return_code, answer.content))
        if (answer.status, answer.return_code) == (200, 0):
            self.acknowledged.append(time.time())
        return answer.status < 500 and answer.status != 302

    def _notice(self, what: str, status: int | None) -> None:
        self.journal.write(Noticed(time.time(), what, status))


class Platform:
    """Hands in by REST, each with a key of its own, again and again until it is acknowledged."""

    def __init__(self, places: Sequence[Address], token: str, rate: float, files: int) -> None:
        self.places, self.token, self.rate, self.files = list(places), token, rate, files
        self.wanted: list[Wanted] = []
        self.uuids: dict[str, str] = {}
        """By answer, what the service said is stored."""
        self.troubles: list[str] = []
        """What was refused in words; nothing here is ever refused rightly."""
        self.numbers = itertools.count(1)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """What was begun is acknowledged."""
        self.stopped.set()
        self.thread.join(300)
        assert not self.thread.is_alive(), "the platform does not end"

    def _run(self) -> None:
        while not self.stopped.is_set():
            self.hand_in()
            self.stopped.wait(1 / self.rate)

    def hand_in(self) -> None:
        """Returns when it is acknowledged."""
        number = next(self.numbers)
        wanted = Wanted(f"answer {number}", RATIO, f"student {number // 2}", "item", 4, self.files)
        self.wanted.append(wanted)
        while wanted.answer not in self.uuids:
            try:
                self._try(wanted)
            except (requests.RequestException, ValueError):
                self.places.append(self.places.pop(0))
                time.sleep(IDLE)

    def _try(self, wanted: Wanted) -> None:
        """Raises RequestException or ValueError where there was no whole answer."""
        host, port = self.places[0]
        parts: list[tuple[str, Any]] = [("submission", (None, _body(wanted), "application/json"))]
        parts += [("file", (f"file {number}.py", f"print({wanted.answer!r})")) for number in range(wanted.files)]
        answer = requests.post(
            f"http://{host}:{port}/api/external_grading/v1/submissions/",
            files=parts,
            headers={"Authorization": f"Bearer {self.token}", "Idempotency-Key": wanted.answer.replace(" ", "-")},
            timeout=5,
        )
        said = answer.json()
        if answer.status_code == 201:
            self.uuids[wanted.answer] = said["uuid"]
        elif answer.status_code < 500 and answer.status_code not in (408, 409, 429):
            self.troubles.append(f"{wanted.answer} was refused: {answer.status_code} {said}")
            self.uuids[wanted.answer] = ""
        else:
            time.sleep(IDLE)

    def acknowledged(self, ids: dict[str, int]) -> list[Wanted]:
        """With the ids that stand in the tables, by UUID."""
        return [replace(one, submission_id=ids.get(self.uuids.get(one.answer, ""))) for one in self.wanted]


def _body(wanted: Wanted) -> str:
    fields = {
        "queue_name": wanted.queue,
        "course_id": "ha",
        "item_id": wanted.item,
        "learner_id": wanted.student,
        "answer": wanted.answer,
        "points_possible": wanted.possible,
    }
    return json.dumps(fields)

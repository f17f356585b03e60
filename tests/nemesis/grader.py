"""A grader that is often wrong and sometimes dead: ``python -m tests.nemesis.grader``, one process.

It polls and posts like a watcher. What it does with each job is drawn from its seed; what it saw and sent stands in
its journal, which is all that anybody believes of it afterwards.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Thread

from tests.nemesis.journal import POISON, Answered, Delivered, Fetched, Journal, Noticed, Sent
from tests.nemesis.wire import AnswerLost, Wire

# What a grader does with a job, and how often.
WAYS = {
    "right": 60,
    "right, twice": 8,
    "right, then another": 5,
    "two at once": 6,
    "late": 4,
    "much later": 4,
    "garbage first": 4,
    "unusable score first": 5,
    "garbage only": 2,
    "wrong key first": 4,
    "wrong id first": 2,
    "no header first": 2,
    "never": 3,
}
# What is right or wrong about one sending of a result.
KINDS = ("right", "another", "garbage", "unusable", "wrong key", "wrong id", "no header")
SCORES = (0, 0.25, 0.5, 0.7, 1)
UNUSABLE = (-1, 1e9, True, "1", None, float("nan"), float("inf"), [1])
GARBAGE = ("", "no JSON", "[1]", "null", '{"correct": true}')
IDLE = 0.15  # between polls that found nothing (seconds)
UNKNOWN_ID = 2_000_000_000
# What it notices of itself; counted among the faults.
GAVE_UP, TWO = "gave up waiting for a poll", "two results at once"


@dataclass
class Job:
    submission_id: int
    key: str
    header: str
    taken: float
    reply: str = ""
    score: float = 0


@dataclass
class Grader:
    name: str
    wire: Wire
    journal: Journal
    draw: Random
    queues: list[str]
    lease: float
    well_behaved: bool
    pocket: list[Job] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self) -> None:
        parent = os.getppid()
        while not self.stopped.is_set() and os.getppid() == parent:
            self._empty_pocket()
            found = [self._one(queue) for queue in self.draw.sample(self.queues, len(self.queues))]
            if not any(found):
                self.stopped.wait(IDLE)

    def _one(self, queue: str) -> bool:
        job = None if self.stopped.is_set() else self._poll(queue)
        if job is None:
            return False
        self.stopped.wait(self.draw.uniform(0, 0.02))
        way = "right" if self.well_behaved else self.draw.choices(list(WAYS), list(WAYS.values()))[0]
        job.score = self.draw.choice(SCORES)
        self._grade(job, way)
        return True

    # Taking. --------------------------------------------------------------------------------------------------------

    def _poll(self, queue: str) -> Job | None:
        asked = time.time()
        try:
            answer = self.wire.poll(queue)
            if answer.status == 302:
                self._notice("sent to login", None)
                self._login()
                return None
        except AnswerLost as lost:
            self._notice(GAVE_UP if lost.gave_up else "poll without an answer", None)
            return None
        if answer.status != 200:
            self._notice("poll", answer.status)
            self.stopped.wait(IDLE)
        if answer.return_code != 0 or not answer.content.startswith("{"):
            return None
        return self._taken(queue, asked, json.loads(answer.content))

    def _taken(self, queue: str, asked: float, content: dict[str, str]) -> Job:
        header = json.loads(content["xqueue_header"])
        job = Job(header["submission_id"], header["submission_key"], content["xqueue_header"], time.time())
        answer = str(json.loads(content["xqueue_body"])["student_response"])
        files: dict[str, str] = json.loads(content["xqueue_files"])
        taken = Delivered(self.name, asked, job.taken, queue, job.submission_id, job.key, answer, len(files))
        self.journal.write(taken)
        if answer.startswith(POISON):
            os.kill(os.getpid(), signal.SIGKILL)
        for name, address in files.items():
            self._fetch(job, name, address)
        return job

    def _fetch(self, job: Job, name: str, address: str) -> None:
        try:
            status, digest = self.wire.fetch(address)
        except AnswerLost:
            return
        if status == 200:
            self.journal.write(Fetched(self.name, time.time(), job.submission_id, name, digest))
        else:
            self._notice("file", status)

    # Giving back. ---------------------------------------------------------------------------------------------------

    def _grade(self, job: Job, way: str) -> None:
        if way == "late":
            self.stopped.wait(self.lease * self.draw.uniform(1.0, 1.6))
        if way == "much later":
            self.pocket.append(job)
        first = way.removesuffix(" first").removesuffix(" only")
        wrong: dict[str, Callable[[Job], bool]] = {
            "garbage": lambda job: self._send(job, "garbage", reply=self.draw.choice(GARBAGE)),
            "unusable score": lambda job: self._send(job, "unusable", reply=_reply(self.draw.choice(UNUSABLE), "")),
            "wrong key": lambda job: self._send(job, "wrong key", header=_header(job.submission_id, "k" * 43)),
            "wrong id": lambda job: self._send(job, "wrong id", header=_header(UNKNOWN_ID, job.key)),
            "no header": lambda job: self._send(job, "no header", header="?"),
        }
        if first in wrong:
            wrong[first](job)
        if way == "two at once":
            self._two_at_once(job)
        elif way not in ("never", "much later", "garbage only"):
            self._insist(job, "right")
        if way == "right, twice":
            self._send(job, "right", reply=job.reply)
        if way == "right, then another":
            self._send(job, "another")

    def _two_at_once(self, job: Job) -> None:
        """Two results of one claim on two connections; the server has both before it has answered either."""
        self._notice(TWO, None)
        twin = self.wire.twin()
        other = Thread(target=self._send, args=(job, "another"), kwargs={"wire": twin})
        other.start()
        self._send(job, "right")
        other.join()
        twin.connection.close()

    def _insist(self, job: Job, kind: str) -> None:
        """Send, and mostly again while answers are lost: the same result, as a careful grader does."""
        for _ in range(40 if self.well_behaved else 4):
            if self._send(job, kind, reply=job.reply or None) or self.stopped.is_set():
                return
            if not self.well_behaved and self.draw.random() < 0.3:
                return
            self.stopped.wait(IDLE)

    def _empty_pocket(self) -> None:
        for job in [job for job in self.pocket if time.time() > job.taken + self.lease * 2.5]:
            self.pocket.remove(job)
            self._insist(job, "right")

    def _send(
        self, job: Job, kind: str, *, header: str = "", reply: str | None = None, wire: Wire | None = None
    ) -> bool:
        """One result, with its lines in the journal; whether the server said what became of it."""
        number = f"{self.name}/{next(self.numbers)}"
        if reply is None:
            reply = _reply(job.score, number)
        if kind == "right":
            job.reply = reply
        score = job.score if kind in ("right", "another") else None
        self.journal.write(Sent(number, time.time(), kind, job.submission_id, job.key, reply, score))
        try:
            answer = (wire or self.wire).put(header or job.header, reply)
        except AnswerLost:
            return False
        self.journal.write(Answered(number, time.time(), answer.status, answer.return_code, answer.content))
        # The next poll logs in, where that is what the server wants.
        return answer.status < 500 and answer.status != 302

    def _login(self) -> None:
        """Raises AnswerLost."""
        answer = self.wire.login()
        self._notice("login", answer.status)
        if answer.status != 200:
            self.stopped.wait(IDLE)

    def _notice(self, what: str, status: int | None) -> None:
        self.journal.write(Noticed(time.time(), what, status))


def _reply(score: object, number: str) -> str:
    """Never the same twice, so that what is stored tells which sending it was."""
    return json.dumps({"correct": score == 1, "score": score, "msg": f"<p>{number}</p>"})


def _header(submission_id: int, key: str) -> str:
    return json.dumps({"submission_id": submission_id, "submission_key": key})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--lease", type=float, required=True)
    parser.add_argument("--patience", type=float, required=True, help="how long it waits for an answer (seconds)")
    parser.add_argument("--queue", action="append", required=True)
    parser.add_argument("--well-behaved", action="store_true")
    given = parser.parse_args()
    wire = Wire(given.port, given.account, given.password, given.patience)
    draw = Random(f"{given.seed}/{given.name}")
    grader = Grader(given.name, wire, Journal(given.journal), draw, given.queue, given.lease, given.well_behaved)
    signal.signal(signal.SIGTERM, lambda *_: grader.stopped.set())
    grader.run()


if __name__ == "__main__":
    main()

"""The platform's side: submissions that go in while everything falls, two attempts of one learner at a time."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.nemesis.journal import POISON
from tests.server import Server

RATIO, POINTS = "nemesis-ratio", "nemesis-points"
LIMITS = {RATIO: 3, POINTS: 2}  # how many failures of a job its queue bears
TOGETHER = 40  # submissions per command


@dataclass(frozen=True)
class Wanted:
    """One submission that was sent in. Its answer, unique in the run, tells it from all others."""

    answer: str
    queue: str
    student: str
    item: str
    possible: int
    files: int
    submission_id: int | None = None
    """What `enqueue` answered; None where its answer was lost: it may exist, whole, or not exist."""

    def line(self) -> str:
        fields: dict[str, Any] = {
            "queue_name": self.queue,
            "course_id": "nemesis",
            "item_id": self.item,
            "student_id": self.student,
            "answer": self.answer,
            "points_possible": self.possible,
            "files": self.contents(),
        }
        return json.dumps(fields)

    def contents(self) -> dict[str, str]:
        """By name, the text of each file: no two are alike, and the third is no small one."""
        texts = {f"file {number}.py": f"print({self.answer!r}, {number})  # é\n" for number in range(self.files)}
        return {name: text * (2_000 if name == "file 2.py" else 1) for name, text in texts.items()}

    def digests(self) -> dict[str, str]:
        """By name, the SHA-256 of each file's bytes, in hexadecimal digits."""
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.contents().items()}


class Platform:
    """Enqueues `jobs` submissions by command, spread over `seconds`."""

    def __init__(self, servers: list[Server], seed: int, jobs: int, seconds: float) -> None:
        """`servers`: those whose command it uses, by turns; the list may change while it works."""
        self.servers = servers
        self.draw = Random(f"{seed}/platform")
        self.jobs, self.seconds = jobs, seconds
        self.wanted: list[Wanted] = []
        self.errors: list[str] = []
        """What `enqueue` refused, in words; nothing here is ever refused rightly."""
        self.running: list[subprocess.Popen[str]] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.thread.start()

    def finish(self, patience: float = 0) -> None:
        """Returns when all is in, or after `patience` seconds when what is under way has ended."""
        if self.thread.ident is None:
            return
        self.thread.join(patience)
        self.stopping.set()
        self.thread.join(180)

    def kill(self, share: float) -> bool:
        """SIGKILL one `enqueue` that is at work; False where none is."""
        running = [process for process in self.running if process.poll() is None]
        if running:
            running[int(share * len(running))].kill()
        return bool(running)

    @property
    def acknowledged(self) -> int:
        return sum(wanted.submission_id is not None for wanted in self.wanted)

    def _run(self) -> None:
        began, pair = time.monotonic(), 0
        while not self.stopping.is_set() and self.acknowledged < self.jobs:
            self._enqueue_two(pair)
            pair += 1
            # A third at once, the rest spread over the time that is left.
            due = self.seconds * (self.acknowledged / self.jobs * 1.5 - 0.5)
            self.stopping.wait(max(due - (time.monotonic() - began), 0))

    def _enqueue_two(self, pair: int) -> None:
        """Two commands at the same time; some of what they bring is of the same learner at the same item."""
        commands = [self._batch(pair, side) for side in "ab"]
        servers = list(self.servers)
        threads = [
            threading.Thread(target=self._enqueue, args=(batch, servers[number % len(servers)]))
            for number, batch in enumerate(commands)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _batch(self, pair: int, side: str) -> list[Wanted]:
        batch = []
        for number in range(TOGETHER):
            shared = number % 3 == 0
            student = f"student {pair}-{number}" + ("" if shared else side)
            queue = self.draw.choice((RATIO, POINTS))
            possible, files = self.draw.choice((1, 4, 10)), 3 if self.draw.random() < 0.1 else 0
            # One that no grader survives; its learner's other attempt, in the other command, is a good one.
            poison = f"{POISON} " if (number, side) == (9, "a") else ""
            batch.append(Wanted(f"{poison}{pair}-{number}{side}", queue, student, "item", possible, files))
        return batch

    def _enqueue(self, batch: list[Wanted], server: Server) -> None:
        process = subprocess.Popen(
            [*server.program, "enqueue"],
            env=server.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.running.append(process)
        said, _ = process.communicate("\n".join(wanted.line() for wanted in batch))
        self.running.remove(process)
        answers = [json.loads(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]
        for wanted, answer in zip(batch, [*answers, *[{}] * (len(batch) - len(answers))], strict=True):
            self.wanted.append(replace(wanted, submission_id=answer.get("submission_id")))
            if "error" in answer:
                self.errors.append(answer["error"])

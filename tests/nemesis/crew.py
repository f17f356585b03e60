"""The graders' processes: started, killed, frozen, and replaced by the next one under the same account."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.nemesis.journal import POISON

REPOSITORY = Path(__file__).parents[2]
# How long they wait for an answer, every other one (seconds). The watcher of Open edX waits for one second.
PATIENCE = (2.0, 1.0)
# Those that are well-behaved finish what is left also on a machine that has much else to do.
PATIENT = 20.0


class Crew:
    """One grader per account's name and password in `accounts`.

    Each process has a name (`2.5`: the sixth process of grader 2) and a journal of its own.
    """

    def __init__(
        self, accounts: list[tuple[str, str]], *, ports: list[int], journals: Path, seed: int, lease: float
    ) -> None:
        self.accounts, self.ports, self.journals = accounts, ports, journals
        self.seed, self.lease = seed, lease
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * len(accounts)
        self.generations = [0] * len(accounts)
        self.well_behaved = False
        self.queues: list[str] = []
        self.surprises: list[str] = []
        """Graders that ended without being told to."""

    def start_all(self, queues: list[str], *, well_behaved: bool = False) -> None:
        self.queues, self.well_behaved = queues, well_behaved
        for number in range(len(self.processes)):
            self._start(number)

    def stop_all(self) -> None:
        """Each finishes the job that it has."""
        self.note_surprises()
        running = [process for process in self.processes if process is not None]
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
        self.processes = [None] * len(self.processes)

    def kill(self, share: float, pause: float) -> bool:
        """Always True: SIGKILL, and another one under the same account after `pause` seconds."""
        number = int(share * len(self.processes))
        process = self.processes[number]
        assert process is not None
        process.kill()
        process.wait(10)
        time.sleep(pause)
        self._start(number)
        return True

    def freeze(self, share: float, pause: float) -> bool:
        """Always True: stop it for `pause` seconds, in the middle of whatever it does."""
        process = self.processes[int(share * len(self.processes))]
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(pause, process.send_signal, [signal.SIGCONT])
        thaw.start()
        thaw.join()
        return True

    def replace_poisoned(self) -> None:
        """As whoever watches over graders does: who died of a job is started again."""
        for number, process in enumerate(self.processes):
            if process is not None and process.poll() is not None and self._died_of_poison(number):
                self._start(number)

    def note_surprises(self) -> None:
        for number, process in enumerate(self.processes):
            if process is not None and process.poll() is not None and not self._died_of_poison(number):
                self.surprises.append(f"grader {number} ended by itself with {process.returncode}")

    def _died_of_poison(self, number: int) -> bool:
        """The last that it wrote down is that it was given such a job."""
        process = self.processes[number]
        lines = self._journal(f"{number}.{self.generations[number] - 1}").read_text().splitlines()
        last = json.loads(lines[-1]) if lines else {}
        poisoned = str(last.get("answer", "")).startswith(POISON)
        return poisoned and process is not None and process.returncode == -signal.SIGKILL

    def _journal(self, name: str) -> Path:
        return self.journals / f"grader-{name}.jsonl"

    def _start(self, number: int) -> None:
        name = f"{number}.{self.generations[number]}"
        self.generations[number] += 1
        words = {
            "--name": name,
            "--account": self.accounts[number][0],
            "--password": self.accounts[number][1],
            "--port": str(self.ports[number]),
            "--journal": str(self._journal(name)),
            "--seed": str(self.seed),
            "--lease": str(self.lease),
            "--patience": str(PATIENT if self.well_behaved else PATIENCE[number % 2]),
        }
        command = [sys.executable, "-m", "tests.nemesis.grader", *(word for pair in words.items() for word in pair)]
        command += [word for queue in self.queues for word in ("--queue", queue)]
        with (self.journals / "graders.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                [*command, *["--well-behaved"] * self.well_behaved], cwd=REPOSITORY, stderr=log
            )

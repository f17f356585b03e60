"""Runs a task: feeds it, hears it, watches its time and memory, ends it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import IO

from gradequeue_grader.result import Usage
from gradequeue_grader.sandbox import Box, Launch, lay_out
from gradequeue_grader.tasks import MIB, Limits, Outcome, Printed, Task

# What is kept of what it prints, and of the answer that it leaves (bytes).
KEPT_STDOUT = 8 * MIB
KEPT_STDERR = 64 * 1024
KEPT_ANSWER = 16 * MIB
LOOK_SECONDS = 0.1
# After its end, for what is still in its pipes.
DRAIN_SECONDS = 2.0
CHUNK = 64 * 1024


def run(task: Task, box: Box, limits: Limits, folder: Path, cancel: threading.Event, slot: int = 0) -> Outcome:
    """Run it to its end, or until `cancel` is set. `folder` is a stage; `slot` tells runs at the same time apart."""
    started = time.monotonic()
    try:
        lay_out(folder, task.inputs)
        box.prepare(task, folder)
        running = _Running(task, box.launch(task, limits, folder, slot), limits, cancel)
    except OSError as error:
        return _not_begun(f"the command could not be started: {error}")
    return running.outcome(folder / "answer", started)


def _not_begun(why: str) -> Outcome:
    return Outcome(None, why, False, Printed(b"", 0), Printed(b"", 0), None, {})


class _Running:
    """A process, its pipes, and what is known of it so far."""

    def __init__(self, task: Task, launch: Launch, limits: Limits, cancel: threading.Event) -> None:
        self.limits, self.cancel = limits, cancel
        self.deadline = time.monotonic() + limits.seconds
        self.waiting = task.stdin
        self.heard: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray(), "status": bytearray()}
        self.totals: dict[str, int] = defaultdict(int)
        self.stopped = ""
        self.began = True
        self.most_memory = 0
        self.says_status = launch.says_status
        self.selector = selectors.DefaultSelector()
        self.process = self._start(launch)

    def _start(self, launch: Launch) -> subprocess.Popen[bytes]:
        words, options = launch.words, dict(launch.options)
        read, write = os.pipe()
        try:
            if launch.says_status:
                words = [words[0], "--json-status-fd", str(write), *words[1:]]
                options["pass_fds"] = (write,)
            pipe = subprocess.PIPE
            process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, **options)  # noqa: S603 - as asked
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        assert process.stdin is not None  # noqa: S101 - for the types
        self._listen(process.stdout, "stdout")
        self._listen(process.stderr, "stderr")
        self._listen(os.fdopen(read, "rb", 0), "status")
        os.set_blocking(process.stdin.fileno(), False)
        self.selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        return process

    def _listen(self, pipe: IO[bytes] | None, name: str) -> None:
        assert pipe is not None  # noqa: S101 - for the types
        os.set_blocking(pipe.fileno(), False)
        self.selector.register(pipe, selectors.EVENT_READ, name)

    def outcome(self, answer: Path, started: float) -> Outcome:
        """Waits for the end."""
        status: int | None
        status, usage = self._wait()
        for key in list(self.selector.get_map().values()):
            self._close(key)
        self.selector.close()
        usage["wall_ms"] = round((time.monotonic() - started) * 1000, 1)
        if self.says_status and not self.stopped:
            status = self._told_status()
        printed = {name: Printed(bytes(self.heard[name]), self.totals[name]) for name in ("stdout", "stderr")}
        left = None if self.stopped else _read(answer)
        ended = None if self.stopped else status
        return Outcome(ended, self.stopped, self.began, **printed, answer=left, usage=usage)

    def _told_status(self) -> int | None:
        """What the sandbox says of the command's end; where it says nothing, there was no sandbox."""
        for line in bytes(self.heard["status"]).splitlines():
            with contextlib.suppress(ValueError):
                status = json.loads(line).get("exit-code")
                if isinstance(status, int):
                    return status
        said = bytes(self.heard["stderr"]).decode("utf-8", "replace").strip()
        self.began = False
        self.stopped = f"the sandbox could not be made: {said[-1000:]}"
        return None

    def _wait(self) -> tuple[int, Usage]:
        looked = 0.0
        while True:
            for key, _ in self.selector.select(LOOK_SECONDS if self.selector.get_map() else 0):
                self._write(key) if key.data == "stdin" else self._hear(key)
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                return self._ended(status), _usage(used.ru_utime + used.ru_stime, used.ru_maxrss, self.most_memory)
            if not self.selector.get_map():
                time.sleep(0.01)
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._look()

    def _ended(self, status: int) -> int:
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self._kill()
        until = time.monotonic() + DRAIN_SECONDS
        while any(key.data != "stdin" for key in self.selector.get_map().values()) and time.monotonic() < until:
            for key, _ in self.selector.select(0.1):
                if key.data == "stdin":
                    self._close(key)
                else:
                    self._hear(key)
        return self.process.returncode

    def _look(self) -> None:
        """Stop it where it is past a limit."""
        self.most_memory = max(self.most_memory, used := memory_of(self.process.pid, self.limits.memory))
        if self.cancel.is_set():
            self._stop("the queue took the job back")
        elif time.monotonic() > self.deadline:
            self._stop(f"it took longer than {self.limits.seconds:g} s (--time-limit)")
        elif used > self.limits.memory:
            self._stop(f"it used more than {self.limits.memory // MIB} MiB of memory (--memory)")

    def _stop(self, why: str) -> None:
        self.stopped = self.stopped or why
        self._kill()

    def _kill(self) -> None:
        # A sandbox dies as a whole with its first process; without one, its session does.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.says_status:
                if self.process.returncode is None:
                    os.kill(self.process.pid, signal.SIGKILL)
            else:
                os.killpg(self.process.pid, signal.SIGKILL)

    def _write(self, key: selectors.SelectorKey) -> None:
        try:
            sent = os.write(key.fd, self.waiting[:CHUNK]) if self.waiting else 0
        except BlockingIOError:
            return
        except OSError:
            self.waiting = b""  # it does not want to hear
            sent = 0
        self.waiting = self.waiting[sent:]
        if not self.waiting:
            self._close(key)

    def _hear(self, key: selectors.SelectorKey) -> None:
        try:
            chunk = os.read(key.fd, CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._close(key)
            return
        limit = KEPT_STDERR if key.data == "stderr" else KEPT_STDOUT
        self.totals[key.data] += len(chunk)
        self.heard[key.data] += chunk[: max(limit - len(self.heard[key.data]), 0)]

    def _close(self, key: selectors.SelectorKey) -> None:
        self.selector.unregister(key.fileobj)
        with contextlib.suppress(OSError):
            key.fileobj.close()  # type: ignore[union-attr]


def _usage(cpu_seconds: float, largest_kib: int, most_memory: int) -> Usage:
    return {"cpu_ms": round(cpu_seconds * 1000, 1), "max_rss_bytes": max(largest_kib * 1024, most_memory)}


def _read(path: Path) -> bytes | None:
    """What was left there, None for nothing. Only a plain file: what it is was up to the command."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(KEPT_ANSWER) or None
    except OSError:
        return None


# Memory. ------------------------------------------------------------------------------------------------------------

# Everybody's parents are read once for all commands that run.
_parents_lock = threading.Lock()
_parents: tuple[float, dict[int, list[int]]] = (-1.0, {})


def memory_of(pid: int, limit: int) -> int:
    """Bytes that a process and all below it have in memory, without files.

    What several share counts several times, unless that is more than `limit`: then it is counted exactly.
    """
    pids = _tree(pid)
    used = sum(_bytes(one, "status", ("RssAnon", "RssShmem")) for one in pids)
    if used <= limit:
        return used
    return sum(_bytes(one, "smaps_rollup", ("Pss_Anon", "Pss_Shmem")) for one in pids) or used


def _tree(pid: int) -> list[int]:
    children = _children()
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _children() -> dict[int, list[int]]:
    global _parents
    with _parents_lock:
        if time.monotonic() - _parents[0] > LOOK_SECONDS / 2:
            found: dict[int, list[int]] = defaultdict(list)
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        # The name of the program, in brackets, may hold anything.
                        after = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
                        found[int(after[1])].append(int(entry.name))
            _parents = (time.monotonic(), found)
        return _parents[1]


def _bytes(pid: int, file: str, names: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    cells = [line.split() for line in lines if line.partition(":")[0] in names]
    return sum(int(cell[1]) * 1024 for cell in cells)

"""A long quiet load: a real `gradequeue serve`, graders that cycle or poll an empty queue, and a platform."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import seed
from benchmarks.databases import Database
from benchmarks.environment import ROOT
from benchmarks.match import Load
from benchmarks.sides import PASSWORD, SIDES, Instance
from tests import databases
from tests.soak import stock
from tests.soak.samples import Sample, Sampler, take
from tests.soak.verdict import Record, Round

SECRET = "whsec_c29hay5zb2FrLnNvYWsuc29hay5zb2FrLg=="  # nothing depends on it
# How long a round may take before it counts as stuck (seconds).
LONGEST = 3600
ROUNDS = 100


@dataclass(frozen=True)
class Options:
    kind: str = "postgresql"
    cycles: int = 500_000
    polls: int = 2_000_000
    workers: int = 2
    graders: int = 8
    """Of either sort."""
    interval: float = 10
    """Between samples (seconds)."""

    @property
    def learners(self) -> int:
        """So many jobs come with each round: the run has about ROUNDS of them."""
        return max(self.cycles // ROUNDS, stock.OWED_EVERY)


class Service(Instance):
    """Ours, telling a platform of this machine."""

    def environment(self, url: str = "") -> dict[str, str]:
        return super().environment(url) | {
            "GRADEQUEUE_WEBHOOK_SECRETS": SECRET,
            "GRADEQUEUE_OUTBOUND_NETWORKS": "127.0.0.0/8",
        }


@dataclass
class Scene:
    options: Options
    service: Service
    database: Database
    cyclers: Load
    pollers: Load
    platform: str
    began: float


def run(options: Options, tell: Callable[[str], None], record: Record) -> None:
    """Fills `record`, which holds what was seen also where this ends with KeyboardInterrupt."""
    with _scene(options) as scene:
        heard = partial(_progress, options, record, tell)
        sampler = Sampler(partial(_sample, scene, record), options.interval, heard)
        record.samples = sampler.samples
        with sampler:
            while record.cycles < options.cycles and not sampler.failures:
                _round(scene, record)
        if sampler.failures:
            raise sampler.failures[0]
        _audit(scene, record)


def _round(scene: Scene, record: Record) -> None:
    options, learners = scene.options, scene.options.learners
    stock.top_up(scene.database, learners, len(record.rounds) + 1, scene.platform)
    scene.cyclers.ask("expect", waiting=learners)
    polls = round(options.polls * learners / options.cycles)
    with ThreadPoolExecutor(2) as both:
        cycling = both.submit(scene.cyclers.ask, "cycle", seconds=LONGEST, cycles=learners)
        polling = both.submit(scene.pollers.ask, "poll", seconds=LONGEST, cycles=polls)
        cycled, polled = cycling.result(), polling.result()
    for turn in (cycled, polled):
        record.errors.update(turn["errors"])
        record.errors["a job was handed out twice"] += turn["duplicates"]
    record.errors["a job did not end with its result"] += learners - cycled["cycles"]
    record.errors = +record.errors
    done = cycled["cycles"], cycled["cycles"] / cycled["elapsed"]
    record.rounds.append(Round(*done, polled["polls"], polled["polls"] / polled["elapsed"]))


def _sample(scene: Scene, record: Record) -> Sample:
    assert scene.service.process is not None
    database = Database(scene.options.kind, scene.service.url)  # connections are not for two threads
    try:
        return take(database, scene.service.process.pid, time.monotonic() - scene.began, record.cycles)
    finally:
        database.close()


def _progress(options: Options, record: Record, tell: Callable[[str], None], sample: Sample) -> None:
    left = ""
    if record.cycles:
        minutes = sample.seconds / record.cycles * (options.cycles - record.cycles) / 60
        left = f"; about {minutes:.0f} minutes left"
    tell(
        f"{record.cycles:,} of {options.cycles:,} cycles, {record.polls:,} polls; {sample.largest:.0f} MiB, "
        f"{sample.descriptors} descriptors, {sample.connections} connections; "
        f"{sum(record.errors.values())} errors{left}"
    )


def _audit(scene: Scene, record: Record) -> None:
    done = subprocess.run(
        [str(scene.service.bin / "gradequeue"), "audit"],
        env=scene.service.environment(),
        cwd=scene.service.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        record.errors[f"audit: {done.stdout.splitlines()[:1]} {done.stderr[-200:]}"] += 1


@contextmanager
def _scene(options: Options) -> Iterator[Scene]:
    server = databases.server_url(options.kind)
    if server is None:
        raise SystemExit(f"NOT RUN: no server of {options.kind} was reachable.")
    graders = [f"grader-{number}" for number in range(1, options.graders + 1)]
    with ExitStack() as ends:
        service = Service(SIDES["ours"], options.kind)
        ends.callback(service.remove)
        name = f"gqsoak_{uuid.uuid4().hex[:12]}"
        service.url = databases.create(options.kind, server, name, service.folder)
        ends.callback(databases.drop, options.kind, server, name)
        service.prepare([seed.QUEUE, seed.EMPTY], graders)
        database = Database(options.kind, service.url)
        ends.callback(database.close)
        stock.lay_in(database, options.learners)
        service.start(workers=options.workers)
        ends.callback(service.stop)
        cyclers, pollers = (_client(ends, service, queue, graders) for queue in (seed.QUEUE, seed.EMPTY))
        yield Scene(options, service, database, cyclers, pollers, _platform(ends), time.monotonic())


def _client(ends: ExitStack, service: Service, queue: str, graders: list[str]) -> Load:
    load = Load(start_new_session=True)  # Ctrl-C is ours alone: the round under way comes to its end
    ends.callback(load.close)
    load.ask("login", port=service.port, queue=queue, names=graders, password=PASSWORD, csrf=False)
    return load


def _platform(ends: ExitStack) -> str:
    command = [sys.executable, "-m", "tests.soak.platform"]
    pipe = subprocess.PIPE
    process: Any = ends.enter_context(
        subprocess.Popen(command, stdout=pipe, text=True, cwd=ROOT, start_new_session=True)
    )
    ends.callback(process.terminate)
    return f"http://127.0.0.1:{int(process.stdout.readline())}/results"

"""REST beside XQueue: cycles of single claims and of batches, and requests that wait for a job."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks import measure, report
from benchmarks.match import WARM, Contestant, Outcome
from benchmarks.seed import QUEUE
from benchmarks.sides import SIDES

if TYPE_CHECKING:
    from benchmarks.scenarios import Lab

BATCH = 32
# Of the shallow queue's jobs: eight graders with 32 claims each would be through with it in four steps.
TIMES_CYCLES = 3
WAITERS = 100
# How long these wait: three claims, one after the other, of 20 seconds each.
WAITED_SECONDS = 60
POLLS = 2000
MEETINGS = 200
# One cycle as its two statements alone, with what each must write: no keys checked, no summary, no delivery.
RAW = rf"""
WITH picked AS (
  SELECT id FROM submissions_externalgraderdetail WHERE queue_name = '{QUEUE}' AND available_at <= statement_timestamp()
  ORDER BY available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE submissions_externalgraderdetail j SET status = 'pulled', pullkey = gen_random_uuid()::text,
  available_at = statement_timestamp() + interval '1 day', claim_id = gen_random_uuid(), num_pulls = num_pulls + 1
FROM picked WHERE j.id = picked.id RETURNING j.id AS job, j.submission_id AS submission \gset
WITH held AS (SELECT id FROM submissions_externalgraderdetail WHERE id = :job AND status = 'pulled' FOR UPDATE),
scored AS (
  INSERT INTO submissions_score (student_item_id, submission_id, points_earned, points_possible, created_at, reset)
  SELECT s.student_item_id, s.id, 7, 10, statement_timestamp(), false
  FROM submissions_submission s, held WHERE s.id = :submission
)
UPDATE submissions_externalgraderdetail j SET status = 'retired', available_at = NULL, grader_reply = '{{"score": 0.7}}'
FROM held WHERE j.id = held.id;
"""


def rest(lab: Lab) -> report.Section:
    """Claims and results by REST, one by one and in batches, beside the same by XQueue."""
    cycles = TIMES_CYCLES * lab.options.cycles
    ways: dict[str, Callable[[Contestant], object]] = {
        "XQueue": lambda one: one.cycle(60 + cycles),
        "REST, one by one": lambda one: one.cycle_by_rest(60 + cycles, cycles, 1),
        f"REST, {BATCH} at once": lambda one: one.cycle_by_rest(60 + cycles, cycles, BATCH),
    }
    with lab.contestants([SIDES["ours"]] * len(ways), dict(enumerate(ways))) as contestants:
        turns = [partial(_graded, one, way, cycles) for one, way in zip(contestants, ways.values(), strict=True)]
        for one, turn in zip(contestants, turns, strict=True):
            one.start_rest()
            turn()
            one.outcome = Outcome(one.outcome.title)
        lab.take_turns([*turns])
        outcomes = [one.outcome for one in contestants]
        raw = _raw_rate(contestants[0], cycles) if lab.kind == "postgresql" else None
    xqueue, single, batch = outcomes
    section = report.match("REST beside XQueue", outcomes, "cycle", pairs=[(single, xqueue), (batch, xqueue)])
    facts = {
        "REST single against XQueue": single.rate / xqueue.rate,
        "REST batch against XQueue": batch.rate / xqueue.rate,
    }
    ours, theirs = batch.cpu("web", "database"), xqueue.cpu("web", "database")
    if ours and theirs:
        facts["REST batch against XQueue, CPU"] = ours / theirs
    if raw is None:
        return report.Section(section.title, section.body, facts)
    line = (
        f"pgbench with the two statements of a cycle alone: {raw:,.0f} cycles/s; "
        f"the batches make {batch.rate / raw:.2f} of it."
    )
    return report.Section(
        section.title, f"{section.body}\n\n{line}", facts | {"REST batch against pgbench": batch.rate / raw}
    )


def _graded(one: Contestant, way: Callable[[Contestant], object], cycles: int) -> None:
    one.fill(cycles)
    way(one)


def _raw_rate(one: Contestant, cycles: int) -> float | None:
    """pgbench's cycles per second; None where it is not there."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/pgbench")]
    program = shutil.which("pgbench") or (str(max(found)) if found else None)
    if program is None:
        return None
    one.fill(cycles + WARM)
    script = one.instance.folder / "cycle.sql"
    script.write_text(RAW)
    each = cycles // len(one.graders)
    words = [
        program,
        "--no-vacuum",
        "--file",
        str(script),
        "--client",
        str(len(one.graders)),
        "--transactions",
        str(each),
    ]
    url = one.url.replace("postgres://", "postgresql://", 1)
    done = subprocess.run([*words, url], capture_output=True, text=True, check=True)
    match = re.search(r"tps = ([\d.]+) \(without", done.stdout)
    return float(match[1]) if match else None


def waiting(lab: Lab) -> report.Section:
    """How soon a submission reaches a worker that waits; what a hundred that wait cost, and whom they slow down."""
    options = lab.options
    one = Contestant(SIDES["ours"], lab.kind, lab.server, options.graders)
    try:
        one.prepare()
        one.start(options.workers, more=("--threads", "128"))
        one.start_rest()
        one.fill(0)
        one.meet(10)
        one.outcome = Outcome("one worker waits")
        one.meet(MEETINGS)
        met = sorted(one.outcome.calls["claims"])
        return _waited(lab, one, met)
    finally:
        one.close()


def _waited(lab: Lab, one: Contestant, met: list[int]) -> report.Section:
    seconds = WAITED_SECONDS if lab.options.seconds >= 10 else 5.0
    errors = dict(one.outcome.errors)
    idle = _spent(one, lambda: time.sleep(seconds))
    one.wait_by_rest(3, WAITERS)
    one.outcome = Outcome("")
    spent = _spent(one, lambda: one.wait_by_rest(seconds, WAITERS))
    refused = sum(one.outcome.errors.values())
    alone, beside = _polls(one), _polls_beside(one)
    cuts = quantiles(met, n=100, method="inclusive")
    facts = {
        "a submission to the claim that waits, median (ms)": cuts[49] / 1000,
        "a submission to the claim that waits, p95 (ms)": cuts[94] / 1000,
        f"{WAITERS} that wait, part of one processor beside an idle service": (spent.web - idle.web) / seconds,
        f"p95 of polls beside {WAITERS} that wait, times alone": beside / alone,
    }
    lines = [f"* {name}: {value:.3g}" for name, value in facts.items()]
    if spent.database is not None:
        lines.append(f"* the database's part meanwhile: {spent.database / seconds:.3g} of one processor")
    lines.append(f"* of these claims, refused for want of room: {refused}; other errors: {errors or 'none'}")
    return report.Section(f"Waiting for a job ({len(met)} submissions, {WAITERS} workers)", "\n".join(lines), facts)


def _spent(one: Contestant, work: Callable[[], object]) -> measure.Cost:
    before = measure.Cost.now(one.pid, one.database_pid)
    work()
    return measure.Cost.now(one.pid, one.database_pid).since(before)


def _polls(one: Contestant) -> float:
    """The 95th percentile of polls of an empty queue (microseconds)."""
    one.outcome = Outcome("polls")
    one.poll_empty(POLLS)
    return quantiles(one.outcome.calls["get_submission"], n=100)[94]  # those that wait may have ended meanwhile


def _polls_beside(one: Contestant) -> float:
    """The same while others wait."""
    waiting = threading.Thread(target=one.wait_by_rest, args=(20, WAITERS))
    waiting.start()
    time.sleep(2)  # until they are there
    found = _polls(one)
    waiting.join()
    return found

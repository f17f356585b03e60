"""What we promised about speed, held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import report


@dataclass(frozen=True)
class Target:
    sentence: str
    fact: str
    """The name under which a scenario tells what it measured."""
    least: float | None = None
    most: float | None = None
    databases: tuple[str, ...] = ("postgresql", "mariadb")

    def row(self, facts: dict[str, float]) -> list[str]:
        found = facts.get(self.fact)
        asked = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        if found is None:
            return [self.sentence, asked, "not measured", "-"]
        met = found >= self.least if self.least is not None else found <= (self.most or 0)
        return [self.sentence, asked, f"{found:.3g}", "yes" if met else "**no**"]


EVERYWHERE = ("postgresql", "mariadb", "sqlite")
SHALLOW = "cycles/s of a shallow queue, times edx-submissions on gunicorn"
DEEP = "cycles/s at 1 + 1 million rows, times edx-submissions on gunicorn"
ENQUEUE_DEPTH, SUBMIT_DEPTH = "enqueue, deep against shallow", "submit, deep against shallow"
WAIT_MEDIAN, WAIT_P95 = (f"a submission to the claim that waits, {what} (ms)" for what in ("median", "p95"))
WAITERS = "100 that wait, part of one processor beside an idle service"
POLLS_BESIDE = "p95 of polls beside 100 that wait, times alone"
GROWING = (
    "claim",
    "complete",
    "poll of an empty queue",
    "the list of the admin",
    "the dashboard",
    "/metrics",
)
TARGETS = [
    Target(SHALLOW, "shallow: ours against gunicorn", least=4.7, databases=("postgresql",)),
    Target(SHALLOW, "shallow: ours against gunicorn", least=4.2, databases=("mariadb",)),
    Target("the same, both on granian", "shallow: ours against granian", least=3),
    Target(
        "CPU time per cycle, web and database: part of gunicorn's", "shallow, CPU: ours against gunicorn", most=0.25
    ),
    Target("web CPU per cycle, part of the state before", "shallow, web CPU: ours against before", most=1),
    Target("database CPU per cycle, part of the state before", "shallow, database CPU: ours against before", most=1.1),
    Target(
        "cycles/s embedded in the host of edx-submissions, times its", "shallow: embedded against gunicorn", least=2.5
    ),
    Target(DEEP, "deep: ours against gunicorn", least=55, databases=("postgresql",)),
    Target(DEEP, "deep: ours against gunicorn", least=300, databases=("mariadb",)),
    Target("our rate at that depth, part of our shallow one", "deep against shallow", least=0.95, databases=EVERYWHERE),
    Target("our rate after many claims, part of a fresh one", "worn against fresh", least=0.85, databases=EVERYWHERE),
    Target("polls/s of an empty queue, times edx-submissions on gunicorn", "idle: ours against gunicorn", least=5.5),
    Target("submissions/s by a call, times edx-submissions' function", "enqueue: ours against gunicorn", least=1),
    Target("the same with a file", "enqueue with a file: ours against gunicorn", least=1),
    Target("the same in one host", "enqueue: embedded against gunicorn", least=1),
    Target("CPU time of a submission, part of its", "enqueue, CPU: ours against gunicorn", most=1),
    Target("submissions/s over HTTP, times its function", "submit: ours against gunicorn", least=1),
    Target("submissions/s by a call beside 1 million rows, part of the shallow rate", ENQUEUE_DEPTH, least=0.9),
    Target("submissions/s over HTTP beside 1 million rows, part of the shallow rate", SUBMIT_DEPTH, least=0.9),
    *(
        Target(
            f"{what}: times its milliseconds at 10,000 jobs", f"growth of {what}", most=1.2, databases=("postgresql",)
        )
        for what in GROWING
    ),
    Target("cycles/s by REST, one by one, times XQueue's", "REST single against XQueue", least=0.7),
    Target("cycles/s by REST, 32 at once, times XQueue's", "REST batch against XQueue", least=3),
    Target("CPU time of such a cycle, part of XQueue's", "REST batch against XQueue, CPU", most=0.35),
    Target("a submission to the claim that waits, median (ms)", WAIT_MEDIAN, most=50, databases=EVERYWHERE),
    Target("the same, p95 (ms)", WAIT_P95, most=300, databases=EVERYWHERE),
    Target("p95 of polls beside 100 that wait, times alone", POLLS_BESIDE, most=1.2, databases=EVERYWHERE),
    Target(
        "100 workers that wait, part of one processor beside an idle service", WAITERS, most=0.03, databases=EVERYWHERE
    ),
    Target("round trips of an idle poll", "get_submission, empty queue", most=2),
    Target("round trips of get_submission", "get_submission", most=6),
    Target("round trips of put_result", "put_result", most=9),
    Target("the largest of our processes after all that (MB)", "memory", most=150, databases=EVERYWHERE),
]


def table(kind: str, facts: dict[str, float]) -> str:
    return report.targets([target.row(facts) for target in TARGETS if kind in target.databases])

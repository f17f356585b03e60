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
TARGETS = [
    Target("cycles/s of a shallow queue, times edx-submissions on gunicorn", "shallow against gunicorn", least=4),
    Target("the same, both on granian", "shallow against granian", least=3),
    Target("CPU time per cycle, web and database: part of gunicorn's", "shallow CPU against gunicorn", most=0.25),
    Target(
        "cycles/s at 1 + 1 million rows, times gunicorn", "deep against gunicorn", least=40, databases=("postgresql",)
    ),
    Target("cycles/s at 1 + 1 million rows, times gunicorn", "deep against gunicorn", least=60, databases=("mariadb",)),
    Target("our rate at that depth, part of our shallow one", "deep against shallow", least=0.8, databases=EVERYWHERE),
    Target("our rate after many claims, part of a fresh one", "worn against fresh", least=0.7, databases=EVERYWHERE),
    Target("polls/s of an empty queue, times edx-submissions on gunicorn", "idle against gunicorn", least=3),
    Target("round trips of an idle poll", "get_submission, empty queue", most=2),
    Target("round trips of get_submission", "get_submission", most=6),
    Target("round trips of put_result", "put_result", most=9),
    Target("the largest of our processes after all that (MB)", "memory", most=150, databases=EVERYWHERE),
]


def table(kind: str, facts: dict[str, float]) -> str:
    return report.targets([target.row(facts) for target in TARGETS if kind in target.databases])

"""The courses of the made-up instance, each with a queue, graders and troubles of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

LMS = "https://lms.example.org/courses/xqueue/update"
OLD_LMS = "https://old-lms.example.org/xqueue/update"


@dataclass(frozen=True)
class Course:
    """One course, whose problems wait in one queue."""

    queue: str
    title: str
    per_day: int
    """Submissions on an average day."""
    seconds: float
    """How long a grading takes, the median (seconds)."""
    graders: tuple[str, ...]
    items: tuple[str, ...]
    transport: str = "event"
    destination: str = ""
    failing: float = 0.002
    """The share of gradings that fail by chance."""
    silent_hours: float = 0
    """For how long nobody has polled (hours)."""
    careless: str = ""
    """The grader that takes jobs and lets their leases run out, in the last half hour."""
    broken_hours: float = 0
    """For how long most gradings have failed (hours)."""
    exam: int = 0
    """How many have handed in lately, in an exam that is being written."""
    paused: bool = False
    undelivered: bool = False
    """Whether its results cannot be delivered lately."""


COURSES = (
    Course("cs101-python", "CS101", 900, 5, ("py-01", "py-02", "py-03"), ("double", "primes", "word_count", "poem")),
    Course("cs101-exam", "CS101", 260, 7, ("py-01", "py-02"), ("exam_a", "exam_b", "exam_c"), exam=800),
    Course("cs201-java", "CS201", 350, 14, ("jvm-01", "jvm-02"), ("stack", "queue", "graph"), silent_hours=2.6),
    Course(
        "algo-cpp",
        "ALGO2",
        450,
        9,
        ("cpp-01", "cpp-02"),
        ("heap", "dijkstra", "knapsack"),
        "callback",
        LMS,
        broken_hours=5,
    ),
    Course("stats-r", "STAT1", 300, 11, ("r-01",), ("mean", "regression", "anova"), "callback", LMS),
    Course("web-js", "WEB3", 350, 6, ("node-01", "node-02"), ("fetch", "dom", "promises")),
    Course("db-sql", "DB1", 320, 4, ("sql-01",), ("joins", "window"), "callback", OLD_LMS, undelivered=True),
    Course(
        "ml-notebooks",
        "ML5",
        420,
        35,
        ("gpu-01", "gpu-02", "gpu-03"),
        ("perceptron", "backprop"),
        failing=0.01,
        careless="gpu-02",
        exam=90,
    ),
    Course("os-c", "OS2", 220, 18, ("qemu-01", "qemu-02"), ("malloc", "scheduler", "shell"), "webhook", LMS),
    Course("haskell-fp", "FP1", 60, 8, ("ghc-01",), ("folds", "monads")),
    Course("lab-matlab", "LAB7", 100, 25, ("lab-01",), ("fourier", "filter"), paused=True),
    Course("robotics-sim", "ROB4", 70, 120, ("sim-01",), ("arm", "maze"), failing=0.02),
)


def choose(count: int) -> list[Course]:
    """`count` courses: these, and beyond them again the quiet ones under other names."""
    quiet = [COURSES[0], COURSES[4], COURSES[5], COURSES[9]]
    more = (
        replace(quiet[n % len(quiet)], queue=f"{quiet[n % len(quiet)].queue}-{n // len(quiet) + 2}", per_day=40)
        for n in range(max(count - len(COURSES), 0))
    )
    return [*COURSES[:count], *more]

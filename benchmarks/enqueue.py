"""A platform that hands in: `create_external_grader_detail` in a process of its own, under the settings of one side.

``python -m benchmarks.enqueue`` reads orders and answers them as `benchmarks.client` does:

    {"do": "enqueue", "seconds": float, "cycles": int, "threads": int, "files": int}

Every second call is another attempt of the learner before. Needs nothing but Django and the app that is measured.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.client import ANSWER, FILE, take_orders

QUEUE = "bench"
MOST_THREADS = 16


class Upload:
    """A learner's file as edx-submissions wants it; ours takes it, too."""

    def __init__(self) -> None:
        from django.core.files.base import ContentFile

        self.file = ContentFile(FILE, name="numbers.txt")


class Platform:
    def __init__(self) -> None:
        self.own = threading.local()
        self.pool = ThreadPoolExecutor(MOST_THREADS)  # its threads keep their connections from turn to turn
        self.run = f"{time.time():.0f}"

    def enqueue(self, seconds: float, cycles: int, threads: int, files: int) -> dict[str, Any]:
        until, left, lock = time.monotonic() + seconds, itertools.count(), threading.Lock()
        times: list[int] = []
        errors: Counter[str] = Counter()

        def work() -> None:
            while time.monotonic() < until and next(left) < cycles:
                began = time.perf_counter_ns()
                try:
                    self.hand_in(files)
                except Exception as error:
                    with lock:
                        errors[f"enqueue: {type(error).__name__}: {error!s:.80}"] += 1
                else:
                    times.append((time.perf_counter_ns() - began) // 1000)

        wall, cpu = time.perf_counter(), time.process_time()
        for one in [self.pool.submit(work) for _ in range(threads)]:
            one.result()
        spent = {"elapsed": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        return spent | {"cycles": len(times), "calls": {"enqueue": times}, "errors": errors}

    def hand_in(self, files: int = 0) -> None:
        """One call."""
        from submissions.api import create_external_grader_detail

        # Each thread has learners of its own: two first attempts of one at once are an error of edx-submissions.
        number = self.own.number = getattr(self.own, "number", -1) + 1
        learner = {
            "student_id": f"{self.run}-{threading.get_ident()}-{number // 2}",
            "course_id": "course-v1:Bench+CS1+2026",
            "item_id": "block-v1:Bench+problem@1",
            "item_type": "problem",
        }
        more: dict[str, Any] = {"files": {f"numbers-{i}.txt": Upload() for i in range(files)}} if files else {}
        create_external_grader_detail(
            learner, ANSWER, QUEUE, f"key-{number}", "ps1/double/grade.py", points_possible=10, **more
        )


def main() -> None:
    import django

    django.setup()
    take_orders(Platform())


if __name__ == "__main__":
    main()

"""One day in front of people: learners hand in, graders grade, and now and then something breaks, and heals."""

from __future__ import annotations

import io
import json
import random
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from django.core.management import call_command
from django.db import close_old_connections

from gradequeue.demo.history.courses import Course
from gradequeue.demo.live.platform import Platform
from gradequeue.demo.processes import Processes
from submissions import api
from submissions.models import GraderQueue

# After its death a grader is started again (seconds): until then its queue has turned red.
REST = 180
# What breaks by itself, and when, in each round of ROUND seconds.
ROUND, GRADER_DIES, PLATFORM_FALLS, PLATFORM_HEALS = 480, 60, 300, 360
POINTS = 10


@dataclass
class LiveGrader:
    name: str
    queues: list[str]
    password: str
    died: float | None = None
    """time.monotonic()"""


@dataclass
class Day:
    """What goes on until somebody ends it."""

    url: str
    courses: list[Course]
    processes: Processes
    platform: Platform
    tell: Callable[[str], object]
    graders: list[LiveGrader] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    happened: set[tuple[int, int]] = field(default_factory=set)
    """Round and time of what has broken or healed."""

    def begin(self) -> None:
        """A grader for each of the first three courses, one for all others: each can be killed alone."""
        first, others = self.courses[:3], self.courses[3:]
        plan = [(course, [course.queue]) for course in first]
        plan += [(others[0], [course.queue for course in others])] if others else []
        GraderQueue.objects.filter(name__in=[course.queue for course in self.courses]).update(
            webhook_url=self.platform.url, webhook_secrets=self.platform.secret
        )
        for course, queues in plan:
            # Courses share graders; here each process has a name of its own.
            taken = {grader.name for grader in self.graders}
            name = next(name for name in course.graders if name not in taken)
            grader = LiveGrader(name, queues, _password(name))
            self.graders.append(grader)
            self._start(grader)

    def go_on(self) -> None:
        """Never returns; raises Died where the server is over."""
        while True:
            self.processes.check("server")
            self._hand_in()
            self._break_and_heal(time.monotonic())
            close_old_connections()
            time.sleep(1)

    def pid(self, grader: LiveGrader) -> int:
        return self.processes.running[grader.name].pid

    def _start(self, grader: LiveGrader) -> None:
        words = [word for queue in grader.queues for word in ("--queue", queue)]
        self.processes.run_ours(
            grader.name,
            ["gradequeue.demo.live.grader", "--url", self.url, "--name", grader.name, *words],
            GRADER_PASSWORD=grader.password,
        )
        grader.died = None

    def _hand_in(self) -> None:
        for course in self.courses:
            if random.random() < 0.2:  # noqa: S311 - no secret
                hand_in(course)

    def _break_and_heal(self, now: float) -> None:
        for grader in self.graders:
            if grader.died is None and self.processes.running[grader.name].poll() is not None:
                grader.died = now
                self.tell(f"{grader.name} is dead: {grader.queues[0]} turns red soon, and heals in {REST} s.")
            elif grader.died is not None and now - grader.died > REST:
                self._start(grader)
                self.tell(f"{grader.name} is back (process {self.pid(grader)}).")
        number, second = divmod(now - self.began, ROUND)
        if self._is_time(int(number), second, GRADER_DIES):
            victim = self.graders[int(number + 1) % len(self.graders)]
            self.processes.running[victim.name].send_signal(signal.SIGKILL)
        if self._is_time(int(number), second, PLATFORM_FALLS):
            self.platform.is_down = True
            self.tell("The platform is down for a minute: results wait, and are sent again.")
        if self._is_time(int(number), second, PLATFORM_HEALS):
            self.platform.is_down = False
            self.tell(f"The platform is back; it has had {self.platform.told} results so far.")

    def _is_time(self, number: int, second: float, at: int) -> bool:
        """Once in each round."""
        if second < at or (number, at) in self.happened:
            return False
        self.happened.add((number, at))
        return True


def hand_in(course: Course) -> None:
    api.create_external_grader_detail(
        {
            "course_id": f"course-v1:ExampleX+{course.title}+2026",
            "item_id": f"{course.queue}_{random.choice(course.items)}",  # noqa: S311
            "student_id": uuid.uuid4().hex,
            "item_type": "problem",
        },
        "def solve(numbers):\n    return [2 * number for number in numbers]\n",
        queue_name=course.queue,
        queue_key=None,
        points_possible=POINTS,
    )


def _password(name: str) -> str:
    """Of a grader's account, new or not."""
    printed = io.StringIO()
    known = io.StringIO()
    call_command("grader", "list", "--json", stdout=known)
    is_there = any(json.loads(line)["name"] == name for line in known.getvalue().splitlines())
    verb = "password" if is_there else "create"
    call_command("grader", verb, name, "--server", "http://127.0.0.1", "--json", stdout=printed)
    return str(json.loads(printed.getvalue())["password"])

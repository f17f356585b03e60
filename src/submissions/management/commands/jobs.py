"""List jobs by state, queue, learner, course, item, grader and time, the latest change first."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from submissions.management.base import explain_nothing
from submissions.management.job_lists import JobListCommand, read
from submissions.statistics.jobs_list import CLAIMS, PERIODS, STATES

FILTERS = {
    "queue": "in this queue",
    "learner": "of this student_id",
    "course": "of this course_id",
    "item": "of this item_id",
    "grader": "last claimed by this grader",
}


class Command(JobListCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        filters = parser.add_argument_group("filters, which hold together")
        filters.add_argument("--state", choices=list(STATES), help="in this state")
        for name, words in FILTERS.items():
            filters.add_argument(f"--{name}", help=words)
        filters.add_argument(
            "--claim", choices=list(CLAIMS), help="with a claim that ended so, by --grader, --since then"
        )
        periods = ", ".join(PERIODS)
        filters.add_argument("--since", metavar="TIME", help=f"changed since: a time (2027-01-31T14:00), or {periods}")
        filters.add_argument("--until", metavar="TIME", help="changed before this time")

    def handle(self, **options: Any) -> None:
        if self.show(read(options), options):
            return
        explain_nothing(options)
        if not options["as_json"]:
            self.tell("No job matches.")

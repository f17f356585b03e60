"""How much learners have uploaded with open responses: of each course the users with files, and their bytes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.timezone import localdate, make_aware

from submissions.management.base import DataCommand
from submissions.models import Submission

# Before, answers did not say how large their files are.
EARLIEST_ALLOWED_DATE = date(2019, 11, 1)
MOST_DAYS = 90
HEADER = "Course ID\tUsers with Uploaded Files\tTotal Uploaded Bytes\tAverage Upload per User"


def _day(text: str) -> date:
    """An argparse type."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no day, such as 2027-01-31") from None


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        today = localdate()
        for name, usual, words in (
            ("--min_date", today - timedelta(days=30), "the first day; 30 days ago if not given"),
            ("--max_date", today, "the last day; today if not given"),
        ):
            parser.add_argument(name, type=_day, metavar="YYYY-MM-DD", default=usual, help=words)

    def handle(self, **options: Any) -> None:
        first, last = options["min_date"], options["max_date"]
        if last < first:
            raise CommandError("--min_date is after --max_date.")
        if last - first > timedelta(days=MOST_DAYS):
            raise CommandError(f"The report covers at most {MOST_DAYS} days.")
        if first < EARLIEST_ALLOWED_DATE:
            self.tell(f"Sizes are known from {EARLIEST_ALLOWED_DATE} on; what is older is left out.")
        if not options["as_json"]:
            self.stdout.write(HEADER)
        for course_id, users, size in _courses(max(first, EARLIEST_ALLOWED_DATE), last):
            if options["as_json"]:
                self.say({"course_id": course_id, "users": users, "bytes": size})
            else:
                self.stdout.write(f"{course_id}\t{users}\t{size}\t{size / users:.0f}")


def _courses(first: date, last: date) -> Iterator[tuple[str, int, int]]:
    """Each course with files in these days: its id, how many users, how many bytes."""
    rows = (
        Submission.objects.filter(
            created_at__gte=make_aware(datetime.combine(first, time.min)),
            created_at__lte=make_aware(datetime.combine(last, time.max)),
            student_item__item_type="openassessment",
            # Not as text: what is looked for is written as JSON, and so is the name of a member.
            answer__contains="files_sizes",
        )
        .order_by("student_item__course_id", "student_item__student_id")
        .values_list("student_item__course_id", "student_item__student_id", "answer")
    )
    for course_id, attempts in groupby(rows.iterator(), lambda row: row[0]):
        sizes: dict[str, int] = {}
        for _, student_id, answer in attempts:
            if size := _size(answer):
                sizes[student_id] = sizes.get(student_id, 0) + size
        if sizes:
            yield course_id, len(sizes), sum(sizes.values())


def _size(answer: object) -> int:
    """What the answer says that its files are, together (bytes)."""
    sizes = answer.get("files_sizes") if isinstance(answer, dict) else None
    return sum(size for size in sizes if isinstance(size, int)) if isinstance(sizes, list) else 0

"""retry, retire and release: one operator's move, for the ids given or for all jobs that match."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from submissions import sql
from submissions.activity import Act
from submissions.errors import QueueError
from submissions.management.base import (
    DataCommand,
    Options,
    UsageError,
    explain_nothing,
    ids_from,
    operator,
    parsed_id,
    positive,
    reason,
    refusal_of,
    wanted,
)
from submissions.models import DatabaseNow, ExternalGraderDetail
from submissions.operators import Move
from submissions.text import one_line, row_id

BATCH = 500


class MoveCommand(DataCommand):
    """Subclasses name the move."""

    move: ClassVar[Move]

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        states = " or ".join(map(str, self.move.starts_from))
        parser.add_argument("ids", nargs="*", metavar="ID", help="submission ids; else one per line on standard input")
        parser.add_argument("--queue", type=wanted, help=f"every job of this queue that is {states}")
        parser.add_argument(
            "--all-matching", action="store_true", help=f"every job that is {states} and matches the filters"
        )
        filters = parser.add_argument_group("filters, with --queue or --all-matching")
        filters.add_argument("--course", type=wanted, help="of this course_id")
        filters.add_argument("--item", type=wanted, help="of this item_id")
        filters.add_argument("--learner", type=wanted, help="of this student_id")
        # Its name before the list of jobs had one; scripts use it.
        filters.add_argument("--student", type=wanted, dest="learner", help=argparse.SUPPRESS)
        filters.add_argument("--older-than", type=positive, metavar="SECONDS", help="in its state for at least so long")
        parser.add_argument("--reason", type=reason, default="", help="why; kept with who did it")
        parser.add_argument("--dry-run", action="store_true", help="only say which jobs it would touch")

    def handle(self, **options: Any) -> None:
        many = options["queue"] is not None or options["all_matching"]
        if many and options["ids"]:
            raise UsageError("Give ids, or --queue or --all-matching, not both.")
        filters = [name for name in ("course", "item", "learner", "older_than") if options[name] is not None]
        if filters and not many:
            raise UsageError(f"--{filters[0].replace('_', '-')} goes with --queue or --all-matching.")
        if many:
            jobs = self._matching(options)
            count = jobs.count()
            if not count:
                explain_nothing(options)
            ids: Iterator[str] = (str(one) for one in _walk(jobs))
        else:
            given = list(ids_from(options["ids"]))
            count, ids = len(given), iter(given)
        self.tell(self.move.will(count))
        if options["dry_run"]:
            self._list(ids, options["as_json"])
        else:
            self._touch(ids, self.move.by(operator(), options["reason"]), options["as_json"])

    def _list(self, ids: Iterator[str], as_json: bool) -> None:
        for text in ids:
            if as_json:
                self.say({"submission_id": row_id(text) or text})
            else:
                self.stdout.write(one_line(text))

    def _matching(self, options: Options) -> QuerySet[ExternalGraderDetail]:
        jobs: QuerySet[ExternalGraderDetail] = ExternalGraderDetail.objects.filter(status__in=self.move.starts_from)
        if options["queue"] is not None:
            jobs = jobs.filter(queue_name=options["queue"])
        values = {
            "submission__student_item__course_id": options["course"],
            "submission__student_item__item_id": options["item"],
            "submission__student_item__student_id": options["learner"],
        }
        jobs = sql.exactly(jobs, **{name: value for name, value in values.items() if value is not None})
        if options["older_than"]:
            jobs = jobs.filter(status_time__lte=DatabaseNow() - timedelta(seconds=options["older_than"]))
        return jobs

    def _touch(self, ids: Iterator[str], act: Act, as_json: bool) -> None:
        done = refused = 0
        for text in ids:
            row = self._row(text, act)
            done += "error" not in row
            refused += "error" in row
            if "error" in row and not as_json:
                self.tell(refusal_of(text, row))
            if as_json:
                self.say(row)
        self.tell(f"{done} {self.move.done}, {refused} refused.")
        if refused:
            raise SystemExit(1)

    def _row(self, text: str, act: Act) -> dict[str, object]:
        submission_id: int | str = text
        try:
            submission_id = parsed_id(text)
            job = self.move.run(submission_id, act)
        except (QueueError, ValueError) as refusal:
            return {"submission_id": submission_id, "error": str(refusal)}
        return {"submission_id": submission_id, "status": str(getattr(job, self.move.state))}


def _walk(jobs: QuerySet[ExternalGraderDetail]) -> Iterator[int]:
    """Submission ids in batches: constant memory, and no cursor held open while the jobs change under it."""
    last = 0
    while batch := list(jobs.filter(pk__gt=last).order_by("pk").values_list("pk", "submission_id")[:BATCH]):
        last = batch[-1][0]
        yield from (submission_id for _, submission_id in batch)

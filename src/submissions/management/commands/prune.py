"""Remove finished jobs of long ago, with their files and deliveries. Unfinished jobs are never touched."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from submissions.activity import note
from submissions.conf import conf
from submissions.management.base import DataCommand, explain_nothing, operator, positive, wanted
from submissions.models import ExternalGraderDetail, Status
from submissions.text import counted
from submissions.upkeep import prune
from submissions.upkeep.removal import FileStays, Removed

# PostgreSQL and SQLite fail at a date before there were any.
MOST_DAYS = 100_000


def _days(text: str) -> int:
    days = positive(text)
    if days > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{MOST_DAYS} days are the most, not {days}")
    return days


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than", type=_days, metavar="DAYS", required=True, help="that ended at least so long ago"
        )
        parser.add_argument(
            "--state",
            choices=[*Status.ended()],
            action="append",
            help="retired, failed; may be repeated (default: retired)",
        )
        parser.add_argument("--queue", type=wanted, help="of this queue only; else also the statistics of that time go")
        parser.add_argument(
            "--whole-items", action="store_true", help="also submissions and scores of items that have no job left"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many jobs it would remove")

    def handle(self, **options: Any) -> None:
        states = tuple(Status(state) for state in options["state"] or [Status.RETIRED])
        days = options["older_than"]
        jobs = prune.prunable(days, states=states, queue_name=options["queue"])
        count = jobs.count()
        if not count:
            explain_nothing(options)
        self.tell(f"Will remove {counted(count, 'job')}.")
        if options["dry_run"]:
            if options["as_json"]:
                self.say({"jobs": count, "dry_run": True})
            return
        what = f"{counted(count, 'job')} that ended at least {counted(days, 'day')} ago"
        note(operator(), "prune", subject=what, queue_names=[options["queue"] or ""])
        removed = _prune(jobs, days, whole_items=options["whole_items"])
        rows = moves = 0
        if options["queue"] is None:
            kept = min(int(conf.ACTIVITY_DAYS), MOST_DAYS)  # "for ever" is a number of days, too
            rows, moves = prune.prune_statistics(days), prune.prune_activity(kept)
        self._tell_removed(removed, rows, moves, as_json=options["as_json"])
        if removed.kept:
            raise CommandError(
                f"{counted(removed.kept, 'job')} stayed: their files could not be deleted; the log says why."
            )

    def _tell_removed(self, removed: Removed, rows: int, moves: int, *, as_json: bool) -> None:
        if as_json:
            parts = {name: getattr(removed, name) for name in ("jobs", "files", "deliveries", "items")}
            self.say(parts | {"statistics": rows, "moves": moves})
        self.tell(
            f"{counted(removed.jobs, 'job')}, {counted(removed.files, 'file')}, "
            f"{counted(removed.deliveries, 'delivery', 'deliveries')}, {counted(removed.items, 'item')}, "
            f"{counted(rows, 'row')} of statistics and {counted(moves, 'old move')} of operators removed."
        )


def _prune(jobs: QuerySet[ExternalGraderDetail], days: int, *, whole_items: bool) -> prune.Pruned:
    removed = prune.Pruned()
    with contextlib.suppress(FileStays):  # how many stand in `kept`
        for batch in prune.prune(jobs, days, whole_items=whole_items):
            removed.add(batch)
    return removed

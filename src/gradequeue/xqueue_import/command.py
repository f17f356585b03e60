"""`gradequeue import-xqueue`: what waits in the retired XQueue service's database becomes jobs here, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from rich.console import Console
from rich.progress import track

from gradequeue.xqueue_import.source import Row, Skipped, Source
from submissions.activity import note
from submissions.errors import QueueError, SubmissionRequestError
from submissions.intake import jobs
from submissions.management.base import DataCommand, Options, UsageError, operator
from submissions.text import first_line

TAKEN, SCORED, KNOWN, SKIPPED = "taken", "scored", "known", "skipped"


class ImportCommand(DataCommand):
    """Take over what waits in the retired XQueue service: jobs with their callbacks, in their order. Repeatable.

    Stop the old service first. It is read and not changed.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "url", metavar="DATABASE_URL", help="of the old service: mysql://, postgres:// or sqlite:///"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would become of each row")
        parser.add_argument("--files", default="", metavar="URL", help="where the old service's files are served from")
        parser.add_argument(
            "--unacknowledged",
            action="store_true",
            help="also what was retired with a result that the platform never took; it is told",
        )

    def handle(self, **options: Any) -> None:
        source = _open(options["url"])
        outcomes: Counter[str] = Counter()
        if not options["dry_run"]:
            note(operator(), "import", subject="what waited in the old service")
        try:
            for told in _import(source, options):
                outcomes[str(told["outcome"])] += 1
                if options["as_json"]:
                    self.say(told)
                elif told["outcome"] == SKIPPED:
                    self.tell(f"Row {told['id']} is skipped: {told['reason']}.")
        finally:
            source.close()
        words = ", ".join(f"{outcomes[name]} {name}" for name in (TAKEN, SCORED, KNOWN, SKIPPED))
        self.tell(f"{'Dry run: ' if options['dry_run'] else ''}{words}.")
        if outcomes[SKIPPED]:
            raise SystemExit(1)


def _open(url: str) -> Source:
    try:
        return Source(url)
    except ImproperlyConfigured as wrong:
        raise UsageError(str(wrong)) from None
    except DatabaseError as error:
        raise CommandError(f"The old service's database cannot be used: {first_line(error)}") from error


def _import(source: Source, options: Options) -> Iterator[dict[str, object]]:
    wanted = options["unacknowledged"]
    rows = source.rows(unacknowledged=wanted)
    screen = Console(stderr=True)
    shown = track(
        rows, "Importing", total=source.count(unacknowledged=wanted), console=screen, disable=not screen.is_terminal
    )
    for row in shown:
        yield {"id": row.id, **_take_over(row, options["files"], dry_run=options["dry_run"])}


def _take_over(row: Row, files: str, *, dry_run: bool) -> dict[str, object]:
    try:
        # Before its files are asked for: their server may be gone by now.
        if jobs.is_known(row.key):
            return {"outcome": KNOWN, "submission_id": None}
        handed, links, arrived, result = row.handed_in(), row.links(files), row.arrived, row.result()
        if dry_run:
            return {"outcome": TAKEN if result is None else SCORED, "submission_id": None}
        made = jobs.take_over(handed, row.key, arrived=arrived, file_links=links, result=result)
    except (Skipped, QueueError, SubmissionRequestError) as reason:
        return {"outcome": SKIPPED, "submission_id": None, "reason": str(reason).rstrip(".")}
    if made is None:
        return {"outcome": KNOWN, "submission_id": None}
    return {"outcome": SCORED if made.scored else TAKEN, "submission_id": made.submission_id}

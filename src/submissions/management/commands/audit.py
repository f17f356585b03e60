"""Recount everything: each job in exactly one state, each finished one with its score or the reason why it has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from submissions.management.base import DataCommand, UsageError
from submissions.text import counted
from submissions.upkeep import audit, told

_OF_FILES = {
    "not_looked_at": "not looked at: the storage is not a disk of this machine; --files reads each.",
    "without_digest": "without a digest, from before there were any: whether the content has changed is not known.",
}


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--files",
            action="store_true",
            help="read each submitted file also where the storage is not a disk of this machine (S3)",
        )

        parser.add_argument(
            "--told",
            type=Path,
            metavar="FILE",
            help="also hold what platforms were told against the scores: webhooks' bodies, one a line",
        )

    def handle(self, **options: Any) -> None:
        found = 0
        known = _read(options["told"]) if options["told"] else []
        for problem in chain(audit.problems(look_at_files=options["files"]), told.problems(known)):
            found += 1
            if options["as_json"]:
                self.say(asdict(problem))
            else:
                number = "" if problem.submission_id is None else f" {problem.submission_id}"
                self.stdout.write(f"submission{number} {problem.problem}")
        counts, sent = audit.counts(), audit.delivery_counts()
        files = {name: count for name, count in audit.file_counts(look_at_files=options["files"]).items() if count}
        if options["as_json"]:
            more = {name: counted for name, counted in (("deliveries", sent), ("files", files)) if counted}
            self.say({"jobs": sum(counts.values()), "states": counts, **more, "problems": found})
        else:
            listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
            jobs = sum(counts.values())
            self.stdout.write(f"{counted(jobs, 'job')}: {listed or 'none'}. {_told(sent)}{counted(found, 'problem')}.")
            for name, count in files.items():
                self.stdout.write(f"{counted(count, 'file')} {_OF_FILES[name]}")
        if found:
            raise SystemExit(1)


def _read(place: Path) -> Iterator[told.Known]:
    """Raises UsageError with the number of the line."""
    number = 0
    try:
        with place.open() as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield told.parse(line)
    except (OSError, ValueError) as error:
        raise UsageError(f"{place}, line {number}: {getattr(error, 'strerror', None) or error}") from error


def _told(sent: dict[str, int]) -> str:
    listed = ", ".join(f"{count} {state}" for state, count in sorted(sent.items()))
    return f"Deliveries: {listed}. " if sent else ""

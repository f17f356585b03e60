"""Recount everything: each job in exactly one state, each finished one with its score or the reason why it has none."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from submissions.management.base import DataCommand
from submissions.text import counted
from submissions.upkeep import audit


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--files", action="store_true", help="also ask the storage for each submitted file")

    def handle(self, **options: Any) -> None:
        found = 0
        for problem in audit.problems(look_at_files=options["files"]):
            found += 1
            if options["as_json"]:
                self.say(asdict(problem))
            else:
                self.stdout.write(f"submission {problem.submission_id} {problem.problem}")
        counts, sent = audit.counts(), audit.delivery_counts()
        if options["as_json"]:
            deliveries = {"deliveries": sent} if sent else {}
            self.say({"jobs": sum(counts.values()), "states": counts, **deliveries, "problems": found})
        else:
            listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
            jobs = sum(counts.values())
            self.stdout.write(f"{counted(jobs, 'job')}: {listed or 'none'}. {_told(sent)}{counted(found, 'problem')}.")
        if found:
            raise SystemExit(1)


def _told(sent: dict[str, int]) -> str:
    listed = ", ".join(f"{count} {state}" for state, count in sorted(sent.items()))
    return f"Deliveries: {listed}. " if sent else ""

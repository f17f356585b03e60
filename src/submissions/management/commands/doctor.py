"""Check database, storage and deliveries for problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from submissions.management.base import DataCommand, positive
from submissions.upkeep import doctor
from submissions.upkeep.findings import Finding


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--connections",
            type=positive,
            default=doctor.ONE_SERVICE,
            metavar="N",
            help="how many connections to the database all services together can hold (default: %(default)s, one "
            "'gradequeue serve' as it comes)",
        )

    def findings(self, needed: int) -> Iterator[Finding]:
        return doctor.findings(needed)

    def handle(self, **options: Any) -> None:
        problems = 0
        for finding in self.findings(options["connections"]):
            problems += not finding.fine
            if options["as_json"]:
                self.say(asdict(finding))
            else:
                self.stdout.write(f"{'ok     ' if finding.fine else 'PROBLEM'}  {finding.check}: {finding.sentence}")
        if problems:
            raise SystemExit(1)

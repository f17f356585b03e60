"""Check database and storage for problems."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from submissions.management.base import DataCommand
from submissions.upkeep import doctor


class Command(DataCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        problems = 0
        for finding in doctor.findings():
            problems += not finding.fine
            if options["as_json"]:
                self.say(asdict(finding))
            else:
                self.stdout.write(f"{'ok     ' if finding.fine else 'PROBLEM'}  {finding.check}: {finding.sentence}")
        if problems:
            raise SystemExit(1)

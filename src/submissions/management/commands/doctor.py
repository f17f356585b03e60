"""Look at the database and the storage in use, and say what would hurt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from submissions.management.base import DataCommand
from submissions.upkeep import doctor


class Command(DataCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        hurts = 0
        for finding in doctor.findings():
            hurts += not finding.fine
            if options["as_json"]:
                self.say(asdict(finding))
            else:
                self.stdout.write(f"{'ok  ' if finding.fine else 'HURT'}  {finding.check}: {finding.sentence}")
        if hurts:
            raise SystemExit(1)

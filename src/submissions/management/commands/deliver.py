"""Send results to where they are wanted, until SIGTERM or Ctrl-C; what is on its way is finished."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from submissions.deliveries import Worker
from submissions.management.base import DataCommand, positive
from submissions.management.interrupts import stop_event


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--threads", type=positive, default=16, help="how many at once, at the most (default: %(default)s)"
        )
        parser.add_argument("--once", action="store_true", help="end when nothing is due")

    def handle(self, **options: Any) -> None:
        worker = Worker(options["threads"])
        worker.run(stop_event(), until_idle=options["once"])
        counts = {
            outcome.value: count for outcome, count in sorted(worker.outcomes.items(), key=lambda one: one[0].value)
        }
        if options["as_json"]:
            self.say(counts)
        else:
            self.tell(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "Nothing was due.")

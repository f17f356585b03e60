"""Send jobs to graders that are pushed to: those of every queue that has a push_url. `serve` does this, too."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from submissions.management.accounts import LOCAL
from submissions.management.base import DataCommand, positive
from submissions.management.interrupts import stop_event
from submissions.xqueue.push import Dispatcher


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--threads", type=positive, default=1, help="jobs of one queue at once (default: %(default)s)"
        )
        parser.add_argument("--once", action="store_true", help="end when nothing is due")
        parser.add_argument(
            "--server", default=LOCAL, help="where graders fetch files, if it is not configured (default: %(default)s)"
        )

    def handle(self, **options: Any) -> None:
        dispatcher = Dispatcher(options["threads"], options["server"])
        if options["once"]:
            count = dispatcher.run_until_idle()
            if options["as_json"]:
                self.say({"pushed": count})
            else:
                self.tell(f"{count} pushed.")
            return
        dispatcher.run(stop_event())

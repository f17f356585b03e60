"""pause and resume: an operator's move of whole queues, by their names."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from submissions.errors import QueueError
from submissions.management.base import DataCommand, find_queue, operator, reason
from submissions.operators import Move
from submissions.text import one_line


class QueueMoveCommand(DataCommand):
    """Subclasses name the move."""

    move: ClassVar[Move]

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", type=reason, default="", help="why; kept with who did it")
        parser.add_argument("names", nargs="+", metavar="QUEUE", help="the name of a queue")

    def handle(self, **options: Any) -> None:
        refused = 0
        for name in options["names"]:
            row = self._row(name, options["reason"])
            refused += "error" in row
            if options["as_json"]:
                self.say(row)
            else:
                self.tell(str(row.get("error", f"Queue {one_line(name)} {self.move.outcome}.")))
        if refused:
            raise SystemExit(1)

    def _row(self, name: str, why: str) -> dict[str, object]:
        try:
            self.move.run(find_queue(name).pk, self.move.by(operator(), why))
        except (CommandError, QueueError) as refusal:
            return {"queue_name": name, "error": str(refusal)}
        return {"queue_name": name, "paused": not self.move.starts_from[0]}

"""pause and resume: an operator's move of whole queues, by their names."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from submissions.errors import QueueError
from submissions.management.base import DataCommand, operator, reason
from submissions.models import GraderQueue
from submissions.operators import Move
from submissions.text import is_name, one_line


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
        queue = GraderQueue.objects.filter(name=name).first() if is_name(name) else None
        if queue is None:
            return {"queue_name": name, "error": f"There is no queue {one_line(name)!r}."}
        try:
            self.move.run(queue.pk, self.move.by(operator(), why))
        except QueueError as refusal:
            return {"queue_name": name, "error": str(refusal)}
        return {"queue_name": name, "paused": not self.move.starts_from[0]}

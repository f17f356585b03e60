"""What was written down of operators' moves, as short texts, and somebody to move things."""

from __future__ import annotations

from submissions.activity import Actor
from submissions.models import Door, OperatorMove

TESTER = Actor("tester", Door.COMMAND)


def recorded() -> list[str]:
    """ "staff: retry 2 in q", oldest first."""
    return [_told(row) for row in OperatorMove.objects.order_by("pk")]


def _told(row: OperatorMove) -> str:
    parts = [f"{row.actor}: {row.move}", str(row.number) if row.number else "", f"in {row.queue_name}"]
    words = " ".join(part for part in parts if part and part != "in ")
    return ": ".join(part for part in (words, row.subject, row.reason) if part)

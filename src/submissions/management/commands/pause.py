"""Pause queues: graders receive no jobs until the queue is resumed; submissions are accepted and wait."""

from submissions import operators
from submissions.management.queue_moves import QueueMoveCommand


class Command(QueueMoveCommand):
    help = __doc__
    move = operators.PAUSE

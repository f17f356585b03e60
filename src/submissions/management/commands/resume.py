"""Resume paused queues: graders receive jobs again."""

from submissions import operators
from submissions.management.queue_moves import QueueMoveCommand


class Command(QueueMoveCommand):
    help = __doc__
    move = operators.RESUME

"""End unfinished jobs without a score. This cannot be undone."""

from submissions import operators
from submissions.management.verbs import MoveCommand


class Command(MoveCommand):
    help = __doc__
    move = operators.RETIRE

"""Release jobs from the graders that hold them: each waits for a grader again, and no failure is counted."""

from submissions import operators
from submissions.management.verbs import MoveCommand


class Command(MoveCommand):
    help = __doc__
    move = operators.RELEASE

"""Retry failed jobs: each waits for a grader again, with its failures cleared."""

from submissions import operators
from submissions.management.verbs import MoveCommand


class Command(MoveCommand):
    help = __doc__
    move = operators.RETRY

"""End unfinished jobs without a score."""

from submissions import queue
from submissions.management.verbs import VerbCommand
from submissions.models import Status


class Command(VerbCommand):
    help = __doc__
    verb = staticmethod(queue.retire)
    done = "retired"
    starts_from = (Status.PENDING, Status.RETRY, Status.PULLED, Status.FAILED)

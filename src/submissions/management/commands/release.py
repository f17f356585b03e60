"""Take jobs away from graders that hold them; they are due at once, and nothing is counted."""

from submissions import queue
from submissions.management.verbs import VerbCommand
from submissions.models import Status


class Command(VerbCommand):
    help = __doc__
    verb = staticmethod(queue.release_lease)
    done = "released"
    starts_from = (Status.PULLED,)

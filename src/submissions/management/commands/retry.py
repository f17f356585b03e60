"""Put failed jobs back into their queue, failures cleared."""

from submissions import queue
from submissions.management.verbs import VerbCommand
from submissions.models import Status


class Command(VerbCommand):
    help = __doc__
    verb = staticmethod(queue.retry)
    done = "retried"
    starts_from = (Status.FAILED,)

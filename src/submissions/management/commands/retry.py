"""Put failed jobs back into their queue, failures cleared."""

from submissions import queue
from submissions.management.verbs import VerbCommand
from submissions.models import ExternalGraderDetail, Status


class Command(VerbCommand):
    help = __doc__
    done = "retried"
    starts_from = (Status.FAILED,)

    @staticmethod
    def verb(submission_id: int) -> ExternalGraderDetail:
        return queue.retry(submission_id)

"""End unfinished jobs without a score."""

from submissions import queue
from submissions.management.verbs import VerbCommand
from submissions.models import ExternalGraderDetail, Status


class Command(VerbCommand):
    help = __doc__
    done = "retired"
    starts_from = (Status.PENDING, Status.RETRY, Status.PULLED, Status.FAILED)

    @staticmethod
    def verb(submission_id: int) -> ExternalGraderDetail:
        return queue.retire(submission_id)

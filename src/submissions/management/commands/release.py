"""Take jobs away from graders that hold them; they are due at once, and nothing is counted."""

from submissions import queue
from submissions.management.verbs import VerbCommand
from submissions.models import ExternalGraderDetail, Status


class Command(VerbCommand):
    help = __doc__
    done = "released"
    starts_from = (Status.PULLED,)

    @staticmethod
    def verb(submission_id: int) -> ExternalGraderDetail:
        return queue.release_lease(submission_id)

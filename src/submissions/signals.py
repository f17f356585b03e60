"""What this app announces.

``score_set`` and ``score_reset`` are edx-submissions' own and go to the platform. The others tell what
the queue did, after the transaction that did it was committed; ``logs.py`` puts them into words. A receiver that
raises undoes nothing: what must reach a platform travels as a Delivery.
"""

from __future__ import annotations

from functools import cache, partial

from django.apps import apps
from django.db import models, router, transaction
from django.dispatch import Signal

# points_possible, points_earned, anonymous_user_id, course_id, item_id, created_at
score_set = Signal()
# anonymous_user_id, course_id, item_id, created_at
score_reset = Signal()

# The transport "signal": message, a submissions.deliveries.Message. Who raises gets it again.
result_ready = Signal()

submission_created = Signal()  # submission
score_given = Signal()  # score: one from outside the queue, of the Python API
scores_reset = Signal()  # student_item

# Each of these carries job (a row as it was written, or what the comment says), and what its comment names.
job_enqueued = Signal()
job_claimed = Signal()  # job: a submissions.queue.ClaimedJob
job_completed = Signal()  # job: a submissions.queue.GradedJob; points_earned
job_failed = Signal()  # reason; job.status says whether it is tried again
job_released = Signal()
job_retried = Signal()
job_retired = Signal()  # reason
job_given_up = Signal()  # reason
deliveries_due = Signal()  # there is something to tell of the job: a row, or for a score a GradedJob
file_left_behind = Signal()  # name, reason: a stored file that no row names could not be removed
logged_in = Signal()  # username, network, first: whether from a network that was not known
login_refused = Signal()  # username, network
login_throttled = Signal()  # username, network, seconds
job_not_pushed = Signal()  # reason: its grader could not be asked, and it was given back
submit_refused = Signal()  # account, reason: what a platform handed in was not taken
# Each of these carries delivery (a row with its job).
delivered = Signal()
delivery_failed = Signal()  # reason, pause: seconds until it is tried again
delivery_given_up = Signal()  # reason
claim_refused = Signal()  # submission_id, reason: a grader's word was not accepted


def announce(signal: Signal, **facts: object) -> None:
    """Send `signal` once the transaction is committed; a receiver's exception is logged, not raised."""
    # The queue's own database, where a router gives it one.
    using = router.db_for_write(_job())
    transaction.on_commit(partial(signal.send_robust, sender=None, **facts), using=using, robust=True)


@cache
def _job() -> type[models.Model]:
    return apps.get_model("submissions", "ExternalGraderDetail")

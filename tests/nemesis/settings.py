"""The service's own settings, with an outbox whose pauses a run can wait for, and a platform that may be too slow."""

from gradequeue.settings import *  # noqa: F403

SUBMISSIONS_DELIVERY_TIMEOUT_SECONDS = 6
SUBMISSIONS_DELIVERY_BACKOFF_SECONDS = 1
SUBMISSIONS_DELIVERY_BACKOFF_CEILING_SECONDS = 4

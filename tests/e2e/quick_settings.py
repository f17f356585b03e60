"""The service's own settings, with pauses that a test can wait for."""

from gradequeue.settings import *  # noqa: F403

SUBMISSIONS_DELIVERY_BACKOFF_SECONDS = 1
SUBMISSIONS_DELIVERY_BACKOFF_CEILING_SECONDS = 2

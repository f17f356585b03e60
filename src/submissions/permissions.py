"""edx-submissions' import path of what a grader's account is recognized by."""

from submissions.accounts.permissions import IsXQueueUser

__all__ = ["IsXQueueUser"]

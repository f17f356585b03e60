"""edx-submissions' import path of the XQueue endpoints; they live in `submissions.xqueue`."""

from submissions.xqueue.views import XQueueViewSet

__all__ = ["XQueueViewSet"]

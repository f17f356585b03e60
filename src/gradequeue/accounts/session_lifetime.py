"""A session ends when nobody used it for a while, and some day in any case. Using it costs a write only now and then.

Both times are kept in the session's own data, so that reading it, which happens anyway, tells whether it must be
written: when half of the idle time is over, and never past the longest life from the login. A watcher polls every
second, and SESSION_SAVE_EVERY_REQUEST would be a write for each poll. A watcher whose session ends logs in again.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.conf import settings

Data: TypeAlias = dict[str, Any]

BEGUN, UNTIL = "_begun", "_until"


def is_half_idle(data: Data) -> bool:
    """Whether half of the idle time is over, and the end can still be put off."""
    until, last = data.get(UNTIL), data.get(BEGUN, 0) + settings.SESSION_COOKIE_AGE
    return until is not None and until < last and until - time.time() < settings.SESSION_IDLE_SECONDS / 2


def prolong(data: Data) -> datetime:
    """Write into `data` that it is used now; when it ends unless it is used again."""
    now = int(time.time())
    begun = data.setdefault(BEGUN, now)
    data[UNTIL] = min(now + settings.SESSION_IDLE_SECONDS, begun + settings.SESSION_COOKIE_AGE)
    return datetime.fromtimestamp(data[UNTIL], UTC)

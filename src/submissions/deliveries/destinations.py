"""What is wrong with a destination of the site's own shows at the start, not when a result is sent."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps import AppConfig
from django.core import checks

from submissions.conf import conf
from submissions.outbound import http


def webhook_is_possible(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    """Each delivery keeps the address that it was made with: a wrong one could not be mended afterwards."""
    if not conf.WEBHOOK_URL or conf.wrong():
        return []
    try:
        http.require_possible(conf.WEBHOOK_URL)
    except http.Refused as refused:
        return [checks.Error(f"SUBMISSIONS_WEBHOOK_URL: {refused}", id="submissions.E003")]
    except ValueError:  # of OUTBOUND_NETWORKS, which has a check of its own
        pass
    return []

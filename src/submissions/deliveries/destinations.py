"""What is wrong with the site's own destinations shows at the start, not when a result is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.apps import AppConfig
from django.core import checks

from submissions.conf import conf
from submissions.outbound import http


def are_usable(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    wrong = [] if conf.wrong() else [*_wrong_hosts(), *_wrong_webhook()]
    return [checks.Error(sentence, id="submissions.E003") for sentence in wrong]


def _wrong_hosts() -> Iterator[str]:
    yield from (f"SUBMISSIONS_CALLBACK_HOSTS: {wrong}" for wrong in http.unusable_hosts(conf.CALLBACK_HOSTS))
    yield from (f"SUBMISSIONS_CALLBACK_AUTH: {wrong}" for wrong in http.unusable_hosts(conf.CALLBACK_AUTH))
    for host in conf.CALLBACK_AUTH:
        if host.startswith("*"):
            yield f"SUBMISSIONS_CALLBACK_AUTH: {host!r} must be one host: a password is for those that are named."


def _wrong_webhook() -> Iterator[str]:
    """Each delivery keeps the address that it was made with: a wrong one could not be mended afterwards."""
    try:
        if conf.WEBHOOK_URL:
            http.require_possible(conf.WEBHOOK_URL)
    except http.Refused as refused:
        yield f"SUBMISSIONS_WEBHOOK_URL: {refused}"
    except ValueError:  # of OUTBOUND_NETWORKS, which has a check of its own
        pass

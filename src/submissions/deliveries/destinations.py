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
    for name, hosts in (("CALLBACK_HOSTS", conf.CALLBACK_HOSTS), ("CALLBACK_AUTH", conf.CALLBACK_AUTH)):
        for host in hosts:
            if not http.is_host(host) or (name == "CALLBACK_AUTH" and "*" in host):
                yield f"SUBMISSIONS_{name}: {host!r} is not the name of a host alone, such as lms.example.org."


def _wrong_webhook() -> Iterator[str]:
    """Each delivery keeps the address that it was made with: a wrong one could not be mended afterwards."""
    try:
        if conf.WEBHOOK_URL:
            http.require_possible(conf.WEBHOOK_URL)
    except http.Refused as refused:
        yield f"SUBMISSIONS_WEBHOOK_URL: {refused}"
    except ValueError:  # of OUTBOUND_NETWORKS, which has a check of its own
        pass

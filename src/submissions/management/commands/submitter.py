"""Manage platform accounts: they may submit over HTTP, to every queue or to those granted, and nothing else."""

from __future__ import annotations

from submissions.conf import conf
from submissions.management.accounts import AccountCommand


class Command(AccountCommand):
    help = __doc__

    kind, verb = "submitter", "submit to"
    client, printed = "the LMS", "XQUEUE_INTERFACE"
    grants, granted = "submitters", "submitting_queues"
    without_grants = "every queue"
    # Who was granted a queue may submit to it, and to no other.
    every_member = False

    @property
    def group(self) -> str:
        return str(conf.SUBMITTER_GROUP)

    def settings(self, server: str, name: str, password: str) -> dict[str, object]:
        return {"XQUEUE_INTERFACE": {"url": server, "django_auth": {"username": name, "password": password}}}

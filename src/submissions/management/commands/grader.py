"""Manage grader accounts (minimum permissions) and the queues that they may pull from."""

from __future__ import annotations

from submissions.conf import conf
from submissions.management.accounts import AccountCommand


class Command(AccountCommand):
    help = __doc__

    kind, verb = "grader", "pull from"
    client, printed = "the watcher", "xqueue_servers.json"
    grants, granted = "graders", "granted_queues"
    without_grants = "every queue without grants"

    @property
    def group(self) -> str:
        return str(conf.GRADER_GROUP)

    def settings(self, server: str, name: str, password: str) -> dict[str, object]:
        return {"default": {"SERVER": server, "AUTH": [name, password]}}

"""Manage grader accounts (minimum permissions) and the queues that they may pull from."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import CommandParser

from submissions.accounts.permissions import TEXT_HTML_GROUP
from submissions.activity import note
from submissions.conf import conf
from submissions.management.accounts import AccountCommand, AccountRow
from submissions.management.base import Options, at_once, operator

TYPES = ("application/json", "text/html")


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

    def more_commands(self, commands: Any, create: CommandParser) -> list[CommandParser]:
        create.add_argument("--replies", choices=TYPES, default=TYPES[0], help="see the command 'replies'")
        replies: CommandParser = commands.add_parser(
            "replies", help="which type its replies have, for clients that insist on text/html; from its next login on"
        )
        replies.add_argument("name", help="the account's name")
        replies.add_argument("type", choices=TYPES)
        return [replies]

    def prepare(self, user: User, options: Options) -> None:
        if options["replies"] == "text/html":
            user.groups.add(Group.objects.get_or_create(name=TEXT_HTML_GROUP)[0])

    def _replies(self, options: Options) -> None:
        user, group = self._account(options["name"]), Group.objects.get_or_create(name=TEXT_HTML_GROUP)[0]
        with at_once():
            (user.groups.add if options["type"] == "text/html" else user.groups.remove)(group)
            note(operator(), "replies", subject=f"{options['name']}: {options['type']}")
        self._list(options, only=options["name"])

    def row(self, user: User) -> AccountRow:
        row = super().row(user)
        if any(group.name == TEXT_HTML_GROUP for group in user.groups.all()):
            row["replies"] = "text/html"
        return row

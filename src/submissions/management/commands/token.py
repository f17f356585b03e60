"""Manage tokens: secrets of an account for REST, and for XQueue in place of its password."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from submissions import sql
from submissions.accounts import tokens
from submissions.activity import note
from submissions.management.base import DataCommand, Options, at_once, operator
from submissions.models import Scope, Token


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="create | list | revoke")
        create = commands.add_parser("create", help="make a token; it is printed once, and kept nowhere")
        create.add_argument("account", help="the account's name")
        create.add_argument(
            "--scope", action="append", required=True, choices=Scope.values, help="what it may do (repeatable)"
        )
        create.add_argument(
            "--queue", action="append", required=True, help="a queue's name; * stands for any characters (repeatable)"
        )
        create.add_argument("--expires-at", type=_time, help="until when it is good (2027-01-31, or RFC 3339)")
        create.add_argument("--name", default="", help="what it is for")
        listing = commands.add_parser("list", help="every token, without its secret")
        listing.add_argument("account", nargs="?", help="of this account alone")
        revoke = commands.add_parser("revoke", help="end tokens for good")
        revoke.add_argument("tokens", nargs="+", metavar="TOKEN", help="the 8 characters behind gq_, or gq_ and them")
        for command in (create, listing, revoke):
            super().add_arguments(command)

    def handle(self, **options: Any) -> None:
        getattr(self, f"_{options['what']}")(options)

    def _create(self, options: Options) -> None:
        user = get_user_model()
        account = user._default_manager.filter(**{user.USERNAME_FIELD: options["account"]}).first()
        if account is None:
            raise CommandError(f"There is no account {options['account']!r}.")
        try:
            with at_once():
                token, text = tokens.make_token(
                    account,
                    scopes=options["scope"],
                    queues=options["queue"],
                    name=options["name"][:100],
                    expires_at=options["expires_at"],
                    created_by="gradequeue token",
                )
                note(operator(), "token", subject=f"{options['account']}: {token}")
        except tokens.TokenRefused as refused:
            raise CommandError(str(refused)) from None
        if options["as_json"]:
            self.say({"token": text, **_row(token)})
            return
        self.tell(f"A token of {options['account']}; it is not shown again:")
        self.stdout.write(text)

    def _list(self, options: Options) -> None:
        rows = Token.objects.select_related("account").order_by("pk")
        if options["account"]:
            user = get_user_model()
            rows = rows.filter(**{f"account__{user.USERNAME_FIELD}": options["account"]})
        self._show([_row(token) for token in rows], options)

    def _revoke(self, options: Options) -> None:
        unknown, rows = [], []
        for text in options["tokens"]:
            # Also the whole of it: whoever has found one somewhere pastes what was found.
            with at_once():
                token = tokens.revoke(text.removeprefix("gq_")[:8])
                if token is not None:
                    note(operator(), "revoke", subject=f"{token.account.get_username()}: {token}")
            if token is None:
                unknown.append(text[:11])
            else:
                rows.append(_row(token))
        self._show(rows, options)
        if unknown:
            raise CommandError(f"There is no token {', '.join(unknown)}.")

    def _show(self, rows: list[dict[str, object]], options: Options) -> None:
        if options["as_json"]:
            for row in rows:
                self.say(row)
            return
        shown = ({**row, "scopes": _joined(row["scopes"]), "queues": _joined(row["queues"])} for row in rows)
        columns = ("id", "account", "name", "scopes", "queues", "created", "expires", "last used", "revoked")
        self.table(columns, (row.values() for row in shown))


def _row(token: Token) -> dict[str, object]:
    return {
        "id": token.public_id,
        "account": token.account.get_username(),
        "name": token.name,
        "scopes": token.scope_list,
        "queues": token.patterns,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }


def _joined(words: Any) -> str:
    return ", ".join(words)


def _time(text: str) -> datetime:
    """An argparse type: a day (its beginning, UTC), or a time; UTC where it has no zone."""
    try:
        day = parse_date(text)
        found = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001 - made aware below
    except ValueError:  # the 30th of February
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a day nor a time, such as 2027-01-31")
    if found.tzinfo is None:
        found = timezone.make_aware(found, timezone.get_fixed_timezone(0))
    return sql.as_read(found)

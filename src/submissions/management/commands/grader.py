"""Graders' accounts: the least rights that grading needs, and the queues that they may pull from."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, make_password
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError, transaction

from submissions.conf import conf
from submissions.management.base import DataCommand
from submissions.models import GraderQueue

LOCAL = "http://127.0.0.1:8000"


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(
            dest="what", required=True, metavar="create | list | password | grant | disable"
        )
        create = commands.add_parser(
            "create", help="make an account; prints a ready xqueue_servers.json for its watcher"
        )
        create.add_argument("--queue", action="append", default=[], help="a queue that it may pull from (repeatable)")
        listing = commands.add_parser("list", help="every grader, its queues, its last login")
        password = commands.add_parser("password", help="set a new password; its sessions end")
        grant = commands.add_parser("grant", help="let it pull from further queues")
        grant.add_argument("--queue", action="append", required=True, help="the queue (repeatable)")
        disable = commands.add_parser("disable", help="end its sessions and let it log in no more")
        for command in (create, password, grant, disable):
            command.add_argument("name", help="the account's name")
        for command in (create, password):
            command.add_argument("--password", help="made up where it is not given")
            command.add_argument(
                "--server", default="", help=f"the address for its watcher (default: as configured, or {LOCAL})"
            )
        for command in (create, listing, password, grant, disable):
            super().add_arguments(command)

    def handle(self, **options: Any) -> None:
        getattr(self, f"_{options['what']}")(options)

    def _create(self, options: dict[str, Any]) -> None:
        user = get_user_model()(**{get_user_model().USERNAME_FIELD: options["name"]})
        _check_name(user)
        password = _set_password(user, options["password"])
        try:
            with transaction.atomic():
                user.save(force_insert=True)
                user.groups.add(Group.objects.get_or_create(name=conf.GRADER_GROUP)[0])
                _grant(user, options["queue"])
        except IntegrityError:
            raise CommandError(f"There is an account {options['name']!r} already.") from None
        self._print_servers(options, user, password)

    def _password(self, options: dict[str, Any]) -> None:
        user = _grader(options["name"])
        # Sessions carry a hash of the password and end with it.
        password = _set_password(user, options["password"])
        user.save(update_fields=["password"])
        self._print_servers(options, user, password)

    def _grant(self, options: dict[str, Any]) -> None:
        with transaction.atomic():
            _grant(_grader(options["name"]), options["queue"])
        self._list(options, only=options["name"])

    def _disable(self, options: dict[str, Any]) -> None:
        user = _grader(options["name"])
        user.is_active = False
        user.save(update_fields=["is_active"])
        self._list(options, only=options["name"])

    def _list(self, options: dict[str, Any], only: str | None = None) -> None:
        rows = [row for row in _rows() if only is None or row["name"] == only]
        if options["as_json"]:
            for row in rows:
                self.say(row)
        else:
            shown = ({**row, "queues": ", ".join(row["queues"]) or "every queue without grants"} for row in rows)
            self.table(("name", "active", "queues", "last login"), (row.values() for row in shown))

    def _print_servers(self, options: dict[str, Any], user: Any, password: str) -> None:
        if weakness := options["password"] and _weakness(password, user):
            self.tell(f"Warning, a weak password: {weakness}")
        server = (options["server"] or str(conf.BASE_URL) or LOCAL).rstrip("/")
        servers = {"default": {"SERVER": server, "AUTH": [options["name"], password]}}
        if options["as_json"]:
            self.say({"name": options["name"], "password": password, "xqueue_servers": servers})
            return
        self.tell("For the watcher, as xqueue_servers.json; the password is not shown again:")
        self.stdout.write(json.dumps(servers, indent=2))


def _check_name(user: Any) -> None:
    others = [field.name for field in user._meta.fields if field.name != user.USERNAME_FIELD]
    try:
        user.full_clean(exclude=others, validate_unique=False)
    except ValidationError as error:
        raise CommandError(f"{user.get_username()!r} cannot be a name: {' '.join(error.messages)}") from None


def _set_password(user: Any, chosen: str | None) -> str:
    """Give `user` the password that somebody chose, else a random one; return it."""
    if chosen:
        user.set_password(chosen)
        return chosen
    # The letter: a word that began with a dash would be taken for an option where somebody passes it on.
    made = secrets.choice(string.ascii_letters) + secrets.token_urlsafe(24)
    # The service keeps random ones in a way that makes logins cheap; a host's hasher need not know of it.
    user.password = getattr(get_hasher(), "encode_random", make_password)(made)
    return made


def _weakness(password: str, user: Any) -> str:
    """What is wrong with a password that somebody chose: told, not refused; it is the operator's account."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def _grader(name: str) -> Any:
    field = get_user_model().USERNAME_FIELD
    user = get_user_model()._default_manager.filter(**{field: name}, groups__name=conf.GRADER_GROUP).first()
    if user is None:
        raise CommandError(f"There is no grader {name!r}.")
    return user


def _grant(user: Any, names: list[str]) -> None:
    for name in names:
        if not 0 < len(name) <= 128 or not name.isprintable() or name != name.strip():
            raise CommandError(f"{name!r} cannot be the name of a queue.")
        GraderQueue.objects.get_or_create(name=name)[0].graders.add(user)


def _rows() -> list[dict[str, Any]]:
    users = get_user_model()._default_manager.filter(groups__name=conf.GRADER_GROUP).prefetch_related("granted_queues")
    return [
        {
            "name": user.get_username(),
            "active": user.is_active,
            "queues": sorted(queue.name for queue in user.granted_queues.all()),
            "last_login": user.last_login,
        }
        for user in users.order_by(get_user_model().USERNAME_FIELD)
    ]

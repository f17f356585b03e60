"""The commands for accounts that may do one thing: graders, and platforms that submit."""

from __future__ import annotations

import json
from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar, NotRequired, TypedDict

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError
from django.db.models import Q, QuerySet

from submissions.accounts.passwords import set_random_password
from submissions.activity import note
from submissions.conf import conf
from submissions.management.base import DataCommand, Options, at_once, operator
from submissions.models import GraderQueue
from submissions.text import first_line, is_name, queue_name_of

LOCAL = "http://127.0.0.1:8000"


class AccountRow(TypedDict):
    name: str
    active: bool
    queues: list[str]
    last_login: datetime | None
    replies: NotRequired[str]


class AccountCommand(DataCommand):
    """create, list, password, grant, disable. Subclasses say what is different for their kind of account."""

    kind: ClassVar[str]
    verb: ClassVar[str]
    """What a granted queue lets it do."""
    client: ClassVar[str]
    """Whose settings are printed, and under which name."""
    printed: ClassVar[str]
    grants: ClassVar[str]
    """The accounts that a queue was granted to: a field of the queue. And the other way round, of the account."""
    granted: ClassVar[str]
    without_grants: ClassVar[str]
    every_member: ClassVar[bool] = True
    """Whether a new account with grants is in the group, too."""

    @property
    @abstractmethod
    def group(self) -> str:
        """The group's name."""

    @abstractmethod
    def settings(self, server: str, name: str, password: str) -> dict[str, object]:
        """What the account's client reads."""

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(
            dest="what", required=True, metavar="create | list | password | grant | disable ..."
        )
        create = commands.add_parser("create", help=f"make an account; prints {self.printed} for {self.client}")
        create.add_argument(
            "--queue", action="append", default=[], help=f"a queue that it may {self.verb} (repeatable)"
        )
        listing = commands.add_parser("list", help=f"every {self.kind}, its queues, its last login")
        password = commands.add_parser("password", help="set a new password; its sessions end")
        grant = commands.add_parser("grant", help=f"let it {self.verb} further queues")
        grant.add_argument("--queue", action="append", required=True, help="the queue (repeatable)")
        disable = commands.add_parser("disable", help="end its sessions and block its logins")
        for command in (create, password, grant, disable):
            command.add_argument("name", help="the account's name")
        for command in (create, password):
            command.add_argument("--password", help="made up where it is not given")
            command.add_argument(
                "--server", default="", help=f"the address for {self.client} (default: as configured, or {LOCAL})"
            )
        for command in (create, listing, password, grant, disable, *self.more_commands(commands, create)):
            super().add_arguments(command)

    def more_commands(self, commands: Any, create: CommandParser) -> list[CommandParser]:
        """What only this kind of account has: further commands, and options of `create`."""
        return []

    def prepare(self, user: User, options: Options) -> None:
        """Called with each new account, in its transaction."""

    def handle(self, **options: Any) -> None:
        getattr(self, f"_{options['what']}")(options)

    def _create(self, options: Options) -> None:
        user = get_user_model()(**{get_user_model().USERNAME_FIELD: options["name"]})
        _check_name(user)
        password = _set_password(user, options["password"])
        self._save_new(user, options)
        self._print(options, user, password)

    def _save_new(self, user: User, options: Options) -> None:
        try:
            with at_once():
                user.save(force_insert=True)
                if self.every_member or not options["queue"]:
                    user.groups.add(Group.objects.get_or_create(name=self.group)[0])
                self._grant_to(user, options["queue"])
                self.prepare(user, options)
                note(
                    operator(),
                    "account",
                    subject=options["name"],
                    queue_names=map(queue_name_of, options["queue"] or [""]),
                )
        except IntegrityError as error:
            if _is_taken(user.get_username()):
                raise CommandError(f"There is an account {options['name']!r} already.") from None
            if not _give_address(user):
                raise CommandError(f"The account cannot be made: {first_line(error)}") from None
            self._save_new(user, options)

    def _password(self, options: Options) -> None:
        user = self._account(options["name"])
        # Sessions carry a hash of the password and end with it.
        password = _set_password(user, options["password"])
        with at_once():
            user.save(update_fields=["password"])
            note(operator(), "password", subject=options["name"])
        self._print(options, user, password)

    def _grant(self, options: Options) -> None:
        with at_once():
            self._grant_to(self._account(options["name"]), options["queue"])
            note(operator(), "grant", subject=options["name"], queue_names=map(queue_name_of, options["queue"]))
        self._list(options, only=options["name"])

    def _disable(self, options: Options) -> None:
        user = self._account(options["name"])
        user.is_active = False
        with at_once():
            user.save(update_fields=["is_active"])
            note(operator(), "disable", subject=options["name"])
        self._list(options, only=options["name"])

    def _list(self, options: Options, only: str | None = None) -> None:
        rows = [row for row in self._rows() if only is None or row["name"] == only]
        if options["as_json"]:
            for row in rows:
                self.say(row)
        else:
            shown = ({**row, "queues": ", ".join(row["queues"]) or self.without_grants} for row in rows)
            self.table(("name", "active", "queues", "last login"), (row.values() for row in shown))

    def _print(self, options: Options, user: User, password: str) -> None:
        if weakness := options["password"] and _weakness(password, user):
            self.tell(f"Warning, a weak password: {weakness}")
        server = (options["server"] or str(conf.BASE_URL) or LOCAL).rstrip("/")
        if server == LOCAL and not options["server"]:
            self.tell(f"The server is assumed at {LOCAL}; --server names another address.")
        settings = self.settings(server, options["name"], password)
        if options["as_json"]:
            self.say({"name": options["name"], "password": password, self.printed.partition(".")[0].lower(): settings})
            return
        self.tell(f"For {self.client}, as {self.printed}; the password is not shown again:")
        self.stdout.write(json.dumps(settings, indent=2))

    def _accounts(self) -> QuerySet[User]:
        ours = Q(groups__name=self.group)
        if not self.every_member:
            ours |= Q(**{f"{self.granted}__isnull": False})
        return get_user_model()._default_manager.filter(ours).distinct()

    def _account(self, name: str) -> User:
        user = self._accounts().filter(**{get_user_model().USERNAME_FIELD: name}).first()
        if user is None:
            raise CommandError(f"There is no {self.kind} {name!r}.")
        return user

    def _grant_to(self, user: User, names: list[str]) -> None:
        for name in map(queue_name_of, names):
            if not 0 < len(name) <= 128 or not is_name(name) or not name.strip():
                raise CommandError(f"{name!r} cannot be the name of a queue.")
            getattr(GraderQueue.objects.get_or_create(name=name)[0], self.grants).add(user)

    def _rows(self) -> list[AccountRow]:
        accounts = self._accounts().prefetch_related(self.granted, "groups")
        return [self.row(user) for user in accounts.order_by(get_user_model().USERNAME_FIELD)]

    def row(self, user: User) -> AccountRow:
        return {
            "name": user.get_username(),
            "active": user.is_active,
            "queues": sorted(queue.name for queue in getattr(user, self.granted).all()),
            "last_login": user.last_login,
        }


def _check_name(user: User) -> None:
    others = [field.name for field in user._meta.fields if field.name != user.USERNAME_FIELD]
    try:
        user.full_clean(exclude=others, validate_unique=False)
    except ValidationError as error:
        raise CommandError(f"{user.get_username()!r} cannot be a name: {' '.join(error.messages)}") from None


def _is_taken(name: str) -> bool:
    return get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: name}).exists()


def _give_address(user: User) -> bool:
    """An e-mail address that leads nowhere, where it has none: some platforms (Open edX) let no two accounts have the
    same, not even none. False where it needs none."""
    field = get_user_model().get_email_field_name()
    if getattr(user, field, None) != "":
        return False
    setattr(user, field, f"{user.get_username().replace('@', '.')}@gradequeue.invalid")
    return True


def _set_password(user: User, chosen: str | None) -> str:
    """Give `user` the password that somebody chose, else a random one; return it."""
    if chosen:
        user.set_password(chosen)
        return chosen
    return set_random_password(user)


def _weakness(password: str, user: User) -> str:
    """What is wrong with a password that somebody chose: told, not refused; it is the operator's account."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""

"""What the commands share: data on stdout, words on stderr, ids from the command line or from a pipe."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connections, router, transaction
from rich.console import Console
from rich.table import Column, Table

from submissions.activity import LONGEST_TEXT, Actor
from submissions.management.quiet import QuietCommand
from submissions.models import Door, ExternalGraderDetail, GraderQueue, OperatorMove
from submissions.text import first_line, is_name, one_line, printable, row_id, squeezed, storable

Options = dict[str, Any]
NO_IDS = "Give submission ids, or pipe them in, one per line."


class DataCommand(QuietCommand):
    """A command that prints data. Exit 0 = done, 1 = refused or partly refused, 2 = wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object per line")

    def run_from_argv(self, argv: list[str]) -> None:
        # Whoever reads us may stop reading (`| head`); that is no error of ours, nor when the interpreter ends.
        try:
            super().run_from_argv(argv)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None

    def execute(self, *args: Any, **options: Any) -> str | None:
        _require_tables()
        return super().execute(*args, **options)

    def say(self, row: Mapping[str, object]) -> None:
        """One JSON object, at once: a reader in a pipe may be waiting for it."""
        self.stdout.write(json.dumps(row, default=_plain))
        self.stdout.flush()

    def tell(self, sentence: str) -> None:
        # Not in red, as Django colours what goes there: most of it is no error.
        self.stderr.write(sentence, style_func=str)

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """For people: `rows` under `columns`."""
        # Ids stay whole, over several lines if need be: whoever reads them searches for them.
        named = [Column(name, overflow="fold") for name in columns]
        table = Table(*named, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(shown(cell) for cell in row))
        width = None if sys.stdout.isatty() else 200
        Console(file=cast(IO[str], self.stdout), width=width, markup=False, highlight=False).print(table)


def at_once() -> AbstractContextManager[None]:
    """One transaction, of the database that our tables and the accounts are in: a host need not call it "default"."""
    return transaction.atomic(using=router.db_for_write(OperatorMove))


def operator() -> Actor:
    """Who runs this command: the account of the operating system, with sudo that of the person, and the machine."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container may run under any number
            name = str(os.getuid())
    return Actor(f"command: {printable(name)}@{socket.gethostname()}", Door.COMMAND)


def _require_tables() -> None:
    """A sentence now, instead of an error for each row later."""
    try:
        tables = connections[router.db_for_write(ExternalGraderDetail)].introspection.table_names()
    except DatabaseError as error:
        raise CommandError(f"The database cannot be used: {first_line(error)}") from error
    if ExternalGraderDetail._meta.db_table not in tables:
        raise CommandError(f"The database has no tables yet; run '{_program()} migrate' first.")


def _program() -> str:
    """How the commands are called here: gradequeue, or a platform's manage.py."""
    name = Path(sys.argv[0]).name
    return name if name == "manage.py" else "gradequeue"


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def shown(cell: object) -> str:
    if cell is None or cell == "":
        return "-"
    # Text of learners and graders must not steer the operator's terminal.
    return cell.isoformat(" ", "seconds") if isinstance(cell, datetime) else printable(str(cell), keep="\n")


def ids_from(given: list[str]) -> Iterator[str]:
    """The ids on the command line, else one per line of standard input."""
    if given:
        yield from given
        return
    if sys.stdin.isatty():
        raise UsageError(NO_IDS)
    for line in sys.stdin.buffer:
        if text := line.decode("utf-8", "replace").strip():
            yield text


def parsed_id(text: str) -> int:
    """A submission's id. Raises ValueError with a sentence."""
    number = row_id(text)
    if number is None:
        raise ValueError(f"{text[:60]!r} is not the id of a submission")
    return number


def find_queue(name: str) -> GraderQueue:
    """The queue of this name. Raises CommandError with a sentence."""
    queue = GraderQueue.objects.filter(name=name).first() if is_name(name) else None
    if queue is None:
        raise CommandError(f"There is no queue {one_line(name)!r}.")
    return queue


def explain_nothing(options: Options) -> None:
    """Nothing matched a command's filters: the queue's name may be mistyped. Raises CommandError."""
    if options["queue"] is not None:
        find_queue(options["queue"])


def refusal_of(text: object, row: Mapping[str, object]) -> str:
    """For people: the id once, whether the error names it or not."""
    error = str(row["error"])
    return error if repr(str(text)[:60]) in error else f"{one_line(text, 60)}: {error}"


class UsageError(CommandError):
    """The command's words are off: exit 2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, returncode=2)


def wanted(text: str) -> str:
    """An argparse type: what is compared with names and keys of the database."""
    if not storable(text):
        raise argparse.ArgumentTypeError("a name is a text in UTF-8, without NUL")
    return text


def reason(text: str) -> str:
    """An argparse type: a reason, as a person types it."""
    if not storable(text):
        raise argparse.ArgumentTypeError("a reason is a text without NUL")
    return squeezed(text, LONGEST_TEXT)


def positive(text: str) -> int:
    """An argparse type: a whole number of 1 or more, and none that no date can hold as seconds."""
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not digits:
        raise argparse.ArgumentTypeError(f"a whole number of 1 or more is needed, not {text[:60]!r}")
    if len(digits) > 10:
        raise argparse.ArgumentTypeError(f"9999999999 is the most, not {text[:60]!r}")
    return int(digits)

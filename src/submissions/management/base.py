"""What the commands share: data on stdout, words on stderr, ids from the command line or from a pipe."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table


class DataCommand(BaseCommand):
    """A command that prints data. Exit 0 = done, 1 = refused or partly refused, 2 = wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object per line")

    def run_from_argv(self, argv: list[str]) -> None:
        # Whoever reads us may stop reading (`| head`); that is no error of ours.
        try:
            super().run_from_argv(argv)
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
            raise SystemExit(1) from None

    def say(self, row: Mapping[str, Any]) -> None:
        """One JSON object, at once: a reader in a pipe may be waiting for it."""
        self.stdout.write(json.dumps(row, default=_plain))
        self.stdout.flush()

    def tell(self, sentence: str) -> None:
        self.stderr.write(sentence)

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """For people: `rows` under `columns`."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(_shown(cell) for cell in row))
        width = None if sys.stdout.isatty() else 200
        Console(file=cast(IO[str], self.stdout._out), width=width, markup=False, highlight=False).print(table)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _shown(cell: object) -> str:
    if cell is None or cell == "":
        return "-"
    return cell.isoformat(" ", "seconds") if isinstance(cell, datetime) else str(cell)


def ids_from(given: list[str]) -> Iterator[str]:
    """The ids on the command line, else one per line of standard input."""
    if given:
        yield from given
        return
    if sys.stdin.isatty():
        raise UsageError("Give submission ids, or pipe them in, one per line.")
    for line in sys.stdin.buffer:
        if text := line.decode("utf-8", "replace").strip():
            yield text


def parsed_id(text: str) -> int:
    """A submission's id. Raises ValueError with a sentence."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**31):
        raise ValueError(f"{text[:60]!r} is not the id of a submission")
    return int(text)


class UsageError(CommandError):
    """The command's words are off: exit 2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, returncode=2)


def positive(text: str) -> int:
    """An argparse type: a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of 1 or more is needed, not {text!r}")
    return int(text)

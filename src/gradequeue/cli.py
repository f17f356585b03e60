"""The ``gradequeue`` command: every Django command, under one name."""

from __future__ import annotations

import gc
import importlib.util
import io
import os
import sys
from collections.abc import Iterator
from textwrap import fill

from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError

from gradequeue import __version__
from submissions.management.quiet import DJANGOS
from submissions.text import first_line, storable

OURS = ("gradequeue", "submissions")
WIDTH, COLUMN = 80, 17
GROUPS = {
    "Serve": ("serve", "deliver", "dispatch", "demo"),
    "Look": ("queues", "jobs", "find", "show", "deliveries", "doctor", "audit"),
    "Mend": ("retry", "release", "retire", "pause", "resume"),
    "Keep": ("backup", "restore", "prune", "retire-user"),
    "Accounts": ("grader", "submitter", "token"),
    "Bring in": ("enqueue", "import-xqueue", "analyze_uploaded_file_sizes"),
    "Terminal": ("completion",),
}
# What the extra `service` brings; a platform that embeds the app has no use for it.
SERVICE = ("drf_spectacular", "drf_spectacular_sidecar", "environ", "granian", "prometheus_client", "whitenoise")


def main(argv: list[str] | None = None) -> None:
    """Exit 0 = done, 1 = refused, 2 = wrong usage or wrong settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gradequeue.settings")
    # The database, its journal, learners' files and the secret key are for this account alone, in whatever folder.
    os.umask(0o077)
    # A third of a short command's time: what is loaded stays, and the collector would walk it again and again.
    gc.disable()
    if any(importlib.util.find_spec(module) is None for module in SERVICE):
        _end(2, "the service needs more packages: pip install 'gradequeue[service]'.")
    _print_all_letters()
    words = argv or ["gradequeue", *sys.argv[1:]]
    try:
        _Commands(words).execute()
        sys.stdout.flush()
    except ImproperlyConfigured as wrong:
        _end(2, str(wrong))
    except (DatabaseError, InterfaceError) as error:
        if "--traceback" in words:
            raise
        _end(1, f"The database cannot be used: {first_line(error)}")
    except UnicodeEncodeError:
        if all(map(storable, words)):
            raise
        _end(2, "an argument holds bytes that are no text in UTF-8.")
    except KeyboardInterrupt:
        _end(130, "interrupted")
    except BrokenPipeError:
        # Whoever read us has gone (`| head`). Nobody is left to be told, nor when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _print_all_letters() -> None:
    """Where a terminal's encoding has no Arabic, a name's letters by their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Commands(ManagementUtility):
    """Django's, with our version, our commands on top, and exit 2 for a command that does not exist."""

    def execute(self) -> None:
        if self.argv[1:] in (["version"], ["--version"]):
            print(__version__)
            return
        super().execute()

    def fetch_command(self, subcommand: str) -> BaseCommand:
        try:
            return super().fetch_command(subcommand)
        except SystemExit:
            raise SystemExit(2) from None
        finally:
            gc.freeze()
            gc.enable()

    def main_help_text(self, commands_only: bool = False) -> str:
        if commands_only or self.settings_exception:
            return super().main_help_text(commands_only)
        others = sorted(name for name, app in get_commands().items() if app not in OURS)
        return "\n".join(
            [
                "gradequeue COMMAND [...]; 'gradequeue COMMAND --help' says what it takes.",
                *_described(),
                "",
                fill(f"Django's own: {', '.join(others)}.", WIDTH),
                "",
                fill(f"With each command: {', '.join(sorted(DJANGOS))}.", WIDTH, break_on_hyphens=False),
            ]
        )


def _described() -> Iterator[str]:
    """Each group of commands, each command with its first sentence."""
    ours = {name: app for name, app in get_commands().items() if app in OURS}
    for group, names in GROUPS.items():
        yield f"\n{group}:"
        for name in names:
            app = ours[name]
            command = load_command_class(app, name) if isinstance(app, str) else app
            sentence = " ".join(command.help.split()).partition(". ")[0].rstrip(".")
            if len(name) > COLUMN - 4:
                yield f"  {name}"
            first = "" if len(name) > COLUMN - 4 else f"  {name}"
            yield fill(sentence, WIDTH, initial_indent=first.ljust(COLUMN), subsequent_indent=" " * COLUMN)


def _end(code: int, sentence: str) -> None:
    print(f"gradequeue: {sentence}", file=sys.stderr)
    raise SystemExit(code) from None

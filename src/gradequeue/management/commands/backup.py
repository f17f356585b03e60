"""Copy database and submitted files into a new folder, while the service runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections, router

from gradequeue.backup import contents, databases, manifest
from submissions.management.base import DataCommand
from submissions.models import ExternalGraderDetail
from submissions.text import counted


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, help="where to; made here, or empty")

    def handle(self, **options: Any) -> None:
        folder: Path = options["folder"]
        _make_empty(folder)
        connection = connections[router.db_for_write(ExternalGraderDetail)]
        # The database first: the files of all rows in the copy are there by then, and stay until they are pruned.
        databases.dump(connection, folder / databases.NAMES[connection.vendor])
        files = problems = 0
        for problem in contents.save(folder / "files"):
            files += problem is None
            if problem is not None:
                problems += 1
                self.tell(problem)
        manifest.write(folder, connection.vendor, files)
        if options["as_json"]:
            self.say({"folder": str(folder), "files": files, "problems": problems})
        else:
            self.stdout.write(f"The database and {counted(files, 'file')} are in {folder}.")
        if problems:
            raise SystemExit(1)


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty.")
    except OSError as error:
        raise CommandError(f"{folder} cannot be used: {error.strerror}") from error

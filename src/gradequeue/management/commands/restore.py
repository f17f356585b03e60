"""Bring a backup back into an empty database, with its files, and recount everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import connections, router

from gradequeue.backup import contents, databases, manifest
from submissions.management.quiet import QuietCommand
from submissions.models import ExternalGraderDetail
from submissions.text import counted


class Command(QuietCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="what 'gradequeue backup' has written")

    def handle(self, **options: Any) -> None:
        folder: Path = options["folder"]
        connection = connections[router.db_for_write(ExternalGraderDetail)]
        databases.load(connection, manifest.read(folder, connection.vendor))
        call_command("migrate", verbosity=0)
        files = 0
        for problem in contents.bring_back(folder / "files"):
            files += problem is None
            if problem is not None:
                self.stderr.write(problem)
        self.stdout.write(f"The database and {counted(files, 'file')} are back.")
        call_command("audit", files=True, stdout=self.stdout, stderr=self.stderr)

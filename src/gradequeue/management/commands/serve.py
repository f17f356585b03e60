"""Serve the queue: web workers until SIGTERM or Ctrl-C, which let the requests under way finish."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError
from granian.constants import Interfaces
from granian.server import Server


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=_port, default=8000, help="the port to listen on (default: %(default)s)")
        parser.add_argument("--workers", type=_count, default=2, help="how many processes (default: %(default)s)")
        parser.add_argument(
            "--threads", type=_count, default=4, help="requests at once per process (default: %(default)s)"
        )
        parser.add_argument("--migrate", action="store_true", help="bring the tables up to date first")

    def handle(self, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
        _require_tables()
        # The workers are forked or spawned from here; none may inherit a connection.
        connections.close_all()
        server = Server(
            "gradequeue.wsgi:application",
            address=options["host"],
            port=options["port"],
            interface=Interfaces.WSGI,
            workers=options["workers"],
            blocking_threads=options["threads"],
            workers_kill_timeout=30,
            respawn_failed_workers=True,
            log_access=False,
        )
        self.stderr.write(f"gradequeue listens on http://{options['host']}:{options['port']}/")
        server.serve()


def _require_tables() -> None:
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise CommandError(f"The database cannot be used: {error}") from error
    if behind:
        raise CommandError(
            "The database's tables are not up to date; run 'gradequeue migrate', or serve with --migrate."
        )


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of 1 or more is needed, not {text!r}")
    return int(text)

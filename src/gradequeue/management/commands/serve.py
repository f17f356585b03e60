"""Run the service (web and deliveries) until SIGTERM or Ctrl-C, which let what is under way
finish."""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.common import AbstractServer

from gradequeue.processes import parents
from gradequeue.processes.admission import SPARE_THREADS, Admission
from gradequeue.processes.background import Loop
from gradequeue.processes.connections import IDLE_SECONDS, bind_to_threads, most_connections
from gradequeue.processes.granian import PatientServer, end_when_told
from gradequeue.processes.readiness import tell_when_ready
from submissions.management.base import Options
from submissions.management.quiet import QuietCommand
from submissions.text import first_line
from submissions.upkeep.doctor import connection_limit

logger = logging.getLogger("gradequeue.serve")

# How long a worker whose `serve` was killed may take for what is under way (seconds).
LAST_SECONDS = 60
# Granian's lines go where ours go; "incremental" leaves the handlers of Django's settings alone.
LOGGING: dict[str, object] = {"version": 1, "incremental": True, "formatters": {}, "handlers": {}, "loggers": {}}


class Logged(io.TextIOBase):
    """For words that would stand between the lines of a log for machines."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.info("%s", text.strip())
        return len(text)


class Command(QuietCommand):
    help = __doc__

    def execute(self, *args: Any, **options: Any) -> str | None:
        if settings.LOG_FORMAT == "json":
            options |= {"stderr": Logged(), "verbosity": 0}
        return super().execute(*args, **options)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        for name, usual, what in (
            ("--workers", 2, "how many processes"),
            # A slow client holds a thread, and a thread at work holds a connection to the database.
            ("--threads", 32, "requests at once per process"),
            ("--drain", 30, "how long requests under way may take after SIGTERM (seconds)"),
        ):
            parser.add_argument(name, type=_count, default=usual, help=f"{what} (default: %(default)s)")
        parser.add_argument(
            "--delivery-threads",
            type=_count_or_none,
            default=16,
            help="results on their way at once; 0: none, `deliver` runs elsewhere (default: %(default)s)",
        )
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=_port, default=8000, help="the port to listen on (default: %(default)s)")
        parser.add_argument("--migrate", action="store_true", help="bring the tables up to date first")

    def handle(self, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", interactive=False, skip_checks=False, verbosity=options["verbosity"])
        _require_tables()
        if few := _few_connections(options):
            self.stderr.write(few)
        host, port = options["host"], options["port"]
        address = _free_address(host, port)
        server = _server(address, options)
        # The workers are forked or spawned from here; none may inherit a connection.
        connections.close_all()
        # One that is told to stop while it still loads just ends; until it listens it inherits a handler that waits.
        os.register_at_fork(after_in_child=_stop_at_once)
        place = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        ready = partial(self.stderr.write, f"gradequeue listens on {place}/")
        threading.Thread(target=tell_when_ready, args=(address, port, ready), daemon=True).start()
        loop = Loop(options["delivery_threads"], place)
        if options["delivery_threads"]:
            loop.start()
        try:
            server.serve(
                target_loader=partial(
                    _application, threads=options["threads"], chores_too=not options["delivery_threads"]
                )
            )
        finally:
            loop.stop(options["drain"])


def _server(address: str, options: Options) -> AbstractServer[Any]:
    return PatientServer(
        "gradequeue.wsgi:application",
        address=address,
        port=options["port"],
        interface=Interfaces.WSGI,
        # Its limits on a connection's requests are not those that were tried here; a proxy speaks HTTP/2 for us.
        http=HTTPModes.http1,
        workers=options["workers"],
        blocking_threads=options["threads"] + SPARE_THREADS,
        blocking_threads_idle_timeout=IDLE_SECONDS,
        workers_kill_timeout=options["drain"],
        respawn_failed_workers=True,
        websockets=False,
        log_access=False,
        log_dictconfig=LOGGING,
        log_level=LogLevels.error,
    )


def _application(_: str, *, threads: int, chores_too: bool) -> Callable[..., Any]:
    """What a worker serves; called once in each. The chores are its own where no process beside it does them."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    end_when_told()
    from gradequeue.processes import web_worker
    from gradequeue.wsgi import application

    web_worker.settle(threads)
    bind_to_threads()
    if chores_too:
        # Only now: what it imports needs Django to be set up.
        from gradequeue.notifications import sender  # isort: skip
        from gradequeue.processes import chores  # isort: skip

        threading.Thread(target=chores.run, daemon=True).start()
        threading.Thread(target=sender.run, daemon=True).start()
    # What is loaded by now stays: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    return Admission(application, threads)


def _end_with_parent() -> None:
    """A worker must not outlive a killed `serve`: it would hold the port and answer with old code."""
    parents.outlive()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    os._exit(1)


def _stop_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _require_tables() -> None:
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise CommandError(f"The database cannot be used: {first_line(error)}") from error
    if behind:
        raise CommandError(
            "The database's tables are not up to date; run 'gradequeue migrate', or serve with --migrate."
        )


def _few_connections(options: Options) -> str | None:
    """What to say where the database's server does not take as many connections as this can hold."""
    names = ("workers", "threads", "delivery_threads")
    needed = most_connections(**{name: options[name] for name in names})
    limit = connection_limit(connection)
    if limit is None or needed <= limit:
        return None
    return (
        f"This can hold {needed} connections to the database, and its server takes {limit}: requests will fail when "
        "many come at once. Raise the server's limit, or lower --workers and --threads."
    )


def _free_address(host: str, port: int) -> str:
    """The IP address of `host`; CommandError where nobody, or somebody else, can listen there.

    Asked with a socket of our own: granian shares a port (SO_REUSEPORT), so two services would answer by turns.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"Nothing can listen on {host}, port {port}: {reason}.") from error
    return str(place[0])


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 10_000):
        raise argparse.ArgumentTypeError(f"a whole number from 1 to 9999 is needed, not {text!r}")
    return int(text)

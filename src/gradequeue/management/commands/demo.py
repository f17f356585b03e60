"""Run a live demo: a server, graders that pull over HTTP, and what became of each program."""

from __future__ import annotations

import argparse
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gradequeue.demo import course, folder, report, run, screen
from gradequeue.demo.history import write
from gradequeue.demo.history.courses import choose
from gradequeue.demo.live.day import Day
from gradequeue.demo.live.platform import Platform
from gradequeue.demo.processes import Account, DidNotStart, Died, Processes, address, has_worker, require_free
from gradequeue.demo.progress import progress
from submissions.management.base import DataCommand, Options, positive

# Enough for each plot, and written in seconds.
LIVE_DAYS, LIVE_SHARE = 28, 0.03


class Command(DataCommand):
    help = __doc__
    found: list[report.Result] | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--data", type=Path, metavar="PATH", help="another course: a folder, or a zip file of one")
        parser.add_argument("--graders", type=positive, default=2, help="how many at once (default: %(default)s)")
        parser.add_argument("--host", default="127.0.0.1", help="the address to serve on (default: %(default)s)")
        parser.add_argument("--port", type=_port, default=8000, help="the port to serve on (default: %(default)s)")
        parser.add_argument(
            "--seed-history", action="store_true", help="only write weeks of made-up history, for the dashboard"
        )
        parser.add_argument("--days", type=positive, default=28, help="how many of history (default: %(default)s)")
        parser.add_argument("--queues", type=positive, default=12, help="how many in it (default: %(default)s)")
        parser.add_argument(
            "--live", action="store_true", help="a month of made-up data, graders that go on, incidents that heal"
        )
        parser.add_argument("--once", action="store_true", help="end after the table; exit 0 if each has one score")
        parser.epilog = "Ends with Ctrl-C. It writes into the configured database, under names of its own."

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Other commands ask for the tables first; this one makes them.
        return BaseCommand.execute(self, *args, **options)

    def handle(self, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demonstration is not for production; run it without GRADEQUEUE_ENV=production.")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if options["seed_history"]:
            self._seed(options["days"], options["queues"])
            return
        try:
            if options["live"]:
                self._live(options["host"], options["port"], options["queues"])
                return
            attempts = course.in_turns(folder.read(options["data"]) if options["data"] else course.own())
            require_free(options["host"], options["port"])
            self._demonstrate(attempts, options)
        except (folder.NotACourse, DidNotStart, Died, write.NotPossible) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:  # a second one, or a very early one
            if options["live"]:
                return
        if self.found is None:
            raise CommandError("Stopped before everything was graded.")
        if any(result.scores != 1 for result in self.found):
            raise SystemExit(1)

    def _seed(self, days: int, queues: int) -> None:
        run.prepare()
        try:
            with progress("Writing queues", queues, self.tell) as done:
                jobs = write.write_history(days, queues, done)
        except write.NotPossible as error:
            raise CommandError(str(error)) from None
        self.tell(f"{jobs} jobs in {queues} queues. For /dashboard/, not shown again:")
        for name, password in write.create_accounts(queues).items():
            self.say({"name": name, "password": password})

    def _live(self, host: str, port: int, queues: int) -> None:
        require_free(host, port)
        run.prepare()
        if not write.is_written():
            with progress("Writing a month", queues, self.tell) as done:
                write.write_history(LIVE_DAYS, queues, done, LIVE_SHARE)
        (staff, password), *_ = write.create_accounts(queues).items()
        courses = [one for one in choose(queues) if not one.silent_hours and not one.paused]
        with Processes(settings.DATA) as processes, closing(Platform()) as platform:
            url = processes.serve(host, port, GRADEQUEUE_OUTBOUND_NETWORKS="127.0.0.0/8")
            day = Day(url, courses, processes, platform, self.tell)
            day.begin()
            self.tell(screen.invitation(day, staff, password))
            day.go_on()

    def _demonstrate(self, attempts: list[course.Attempt], options: Options) -> None:
        url = address(options["host"], options["port"])
        run.prepare()
        # The processes end before the account does: their last results are still taken.
        with run.grader_account(url) as account, Processes(settings.DATA) as processes:
            try:
                processes.serve(options["host"], options["port"])
                self.found = self._grade(attempts, account, processes, options)
                if not options["once"]:
                    self.tell(screen.where_to_look(url, account, self.found))
                    processes.watch()
            except KeyboardInterrupt:
                self.tell("Ending the graders and the server.")

    def _grade(
        self, attempts: list[course.Attempt], account: Account, processes: Processes, options: Options
    ) -> list[report.Result]:
        started = time.monotonic()
        url, graders = address(options["host"], options["port"]), options["graders"]
        worker = has_worker()
        beside = " and a worker" if worker else ""
        self.tell(f"{len(attempts)} programs, {graders} graders{beside}, and a server at {url}")
        if worker:
            processes.work(url, account)
        for number in range(1, graders + 1):
            processes.grade(url, account, number)
        with progress("Submitting", len(attempts), self.tell) as done:
            submitted = run.submit(attempts, account.queue, done)
        with progress("Grading", len(attempts), self.tell) as done:
            run.wait(account.queue, len(submitted), processes, done)
        found = report.results(account.queue, submitted)
        summary = report.summary(found, time.monotonic() - started)
        if options["as_json"]:
            for line in screen.objects(found, summary):
                self.say(line)
        else:
            self.tell("")
            screen.show(found, summary, cast(TextIO, self.stdout))
        return found


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)

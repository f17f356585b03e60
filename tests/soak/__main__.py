"""A long load on a real service, its beginning held against its end: ``make soak``.

Exit 0: every bound holds. Exit 1: one does not, or there were errors. Exit 130: ended by Ctrl-C; what was seen until
then is reported.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path

from tests.databases import KINDS
from tests.nemesis.report import written
from tests.soak.report import section
from tests.soak.soak import Options, run
from tests.soak.verdict import Record, lines


def main() -> int:
    given = _arguments().parse_args()
    options = Options(given.database, given.cycles, given.polls, given.workers, given.graders, given.interval)
    # As Ctrl-C does: the service and the clients end, the database is dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    record, note, interrupted = Record(options.learners), "", False
    try:
        run(options, _tell, record)
    except KeyboardInterrupt:
        note, interrupted = "**Interrupted**: this is not the whole run.", True
    try:
        found = lines(record)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 130 if interrupted else 1
    command = f"python -m tests.soak {shlex.join(sys.argv[1:])}".strip()
    text = section(options.kind, command, record, found, note)
    print(f"\n{text}", flush=True)
    if given.report:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text(written(given.report, options.kind, text, title="# Soak"))
    return 130 if interrupted else 0 if all(line.fine for line in found) else 1


def _arguments() -> argparse.ArgumentParser:
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--database", choices=KINDS, default=usual.kind, help="(default: %(default)s)")
    parser.add_argument("--cycles", type=int, default=usual.cycles, help="claims with results (default: %(default)s)")
    parser.add_argument("--polls", type=int, default=usual.polls, help="of an empty queue (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=usual.workers, help="of the service (default: %(default)s)")
    parser.add_argument("--graders", type=int, default=usual.graders, help="of either sort (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=usual.interval, help="between samples (s, %(default)s)")
    parser.add_argument("--report", type=Path, help="a Markdown file whose section of the database is replaced")
    return parser


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

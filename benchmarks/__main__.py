"""Measure gradequeue beside edx-submissions, in alternating rounds of one run.

    python -m benchmarks --quick
    python -m benchmarks --databases postgresql --scenarios deep --write

Uses the database servers that the tests use, with databases of its own that it drops afterwards.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks import report
from benchmarks.databases import Database
from benchmarks.environment import ROOT
from benchmarks.scenarios import SCENARIOS, Lab, Options
from benchmarks.sides import SIDES
from tests import databases

DOCUMENT = ROOT / "docs" / "benchmarks.md"
NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
QUICK = Options(
    rounds=2, seconds=2, cycles=150, waiting=20_000, finished=20_000, claims=1_000, requests=2_000, warm_up=5
)
QUICK_SCENARIOS = ["shallow", "idle", "statements"]


def main(words: list[str] | None = None) -> int:
    given = _arguments().parse_args(words)
    # As Ctrl-C does: servers are stopped and databases dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options(given)
    command = "python -m benchmarks " + shlex.join(sys.argv[1:] if words is None else words)
    scenarios = given.scenarios or (QUICK_SCENARIOS if given.quick else list(SCENARIOS))
    for kind in given.databases:
        server = databases.server_url(kind)
        if server is None:
            report.tell(f"{NAMES[kind]}: NOT MEASURED, no server was reachable")
            continue
        where = report.machine([_described(kind, server)])
        for scenario in scenarios:
            report.tell(f"{NAMES[kind]}: {scenario} ...")
            section = SCENARIOS[scenario](Lab(kind, server, options))
            text = _text(kind, section, where, command.strip())
            print(text, flush=True)
            if given.write:
                DOCUMENT.write_text(report.written_into(DOCUMENT.read_text(), kind, scenario, text))
    return 0


def _text(kind: str, section: report.Section, where: str, command: str) -> str:
    when = datetime.now(tz=UTC).date().isoformat()
    return f"### {NAMES[kind]}: {section.title}\n\n{section.body}\n\n{when}, `{command}`. {where}"


def _described(kind: str, server: str) -> str:
    if kind == "sqlite":
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"
    database = Database(kind, server)
    try:
        return f"{NAMES[kind]} {str(database.value('SELECT version()')).removeprefix('PostgreSQL ').split(' ')[0]}"
    finally:
        database.close()


def _options(given: argparse.Namespace) -> Options:
    chosen: dict[str, Any] = {
        one.name: getattr(given, one.name) for one in fields(Options) if getattr(given, one.name) is not None
    }
    return replace(QUICK if given.quick else Options(), **chosen)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, about a minute: does it work?")
    parser.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    parser.add_argument("--databases", nargs="+", choices=list(NAMES), default=["postgresql", "mariadb"])
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS))
    parser.add_argument("--sides", nargs="+", choices=list(SIDES))
    for name, kind, what in (
        ("graders", int, "how many graders at once"),
        ("workers", int, "web processes of each side"),
        ("rounds", int, "turns of each side"),
        ("seconds", float, "length of a turn where nothing else ends it"),
        ("cycles", int, "jobs of a shallow queue"),
        ("waiting", int, "waiting jobs of a deep queue"),
        ("finished", int, "finished jobs of a deep queue"),
        ("claims", int, "claims in a row before the table counts as worn"),
        ("requests", int, "requests before the memory is looked at"),
        ("warm-up", float, "at most, the turn at the beginning that does not count (seconds)"),
    ):
        usual = getattr(Options(), name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, help=f"{what} (default: {usual:,}; --quick has its own)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

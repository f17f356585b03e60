"""Measure gradequeue beside edx-submissions, in alternating rounds of one run.

    python -m benchmarks --quick
    python -m benchmarks --before ../before --scenarios shallow idle enqueue
    python -m benchmarks --databases postgresql --scenarios deep --write
    python -m benchmarks --final        all of benchmarks/README.md anew, in one to two hours of a quiet machine

Uses the database servers that the tests use, with databases of its own that it drops afterwards.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report, targets
from benchmarks.databases import Database
from benchmarks.environment import ROOT
from benchmarks.scenarios import SCENARIOS, Lab, Options
from benchmarks.sides import SIDES, USUAL, before
from tests import databases

DOCUMENT = ROOT / "benchmarks" / "README.md"
NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
QUICK = Options(
    rounds=2, seconds=2, cycles=150, waiting=20_000, finished=20_000, claims=1_000, requests=2_000, warm_up=5
)
FINAL = Options(rounds=3, seconds=4, warm_up=4)
FINAL_SCENARIOS = {
    "postgresql": ["statements", "shallow", "idle", "host", "enqueue", "deep", "worn", "growth", "profile"],
    "mariadb": ["statements", "shallow", "idle", "host", "enqueue", "deep", "worn"],
    "sqlite": ["enqueue", "deep", "worn"],
}
QUICK_SCENARIOS = ["shallow", "idle", "statements"]


def main(words: list[str] | None = None) -> int:
    given = _arguments().parse_args(words)
    # As Ctrl-C does: servers are stopped and databases dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options(given)
    command = "python -m benchmarks " + shlex.join(sys.argv[1:] if words is None else words)
    for kind in given.databases or (list(NAMES) if given.final else ["postgresql", "mariadb"]):
        server = databases.server_url(kind)
        if server is None:
            report.tell(f"{NAMES[kind]}: NOT MEASURED, no server was reachable")
            continue
        where = report.machine([_described(kind, server)])
        facts: dict[str, float] = {}
        for scenario in _scenarios(given, kind):
            report.tell(f"{NAMES[kind]}: {scenario} ...")
            section = SCENARIOS[scenario](Lab(kind, server, _sized(options, kind, scenario, final=given.final)))
            facts |= section.facts
            _publish(kind, scenario, _text(kind, section, where, command.strip()), given.write or given.final)
        text = f"### {NAMES[kind]}: targets\n\n{targets.table(kind, facts)}"
        _publish(kind, "targets", text, given.final)
    return 0


def _scenarios(given: argparse.Namespace, kind: str) -> list[str]:
    if given.scenarios:
        return list(given.scenarios)
    if given.final:
        return FINAL_SCENARIOS[kind]
    return QUICK_SCENARIOS if given.quick else list(SCENARIOS)


def _sized(options: Options, kind: str, scenario: str, *, final: bool) -> Options:
    """For a run that must come to an end: at depth one peer is enough, and one that grades three jobs a second."""
    if not final:
        return options
    if scenario == "deep":
        sides = tuple(side for side in options.sides if side.name not in ("embedded", "granian"))
        return replace(options, sides=sides, rounds=min(options.rounds, 2))
    if scenario == "enqueue" and kind == "sqlite":
        return replace(options, waiting=min(options.waiting, 100_000))
    if scenario == "worn" and kind == "sqlite":
        return replace(options, claims=min(options.claims, 50_000))
    return options


def _publish(kind: str, scenario: str, text: str, into_document: bool) -> None:
    print(text, flush=True)
    if into_document:
        DOCUMENT.write_text(report.written_into(DOCUMENT.read_text(), kind, scenario, text))


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
    sized = [one.name for one in fields(Options) if one.name != "sides"]
    chosen: dict[str, Any] = {name: getattr(given, name) for name in sized if getattr(given, name) is not None}
    sides = [SIDES[name] for name in given.sides or USUAL]
    chosen["sides"] = tuple([sides[0], before(given.before), *sides[1:]] if given.before else sides)
    usual = FINAL if given.final else QUICK if given.quick else Options()
    return replace(usual, **chosen)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, about a minute: does it work?")
    parser.add_argument(
        "--final", action="store_true", help="everything that benchmarks/README.md tells, written there"
    )
    parser.add_argument("--write", action="store_true", help="put the results into benchmarks/README.md")
    parser.add_argument("--databases", nargs="+", choices=list(NAMES))
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS))
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), help=f"(default: {' '.join(USUAL)})")
    parser.add_argument(
        "--before", type=Path, help="another working tree of ours, with its own .venv, as a further side"
    )
    for name, kind, what in (
        ("graders", int, "how many graders at once"),
        ("workers", int, "web processes of each side"),
        ("rounds", int, "turns of each side"),
        ("seconds", float, "length of a turn where nothing else ends it"),
        ("cycles", int, "jobs of a shallow queue"),
        ("waiting", int, "waiting jobs of a deep queue"),
        ("finished", int, "finished jobs of a deep queue"),
        ("rows", int, "jobs of the large table of `growth`"),
        ("claims", int, "claims in a row before the table counts as worn"),
        ("requests", int, "requests before the memory is looked at"),
        ("warm-up", float, "at most, the turn at the beginning that does not count (seconds)"),
    ):
        usual = getattr(Options(), name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, help=f"{what} (default: {usual:,}; --quick has its own)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

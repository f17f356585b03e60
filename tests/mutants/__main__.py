"""Try every mutant, or those that are named: ``python -m tests.mutants [NAME ...] [--report tests/mutants/README.md]``.

Exit 0: each was caught by one of its tests, and all of these pass on the source as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.mutants import report, trial
from tests.mutants.mutants import MUTANTS, Mutant


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[mutant.name for mutant in MUTANTS], metavar="NAME")
    parser.add_argument("--report", type=Path, help="a Markdown file whose table is written anew")
    given = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not given.names or mutant.name in given.names]
    broken = [f"{database}: {' '.join(tests)}" for database, tests in _unharmed(chosen) if _fails(tests, database)]
    if broken:
        print("These fail without any defect:", *broken, sep="\n", file=sys.stderr)
        return 1
    verdicts = {mutant.name: _tried(mutant) for mutant in chosen}
    if given.report:
        given.report.write_text(report.written(given.report.read_text(), verdicts))
    return 0 if all(verdict.caught for verdict in verdicts.values()) else 1


def _unharmed(chosen: list[Mutant]) -> list[tuple[str, tuple[str, ...]]]:
    """All tests of the chosen mutants, by the database that they are run on."""
    databases = sorted({mutant.database for mutant in chosen})
    return [
        (database, tuple(sorted({test for mutant in chosen if mutant.database == database for test in mutant.tests})))
        for database in databases
    ]


def _fails(tests: tuple[str, ...], database: str) -> bool:
    verdict = trial.run(tests, database)
    if verdict.caught:
        print(verdict.output, file=sys.stderr)
    return verdict.caught


def _tried(mutant: Mutant) -> trial.Verdict:
    verdict = trial.try_out(mutant)
    word = "caught" if verdict.caught else "NOT CAUGHT"
    print(f"{mutant.name:24} {word:12} {verdict.seconds:5.1f} s  {mutant.defect}", flush=True)
    return verdict


if __name__ == "__main__":
    raise SystemExit(main())

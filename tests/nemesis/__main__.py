"""The long form of the ledger test: ``python -m tests.nemesis --database all --seconds 600 --jobs 6000``.

Exit 0: nothing lost, nothing double, nothing wrong. Exit 1: a list of what is.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.databases import KINDS
from tests.nemesis.report import section, written
from tests.nemesis.run import Options, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--database", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=120, help="how long things go wrong (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1500, help="how many submissions (default: %(default)s)")
    parser.add_argument("--graders", type=int, default=4, help="how many processes (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="how many web workers (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (default: %(default)s)")
    parser.add_argument(
        "--before",
        default="",
        help="an older version (working tree or commit) that stands beside this one",
    )
    parser.add_argument("--report", type=Path, help="a Markdown file whose section of the database is replaced")
    given = parser.parse_args()
    # Told to end, it takes its servers and graders with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    kinds = KINDS if given.database == "all" else (given.database,)
    return max([_one(kind, given) for kind in kinds])


def _one(kind: str, given: argparse.Namespace) -> int:
    print(f"{kind}: {given.seconds:g} seconds, seed {given.seed} ...", flush=True)
    outcome = run(
        Options(kind, given.seconds, given.jobs, given.graders, given.seed, workers=given.workers, before=given.before)
    )
    print(f"\n{kind} {outcome.version}\n\n{outcome.ledger.text()}\n", flush=True)
    for name in outcome.not_run:
        print(f"NOT RUN on {kind}: {name}", file=sys.stderr)
    for disagreement in outcome.ledger.disagreements:
        print(f"{disagreement.sort}: {disagreement.sentence}", file=sys.stderr)
    if outcome.ledger.disagreements:
        counted = Counter((noticed.what, noticed.status) for noticed in outcome.evidence.noticed)
        print(f"\nThe graders noticed: {dict(counted)}\n\n{outcome.logs}", file=sys.stderr)
    if given.report:
        words = sys.argv[1:]
        command = f"python -m tests.nemesis {shlex.join(words)}".strip()
        given.report.write_text(written(given.report, kind, section(outcome, command)))
    return 1 if outcome.ledger.disagreements else 0


if __name__ == "__main__":
    raise SystemExit(main())

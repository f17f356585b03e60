"""Past one machine: ``make ha``, or one scenario of it, ``make ha ARGS=patroni``. Needs root and Debian's packages.

Exit 0: nothing lost, nothing double, nothing wrong. Exit 1: a list of what is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.ha import bus, galera, patroni, pooler
from tests.ha.machines import lay_network
from tests.ha.trial import Stage, stage
from tests.nemesis.ledger import Ledger
from tests.nemesis.report import machine, written

SCENARIOS: dict[str, Callable[[Stage], Ledger]] = {
    "patroni": patroni.run,
    "galera": galera.run,
    "pooler": pooler.run,
    "redis": bus.run,
}
INSIDE = "GRADEQUEUE_HA_INSIDE"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="which (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="a Markdown file whose sections of these scenarios are replaced")
    given = parser.parse_args()
    if INSIDE not in os.environ:
        _go_inside()
    lay_network()
    return max([_one(name, given) for name in given.scenarios or SCENARIOS])


def _go_inside() -> None:
    """Run this command again in a network and a world of processes of its own, all of which end with it."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        sys.exit("This makes network namespaces: it needs root, and util-linux.")
    spaces = ("--net", "--mount-proc", "--pid", "--fork", "--kill-child")
    # Bash is the first process there: it collects whoever ends without a parent. Patroni waits for that.
    collects = ("bash", "-c", '"$@"; exit $?', "bash")
    command = ["unshare", *spaces, *collects, sys.executable, "-m", "tests.ha", *sys.argv[1:]]
    os.execvpe("unshare", command, os.environ | {INSIDE: "1"})


def _one(name: str, given: argparse.Namespace) -> int:
    print(f"{name}: seed {given.seed} ...", flush=True)
    began = time.monotonic()
    with stage(name, given.seed) as set_up:
        ledger = SCENARIOS[name](set_up)
    report = _section(name, set_up, ledger, time.monotonic() - began)
    print(f"\n{report}", flush=True)
    if given.report:
        given.report.write_text(written(given.report, name, report))
    for disagreement in ledger.disagreements:
        print(f"{disagreement.sort}: {disagreement.sentence}", file=sys.stderr)
    return 1 if ledger.disagreements else 0


def _section(name: str, set_up: Stage, ledger: Ledger, seconds: float) -> str:
    gaps = "\n".join(
        f"| {fault.what} | {', '.join(f'{path} {gap:.0f} s' for path, gap in fault.gaps.items())} |"
        for fault in set_up.faults
    )
    return f"""## {name}

`make ha ARGS={name}`; {seconds / 60:.0f} minutes. {machine()}

| fault | longest time without an acknowledged result |
| --- | --- |
{gaps}

```
{ledger.text().partition(chr(10) * 2)[2]}
```
"""


if __name__ == "__main__":
    raise SystemExit(main())

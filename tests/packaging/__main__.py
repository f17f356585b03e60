"""All that a person would install, made and started: ``make packaging``; a part of it: ``make packaging ARGS=release``.

What lacks something here is not run, says what it lacks, and counts as failed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Each is a target of the Makefile: the programs that it needs, and the ports on which something must answer.
TARGETS: dict[str, tuple[list[str], list[int]]] = {
    "release": (["make", "bwrap"], []),
    "image-test": (["buildah", "debootstrap"], []),
    "compose-test": (["nginx"], [5432, 6379]),
    "tutor-test": (["caddy", "mysql"], [3306]),
}
SERVERS = {5432: "PostgreSQL", 6379: "Redis", 3306: "MariaDB"}


def lacks(target: str) -> list[str]:
    """What this machine has not, in words."""
    programs, ports = TARGETS[target]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    found = [program for program in programs if shutil.which(program, path=path) is None]
    found += [f"{SERVERS[port]} on 127.0.0.1:{port}" for port in ports if not answers(port)]
    return [*found, "root"] if target == "image-test" and os.geteuid() != 0 else found


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(target: str) -> str:
    """How it ended, in words."""
    if missing := lacks(target):
        return f"FAILED: not run, for want of {', '.join(missing)}"
    print(f"\n=== make {target} ===", flush=True)
    began = time.monotonic()
    done = subprocess.run(["make", target], cwd=ROOT, check=False)
    took = f"{(time.monotonic() - began) / 60:.1f} minutes"
    return f"passed in {took}" if done.returncode == 0 else f"FAILED after {took}"


def main(words: list[str]) -> int:
    if unknown := set(words) - set(TARGETS):
        print(f"Not known: {', '.join(sorted(unknown))}. There are: {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    outcome = {target: run(target) for target in words or TARGETS}
    print("\n=== What was packed and started ===")
    for target, how in outcome.items():
        print(f"{target:13} {how}")
    return int(any(how.startswith("FAILED") for how in outcome.values()))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Pairs of Python and Django beside that of `.venv`, each in an environment of its own: ``make pair PAIR=newest``.

A pair runs a quick suite: the folders in which a change of the framework shows first. ``make forward`` tries a Django
that nobody promises, published or not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from submissions import versions

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
QUICK = ("tests/queue", "tests/xqueue", "tests/api", "tests/deliveries", "tests/admin", "tests/test_versions.py")
# Minutes of processes, browsers and bytes, in which no framework shows that does not show in the rest.
LEFT_OUT = ("tests/xqueue/test_field.py", "tests/deliveries/test_worker.py", "tests/admin/test_browser.py")
DATABASES = "sqlite postgresql"
EXTRAS = "service,postgresql,redis,s3,openedx,webhook,otel"


@dataclass(frozen=True)
class Pair:
    python: str
    django: str
    lowest: bool = False
    """The lowest version that pyproject.toml allows of each package that it names, instead of those of uv.lock."""

    def installs(self) -> Iterator[list[str]]:
        """The calls of uv that fill the environment."""
        if self.lowest:
            yield ["pip", "install", "--resolution", "lowest-direct", "--editable", f"{ROOT}[{EXTRAS}]"]
            yield ["pip", "install", "--group", "test"]
        else:
            yield ["sync", "--frozen", "--all-extras", "--no-extra", "mysql", "--no-default-groups", "--group", "test"]
            yield ["pip", "install", f"Django{self.django}"]


PAIRS = {
    "oldest": Pair("3.11", "==5.2", lowest=True),
    "platform": Pair("3.12", "==5.2.*"),
    "middle": Pair("3.12", "==6.0.*"),
    "newest": Pair("3.13", "==6.1.*"),
}


def forward() -> Pair:
    """With a Django after the last one that was tested, also one that is not published yet."""
    major, minor = versions.DJANGO[-1].split(".")
    return Pair(versions.PYTHON[-1], f">={major}.{int(minor) + 1}a1")


def interpreter(version: str) -> str:
    """The path of this Python, from PATH or pyenv; else the version, which uv looks for, or downloads."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [shutil.which(f"python{version}"), *map(str, sorted(kept.glob(f"{version}.*/bin/python"), reverse=True))]
    for path in filter(None, places):
        # pyenv's name for it may be there and start nothing.
        if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return version


def make(name: str, python: str, installs: Iterable[list[str]]) -> Path:
    """The Python of the environment `.venv-NAME`, which these calls of uv fill anew."""
    folder = ROOT / f".venv-{name}"
    environment = os.environ | {"VIRTUAL_ENV": str(folder), "UV_PROJECT_ENVIRONMENT": str(folder)}
    create = ["venv", "--clear", "--python", interpreter(python), str(folder)]
    for arguments in [create, *installs]:
        subprocess.run([UV, "--quiet", *arguments], env=environment, cwd=ROOT, check=True)
    return folder / "bin" / "python"


def main() -> int:
    name, *arguments = sys.argv[1:]
    known = PAIRS | {"forward": forward()}
    if name not in known:
        print(f"There is no pair {name!r}, only {', '.join(known)}.", file=sys.stderr)
        return 2
    try:
        python = make(name, known[name].python, known[name].installs())
    except subprocess.CalledProcessError:
        print(f"The pair {name!r} could not be installed; what uv says is above.", file=sys.stderr)
        return 1
    print(f"\n=== The pair {name!r} ===", flush=True)
    environment = {"TEST_DATABASES": DATABASES} | os.environ
    quick = [*QUICK, *(f"--ignore={path}" for path in LEFT_OUT)]
    suite = [str(python), "-m", "tests.databases", *(arguments or quick)]
    return subprocess.run(suite, env=environment, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())

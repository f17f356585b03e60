"""ORA2 and xblocks-contrib on our app, in an environment of their own: ``make ora2``.

Both require edx-submissions; an override keeps it away, as `docs/openedx.md` tells.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import pairs

PYTHON = "3.12"
# xblocks-contrib reads `pkg_resources` by way of `fs`, which does not say so.
PACKAGES = ("Django==5.2.*", "ora2==7.1.*", "xblocks-contrib==1.0.*", "openedx-events==11.*", "setuptools<81")
TOOLS = ("pytest", "pytest-django", "psycopg[binary]", "django-environ", "uv")
OVERRIDE = "edx-submissions ; python_version < '3'\n"
WALKS = ("installing.py", "singles.py", "teams.py", "problems.py")
HERE = Path(__file__).parent


def main() -> int:
    if pairs.interpreter(PYTHON) == PYTHON:
        print(f"NOT RUN: ORA2 needs Python {PYTHON}, which is neither on PATH nor in pyenv.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        overrides = Path(folder) / "overrides.txt"
        overrides.write_text(OVERRIDE)
        packages = ["pip", "install", "--overrides", str(overrides), str(wheel), *PACKAGES, *TOOLS]
        python = pairs.make("ora2", PYTHON, [packages])
        # What is on the machine is not what is tested: the wheel is, and no folder `src` is on the path.
        environment = os.environ | {"GRADEQUEUE_WHEEL": str(wheel)}
        pytest = [str(python), "-m", "pytest", "-c", str(HERE / "pytest.ini"), "--confcutdir", str(HERE)]
        walks = [str(HERE / name) for name in WALKS]
        return subprocess.run([*pytest, *walks, *sys.argv[1:]], env=environment, cwd=pairs.ROOT, check=False).returncode


def build(folder: Path) -> Path:
    subprocess.run([pairs.UV, "build", "--quiet", "--wheel", "--out-dir", folder, pairs.ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


if __name__ == "__main__":
    raise SystemExit(main())

"""What is published of a version: wheels, sdists, SBOMs and checksums in `dist`: ``make release``.

`released.py` tests them afterwards; publishing is a person's to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from gradequeue import __version__

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
BIN = Path(sys.executable).parent
TOOLS = ROOT / ".venv-release" / "bin"
# The distributions: where each is built from.
PLACES = {
    "gradequeue": ROOT,
    "gradequeue-grader": ROOT / "packages/gradequeue-grader",
    "tutor-contrib-gradequeue": ROOT / "packages/tutor-contrib-gradequeue",
}
# With which extras those are installed that are run here. The plugin is Tutor's to run: `make tutor-test`.
EXTRAS = {"gradequeue": "[service,postgresql,redis]", "gradequeue-grader": ""}
TO_DO = f"""
The release {__version__} is in dist/. To publish it, a person must

1. give the repository a public address, write it down (make address TO=https://HOST/OWNER/NAME), take "not on the
   package index yet" out of the pages that CONTRIBUTING.md names, commit, and `make release` again: once and for all;
2. make the names {", ".join(PLACES)} theirs on the package index (a trusted publisher, or a token);
3. tag this commit: git tag --sign v{__version__} && git push --tags
4. upload: .venv-release/bin/twine upload dist/*.whl dist/*.tar.gz
5. put dist/SHA256SUMS and dist/*.cdx.json beside the tag, and the section {__version__} of CHANGELOG.md as its words.
"""


def run(*words: str | Path, **variables: str) -> None:
    subprocess.run([str(word) for word in words], cwd=ROOT, check=True, env=os.environ | variables)


def file_name(name: str) -> str:
    """How a distribution's files begin."""
    return f"{name.replace('-', '_')}-{__version__}"


def wheel(name: str) -> Path:
    return DIST / f"{file_name(name)}-py3-none-any.whl"


def sdist(name: str) -> Path:
    return DIST / f"{file_name(name)}.tar.gz"


def environment(name: str) -> Path:
    """Where the wheel alone is installed, with the versions of uv.lock."""
    return ROOT / "build" / "release" / name


def build() -> None:
    """Each wheel from its sdist, so that the sdist is known to be enough."""
    shutil.rmtree(DIST, ignore_errors=True)
    for place in PLACES.values():
        run(BIN / "uv", "build", "--quiet", "--out-dir", DIST, place)
    (DIST / ".gitignore").unlink(missing_ok=True)
    run(TOOLS / "twine", "check", "--strict", *sorted(DIST.iterdir()))


def install(name: str) -> None:
    locked = ROOT / "build" / "release" / "locked.txt"
    locked.parent.mkdir(parents=True, exist_ok=True)
    words = ["--quiet", "--frozen", "--all-packages", "--all-extras", "--no-emit-workspace", "--no-dev", "--no-hashes"]
    run(BIN / "uv", "export", *words, "--output-file", locked)
    python = environment(name) / "bin" / "python"
    run(BIN / "uv", "venv", "--quiet", "--clear", "--python", sys.executable, environment(name))
    wanted = f"{wheel(name)}{EXTRAS[name]}"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, "--constraint", locked, wanted)


def describe(name: str) -> None:
    """The SBOM: what an installation of the wheel is made of, as CycloneDX, which the tool holds against its schema."""
    output = DIST / f"{file_name(name)}.cdx.json"
    project = PLACES[name] / "pyproject.toml"
    words = ["environment", "--pyproject", str(project), "--output-reproducible", "--of", "JSON"]
    run(TOOLS / "cyclonedx-py", *words, "--output-file", output, environment(name) / "bin" / "python")
    # The tool reads the version from pyproject.toml, where it is not.
    found = json.loads(output.read_text())
    found["metadata"]["component"]["version"] = __version__
    output.write_text(json.dumps(found, indent=1) + "\n")


def sum_up() -> None:
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(DIST.iterdir())]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def is_released(version: str) -> bool:
    """Whether the changelog has a section for it."""
    return (
        re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)
        is not None
    )


def main() -> int:
    if not is_released(__version__):
        print(f"CHANGELOG.md has no section '## {__version__} - DATE'.", file=sys.stderr)
        return 1
    build()
    for name in EXTRAS:
        install(name)
        describe(name)
    sum_up()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-s", "tests/packaging/released.py"], cwd=ROOT, check=False
    )
    if done.returncode == 0:
        print(TO_DO)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())

"""What `make release` left in `dist` and installed, each wheel in an environment of its own.

Takes some minutes, most of them for the sdists' tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradequeue import __version__
from tests.packaging import job, release
from tests.server import free_port

pytestmark = [pytest.mark.once, pytest.mark.timeout(1800)]
# What a shell on another machine has.
CLEAN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


class Place:
    """An empty folder, in which the installed commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = CLEAN | {"GRADEQUEUE_LOG_LEVEL": "WARNING"}

    def command(self, name: str) -> str:
        return str(release.environment(name) / "bin" / name)

    def run(self, *words: str, given: str = "", name: str = "gradequeue") -> str:
        done = subprocess.run(
            [self.command(name), *words],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def url(place: Place) -> Iterator[str]:
    """Of `gradequeue serve` on the tables that `migrate` made."""
    place.run("migrate")
    port, log = free_port(), place.folder / "serve.log"
    words = [place.command("gradequeue"), "serve", "--port", str(port), "--workers", "1"]
    with log.open("w") as file:
        process = subprocess.Popen(words, cwd=place.folder, env=place.environment, stdout=file, stderr=file)
    job.await_answer(f"http://127.0.0.1:{port}/readyz", lambda: process.poll() is None, log.read_text)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(timeout=180) == 0, log.read_text()


def test_the_wheels_grade_a_job(place: Place, url: str) -> None:
    assert place.run("--version") == f"{__version__}\n"
    number = job.hand_in(place.run)
    (place.folder / "token").write_text(job.token(place.run))
    (place.folder / "grade.py").write_text(job.GRADER)
    # Without a sandbox: that one is tested in its own suite and in its image, and need not be there to publish.
    words = job.worker(url, "token", "python3", "grade.py")
    place.run(words[0], "--sandbox", "none", *words[1:], name="gradequeue-grader")
    assert job.graded(place.run, number) == job.GRADED


def test_nothing_that_was_installed_misses_anything() -> None:
    for name in release.EXTRAS:
        python = release.environment(name) / "bin" / "python"
        subprocess.run([release.BIN / "uv", "pip", "check", "--python", python], check=True)


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("name", release.EXTRAS)
def test_an_sdist_runs_its_own_make_test(name: str, tmp_path: Path) -> None:
    """A part of the suite, on one database: that each file is there is told by `test_metadata`."""
    with tarfile.open(release.sdist(name)) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / release.file_name(name)
    # What no busy machine delays: no pages' consoles, no waits for clocks, and one server that grades.
    chosen = "tests/queue tests/api tests/test_docs.py tests/e2e/test_walk.py -k 'not commands_of_a_page'"
    part = {"gradequeue": chosen, "gradequeue-grader": ""}[name]
    environment = CLEAN | {"TEST_DATABASES": "sqlite", "PYTHON": os.environ.get("PYTHON", "python3.11")}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(("UV_", "PIP_", "SSL_", "XDG_"))}
    words = ["make", "test", f"ARGS={part}"]
    # Its output is seen as it comes: this is most of the time that a release takes.
    assert subprocess.run(words, cwd=folder, env=environment, timeout=5000, check=False).returncode == 0


def test_each_sbom_names_what_is_installed() -> None:
    wanted = {"gradequeue": {"django", "granian", "psycopg"}, "gradequeue-grader": {"httpx", "defusedxml"}}
    for name, parts in wanted.items():
        found = json.loads((release.DIST / f"{release.file_name(name)}.cdx.json").read_text())
        assert (found["bomFormat"], found["metadata"]["component"]["name"]) == ("CycloneDX", name)
        assert found["metadata"]["component"]["version"] == __version__
        listed = {component["name"].lower(): component.get("version") for component in found["components"]}
        assert parts <= set(listed)
        assert all(listed[part] for part in parts)


def test_the_checksums_are_of_these_files() -> None:
    lines = (release.DIST / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    there = {path.name: path for path in release.DIST.iterdir() if path.name != "SHA256SUMS"}
    assert len(there) == 8
    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()}

"""The images that `make image` made, run as a container runtime would: read-only, as their user, under their process 1.

Takes about half a minute. Needs root.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from gradequeue import __version__
from tests.packaging import image, job
from tests.server import free_port

pytestmark = [pytest.mark.once, pytest.mark.timeout(1800)]
CONTAINER = Path(__file__).with_name("container.sh")
USER = 10001
DATA = "/var/lib/gradequeue"


class Container:
    """An image's file system, mounted, and what may be written beside it."""

    def __init__(self, target: str, *folders: str) -> None:
        self.settings = image.described(target)["config"]
        self.container = image.buildah("from", image.NAMES[target])
        self.root = image.buildah("mount", self.container)
        self.folders = folders
        variables = dict(line.split("=", 1) for line in self.settings["Env"])
        self.environment = variables | {"GRADEQUEUE_LOG_LEVEL": "WARNING"}

    def words(self, *words: str) -> list[str]:
        return [str(CONTAINER), self.root, self.settings["WorkingDir"], *self.folders, "--", *words]

    def raw(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """What is run in the place of the entry point."""
        return subprocess.run(
            self.words(*words),
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def run(self, *words: str, given: str = "") -> str:
        done = self.raw(*self.settings["Entrypoint"], *words, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def remove(self) -> None:
        image.buildah("umount", self.container)
        image.buildah("rm", self.container)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume of the images' user."""
    place = tmp_path / "data"
    place.mkdir()
    os.chown(place, USER, USER)
    return place


@pytest.fixture
def service(folder: Path) -> Iterator[Container]:
    container = Container("service", f"{folder}:{DATA}")
    yield container
    container.remove()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Container]:
    grader = tmp_path / "grader"
    grader.mkdir()
    (grader / "grade.py").write_text(job.GRADER)
    container = Container("worker", f"{grader}:/grader")
    yield container
    container.remove()


@pytest.mark.parametrize("target", image.NAMES)
def test_an_image_says_what_it_is(target: str) -> None:
    said = image.described(target)
    settings = said["config"]
    assert settings["User"] == f"{USER}:{USER}"
    assert settings["Entrypoint"][:2] == ["/usr/bin/tini", "--"]
    labels = {name.rpartition(".")[2]: value for name, value in settings["Labels"].items() if "opencontainers" in name}
    assert (labels["version"], labels["licenses"]) == (__version__, "Apache-2.0")
    assert {"title", "description"} <= set(labels)


@pytest.mark.parametrize("target", image.NAMES)
def test_an_image_is_small(target: str) -> None:
    container = Container(target)
    try:
        files = subprocess.run(["du", "-sxb", container.root], check=True, capture_output=True, text=True).stdout
    finally:
        container.remove()
    megabytes = int(files.split()[0]) / 1_000_000
    print(f"{target}: {megabytes:.0f} MB")
    assert megabytes < 250


def test_what_was_left_out_is_not_missed(service: Container) -> None:
    """Clients that django-storages and the machine's own credentials ask for."""
    names = ("s3", "sts", "sso", "sso-oidc")
    asks = "; ".join(f"boto3.client({name!r}, region_name='eu-central-1')" for name in names)
    done = service.raw("python", "-c", f"import boto3; {asks}")
    assert done.returncode == 0, done.stderr


def test_only_the_volume_and_tmp_can_be_written(service: Container) -> None:
    places = f"/ /opt/gradequeue /etc {DATA} /tmp"
    tried = f"for place in {places}; do touch $place/x 2>/dev/null && echo $place; done; id -u"
    done = service.raw("sh", "-c", tried)
    assert done.stdout.split() == [DATA, "/tmp", str(USER)]


def test_nobody_but_the_owner_can_change_the_program(service: Container) -> None:
    done = service.raw("find", "/opt", "/usr", "/etc", "-xdev", "-writable", "-not", "-type", "l")
    assert done.stdout == ""


def test_the_commands_start_under_buildah_too() -> None:
    for target, program in (("service", "gradequeue"), ("worker", "gradequeue-grader")):
        container = image.buildah("from", image.NAMES[target])
        try:
            said = image.buildah("run", container, "--", program, "--version", isolated=True)
        finally:
            image.buildah("rm", container)
        assert said == __version__


def test_it_migrates_serves_and_its_worker_grades_a_job(
    service: Container, worker: Container, folder: Path, tmp_path: Path
) -> None:
    service.run("migrate")
    port, log = free_port(), tmp_path / "serve.log"
    words = [*service.settings["Entrypoint"], *service.settings["Cmd"], "--port", str(port)]
    with log.open("w") as file:
        process = subprocess.Popen(service.words(*words), env=service.environment, stdout=file, stderr=file)
    try:
        url = f"http://127.0.0.1:{port}"
        job.await_answer(f"{url}/livez", lambda: process.poll() is None, log.read_text)
        check = service.settings["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        healthy = service.raw(*(word.replace(":8000", f":{port}") for word in check[1:]))
        assert healthy.returncode == 0, healthy.stderr
        assert requests.get(f"{url}/static/admin/css/base.css", timeout=20).status_code == 200

        number = job.hand_in(service.run)
        worker.environment["GRADEQUEUE_TOKEN"] = job.token(service.run)
        words = job.worker(url, "", "python3", "/grader/grade.py")
        said = worker.run(*(word for word in words if word not in ("--token-file", "")))
        assert said == ""
        assert job.graded(service.run, number) == job.GRADED
        assert (folder / "gradequeue.sqlite3").stat().st_uid == USER
    finally:
        # To process 1 of the container, as `docker stop` does: unshare itself only waits.
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        ended = process.wait(timeout=180)
    assert ended == 0, log.read_text()


def test_a_command_that_has_no_handler_ends_when_it_is_told(service: Container) -> None:
    """Why there is a tini: as process 1 it would ignore SIGTERM."""
    words = service.words(
        *service.settings["Entrypoint"][:2], "python", "-c", "print(1, flush=True); import time; time.sleep(300)"
    )
    with subprocess.Popen(words, env=service.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM

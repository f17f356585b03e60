"""The wheel alone, in an empty environment and an empty folder: everything that runs is inside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server import free_port

pytestmark = [pytest.mark.walk, pytest.mark.once]

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
# What a shell on a machine without our project has, and where uv keeps what it downloaded.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
UVS_OWN = ("UV_", "PIP_", "SSL_", "XDG_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "REQUESTS_CA")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def uv(*words: str) -> None:
    env = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(UVS_OWN)}
    done = subprocess.run([str(UV), *words], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@dataclass
class Installed:
    """The installed wheel, run in a folder of its own with nothing of ours in the environment."""

    gradequeue: Path
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name in KEPT}

    def run(self, *words: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.gradequeue), *words],
            env=self.env | environment,
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def rows(self, *words: str, given: str = "") -> list[dict[str, Any]]:
        done = self.run(*words, given=given)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, str(environment))
    uv("pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), f"{wheel}[service]")
    return Installed(environment / "bin" / "gradequeue", tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def url(installed: Installed) -> Iterator[str]:
    """The address of `gradequeue serve --migrate`, started in the empty folder."""
    port = free_port()
    log = (installed.folder.parent / "serve.log").open("w+")
    command = [str(installed.gradequeue), "serve", "--migrate", "--port", str(port)]
    with log, subprocess.Popen(command, env=installed.env, cwd=installed.folder, stdout=log, stderr=log) as process:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(address):
            assert process.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline, Path(log.name).read_text()
            time.sleep(0.1)
        yield address
        process.terminate()
        assert process.wait(timeout=40) == 0, Path(log.name).read_text()


def answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/xqueue/status/", timeout=5).ok
    except requests.RequestException:
        return False


def test_the_wheel_holds_the_two_packages_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    info = next(top for top in tops if top.endswith(".dist-info"))
    data = info.replace(".dist-info", ".data")
    assert tops == {"gradequeue", "submissions", info, data}
    assert {name for name in names if name.startswith(data)} == {
        f"{data}/data/share/gradequeue/{path.relative_to(ROOT)}" for path in (ROOT / "ops").rglob("*") if path.is_file()
    }
    assert {"gradequeue/py.typed", "submissions/py.typed", f"{info}/licenses/LICENSE"} <= set(names)
    ours = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if is_source(path)}
    assert {"submissions/migrations/0009_queue_and_deliveries.py"} < ours
    assert ours <= set(names)


def is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)


def test_it_serves_in_an_empty_folder(installed: Installed, url: str) -> None:
    assert requests.get(f"{url}/xqueue/status/", timeout=20).json() == {"return_code": 0, "content": "OK"}
    styles = requests.get(f"{url}/static/admin/css/base.css", timeout=20)
    assert (styles.status_code, styles.headers["content-type"]) == (200, 'text/css; charset="utf-8"')
    page = requests.get(f"{url}/admin/", timeout=20)
    assert (page.status_code, page.url) == (200, f"{url}/admin/login/?next=/admin/")
    assert sorted(path.name for path in installed.folder.iterdir()) == ["data"]


def test_a_submission_is_graded_there(installed: Installed, url: str) -> None:
    (grader,) = installed.rows("grader", "create", "ada", "--json")
    line = json.dumps(
        {
            "queue_name": "q",
            "course_id": "c",
            "item_id": "i",
            "student_id": "s",
            "answer": "1",
            "files": {"a.py": "x=1"},
        }
    )
    (made,) = installed.rows("enqueue", given=line)
    with requests.Session() as http:
        http.post(f"{url}/xqueue/login/", data={"username": "ada", "password": grader["password"]}, timeout=20)
        got = http.get(f"{url}/xqueue/get_submission/?queue_name=q", timeout=20).json()
        content = json.loads(got["content"])
        (address,) = json.loads(content["xqueue_files"]).values()
        assert requests.get(address, timeout=20).content == b"x=1"
        result = {"xqueue_header": content["xqueue_header"], "xqueue_body": '{"score": 1}'}
        put = http.post(f"{url}/xqueue/put_result/", data=result, timeout=20)
    assert put.json() == {"return_code": 0, "content": ""}
    (shown,) = installed.rows("show", "--json", str(made["submission_id"]))
    assert (shown["status"], shown["points_earned"]) == ("retired", 1)


@pytest.mark.parametrize(
    ("name", "value", "extra"),
    [
        ("DATABASE_URL", "postgres://host/name", "postgresql"),
        ("DATABASE_URL", "mysql://host/name", "mysql"),
        ("GRADEQUEUE_STORAGE_URL", "s3://bucket", "s3"),
        ("CACHE_URL", "redis://host", "redis"),
    ],
)
def test_what_needs_an_extra_names_it(installed: Installed, name: str, value: str, extra: str) -> None:
    done = installed.run("queues", **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"gradequeue: {name} needs more packages: pip install 'gradequeue[{extra}]'.\n"

"""What Tutor makes of the templates and patches, in both modes."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import kubernetes_validate
import pytest
import requests
import yaml

from tests.conftest import BIN, ROOT, Site

COMPOSE = ("local/docker-compose.yml", "local/docker-compose.prod.yml")
# A password with what is special in a shell, in SQL, in an address, in YAML, in Python and in compose.
HARD = 'it\'s $HOME "q" \\ `x` %40/@:'


WHO_HAS_IT = """
import importlib.metadata, submissions
names = {found.name for found in importlib.metadata.distributions()}
print(submissions.DISTRIBUTION, *sorted(names & {"gradequeue", "edx-submissions"}))
"""
DEFAULTS = """
import json
from tutorgradequeue.plugin import DEFAULTS, UNIQUE, XQUEUE_DEFAULTS, XQUEUE_UNIQUE
print(json.dumps([XQUEUE_DEFAULTS, XQUEUE_UNIQUE, DEFAULTS, UNIQUE]))
"""


@pytest.fixture(scope="module")
def service(site: Site) -> Site:
    further = {"GRADEQUEUE_LEASE_SECONDS": 600, "GRADEQUEUE_STRICT_QUEUES": True, "GRADEQUEUE_NOTIFY_FAILURES": False}
    site.save(GRADEQUEUE_MODE="service", ENABLE_HTTPS=True, GRADEQUEUE_ENVIRONMENT=further)
    return site


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("embedded"))
    made.tutor("plugins", "enable", "gradequeue")
    made.save(GRADEQUEUE_MODE="embedded", ENABLE_HTTPS=True)
    return made


def assigned(text: str, name: str) -> Any:
    """The value of the last assignment to `name` in a settings file."""
    found = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name
    ]
    return ast.literal_eval(found[-1])


def test_the_names_and_defaults_of_tutor_xqueue_are_known(service: Site) -> None:
    config = yaml.safe_load((service.folder / "root" / "config.yml").read_text())
    made = {name: len(value) for name, value in config.items() if name.startswith(("XQUEUE_", "GRADEQUEUE_GRADER"))}
    assert made == {
        "XQUEUE_AUTH_PASSWORD": 32,
        "XQUEUE_MYSQL_PASSWORD": 32,
        "XQUEUE_SECRET_KEY": 50,
        "GRADEQUEUE_GRADER_PASSWORD": 32,
    }
    shown = {
        name: service.value(f"XQUEUE_{name}") for name in ("AUTH_USERNAME", "HOST", "MYSQL_DATABASE", "MYSQL_USERNAME")
    }
    assert shown == {
        "AUTH_USERNAME": "lms",
        "HOST": "xqueue.local.openedx.io",
        "MYSQL_DATABASE": "xqueue",
        "MYSQL_USERNAME": "xqueue",
    }


def test_the_service_stands_beside_the_lms(service: Site) -> None:
    services = service.compose(*COMPOSE)
    ours = services["gradequeue"]
    environment = ours["environment"]
    assert ours["image"] == "gradequeue:0.2.0"
    assert [*ours["entrypoint"], *ours["command"][:3]] == ["gradequeue", "serve", "--host", "0.0.0.0"]
    assert ours["user"] == "1000:1000"
    assert ours["read_only"] is True
    assert ours["depends_on"] == ["permissions", "mysql"]
    assert "../../data/gradequeue:/mounts/gradequeue:z" in services["permissions"]["volumes"]
    assert "setowner 1000 /mounts/gradequeue" in service.text("apps/permissions/setowners.sh")
    password = service.value("XQUEUE_MYSQL_PASSWORD")
    assert environment["DATABASE_URL"] == f"mysql://xqueue:{password}@mysql:3306/gradequeue"
    assert environment["GRADEQUEUE_ALLOWED_HOSTS"] == "xqueue.local.openedx.io,gradequeue"
    assert environment["GRADEQUEUE_BASE_URL"] == "https://xqueue.local.openedx.io"
    assert environment["GRADEQUEUE_LEASE_SECONDS"] == "600"
    assert (environment["GRADEQUEUE_STRICT_QUEUES"], environment["GRADEQUEUE_NOTIFY_FAILURES"]) == ("yes", "no")
    assert service.compose("local/docker-compose.jobs.yml")["gradequeue-job"]["environment"] == environment


def test_every_variable_is_one_of_the_service(service: Site) -> None:
    known = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert set(service.compose(*COMPOSE)["gradequeue"]["environment"]) - known == set()


def test_with_tutor_dev_it_has_a_port_of_its_own(service: Site) -> None:
    dev = service.compose("dev/docker-compose.yml")["gradequeue"]
    assert dev["ports"] == ["18040:8000"]
    assert dev["networks"]["default"]["aliases"] == ["xqueue.local.openedx.io"]
    # Compose lays this over the other variables: nothing listens at the address of the site, which has no port.
    assert dev["environment"] == {"GRADEQUEUE_BASE_URL": ""}


@pytest.mark.parametrize("process", ["lms", "cms"])
def test_the_lms_is_told_where_its_queue_is(service: Site, process: str) -> None:
    for place in ("production", "development"):
        text = service.text(f"apps/openedx/settings/{process}/{place}.py")
        assert assigned(text, "XQUEUE_INTERFACE") == {
            "url": "http://gradequeue:8000",
            "django_auth": {"username": "lms", "password": service.value("XQUEUE_AUTH_PASSWORD")},
            "callback_url": "http://lms:8000",
        }


def objects_of(site: Site) -> dict[tuple[str, str], Any]:
    found = {key: value for key, value in site.objects().items() if key[1].startswith("gradequeue")}
    for thing in found.values():
        kubernetes_validate.validate(thing, "1.37", strict=True)
    return found


def test_kubernetes_gets_the_service(service: Site) -> None:
    found = objects_of(service)
    kinds = ("Secret", "Deployment", "Service", "PersistentVolumeClaim", "Job")
    assert sorted(found) == sorted((kind, f"gradequeue{'-job' * (kind == 'Job')}") for kind in kinds)
    environment = service.compose(*COMPOSE)["gradequeue"]["environment"]
    assert found["Secret", "gradequeue"]["stringData"] == environment
    pod = found["Deployment", "gradequeue"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": 8000}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8000}
    # Tutor then puts its shell there, whatever the image's entrypoint is.
    assert found["Job", "gradequeue-job"]["spec"]["template"]["spec"]["containers"][0]["command"] == []


def test_kubernetes_gets_the_deliveries_of_the_app(embedded: Site) -> None:
    found = objects_of(embedded)
    assert sorted(found) == [("Deployment", "gradequeue"), ("Job", "gradequeue-job")]
    (container,) = found["Deployment", "gradequeue"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["./manage.py", "lms", "deliver"]
    assert container["image"] == embedded.value("DOCKER_IMAGE_OPENEDX")


def test_embedded_it_is_the_lms_that_has_the_queue(embedded: Site) -> None:
    services = embedded.compose(*COMPOSE)
    assert services["gradequeue"]["command"] == ["./manage.py", "lms", "deliver"]
    assert services["gradequeue"]["stop_grace_period"] == "40s"
    assert services["gradequeue"]["volumes"] == services["lms-worker"]["volumes"]
    assert "gradequeue" not in embedded.compose("dev/docker-compose.yml")
    settings = embedded.text("apps/openedx/settings/lms/production.py")
    assert "XQUEUE_INTERFACE" not in settings
    assert assigned(settings, "SUBMISSIONS_BASE_URL") == "https://local.openedx.io"
    assert "gradequeue" not in embedded.text("apps/caddy/Caddyfile")


def test_with_tutor_dev_the_app_is_where_tutor_dev_builds_it(service: Site, embedded: Site) -> None:
    files = ("local/docker-compose.jobs.yml", "dev/docker-compose.jobs.yml")
    job = embedded.compose(*files)["gradequeue-job"]
    assert job["image"] == embedded.value("DOCKER_IMAGE_OPENEDX_DEV")
    assert job["environment"]["DJANGO_SETTINGS_MODULE"] == "lms.envs.tutor.development"
    assert service.compose(*files)["gradequeue-job"]["image"] == "gradequeue:0.2.0"
    # Its LMS has a port, which the address of the site has not.
    assert "SUBMISSIONS_BASE_URL" not in embedded.text("apps/openedx/settings/lms/development.py")


def test_embedded_nothing_is_taken_over_and_that_is_said(embedded: Site) -> None:
    done = embedded.tutor("local", "do", "gradequeue-import-xqueue", "--dry-run", check=False)
    assert done.returncode != 0
    assert "taken over in the mode service only" in done.stdout + done.stderr


def replacements(site: Site) -> list[str]:
    """The commands of the image `openedx` that put ours in the place of edx-submissions."""
    text = site.text("build/openedx/Dockerfile").replace("\\\n", " ")
    return [
        line.removeprefix("RUN ") for line in text.splitlines() if "edx-submissions" in line and line.startswith("RUN")
    ]


def test_the_image_of_the_platform_is_changed_only_to_embed(service: Site, embedded: Site) -> None:
    assert replacements(service) == []
    # In the image, and once more after what development installs.
    assert len(replacements(embedded)) == 2
    assert replacements(embedded)[0].endswith("install gradequeue==0.2.0")


@pytest.mark.parametrize("command", ["pip", "uv pip"])
def test_the_image_of_the_platform_has_ours_alone(command: str, embedded: Site, tmp_path: Path) -> None:
    uv = [str(ROOT / ".venv" / "bin" / "uv")]
    seed = ["--seed"] if command == "pip" else []
    python = tmp_path / "venv" / "bin" / "python"
    tools = {
        "VIRTUAL_ENV": str(tmp_path / "venv"),
        "PATH": f"{python.parent}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
    }
    subprocess.run([*uv, "venv", "--quiet", *seed, str(tmp_path / "venv")], check=True)
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--no-deps", "edx-submissions==4.0.2"], env=os.environ | tools, check=True
    )
    task = replacements(embedded)[0].replace("gradequeue==0.2.0", f"'gradequeue @ file://{ROOT}'")
    subprocess.run(["sh", "-e", "-c", task], env=os.environ | tools | {"PIP_COMMAND": command}, check=True, timeout=250)
    listing = subprocess.run(
        [str(python), "-c", WHO_HAS_IT],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert listing.split() == ["gradequeue", "gradequeue"]


def caddy() -> str:
    found = shutil.which("caddy")
    assert found, "apt install caddy"
    return found


def test_caddy_understands_its_file(service: Site, tmp_path: Path) -> None:
    place = service.rendered / "apps" / "caddy" / "Caddyfile"
    done = subprocess.run(
        [caddy(), "validate", "--adapter", "caddyfile", "--config", str(place)],
        env=os.environ | {"default_site_port": "", "HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Valid configuration" in done.stdout + done.stderr


class Cookies(BaseHTTPRequestHandler):
    seen: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.seen.update(self.headers)
        self.send_response(200)
        self.send_header("Set-Cookie", "sessionid=1; HttpOnly")
        self.send_header("Set-Cookie", "csrftoken=2")
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *words: object) -> None:
        pass


def test_caddy_keeps_cookies_to_https(service: Site, tmp_path: Path) -> None:
    """The part of the file that is ours, with the platform's snippet, before a server that sets two cookies."""
    text = service.text("apps/caddy/Caddyfile")
    blocks = [
        re.search(rf"^{start}.*?^}}", text, re.MULTILINE | re.DOTALL) for start in (r"\(proxy\)", r"xqueue\.local")
    ]
    snippet, ours = (found[0] for found in blocks if found is not None)
    behind = HTTPServer(("127.0.0.1", 0), Cookies)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = ours.replace("xqueue.local.openedx.io{$default_site_port}", f"http://127.0.0.1:{port}")
    ours = ours.replace("gradequeue:8000", f"127.0.0.1:{behind.server_port}")
    (tmp_path / "Caddyfile").write_text("{\n    admin off\n}\n" + snippet + "\n" + ours)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [caddy(), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")],
            env=os.environ | {"HOME": str(tmp_path)}, stdout=log, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        answer = first_answer(f"http://127.0.0.1:{port}/")
        assert answer.raw.headers.getlist("Set-Cookie") == ["sessionid=1; HttpOnly; Secure", "csrftoken=2; Secure"]
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.text == f"127.0.0.1:{port}"
        # What a client says of itself: by these names the service would read it as the proxy's word.
        Cookies.seen.clear()
        said = {
            "X_Forwarded_For": "192.0.2.1",
            "x_forwarded_proto": "https",
            "X-Request-ID": "a" * 8,
            "X-Other": "stays",
        }
        requests.get(f"http://127.0.0.1:{port}/", headers=said, timeout=30)
        assert [name for name in Cookies.seen if "_" in name or name == "X-Request-ID"] == []
        assert {"X-Forwarded-For", "X-Forwarded-Proto", "X-Other"} <= Cookies.seen
        for path in ("files/1/a.txt?signature=secret", "status/?asked=once"):
            requests.get(f"http://127.0.0.1:{port}/xqueue/{path}", timeout=30)
    finally:
        process.terminate()
        process.wait(timeout=30)
        behind.shutdown()
        behind.server_close()
    logged = (tmp_path / "log").read_text()
    assert ("asked=once" in logged, "secret" in logged) == (True, False)
    # 26 MB would be less than the 25 MiB that the service takes.
    assert "max_size 26MiB" in ours


def first_answer(url: str) -> requests.Response:
    for _ in range(300):
        try:
            return requests.get(url, timeout=30)
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def test_the_image_can_be_built_and_is_pulled_only_from_a_registry(service: Site) -> None:
    built = service.text("plugins/gradequeue/build/gradequeue/Dockerfile")
    assert "pip install --no-cache-dir 'gradequeue[service,mysql,redis,s3,webhook]==0.2.0'" in built
    service.tutor("images", "build", "gradequeue")
    (call,) = [line for line in service.docker_log.read_text().splitlines() if "gradequeue:0.2.0" in line]
    assert "plugins/gradequeue/build/gradequeue" in call
    assert (
        "no image" in (found := service.tutor("images", "pull", "gradequeue", check=False)).stderr.lower()
        or found.returncode
    )


@pytest.mark.parametrize("mode", ["both", ""])
def test_an_unknown_mode_is_refused(service: Site, mode: str) -> None:
    kept = (service.folder / "root" / "config.yml").read_text()
    done = service.tutor("config", "save", "--set", f"GRADEQUEUE_MODE={mode!r}", check=False)
    (service.folder / "root" / "config.yml").write_text(kept)
    assert done.returncode == 1
    assert f"GRADEQUEUE_MODE must be service or embedded, not {mode!r}." in done.stderr


@pytest.mark.parametrize("given", ["lms", '{"GRADEQUEUE_CALLBACK_HOSTS": ["lms", "other.example.org"]}'])
def test_an_environment_that_the_service_cannot_read_is_refused(service: Site, given: str) -> None:
    kept = (service.folder / "root" / "config.yml").read_text()
    done = service.tutor("config", "save", "--set", f"GRADEQUEUE_ENVIRONMENT={given}", check=False)
    (service.folder / "root" / "config.yml").write_text(kept)
    assert (done.returncode, "GRADEQUEUE_ENVIRONMENT must be names with a text" in done.stderr) == (1, True)


def test_the_graders_are_not_the_lms(service: Site) -> None:
    """`init` would give the one account the graders' password, and their rights in the place of the LMS's."""
    kept = (service.folder / "root" / "config.yml").read_text()
    done = service.tutor("config", "save", "--set", "GRADEQUEUE_GRADER_USERNAME=lms", check=False)
    (service.folder / "root" / "config.yml").write_text(kept)
    assert (done.returncode, "is the LMS's account" in done.stderr) == (1, True)


def test_beside_tutor_xqueue_it_says_which_one_to_disable(tmp_path: Path) -> None:
    both = Site(tmp_path)
    done = both.tutor("plugins", "enable", "gradequeue", "xqueue", check=False)
    assert done.returncode == 1
    assert "tutor plugins disable xqueue" in done.stderr
    both.tutor("plugins", "disable", "xqueue")
    both.tutor("config", "save")


def test_what_tutor_xqueue_had_made_goes_on(tmp_path: Path) -> None:
    was = Site(tmp_path)
    was.tutor("plugins", "enable", "xqueue")
    was.tutor("config", "save", "--set", "XQUEUE_HOST=queue.example.org")
    before = {name: was.value(f"XQUEUE_{name}") for name in ("AUTH_PASSWORD", "MYSQL_PASSWORD", "SECRET_KEY", "HOST")}
    was.tutor("plugins", "disable", "xqueue")
    was.tutor("plugins", "enable", "gradequeue")
    assert {name: was.value(f"XQUEUE_{name}") for name in before} == before
    assert before["HOST"] == "queue.example.org"


def commands_of_the_pages() -> list[list[str]]:
    pages = (Path(__file__).parent.parent / "README.md", ROOT / "docs" / "tutor.md")
    found = [re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL) for page in pages]
    lines = [shlex.split(line) for blocks in found for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["tutor"]]


# What needs no container and no registry is done; of all else Tutor is asked what it would be.
HARMLESS = (("plugins",), ("config",), ("images", "build"))


@pytest.mark.parametrize("words", commands_of_the_pages(), ids=" ".join)
def test_tutor_knows_each_command_of_the_pages(service: Site, words: list[str]) -> None:
    kept = (service.folder / "root" / "config.yml").read_text()
    done = any(words[: len(harmless)] == [*harmless] for harmless in HARMLESS)
    service.tutor(*words, *([] if done else ["--help"]))
    (service.folder / "root" / "config.yml").write_text(kept)


def test_every_setting_has_its_line(service: Site) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    documented = re.findall(r"^\| `((?:XQUEUE|GRADEQUEUE)_[A-Z_]+)` \| (.*?) \|", readme, re.MULTILINE)
    done = subprocess.run(
        [str(BIN / "python"), "-c", DEFAULTS],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    old, old_made, new, new_made = yaml.safe_load(done.stdout)
    defaults = {f"XQUEUE_{name}": f"`{value}`" for name, value in old.items()}
    defaults |= {
        f"GRADEQUEUE_{name}": f"`{str(value).lower() if value is False else value}`" for name, value in new.items()
    }
    defaults |= {f"XQUEUE_{name}": "made" for name in old_made} | {f"GRADEQUEUE_{name}": "made" for name in new_made}
    defaults["GRADEQUEUE_VERSION"] = "this package's"
    assert dict(documented) == defaults

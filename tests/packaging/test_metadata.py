"""What the packages say of themselves, and what is in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import gradequeue
import gradequeue_grader
from gradequeue import cli
from tests.packaging import address, compositions, image, release

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PROJECTS: dict[str, dict[str, Any]] = {
    name: tomllib.loads((place / "pyproject.toml").read_text()) for name, place in release.PLACES.items()
}
# Of each module the distribution that brings it, where that has another name.
MODULES = {"environ": "django-environ"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each wheel and each sdist."""
    folder = tmp_path_factory.mktemp("dist")
    for place in release.PLACES.values():
        subprocess.run([UV, "build", "--quiet", "--out-dir", folder, place], check=True)
    return folder


def metadata(built: Path, name: str) -> Message:
    with zipfile.ZipFile(built / release.wheel(name).name) as wheel:
        (place,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        return message_from_bytes(wheel.read(place))


def names(built: Path, name: str) -> set[str]:
    with tarfile.open(built / release.sdist(name).name) as archive:
        return {one.partition("/")[2] for one in archive.getnames()}


def test_both_have_one_version_and_its_changes_are_told() -> None:
    assert gradequeue.__version__ == gradequeue_grader.__version__ == "0.2.0"
    assert release.is_released(gradequeue.__version__)


@pytest.mark.parametrize("name", PROJECTS)
def test_a_package_says_who_and_where(built: Path, name: str) -> None:
    said = metadata(built, name)
    assert (said["Name"], said["Version"], said["License-Expression"]) == (name, "0.2.0", "Apache-2.0")
    assert said["Author"] == "The maintainers of gradequeue"


# The project's address. -----------------------------------------------------------------------------------------------

TO = "https://git.example.org/grading/gradequeue"


def links(said: Message) -> list[str]:
    """Those of the package's page."""
    text = re.sub(r"^```.*?^```", "", str(said.get_payload()), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


def test_the_wheel_has_the_translations(built: Path) -> None:
    with zipfile.ZipFile(built / release.wheel("gradequeue").name) as wheel:
        found = [name for name in wheel.namelist() if name.endswith(".mo")]
    packages, languages = ("gradequeue", "submissions"), ("ar", "es", "fr")
    assert sorted(found) == [f"{one}/locale/{code}/LC_MESSAGES/django.mo" for one in packages for code in languages]


@pytest.mark.parametrize("name", PROJECTS)
def test_without_an_address_a_package_names_none(built: Path, name: str) -> None:
    said = metadata(built, name)
    assert said.get_all("Project-URL") is None
    for link in links(said):
        assert re.match(r"#|https://(github\.com/containers/|docs\.python\.org/|docs\.tutor\.edly\.io$)", link), link


@pytest.fixture(scope="module")
def addressed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each wheel, built from sdists that were given an address."""
    folder = tmp_path_factory.mktemp("addressed")
    for name, place in release.PLACES.items():
        with tarfile.open(built / release.sdist(name).name) as archive:
            archive.extractall(folder, filter="data")
        project = folder / release.file_name(name) / "pyproject.toml"
        # As in a checkout: what it says of the page would count.
        (project.parent / "PKG-INFO").unlink()
        change = address.FILES[str(place.relative_to(ROOT) / "pyproject.toml")]
        project.write_text(change(project.read_text(), TO))
        subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, project.parent], check=True)
    return folder


@pytest.mark.parametrize("name", PROJECTS)
def test_with_one_each_link_leads_there(addressed: Path, name: str) -> None:
    said = metadata(addressed, name)
    addresses = dict(line.split(", ") for line in said.get_all("Project-URL", []))
    assert set(addresses) == {"Repository", "Documentation", "Changelog", "Issues"}
    assert (addresses["Repository"], addresses["Issues"]) == (TO, f"{TO}/issues")
    for named in (addresses["Documentation"], addresses["Changelog"]):
        assert (ROOT / named.removeprefix(f"{TO}/blob/main/")).is_file()
    ours = [link.removeprefix(TO) for link in links(said) if link.startswith(TO)]
    assert ours
    assert [link for link in links(said) if not link.startswith(("https://", "#"))] == []
    for link in ours:
        place = re.fullmatch(r"/(?:blob|raw)/v0\.2\.0/([^#]+)(?:#.*)?", link)
        assert place is not None, link
        assert (ROOT / place[1]).exists(), link


def test_each_page_that_says_it_is_not_published_is_named_to_who_publishes() -> None:
    """The packages' own pages among them: what is uploaded would say it for good."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("packages/*/README.md")]
    said = re.compile(r"on the package index yet|no public address yet")
    saying = {str(page.relative_to(ROOT)) for page in pages if said.search(page.read_text())}
    step = re.search(r"^1\. give the repository.*?^2\. ", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.M)
    assert step is not None
    assert saying - {"CONTRIBUTING.md", "CHANGELOG.md"} - set(re.findall(r"`([^`]+\.md)`", step[0])) == set()


def test_with_one_the_images_name_it() -> None:
    text = address.image((ROOT / "Dockerfile").read_text(), TO)
    label = f'licenses="Apache-2.0" \\\n      org.opencontainers.image.source="{TO}"\n'
    assert text.count(label) == 2
    with pytest.raises(SystemExit, match="already"):
        address.project("[project.urls]\n", TO, page="")


def test_an_sdist_has_every_file_of_the_repository(built: Path) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("NOT RUN: this is no checkout: there is no list to compare with")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    there = {name for name in listed.splitlines() if (ROOT / name).is_file()}
    assert there - names(built, "gradequeue") == set()
    worker = "packages/gradequeue-grader/"
    assert {one.removeprefix(worker) for one in there if one.startswith(worker)} <= names(built, "gradequeue-grader")


def test_the_extra_service_is_what_the_command_asks_for() -> None:
    extra = PROJECTS["gradequeue"]["project"]["optional-dependencies"]["service"]
    assert sorted(re.split("[>=]", line)[0] for line in extra) == sorted(
        MODULES.get(module, module.replace("_", "-")) for module in cli.SERVICE
    )


def test_the_images_have_this_version() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"image\.version=\"(.*)\"", text) == ["0.2.0"] * 2
    assert set(re.findall(r"AS (\w+)$", text, re.M)) == {"base", "build", *image.NAMES}
    files = (ROOT / "compose.yaml").read_text() + (ROOT / ".env.example").read_text()
    assert set(re.findall(r"gradequeue(?:-grader)?:(\d[\w.]*)", files)) == {"0.2.0"}


def test_the_image_keeps_the_languages_that_pages_are_offered_in(tmp_path: Path) -> None:
    assert "LANGUAGES = es fr ar\n" in (ROOT / "Makefile").read_text()
    for name in ("ar", "ar_DZ", "de", "en", "es", "es_MX", "fr"):
        for package in ("django/conf", "submissions"):
            place = tmp_path / package / "locale" / name / "LC_MESSAGES"
            place.mkdir(parents=True)
            (place / "django.mo").touch()
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"(find /opt/gradequeue -path '\*/locale/\*' .*? -delete)", text)
    subprocess.run(["sh", "-c", command.replace("/opt/gradequeue", str(tmp_path))], check=True)
    kept = {str(path.parent.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.mo")}
    assert kept == {
        f"{package}/locale/{name}" for package in ("django/conf", "submissions") for name in ("ar", "en", "es", "fr")
    }


def test_the_dockerfile_copies_only_what_it_is_given() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    words = {word for line in copied for word in line.split()}
    assert words == {"pyproject.toml", "uv.lock", "README.md", "LICENSE", "packages", "examples", "ops", "src"}
    assert {f"!{word}" for word in words} <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_every_value_of_the_composition_is_explained() -> None:
    text = (ROOT / "compose.yaml").read_text()
    explained = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)
    # The last one is Compose's own.
    assert sorted(explained) == sorted(compositions.variables(text) | {"COMPOSE_PROFILES"})


def test_what_has_a_profile_is_renewed_by_an_upgrade() -> None:
    """On the command line of one `up` alone, the next one would leave its containers as they were."""
    values = compositions.example() | {"GRADEQUEUE_SECRET_KEY": "s", "POSTGRES_PASSWORD": "p"}
    services = compositions.read(ROOT / "compose.yaml", values)["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    (told,) = re.findall(r"^# COMPOSE_PROFILES=(.*)$", (ROOT / ".env.example").read_text(), re.M)
    assert set(told.split(",")) == profiles
    for name in ("compose.yaml", ".env.example", "docs/installing.md"):
        assert "--profile" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", ["deploy/compose/nginx.conf.template", "ops/nginx/gradequeue_proxy.conf"])
def test_no_proxy_passes_on_what_the_service_believes(name: str) -> None:
    given = dict(re.findall(r"proxy_set_header (\S+) (\S+);", (ROOT / name).read_text()))
    believed = {"Host": "$host", "X-Forwarded-Proto": "$scheme", "X-Request-ID": "$request_id"}
    assert given | believed == given
    # Of a list the last entry is this proxy's.
    assert given["X-Forwarded-For"] in ("$remote_addr", "$proxy_add_x_forwarded_for")


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="GRADEQUEUE_SECRET_KEY"):
        compositions.read(ROOT / "compose.yaml", compositions.example())


def test_the_service_and_its_worker_can_write_nothing_else() -> None:
    values = compositions.example() | {"GRADEQUEUE_SECRET_KEY": "s", "POSTGRES_PASSWORD": "p"}
    services = compositions.read(ROOT / "compose.yaml", values)["services"]
    assert sorted(services) == ["cache", "db", "deliveries", "dispatch", "migrate", "proxy", "web", "worker"]
    for name in ("deliveries", "dispatch", "migrate", "web", "worker"):
        assert (services[name]["read_only"], services[name]["cap_drop"]) == (True, ["ALL"])
        assert services[name]["security_opt"][0] == "no-new-privileges:true"
    # Only the proxy can be reached from outside.
    assert [name for name in services if "ports" in services[name]] == ["proxy"]


def test_what_is_under_way_is_finished() -> None:
    """Requests have 30 seconds (--drain), a grader that is pushed to as many, a result 20. Compose gives 10."""
    values = compositions.example() | {"GRADEQUEUE_SECRET_KEY": "s", "POSTGRES_PASSWORD": "p"}
    services = compositions.read(ROOT / "compose.yaml", values)["services"]
    assert [services[name].get("stop_grace_period") for name in ("web", "deliveries", "dispatch")] == ["40s"] * 3


def test_the_worker_reaches_the_proxy_and_nothing_else() -> None:
    """Redis asks for no password, and the service believes what it reads there."""
    values = compositions.example() | {"GRADEQUEUE_SECRET_KEY": "s", "POSTGRES_PASSWORD": "p"}
    composition = compositions.read(ROOT / "compose.yaml", values)
    services = composition["services"]
    # A network of Compose's leads out to everybody, if it is not told otherwise.
    assert composition["networks"]["grading"] == {"internal": True}
    networks = {name: set(service.get("networks") or ["default"]) for name, service in services.items()}
    assert [name for name in services if networks[name] & networks["worker"]] == ["proxy", "worker"]
    assert services["proxy"]["networks"]["grading"]["aliases"] == [values["GRADEQUEUE_HOST"]]
    assert "default" in networks["proxy"]


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


def test_the_health_check_of_the_image_asks_no_proxy() -> None:
    """Docker gives containers the proxy of whoever starts them, and that one has another 127.0.0.1."""
    line = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("  CMD ["))
    with HTTPServer(("127.0.0.1", 0), Alive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _, *words = (
            word.replace(":8000", f":{server.server_port}") for word in json.loads(line.removeprefix("  CMD "))
        )
        proxied = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
        done = subprocess.run([sys.executable, *words], env=os.environ | proxied, timeout=60, check=False)
        server.shutdown()
    assert done.returncode == 0

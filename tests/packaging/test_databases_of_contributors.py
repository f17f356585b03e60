"""`.ci/run` and compose.test.yaml: nobody's server is changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.databases import PLACES
from tests.packaging import compositions

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[2]
GATE = ROOT / ".ci" / "run"


def test_the_tests_databases_are_where_they_are_looked_for_and_for_this_machine_alone() -> None:
    services = compositions.read(ROOT / "compose.test.yaml", {})["services"]
    assert {name: services[name]["ports"] for name in services} == {
        "postgresql": ["127.0.0.1:5432:5432"],
        "mariadb": ["127.0.0.1:3306:3306"],
        "redis": ["127.0.0.1:6379:6379"],
    }
    for name, (_, url) in PLACES.items():
        assert f"127.0.0.1:{urlsplit(url).port}:" in services[name]["ports"][0]
    assert [name for name in services if services[name].get("volumes")] == []


def test_the_gate_changes_no_server_that_it_did_not_make() -> None:
    text = re.sub(r"^\s*#.*$", "", GATE.read_text(), flags=re.M)
    for word in (
        "pg_hba",
        "pg_ident",
        "ALTER USER",
        "ALTER ROLE",
        "SET PASSWORD",
        "mysqladmin",
        "systemctl ",
        "service ",
    ):
        assert word not in text, word


def test_what_pages_and_examples_start_is_installed() -> None:
    """A bare Debian has neither curl nor jq: the commands of the pages and the graders to copy need them."""
    started = {"bubblewrap", "chromium-headless-shell", "curl", "gcc", "jq", "nginx", "openssl", "strace"}
    by_gate = re.search(r"^for package in (.*); do need", GATE.read_text(), re.MULTILINE)
    by_hand = re.search(r"`apt install (.*)`", (ROOT / "CONTRIBUTING.md").read_text())
    for told in (by_gate, by_hand):
        assert told is not None
        assert started - set(told[1].split()) == set()


def test_on_a_persons_machine_it_installs_and_starts_nothing() -> None:
    """In a network of its own no server answers, so it would have to start them."""
    alone = ["unshare", "--map-root-user", "--net", "bash", str(GATE)]
    if subprocess.run([*alone[:3], "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("NOT RUN: this machine allows no namespaces")
    if shutil.which("dpkg") is None:
        pytest.skip("NOT RUN: the gate is for Debian")
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(alone, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "docker compose -f compose.test.yaml up --wait" in done.stderr

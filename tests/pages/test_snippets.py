"""Every block of README and docs is run, parsed or compared by a test; what is not says so on its page, and why."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.dispatch import Signal
from django.test import override_settings
from django.urls import include, path, resolve

from submissions.signals import result_ready
from tests.test_docs import DOCS, options
from tests.walkthrough import ROOT, WALKED, Block, blocks, is_left_out

pytestmark = pytest.mark.once

# Diaries of runs (benchmarks/, tests/nemesis/) show what was printed then.
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("packages/*/README.md"))]

# How many blocks of a page no test runs. The page has the reason above each.
LEFT_OUT = {
    "README.md": 1,
    "docs/architecture.md": 1,
    "docs/backup.md": 3,
    "docs/high-availability.md": 2,
    "docs/installing.md": 8,
    "docs/kubernetes.md": 4,
    "docs/openedx.md": 2,
    "docs/platforms.md": 1,
    "docs/quickstart.md": 1,
    "docs/systemd.md": 3,
    "docs/tutor.md": 5,
    "docs/upgrading.md": 4,
    "packages/gradequeue-grader/README.md": 1,
    "packages/tutor-contrib-gradequeue/README.md": 2,
}

# Blocks in Python that are no file: the tests that run each, by a text that stands in it.
PYTHON = {
    "INSTALLED_APPS": "test_the_settings_of_the_readme_are_settings",
    "urlpatterns": "test_the_addresses_of_the_readme_are_addresses",
    "create_external_grader_detail": "tests.test_docs: test_the_python_of_the_readme_makes_a_job",
    "result_ready": "test_the_receiver_of_the_page_is_called",
    "gradequeue_grader": "tests.pages.test_loops: test_the_client_of_the_workers_page_grades",
}


def _make(text: str) -> None:
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        assert line.startswith("make "), line
        subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def _nginx(text: str) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("NOT RUN: there is no nginx to read the block")
    http = "http { access_log off; server { listen 127.0.0.1:1; %s } } pid /dev/null;"
    whole = text + http % "" if "events {" in text else "events {} " + http % text
    done = subprocess.run(
        ["nginx", "-t", "-e", "/dev/null", "-c", "/dev/stdin"],
        input=whole,
        text=True,
        capture_output=True,
        check=False,
    )
    assert "syntax is ok" in done.stderr, done.stderr


def _ini(text: str) -> None:
    assert all(re.fullmatch(r"\[\w+\]|[A-Za-z_]+=.*", line) for line in text.splitlines()), text


def _sh(text: str) -> None:
    """What a reader types whose output is no matter, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["bash", "-euc", text], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr


def _python(text: str) -> None:
    compile(text, "a page", "exec")
    assert any(word in text for word in PYTHON), "no test runs it"


# What is done with a block by its language; a drawing or a listing is `text`, and says nothing that could be run.
READERS: dict[str, Callable[[str], Any]] = {
    "text": lambda _: None,
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "toml": tomllib.loads,
    "xml": ElementTree.fromstring,
    "make": _make,
    "nginx": _nginx,
    "ini": _ini,
    "sh": _sh,
    "python": _python,
}


def _blocks() -> Iterator[tuple[str, Block]]:
    for page in PAGES:
        for block in blocks(page):
            yield str(page.relative_to(ROOT)), block


@pytest.mark.parametrize(
    ("page", "block"), [pytest.param(page, block, id=f"{page}:{block.line}") for page, block in _blocks()]
)
def test_every_block_is_run_or_says_why_not(page: str, block: Block) -> None:
    if is_left_out(block):
        return
    if block.language == "console" or block.file:
        assert page in WALKED, "its commands are followed by nobody"
        return
    assert block.language in READERS, f"a block of {block.language!r}: name its language, or say why no test runs it"
    READERS[block.language](block.text)


def test_what_no_test_runs_is_listed() -> None:
    assert Counter(page for page, block in _blocks() if is_left_out(block)) == LEFT_OUT


def test_who_starts_an_example_is_told_to_copy_it() -> None:
    """The walk has a link to them; a reader's empty folder has not."""
    for page in WALKED:
        before, started, _ = (ROOT / page).read_text().partition("$ python3 examples/")
        assert not started or re.search(r"a copy of [^.]*`examples`|cp -r PATH-OF-THE-CLONE/examples \.", before), page


def test_who_installs_the_wheel_for_its_command_asks_for_the_service() -> None:
    lines = [(page, line) for page, block in _blocks() for line in block.text.splitlines() if "pip install" in line]
    wheels = [(page, line.split()[-1]) for page, line in lines if "gradequeue-0.2.0-py3" in line]
    assert wheels == [
        ("docs/installing.md", "'gradequeue-0.2.0-py3-none-any.whl[service,postgresql]'"),
        ("docs/systemd.md", "'gradequeue-0.2.0-py3-none-any.whl[service,postgresql]'"),
    ]


# Single blocks. -------------------------------------------------------------------------------------------------------


def block_with(page: str, word: str) -> str:
    (found,) = (block.text for block in blocks(ROOT / page) if block.language == "python" and word in block.text)
    return found


def test_the_settings_of_the_readme_are_settings() -> None:
    given: dict[str, Any] = {}
    exec(block_with("README.md", "INSTALLED_APPS"), given)
    assert given["INSTALLED_APPS"] == [..., "submissions"]


def test_the_addresses_of_the_readme_are_addresses() -> None:
    given: dict[str, Any] = {"path": path, "include": include}
    exec(block_with("README.md", "urlpatterns"), given)
    given["urlpatterns"].remove(...)
    module = type("urls", (), given)
    with override_settings(ROOT_URLCONF=module):
        assert resolve("/xqueue/status/").url_name == "xqueue-status"


def test_the_receiver_of_the_page_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(result_ready.receivers)
    exec(block_with("docs/deliveries.md", "result_ready"), {})
    try:
        message = type("message", (), {"submission_id": 7, "result": "score", "points_earned": 5, "reply": "{}"})
        Signal.send(result_ready, sender=None, message=message)
    finally:
        result_ready.receivers = before
        result_ready.sender_receivers_cache.clear()
    assert capsys.readouterr().out == "7 score 5 {}\n"


# Commands in running text. --------------------------------------------------------------------------------------------

SPOKEN = re.compile(r"`gradequeue ([a-z_-]+)((?: [^`]*)?)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_spoken_of_has_these_options(page: Path) -> None:
    known = {name: app for name, app in get_commands().items() if app in ("submissions", "gradequeue")}
    usual = {"--json", "--help", "--verbosity", "--deploy", "--list", "--fake"}
    for name, rest in SPOKEN.findall(re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)):
        assert name in get_commands(), f"there is no command {name!r}"
        if name in known:
            has = set(options(load_command_class(known[name], name))) | usual
            assert set(re.findall(r"(?<!\S)--[a-z_-]+", rest)) <= has, (name, rest)

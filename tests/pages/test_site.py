"""Every page has a reader, an end and a place; its links lead somewhere, its pictures show what is there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest
import yaml
from PIL import Image

from tests.pages import screenshots
from tests.pairs import PAIRS
from tests.test_docs import DOCS, PAGES
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once

OWN = sorted(path for path in DOCS.rglob("*.md") if not re.match(r"\d{4}-", path.name))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _module(name: str) -> ModuleType:
    """A file of `docs/site`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", OWN, ids=_name)
def test_every_page_says_for_whom_it_is_and_what_one_has_at_its_end(path: Path) -> None:
    title, head, *_ = path.read_text().split("\n\n")
    assert re.fullmatch(r"# .+", title)
    assert re.fullmatch(r"\*?For .+\. At (?:the|its) end .+\.\*?", head.replace("\n", " ")), head


def test_every_page_has_its_place_in_the_navigation_once() -> None:
    conf = _module("conf")
    listed = [name for names in conf.NAVIGATION.values() for name in names]
    assert len(listed) == len(set(listed))
    here = {_name(path).removesuffix(".md") for path in OWN} - {"docs/index"}
    plain = {name for name in listed if "*" not in name}
    assert here - plain - {name for pattern in listed if "*" in pattern for name in conf._matching(pattern)} == set()
    assert {name for name in plain if not (ROOT / f"{name}.md").exists()} == set()


def test_what_a_page_would_load_from_elsewhere_is_found(tmp_path: Path) -> None:
    check = _module("check")
    (tmp_path / "good.html").write_text(
        '<link rel="stylesheet" href="_static/a.css"><img src="a.png"><a href="https://elsewhere.org/">there</a>'
    )
    assert check.foreign(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        '<script src="https://a.org/x.js"></script><link rel="preconnect" href="//b.org"><img src="http://c.org/p.png">'
        '<p style="background: url(https://d.org/q.png)">'
    )
    (tmp_path / "bad.css").write_text('@import "https://e.org/f.css"; @font-face { src: url(//g.org/h.woff2) }')
    found = " ".join(check.foreign(tmp_path))
    assert all(host in found for host in ("a.org", "b.org", "c.org", "d.org", "e.org", "g.org"))


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_every_link_to_elsewhere_is_well_formed(path: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\((https?:[^)\s]+)\)", text):
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), link
        assert not link.endswith((".", ",", ";")), link


# What runs elsewhere. -------------------------------------------------------------------------------------------------


def test_the_workflow_runs_each_pair_and_each_target_is_there() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["pair"]["strategy"]["matrix"]["pair"] == list(PAIRS)
    assert {job["if"] for job in jobs.values()} == {f"github.event_name {sign} 'schedule'" for sign in ("==", "!=")}
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    for command in (one for one in commands if one.startswith("make ")):
        target = command.split()[1]
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_each_hook_of_a_commit_starts_something() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    tools = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert {Path(tool).name for tool in tools} == {"ruff", "lint-imports"}
    assert all(Path(sys.executable).with_name(Path(tool).name).exists() for tool in tools)


# Pictures. ------------------------------------------------------------------------------------------------------------


def _shown() -> set[str]:
    return {
        (path.parent / image).resolve().relative_to(ROOT).as_posix()
        for path in PAGES
        for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text())
    }


def test_every_picture_is_used_and_there() -> None:
    assert _shown() == {_name(path) for path in screenshots.IMAGES.glob("*.png")}


def test_every_picture_shows_the_pages_as_they_are() -> None:
    made = json.loads(screenshots.KEPT.read_text())
    now = {
        path.name: screenshots.sources(screenshots.folder_of(path.name)) for path in screenshots.IMAGES.glob("*.png")
    }
    assert made == now, "the pages have changed: run `make screenshots`"


def test_every_picture_says_what_it_shows() -> None:
    for path in PAGES:
        assert "![](" not in path.read_text(), path


def test_the_moving_picture_moves_and_is_not_heavy() -> None:
    path = screenshots.IMAGES / "demo.png"
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) >= 5
    assert path.stat().st_size < 1_500_000

"""What was tested with which Python and Django is said once in code, and the same everywhere else."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any

import django
import pytest
import yaml
from django.core.checks import run_checks

from submissions import versions
from submissions.checks import versions_were_tested
from tests.pairs import PAIRS, ROOT

pytestmark = pytest.mark.once

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def classified(kind: str) -> list[str]:
    found = [re.fullmatch(rf"{re.escape(kind)} :: (\d+\.\d+)", line) for line in PROJECT["classifiers"]]
    return [one[1] for one in found if one]


def test_the_classifiers_are_what_was_tested() -> None:
    assert classified("Programming Language :: Python") == list(versions.PYTHON)
    assert classified("Framework :: Django") == list(versions.DJANGO)


def test_what_may_be_installed_is_what_was_tested() -> None:
    assert PROJECT["requires-python"] == f">={versions.PYTHON[0]}"
    major, minor = versions.DJANGO[-1].split(".")
    assert f"Django>={versions.DJANGO[0]},<{major}.{int(minor) + 1}" in PROJECT["dependencies"]


def test_every_version_is_in_a_pair() -> None:
    assert sorted({pair.python for pair in PAIRS.values()}) == list(versions.PYTHON)
    numbers = {pair.django.removeprefix("==").removesuffix(".*") for pair in PAIRS.values()}
    assert sorted(numbers) == list(versions.DJANGO)
    assert (PAIRS["oldest"].python, PAIRS["oldest"].lowest) == (versions.PYTHON[0], True)
    assert (PAIRS["newest"].python, PAIRS["newest"].django) == (versions.PYTHON[-1], f"=={versions.DJANGO[-1]}.*")


def test_the_page_has_a_line_for_each_pair() -> None:
    lines = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|", (ROOT / "docs" / "versions.md").read_text(), re.M)
    assert {name: (python, found) for name, python, found in lines} == {
        name: (pair.python, pair.django.removeprefix("==").removesuffix(".*")) for name, pair in PAIRS.items()
    }


def test_the_workflow_has_each_pair_and_the_redis_that_the_event_bus_is_tested_with() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert sorted(jobs["pair"]["strategy"]["matrix"]["pair"]) == sorted(PAIRS)
    assert [name for name in ("pair", "forward") if "redis" not in jobs[name].get("services", {})] == []


def test_nothing_is_said_of_versions_that_were_tested() -> None:
    assert [warning.msg for warning in run_checks() if warning.id == "submissions.W002"] == []


def test_other_versions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django, "VERSION", (4, 2, 30, "final", 0))
    assert [(found.id, found.msg) for found in versions_were_tested(None)] == [
        ("submissions.W002", "Not tested with Django 4.2, only with 5.2, 6.0, 6.1.")
    ]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "version_info", (3, 99, 0, "final", 0))
        found = versions_were_tested(None)
    assert [one.msg for one in found] == [
        "Not tested with Python 3.99, only with 3.11, 3.12, 3.13.",
        "Not tested with Django 4.2, only with 5.2, 6.0, 6.1.",
    ]

"""edx-submissions has the same folder as we: whoever has both installed is told, before anything runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

import submissions
from submissions import apps

pytestmark = pytest.mark.once


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of an edx-submissions 4.0.2 that has no files."""
    metadata = tmp_path / "edx_submissions-4.0.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: edx-submissions\nVersion: 4.0.2\n")
    (metadata / "RECORD").write_text("edx_submissions-4.0.2.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return metadata


def said() -> list[str]:
    return [error.msg for error in run_checks() if error.id == "submissions.E004"]


def test_alone_there_is_nothing_to_say() -> None:
    assert said() == []


def test_two_owners_of_the_folder_are_an_error(installed: Path) -> None:
    with (installed / "RECORD").open("a") as record:
        record.write("submissions/__init__.py,,\nsubmissions/errors.py,,\n")
    assert said() == ["edx-submissions 4.0.2 is installed, too, and has files in the same folder `submissions`."]


def test_the_name_without_files_is_no_harm(installed: Path) -> None:
    assert said() == []


def test_where_its_files_stand_in_the_place_of_ours_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(submissions, "DISTRIBUTION")
    with pytest.raises(ImproperlyConfigured, match="pip install --force-reinstall --no-deps gradequeue"):
        importlib.reload(apps)

"""The ways of `docs/openedx.md` to have only our `submissions`, and what is said where there are two."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import uv

import submissions
from tests import pairs
from tests.ora2.__main__ import OVERRIDE

OLD = "edx-submissions==4.0.2"
WHEEL = os.environ["GRADEQUEUE_WHEEL"]
SETTINGS = """
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "submissions"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
"""


class Environment:
    """Another one, of this Python, with Django and what is installed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.python = folder, folder / "venv" / "bin" / "python"
        (folder / "site_settings.py").write_text(SETTINGS)
        self._uv("venv", "--python", sys.executable, str(folder / "venv"))

    def pip(self, *words: str) -> None:
        self._uv("pip", *words, "--python", str(self.python))

    def _uv(self, *words: str) -> None:
        subprocess.run([uv.find_uv_bin(), "--quiet", *words], check=True, timeout=300)

    def check(self) -> tuple[bool, str]:
        """Whether `manage.py check` passes, and what it says."""
        return self.run("-m", "django", "check")

    def run(self, *words: str) -> tuple[bool, str]:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": str(self.folder)}
        command = [str(self.python), "-P", *words]
        done = subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def test_the_override_keeps_it_away_from_this_environment() -> None:
    assert OVERRIDE in (pairs.ROOT / "docs" / "openedx.md").read_text()
    assert "site-packages" in str(submissions.__file__)
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("edx-submissions")
    for asks_for_it in ("ora2", "xblocks-contrib"):
        assert "edx-submissions" in (metadata.requires(asks_for_it) or [])


def test_the_order_of_pip_leaves_only_ours(environment: Environment) -> None:
    environment.pip("install", "Django==5.2.0", OLD)
    environment.pip("uninstall", "edx-submissions")
    environment.pip("install", WHEEL)
    assert environment.run("-m", "django", "--version") == (True, "5.2\n")
    assert environment.check() == (True, "System check identified no issues (0 silenced).\n")


def test_each_order_that_mixes_them_is_told_and_mended(environment: Environment) -> None:
    environment.pip("install", "Django==5.2.*", OLD)
    environment.pip("install", WHEEL)
    passed, said = environment.check()
    assert not passed
    assert "submissions.E004" in said

    environment.pip("install", "--reinstall-package", "edx-submissions", OLD)
    passed, said = environment.check()
    assert not passed
    assert "edx-submissions was installed over gradequeue, or uninstalled after it" in said

    environment.pip("uninstall", "edx-submissions")
    passed, said = environment.check()
    assert not passed
    assert "files of gradequeue are missing" in said

    environment.pip("install", "--no-deps", "--reinstall-package", "gradequeue", WHEEL)
    assert environment.check() == (True, "System check identified no issues (0 silenced).\n")

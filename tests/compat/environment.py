"""A virtual environment that holds edx-submissions as the package index has it, kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import uv

from tests.settings import KIND

ROOT = Path(__file__).resolve().parents[2]

DRIVERS = {"sqlite": (), "postgresql": ("psycopg", "psycopg-binary"), "mariadb": ("mysqlclient",)}
NEWEST = "4.0.2"
# The one that the current Open edX pins, and the last one.
VERSIONS = ("3.12.2", NEWEST)
# openedx-events is missing in the package's own metadata, though its views import it.
BESIDE = ("openedx-events>=10", *(f"{name}=={version(name)}" for name in ("Django", "django-environ", *DRIVERS[KIND])))


def interpreter(release: str) -> Path:
    """The Python of the environment with this version of edx-submissions, made where there is none yet."""
    packages = (f"edx-submissions=={release}", *BESIDE)
    fingerprint = hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()[:16]
    folder = _cache() / f"edx-submissions-{fingerprint}"
    if not folder.exists():
        _make(folder, packages)
    return folder / "bin" / "python"


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradequeue-tests"
    base.mkdir(parents=True, exist_ok=True)
    return base


def _make(folder: Path, packages: tuple[str, ...]) -> None:
    """Whole or not at all: of two runs that start at once, the second one uses what the first one made."""
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    python = draft / "bin" / "python"
    try:
        _uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(draft))
        _uv("pip", "install", "--quiet", "--python", str(python), *packages)
        draft.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _uv(*words: str) -> None:
    done = subprocess.run([uv.find_uv_bin(), *words], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"uv {words[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"


def run(
    *words: str, database_url: str, media: Path, settings: str = "tests.compat.old.settings", release: str = NEWEST
) -> str:
    """What `python words...` prints in the environment with this version of edx-submissions."""
    done = attempt(*words, database_url=database_url, media=media, settings=settings, python=interpreter(release))
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(
    *words: str,
    database_url: str,
    media: Path,
    settings: str = "tests.compat.old.settings",
    python: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """The same, whatever it ends with. `python`: another one, of an environment that has our package."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": database_url,
        "OLD_MEDIA": str(media),
    }
    command = [str(python or interpreter(NEWEST)), *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)

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

ROOT = Path(__file__).resolve().parents[2]

# openedx-events is missing in the package's own metadata, though its views import it.
PACKAGES = (
    "edx-submissions==4.0.2",
    "openedx-events>=10",
    f"Django=={version('Django')}",
    f"django-environ=={version('django-environ')}",
    f"psycopg[binary]=={version('psycopg')}",
)


def interpreter() -> Path:
    """The Python of that environment, which is made where there is none yet."""
    folder = _cache() / f"edx-submissions-{_fingerprint()}"
    if not folder.exists():
        _make(folder)
    return folder / "bin" / "python"


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradequeue-tests"
    base.mkdir(parents=True, exist_ok=True)
    return base


def _fingerprint() -> str:
    return hashlib.sha256("\n".join([sys.version, *PACKAGES]).encode()).hexdigest()[:16]


def _make(folder: Path) -> None:
    """Whole or not at all: of two runs that start at once, the second one uses what the first one made."""
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    python = draft / "bin" / "python"
    try:
        _uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(draft))
        _uv("pip", "install", "--quiet", "--python", str(python), *PACKAGES)
        draft.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _uv(*words: str) -> None:
    done = subprocess.run([uv.find_uv_bin(), *words], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"uv {words[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"


def run(*words: str, database_url: str, media: Path, settings: str = "tests.compat.old.settings") -> str:
    """What `python words...` prints in that environment."""
    done = attempt(*words, database_url=database_url, media=media, settings=settings)
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(
    *words: str, database_url: str, media: Path, settings: str = "tests.compat.old.settings"
) -> subprocess.CompletedProcess[str]:
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": database_url,
        "OLD_MEDIA": str(media),
    }
    command = [str(interpreter()), *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)

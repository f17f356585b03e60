"""Virtual environments of the host project, with edx-submissions as the package index has it or with the app of a
working tree, kept between runs in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parents[1]
PEER = "edx-submissions==4.0.2"
SHARED = ("Django", "djangorestframework", "django-environ", "granian", "psycopg", "mysqlclient")


def peer_bin() -> Path:
    """The folder of the programs of an environment with edx-submissions; it is made where there is none yet."""
    return _bin("edx-submissions", [PEER, *_packages()])


def host_bin(checkout: Path) -> Path:
    """The same for the app in the working tree `checkout`, which is installed as it stands there."""
    declared = (checkout / "pyproject.toml").read_text()
    return _bin("gradequeue", ["--editable", str(checkout), *_packages()], declared)


def _bin(name: str, packages: list[str], declared: str = "") -> Path:
    fingerprint = hashlib.sha256("\n".join([sys.version, *packages, declared]).encode()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradequeue-benchmarks"
    base.mkdir(parents=True, exist_ok=True)
    folder = base / f"{name}-{fingerprint}"
    if not folder.exists():
        _make(folder, packages)
    return folder / "bin"


def _packages() -> list[str]:
    """What the host needs besides; of everything that all sides use, the version that is installed here."""
    # openedx-events is missing in edx-submissions' own metadata, though its views import it.
    packages = ["openedx-events>=10", "gunicorn>=23"]
    for name in SHARED:
        try:
            extra = "[binary]" if name == "psycopg" else ""
            packages.append(f"{name}{extra}=={version(name)}")
        except PackageNotFoundError:  # a driver of a database that is not measured then
            continue
    return packages


def _make(folder: Path, packages: list[str]) -> None:
    """Whole or not at all: of two runs that start at once, the second one uses what the first one made."""
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    try:
        _uv("venv", "--quiet", "--allow-existing", "--relocatable", "--python", sys.executable, str(draft))
        _uv("pip", "install", "--quiet", "--python", str(draft / "bin" / "python"), *packages)
        draft.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _uv(*words: str) -> None:
    done = subprocess.run([uv.find_uv_bin(), *words], capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"uv {words[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")

"""The environment, read once: every variable of the service, with a sentence where it is wrong."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# FileAwareEnv reads NAME_FILE where NAME is not set.
_env = environ.FileAwareEnv()


def text(name: str, default: str = "") -> str:
    return str(_env.str(name, default=default)).strip()


def number(name: str, default: int, *, at_least: int = 1) -> int:
    given = text(name, str(default))
    if not (given.isascii() and given.isdigit()) or int(given) < at_least:
        raise ImproperlyConfigured(f"{name} must be a whole number of {at_least} or more, not {given!r}.")
    return int(given)


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    given = text(name, default)
    if given not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {given!r}.")
    return given


def names(name: str, default: list[str]) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()] or default


def web_address(name: str) -> str:
    given = text(name)
    parts = urlsplit(given)
    if given and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ImproperlyConfigured(f"{name} must begin with https:// or http:// and name a host, not {given!r}.")
    return given.rstrip("/")


def data_folder() -> Path:
    folder = Path(text("GRADEQUEUE_DATA", "./data")).expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImproperlyConfigured(f"GRADEQUEUE_DATA: {folder} cannot be made: {error.strerror}.") from error
    return folder


def secret_key(folder: Path, *, production: bool) -> str:
    """GRADEQUEUE_SECRET_KEY; for local use one is made and kept in the data folder."""
    given = text("GRADEQUEUE_SECRET_KEY")
    if given:
        return given
    if production:
        raise ImproperlyConfigured("GRADEQUEUE_SECRET_KEY must be set where GRADEQUEUE_ENV is production.")
    kept = folder / "secret_key"
    if not kept.exists():
        _write_once(kept, secrets.token_urlsafe(50))
    key = kept.read_text().strip()
    if not key:
        raise ImproperlyConfigured(f"{kept} is empty; delete it, and a new key is made.")
    return key


def _write_once(path: Path, content: str) -> None:
    """Whole or not at all: of two processes that start at once, the second one uses what the first one wrote."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # readable by its owner alone
        draft.write(content)
        draft.flush()
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)


def database(folder: Path) -> dict[str, Any]:
    """DATABASE_URL as Django's settings, with what a queue needs of each database."""
    url = text("DATABASE_URL", f"sqlite:///{folder / 'gradequeue.sqlite3'}")
    try:
        found: dict[str, Any] = dict(_env.db_url_config(url))
    except Exception as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
    kind = str(found.get("ENGINE", "")).rpartition(".")[2]
    if kind not in _TUNED:
        raise ImproperlyConfigured("DATABASE_URL must begin with sqlite://, postgres:// or mysql://.")
    found["OPTIONS"] = {**_TUNED[kind], **found.get("OPTIONS", {})}
    found.setdefault("CONN_MAX_AGE", 600)
    found.setdefault("CONN_HEALTH_CHECKS", True)
    return found


_TUNED: dict[str, dict[str, Any]] = {
    # IMMEDIATE: a claim reads and then writes; begun as a reader it could not become the writer (DESIGN section 3).
    "sqlite3": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
    "postgresql": {},
    # Under REPEATABLE READ, MySQL's default, claims would lock the gaps between jobs.
    "mysql": {"charset": "utf8mb4", "isolation_level": "read committed"},
}


def cache() -> dict[str, Any]:
    url = text("CACHE_URL")
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    try:
        return dict(_env.cache_url_config(url))
    except Exception as error:
        raise ImproperlyConfigured(f"CACHE_URL cannot be read: {error}") from error


def storage(folder: Path) -> dict[str, Any]:
    """GRADEQUEUE_STORAGE_URL: ``file:///path``, or ``s3://key:secret@bucket?region_name=...`` as django-storages."""
    url = text("GRADEQUEUE_STORAGE_URL")
    parts = urlsplit(url)
    if not url or parts.scheme == "file":
        place = unquote(parts.path) if url else str(folder / "files")
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": place}}
    if parts.scheme != "s3" or not parts.hostname:
        raise ImproperlyConfigured("GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket.")
    options: dict[str, Any] = {
        "bucket_name": parts.hostname,
        "location": parts.path.strip("/"),
        **dict(parse_qsl(parts.query)),
    }
    if parts.username:
        options["access_key"], options["secret_key"] = unquote(parts.username), unquote(parts.password or "")
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}

"""What a backup says of itself. Written last: a folder without it is no whole backup."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import CommandError

from gradequeue import __version__
from gradequeue.backup import databases
from submissions.files import BLOCK, digest, sync_place

NAME = "backup.json"


def write(folder: Path, vendor: str, files: int) -> None:
    dump = folder / databases.NAMES[vendor]
    sync_place(dump)
    said = {
        "gradequeue": __version__,
        "database": vendor,
        "sha256": _sha256(dump),
        "files": files,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    place = folder / NAME
    place.write_text(json.dumps(said, indent=2) + "\n")
    sync_place(place)
    sync_place(folder)


def read(folder: Path, vendor: str) -> Path:
    """The whole dump of a database of this vendor. Raises CommandError."""
    try:
        said = json.loads((folder / NAME).read_text())
        kind, sha256, version = str(said["database"]), str(said["sha256"]), str(said["gradequeue"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{folder} holds no whole backup: its {NAME} cannot be read.") from error
    if kind != vendor:
        raise CommandError(f"The backup is of a {kind} database, DATABASE_URL names a {vendor} one.")
    # Its tables may have what this version knows nothing of, and `migrate` would call them up to date.
    if _numbers(version) > _numbers(__version__):
        raise CommandError(
            f"The backup is of gradequeue {version}, this is {__version__}. "
            "Restore it with that version or a later one."
        )
    dump = folder / databases.NAMES[vendor]
    if not dump.is_file() or _sha256(dump) != sha256:
        raise CommandError(f"{dump} is not what was written there.")
    return dump


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version)[:3]]


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return digest(iter(lambda: file.read(BLOCK), b"")).sha256

"""A small file system of the run's own, which can be full. Only root may mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

MEGABYTES = 768
LEAST = 4096  # bytes


class Disk:
    """Mounted at `place`, a folder that is there and empty. Raises OSError where none can be had."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.ballast = place / "ballast"
        owner, mode = place.stat(), f"{place.stat().st_mode & 0o777:o}"
        options = f"size={MEGABYTES}m,mode={mode},uid={owner.st_uid},gid={owner.st_gid}"
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise OSError(error.stderr.decode().strip()) from error

    def fill(self) -> None:
        """To the last page."""
        descriptor = os.open(self.ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            step = MEGABYTES * 2**20
            while step >= LEAST:
                try:
                    os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, step)
                except OSError:
                    step //= 2
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        self.ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Also where somebody still has a file open."""
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "--lazy", self.place], check=False, capture_output=True)


def mounted(place: Path) -> Disk | None:
    """None where this account may not mount, or this machine does not let it."""
    try:
        return Disk(place)
    except OSError:
        return None

"""On which kind of file system a file lies."""

from __future__ import annotations

import re
from pathlib import Path

# Several machines see the same file there; locks are not what they are on one machine.
NETWORKED = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
        *("glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"),
    }
)
MOUNTS = Path("/proc/self/mounts")


def networked(path: Path) -> str:
    """The kind of file system that `path` is on, where it is one over a network; "" where it is not, or not known."""
    try:
        # A place is named in bytes, which need be no text.
        kind = kind_of(path.resolve(), MOUNTS.read_text("utf-8", "surrogateescape"))
    except OSError:  # there is no /proc
        return ""
    return kind if kind in NETWORKED else ""


def kind_of(path: Path, mounts: str) -> str:
    """`mounts` as in /proc/self/mounts; of two on the same place, the later one hides the other."""
    found, depth = "", 0
    for line in filter(None, mounts.split("\n")):
        place, kind = line.split(" ")[1:3]
        mounted = Path(_plain(place))
        if path.is_relative_to(mounted) and len(mounted.parts) >= depth:
            found, depth = kind, len(mounted.parts)
    return found


def _plain(place: str) -> str:
    """Blanks and the like are written as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place)

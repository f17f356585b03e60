"""The images of the Dockerfile, made without Docker and without a registry: ``make image``.

debootstrap makes the base, buildah builds on it, as root and in a folder of its own (`build/images`). `images.py` tests
them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gradequeue import __version__

ROOT = Path(__file__).parents[2]
STORAGE = ROOT / "build" / "images"
MIRROR = "http://deb.debian.org/"
BASE = "localhost/gradequeue-base:bookworm"
NAMES = {"service": f"localhost/gradequeue:{__version__}", "worker": f"localhost/gradequeue-grader:{__version__}"}
# What a company's proxy shows itself with is known to the machine; it must not become a part of an image.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
SOURCES = """\
deb {mirror}debian bookworm main
deb {mirror}debian bookworm-updates main
deb {mirror}debian-security bookworm-security main
"""
UPDATE = (
    "apt-get -qq update && apt-get -qq --yes upgrade && apt-get clean"
    " && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man /usr/share/locale"
)


def buildah(*words: str, isolated: bool = False) -> str:
    """What a command of buildah's prints; what it says goes to standard error. `isolated`: it starts processes."""
    # chroot asks for nothing that a container or a small machine may not have. How layers are stored, buildah chooses.
    places = ["--root", str(STORAGE / "layers"), "--runroot", str(STORAGE / "run")]
    isolation = ["--isolation", "chroot"] if isolated else []
    command = ["buildah", *places, words[0], *isolation, *words[1:]]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def exists(name: str) -> bool:
    return name in buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()


def make_base() -> None:
    """Debian's smallest system, up to date."""
    with tempfile.TemporaryDirectory(prefix="gradequeue-base-") as made:
        words = ["--variant=minbase", "--include=ca-certificates", "bookworm", made, f"{MIRROR}debian"]
        subprocess.run(["debootstrap", *words], check=True, stdout=subprocess.DEVNULL)
        (Path(made) / "etc" / "apt" / "sources.list").write_text(SOURCES.format(mirror=MIRROR))
        container = buildah("from", "scratch")
        buildah("add", container, made, "/")
    buildah("run", container, "--", "sh", "-c", UPDATE, isolated=True)
    buildah("commit", "--quiet", "--rm", container, BASE)


def build(target: str) -> None:
    # Only Docker's format knows a health check.
    form = ["--format", "docker", "--layers", "--build-arg", f"BASE={BASE}"]
    trusted = ["--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"]
    buildah("bud", *form, *trusted, "--target", target, "--tag", NAMES[target], ".", isolated=True)


def described(target: str) -> dict[str, Any]:
    """What the image says of itself: Config, Size in bytes and others."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", NAMES[target]))["Docker"]
    return found


def main() -> int:
    missing = [program for program in ("buildah", "debootstrap") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        print(f"This needs root, buildah and debootstrap. Missing: {', '.join(missing) or 'root'}.", file=sys.stderr)
        return 1
    STORAGE.mkdir(parents=True, exist_ok=True)
    if not exists(BASE):
        make_base()
    for target in NAMES:
        build(target)
    print(f"Made in {STORAGE}: {', '.join(NAMES.values())}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

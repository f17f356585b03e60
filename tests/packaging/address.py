"""Gives the project its public address, once: ``make address TO=https://git.example.org/grading/gradequeue``.

It has none yet. So the packages name none, and their pages have no links to files of the repository.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
URLS = """[project.urls]
Repository = "{to}"
Documentation = "{to}/blob/main/{page}"
Changelog = "{to}/blob/main/CHANGELOG.md"
Issues = "{to}/issues"
"""
# What stands in pyproject.toml where the address goes.
NO_URLS = "# Without [project.urls], and without links on the package's page: `make address` writes them.\n"
NO_PICTURE, NO_LINK = "replacement = ''\n", "replacement = '\\1'\n"
LICENSES = 'org.opencontainers.image.licenses="Apache-2.0"\n'


def project(text: str, to: str, *, page: str, folder: str = "") -> str:
    """A pyproject.toml with the address; `page` and `folder` are places in the repository."""
    if NO_URLS not in text:
        raise SystemExit("There is an address already.")
    text = text.replace(NO_URLS, URLS.format(to=to, page=page))
    text = text.replace(NO_PICTURE, f"replacement = '![\\1]({to}/raw/v$HFPR_VERSION/{folder}\\2)'\n")
    return text.replace(NO_LINK, f"replacement = '[\\1]({to}/blob/v$HFPR_VERSION/{folder}\\2)'\n")


def image(text: str, to: str) -> str:
    """The Dockerfile with the address in each image's labels."""
    return text.replace(LICENSES, f'{LICENSES[:-1]} \\\n      org.opencontainers.image.source="{to}"\n')


FILES: dict[str, Callable[[str, str], str]] = {
    "pyproject.toml": lambda text, to: project(text, to, page="docs/index.md"),
    "packages/gradequeue-grader/pyproject.toml": lambda text, to: project(
        text, to, page="docs/graders.md", folder="packages/gradequeue-grader/"
    ),
    "packages/tutor-contrib-gradequeue/pyproject.toml": lambda text, to: project(
        text, to, page="docs/tutor.md", folder="packages/tutor-contrib-gradequeue/"
    ),
    "Dockerfile": image,
}


def main(words: list[str]) -> None:
    if len(words) != 1 or not re.fullmatch(r"https://[^\s/]+\.[^\s/]+/\S+[^/\s]", words[0]):
        raise SystemExit("make address TO=https://HOST/OWNER/NAME")
    given = {name: change((ROOT / name).read_text(), words[0]) for name, change in FILES.items()}
    for name, text in given.items():
        (ROOT / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])

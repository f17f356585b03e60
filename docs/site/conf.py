"""How the site is made of the pages: `make docs`. The pages stay plain Markdown; what only the site needs is here.

The source is the whole repository, so that a link to README.md or to an example is the same link in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

REPOSITORY = Path(__file__).resolve().parents[2]
# Every page has its place: one that has none is a warning, as is a name without a page, and a warning ends the build. A
# name with a star stands for the pages that there are.
NAVIGATION: dict[str, list[str]] = {
    "Begin": ["README", "docs/quickstart", "docs/comparison", "docs/glossary"],
    "Course teams": [
        "docs/for-course-teams",
        "docs/integration-guide",
        "docs/graders",
        "packages/gradequeue-grader/README",
        "docs/dashboard",
    ],
    "Operators": [
        "docs/for-operators",
        "docs/installing*",
        "docs/operating",
        "docs/settings",
        "docs/sessions",
        "docs/systemd*",
        "docs/kubernetes*",
        "docs/tutor*",
        "packages/tutor-contrib-gradequeue/README*",
        "docs/high-availability*",
        "docs/backup*",
        "docs/monitoring",
        "docs/notifications*",
        "docs/deliveries",
        "docs/admin",
        "docs/languages",
        "docs/troubleshooting",
        "docs/versions",
        "docs/migrating",
        "docs/upgrading",
        "UPGRADING",
        "CHANGELOG",
        "SECURITY",
    ],
    "Platform developers": [
        "docs/for-platforms",
        "docs/platforms",
        "docs/openedx",
        "docs/xqueue",
        "docs/rest",
        "docs/rest-reference",
        "docs/errors",
    ],
    "Contributors": [
        "docs/for-contributors",
        "CONTRIBUTING",
        "docs/architecture",
        "docs/states",
        "docs/decisions/README",
        "docs/nemesis",
        "tests/nemesis/README",
        "tests/mutants/README*",
        "tests/soak/README*",
        "tests/ha/README*",
        "docs/benchmarks",
        "benchmarks/README",
    ],
}
ROOT_PAGE = "docs/index"

project = "gradequeue"
author = "The gradequeue developers"
root_doc = ROOT_PAGE
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/**.md", "packages/*/README.md", "benchmarks/README.md", "tests/*/README.md"]
# Folders are pruned: without this the walk goes through every environment and cache.
exclude_patterns = [".*", "build", "dist", "src", "ops", "examples", "data", "**/src", "**/.*", "docs/site"]
# GitHub's anchors, for headings of every level; a link to one that is not there is a warning.
myst_heading_anchors = 6
# JSON in examples may be cut short with dots.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "gradequeue"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]
html_copy_source = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}


def add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """The first page carries the tree; in the repository it would be noise."""
    if name == ROOT_PAGE:
        source[0] += "".join(_tree(caption, pages) for caption, pages in NAVIGATION.items())
    if name == "docs/decisions/README":
        source[0] += _tree("", ["docs/decisions/[0-9]*"])


def _tree(caption: str, pages: list[str]) -> str:
    found = [page for name in pages for page in (_matching(name) if "*" in name else [name])]
    head = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{head}\n" + "".join(f"/{page}\n" for page in found) + "```\n"


def _matching(name: str) -> list[str]:
    return sorted(str(path.relative_to(REPOSITORY).with_suffix("")) for path in REPOSITORY.glob(f"{name}.md"))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

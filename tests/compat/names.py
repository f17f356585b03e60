"""Every public name of edx-submissions, and whether it is ours: the table in ``docs/platforms.md``.

``python -m tests.compat.names`` writes it anew, from the sources of that package as the package index has it, and from
our own modules. ``test_names.py`` holds the table, and the reasons below, against both.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.compat import environment

PAGE = environment.ROOT / "docs" / "platforms.md"
BEGIN, END = "<!-- names: written by tests/compat/names.py -->\n", "<!-- end of names -->\n"

# What these import, others import from them.
PASSED_ON = ("submissions.api", "submissions.models", "submissions.team_api")

# Why a name is not there. One for a class or module is for all that it has.
ABSENT = {
    "submissions.admin.ExternalGraderDetailAdmin": "its columns and its action are [other ones](admin.md)",
    "submissions.admin.SubmissionAdmin.all_scores": "a column of another name",
    "submissions.management.commands.analyze_uploaded_file_sizes.Command": "how the report is made",
    "submissions.management.commands.analyze_uploaded_file_sizes.DATE_FORMAT": "days are in ISO 8601",
    "submissions.management.commands.analyze_uploaded_file_sizes.EARLIEST_ALLOWED_DATE_STR": "days are in ISO 8601",
    "submissions.management.commands.update_submissions_uuids": "uuids of both forms are found",
    "submissions.models.User": "`get_user_model()` of Django's; ours asks for it when it is needed",
    "submissions.models.validate_only_one_submission_per_team": "a receiver, connected under another name",
    "submissions.serializers.TeamSubmissionSerializer.validate_answer": "never called: the answer is no input of it",
    "submissions.views.xqueue.XQueueViewSet.validate_grader_reply": "replies are read by `submissions.xqueue.wire`",
}


@dataclass(frozen=True)
class Name:
    """A public name of edx-submissions."""

    path: str
    """With its module, and with its class where it belongs to one."""
    arguments: tuple[str, ...] | None = None
    """Of a function, without self; those that may be left out with their default."""

    @property
    def owner(self) -> str:
        return self.path.rpartition(".")[0]


def theirs(folder: Path) -> list[Name]:
    """What the sources in `folder`, a package ``submissions``, define or import from each other under a public name."""
    return [name for path in sorted(folder.rglob("*.py")) for name in _of_module(folder, path)]


def _of_module(folder: Path, path: Path) -> Iterator[Name]:
    parts = ["submissions", *path.relative_to(folder).with_suffix("").parts]
    module = ".".join(parts).removesuffix(".__init__")
    if "migrations" in parts:
        return
    for node in ast.parse(path.read_text()).body:
        yield from _of_statement(module, node)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for member in node.body:
                # A serializer's fields and an admin's options are no attributes that anybody asks for.
                if module == "submissions.models" or isinstance(member, ast.FunctionDef):
                    yield from _of_statement(f"{module}.{node.name}", member)


def _of_statement(owner: str, node: ast.stmt) -> Iterator[Name]:
    names: list[str] = []
    arguments = None
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = [node.name]
        arguments = tuple(_arguments(node)) if isinstance(node, ast.FunctionDef) else None
    elif isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    elif isinstance(node, ast.ImportFrom) and owner in PASSED_ON and (node.module or "").startswith("submissions"):
        names = [alias.asname or alias.name for alias in node.names]
    for name in names:
        if not name.startswith("_") and name not in ("Meta", "log", "logger"):
            yield Name(f"{owner}.{name}", arguments)


def _arguments(node: ast.FunctionDef) -> Iterator[str]:
    given = node.args.args
    defaults = [""] * (len(given) - len(node.args.defaults)) + [f"={ast.unparse(one)}" for one in node.args.defaults]
    for argument, default in zip(given, defaults, strict=True):
        if argument.arg not in ("self", "cls"):
            yield argument.arg + default


def source() -> Path:
    """The folder of edx-submissions' package."""
    words = ("-c", "import submissions; print(submissions.__path__[0])")
    return Path(environment.run(*words, database_url="sqlite://", media=Path()).strip())


def ours(path: str) -> object:
    """What stands with us under this name. Raises LookupError."""
    parts = path.split(".")
    found: object = None
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                raise LookupError(path)
            found = getattr(found, part)
        return found
    raise LookupError(path)


def is_there(path: str) -> bool:
    try:
        ours(path)
    except LookupError:
        return False
    return True


def reason(path: str) -> str | None:
    """Why the name is not there; None where nobody says."""
    while path:
        if path in ABSENT:
            return ABSENT[path]
        path = path.rpartition(".")[0]
    return None


def table(names: list[Name]) -> str:
    """A row for each module and class, in the form of the page."""
    rows = ["| of | there | not there |", "| --- | --- | --- |"]
    for owner in dict.fromkeys(name.owner for name in names):
        own = [name.path for name in names if name.owner == owner]
        there = ", ".join(f"`{path.rpartition('.')[2]}`" for path in own if is_there(path))
        reasons: dict[str, list[str]] = {}
        for path in own:
            if not is_there(path):
                reasons.setdefault(str(reason(path)), []).append(f"`{path.rpartition('.')[2]}`")
        absent = "; ".join(f"{', '.join(those)}: {why}" for why, those in reasons.items())
        rows.append(f"| `{owner}` | {there} | {absent} |")
    return "\n".join(rows) + "\n"


def written() -> str:
    """The table that stands on the page."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    page = PAGE.read_text()
    PAGE.write_text(page.replace(BEGIN + written() + END, BEGIN + table(theirs(source())) + END))


if __name__ == "__main__":
    main()
